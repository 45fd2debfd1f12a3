"""The plugin's options, checked once (contract 4)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line and the ini file ask for; the command line wins.

    Attributes:
        plan: the plan's file, or None for the nearest ``plan.toml`` of each test.
        out: absolute folder for evidence.
        resume: whether phases that the last evidence proves are not to run again.
        global_provider: whether our tracer provider may become the global one when spans are exported.
    """

    plan: Path | None
    out: Path
    resume: bool
    global_provider: bool


KEY = pytest.StashKey[Settings]()


def add_options(parser: pytest.Parser) -> None:
    """Declare options and ini settings."""
    group = parser.getgroup("contextcore", "contextcore: a plan's phases as one trace")
    group.addoption("--contextcore-plan", metavar="FILE", help="the plan (default: the nearest plan.toml of each test)")
    group.addoption("--contextcore-out", metavar="DIR", help="where evidence goes (default: out/ in the rootdir)")
    group.addoption(
        "--contextcore-resume",
        action="store_true",
        help="do not run phases again that the last evidence shows completed and whose inputs are unchanged",
    )
    parser.addini("contextcore_plan", "the plan, relative to the rootdir")
    parser.addini("contextcore_out", "where evidence goes, relative to the rootdir")
    parser.addini(
        "contextcore_global_provider",
        "when spans are exported: let our tracer provider become the global one if none is set",
        type="bool",
        default=True,
    )


def read_settings(config: pytest.Config) -> Settings:
    """The settings of this run.

    Raises:
        pytest.UsageError: an option is empty, or names a plan that is not there or a folder that is a file.
    """
    plan = _path(config, "contextcore_plan", "--contextcore-plan")
    if plan is not None and not plan.is_file():
        raise pytest.UsageError(f"--contextcore-plan: there is no file {plan}")
    out = _path(config, "contextcore_out", "--contextcore-out") or config.rootpath / "out"
    existing = next(folder for folder in (out, *out.parents) if folder.exists())
    if not existing.is_dir():
        raise pytest.UsageError(f"--contextcore-out: {existing} is not a folder")
    return Settings(
        plan=plan,
        out=out,
        resume=bool(config.getoption("contextcore_resume")),
        global_provider=bool(config.getini("contextcore_global_provider")),
    )


def _path(config: pytest.Config, name: str, option: str) -> Path | None:
    given = config.getoption(name)
    if given is not None:
        if not str(given).strip():
            raise pytest.UsageError(f"{option}: the value is empty")
        return config.invocation_params.dir / str(given)
    ini = str(config.getini(name)).strip()
    return config.rootpath / ini if ini else None
