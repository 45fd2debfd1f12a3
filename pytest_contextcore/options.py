"""The plugin's options, checked once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

import pytest


class Settings(NamedTuple):
    """What the command line and the ini file ask for; the command line wins.

    Attributes:
        plan: the plan's file, or None for the nearest ``plan.toml`` of each test.
        out: absolute folder for evidence.
        resume: phases that are unchanged since the last evidence do not run again.
        html: absolute path of the page to write, or None for none.
        global_provider: our tracer provider may become the global one when spans are exported.
        keep_spool: files of spans stay when a collector has accepted all of them.
        children: spans of programs are received; None for where the protocol lets them.
        jobs: so many programs of independent phases run at once.
        history: so many evidence files of earlier runs are kept of each trace.
    """

    plan: Path | None
    out: Path
    resume: bool
    html: Path | None
    global_provider: bool
    keep_spool: bool = False
    children: bool | None = None
    jobs: int = 1
    history: int = 0


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
        help="do not run phases again that the last evidence shows completed and unchanged; with --collect-only: which",
    )
    group.addoption("--contextcore-html", metavar="FILE", help="also write the traces as a self-contained page")
    group.addoption(
        "--contextcore-jobs",
        metavar="N",
        default=str(os.cpu_count() or 1),
        help="how many programs of independent phases run at once (default: the number of processors)",
    )
    parser.addini("contextcore_plan", "the plan, relative to the rootdir")
    parser.addini("contextcore_out", "where evidence goes, relative to the rootdir")
    parser.addini(
        "contextcore_global_provider",
        "when spans are exported: let our tracer provider become the global one if none is set",
        type="bool",
        default=True,
    )
    parser.addini(
        "contextcore_keep_spool",
        "keep the files of out/spool/ when a collector has accepted all of their spans",
        type="bool",
        default=False,
    )
    parser.addini(
        "contextcore_children",
        "when spans are exported: receive those of programs that phase.run runs (on, off, auto: if sent over HTTP)",
        default="auto",
    )
    parser.addini("contextcore_history", "evidence files of earlier runs to keep of each trace; 0: none", default="30")


def read_settings(config: pytest.Config) -> Settings:
    """The settings of this run.

    Raises:
        pytest.UsageError: an option is empty, or names a plan that is not there, a folder that is a file, or a file
            that is a folder; an ini setting has none of its values.
    """
    plan = _given(config, "contextcore_plan") or _from_ini(config, "contextcore_plan")
    if plan is not None and not os.path.isfile(plan):  # noqa: PTH113  (never raises)
        raise pytest.UsageError(f"--contextcore-plan: there is no file {plan}")
    out = _given(config, "contextcore_out") or _from_ini(config, "contextcore_out") or config.rootpath / "out"
    if not (existing := _existing("--contextcore-out", out)).is_dir():
        raise pytest.UsageError(f"--contextcore-out: {existing} is not a folder")
    html = _given(config, "contextcore_html")
    if html is not None:  # refused at once where it can be seen that it cannot be written
        existing = _existing("--contextcore-html", html)
        if html.is_dir() or str(config.getoption("contextcore_html")).endswith("/"):
            raise pytest.UsageError(f"--contextcore-html: {html} is a folder; name a file in it")
        if existing != html and not existing.is_dir():
            raise pytest.UsageError(f"--contextcore-html: {existing} is not a folder; name a file in a folder")
    children = str(config.getini("contextcore_children")).strip().lower()
    if children not in _CHILDREN:
        raise pytest.UsageError(f"contextcore_children = {children}: it is one of {', '.join(_CHILDREN)}")
    jobs, history = config.getoption("contextcore_jobs"), str(config.getini("contextcore_history")).strip()
    return Settings(
        plan=plan,
        out=out,
        resume=bool(config.getoption("contextcore_resume")),
        html=html,
        global_provider=bool(config.getini("contextcore_global_provider")),
        keep_spool=bool(config.getini("contextcore_keep_spool")),
        children=_CHILDREN[children],
        jobs=_number(f"--contextcore-jobs: {jobs!r}", jobs, 1),
        history=_number(f"contextcore_history = {history}: it", history, 0),
    )


def _number(said: str, value: str, least: int) -> int:
    if not value.isdecimal() or int(value) < least:
        raise pytest.UsageError(f"{said} is not a number from {least} on")
    return int(value)


_CHILDREN = {"auto": None, "on": True, "off": False}


def _given(config: pytest.Config, name: str) -> Path | None:
    """A path on the command line, relative to where pytest was started."""
    value = config.getoption(name)
    if value is None:
        return None
    if not str(value).strip():
        raise pytest.UsageError(f"--{name.replace('_', '-')}: the value is empty")
    return config.invocation_params.dir / str(value)


def _from_ini(config: pytest.Config, name: str) -> Path | None:
    value = str(config.getini(name)).strip()
    return config.rootpath / value if value else None


def _existing(option: str, path: Path) -> Path:
    """The nearest thing upward from a path that exists.

    Raises:
        pytest.UsageError: the file system refuses the path, such as a name that is too long.
    """
    try:
        return next(folder for folder in (path, *path.parents) if folder.exists())
    except OSError as error:
        raise pytest.UsageError(f"{option}: {path}: {error.strerror or error}") from None


def asserts_are_disabled() -> str | None:
    """Why ``assert`` does nothing in this process, or None; where it does nothing a plan must refuse to run."""
    if sys.flags.optimize:
        return "asserts are disabled (PYTHONOPTIMIZE or python -O), so no gate could fail; run without it"
    return None
