"""The plugin's options, checked once (contract 4)."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

PLAN_FILE = "plan.toml"
"""What a plan's file is called."""


class Settings(NamedTuple):
    """What the command line and the ini file ask for; the command line wins.

    Attributes:
        plan: the plan's file, or None for the nearest ``plan.toml`` of each test.
        out: absolute folder for evidence.
        resume: whether phases that the last evidence proves are not to run again.
        html: absolute path of the page to write, or None for none.
        global_provider: whether our tracer provider may become the global one when spans are exported.
    """

    plan: Path | None
    out: Path
    resume: bool
    html: Path | None
    global_provider: bool


KEY = pytest.StashKey[Settings]()


def out_folder(config: pytest.Config) -> Path:
    """The absolute folder for evidence of this session."""
    return config.stash[KEY].out


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
    group.addoption("--contextcore-html", metavar="FILE", help="also write the traces as a self-contained page")
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
        pytest.UsageError: an option is empty, or names a plan that is not there, a folder that is a file, or a file
            that is a folder.
    """
    plan = _path(config, "contextcore_plan", "--contextcore-plan")
    if plan is not None and not os.path.isfile(plan):  # noqa: PTH113  (never raises)
        raise pytest.UsageError(f"--contextcore-plan: there is no file {plan}")
    out = _path(config, "contextcore_out", "--contextcore-out") or config.rootpath / "out"
    existing = _existing("--contextcore-out", out)
    if not existing.is_dir():
        raise pytest.UsageError(f"--contextcore-out: {existing} is not a folder")
    return Settings(
        plan=plan,
        out=out,
        resume=bool(config.getoption("contextcore_resume")),
        html=_html(config),
        global_provider=bool(config.getini("contextcore_global_provider")),
    )


def _html(config: pytest.Config) -> Path | None:
    """The page's file: refused at once where it can be seen that it cannot be written."""
    given = config.getoption("contextcore_html")
    if given is None:
        return None
    if not str(given).strip():
        raise pytest.UsageError("--contextcore-html: the value is empty; name a file, such as trace.html")
    path = config.invocation_params.dir / str(given)
    if (_existing("--contextcore-html", path) == path and path.is_dir()) or str(given).endswith("/"):
        raise pytest.UsageError(f"--contextcore-html: {path} is a folder; name a file in it")
    existing = _existing("--contextcore-html", path.parent)
    if not existing.is_dir():
        raise pytest.UsageError(f"--contextcore-html: {existing} is not a folder; name a file in a folder")
    return path


def _existing(option: str, path: Path) -> Path:
    """The nearest thing upward from a path that exists.

    Raises:
        pytest.UsageError: the file system refuses the path, such as a name that is too long.
    """
    try:
        return next(folder for folder in (path, *path.parents) if folder.exists())
    except OSError as error:
        raise pytest.UsageError(f"{option}: {path}: {error.strerror or error}") from None


def _path(config: pytest.Config, name: str, option: str) -> Path | None:
    given = config.getoption(name)
    if given is not None:
        if not str(given).strip():
            raise pytest.UsageError(f"{option}: the value is empty")
        return config.invocation_params.dir / str(given)
    ini = str(config.getini(name)).strip()
    return config.rootpath / ini if ini else None


def asserts_are_disabled() -> str | None:
    """Why ``assert`` does nothing in this process, or None: then a plan must refuse to run (contract 2)."""
    if sys.flags.optimize:
        return "asserts are disabled (PYTHONOPTIMIZE or python -O), so no gate could fail; run without it"
    return None
