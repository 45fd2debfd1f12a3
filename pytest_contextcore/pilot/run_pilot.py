"""``contextcore contract a2a-pilot``: the pilot's suite as a command, from an installed package or a checkout.

The suite runs in this process, with the caller's folder as its root directory. Neither that folder's configuration nor
``PYTEST_ADDOPTS`` is read, and no other plugin is loaded: they must not change what the pilot checks.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path

import click

from .commands import FC, FORMAT, always, not_empty, suite_folder, write
from .names import OPTIONS, PLAN_ID

_PLUGIN = "pytest_contextcore.pilot.plugin"
_IMPORTED = "Module already imported so cannot be rewritten"  # true of this command's few modules, which assert nothing
_VALUES = {
    **OPTIONS,
    "contextcore-html": ("FILE", "also write the trace as a page"),
    "junitxml": ("FILE", "also write a JUnit report"),
}
_USAGE, _NOT_RUN = 4, 5  # pytest's exit codes


def _passed_on(command: FC) -> FC:
    for name, (metavar, text) in reversed(_VALUES.items()):
        said = f"{text[:1].upper()}{text[1:]}."
        command = click.option(f"--{name}", metavar=metavar, multiple=True, help=said)(command)
    return command


@click.command("a2a-pilot")
@_passed_on
@click.option(
    "--contextcore-out", "out", metavar="DIR", default="out", show_default=True, callback=not_empty,
    help="Where evidence goes.",
)  # fmt: skip
@click.option("--contextcore-resume", "resume", is_flag=True, help="Reuse what the last evidence has.")
@click.option("-o", "--output", metavar="FILE", callback=not_empty, help="Also write the evidence to this file.")
@FORMAT
@always("--fail-on-block", "a trace that is not completed")
def command(out: str, resume: bool, output: str | None, form: str, **passed_on: tuple[str, ...]) -> int:
    """Run the pilot PI-101-002: ten phases, S1 to S10, as one trace.

    Exit code 0: the trace is completed. 1: it is blocked or failed.
    """
    folder = Path.cwd() / out
    evidence = folder / f"{PLAN_ID}.json"
    before = _written_at(evidence)
    given = [f"--{name}={value}" for name in _VALUES for value in passed_on[name.replace("-", "_")]]
    code = _run(
        _pytest_arguments(folder, [*given, *(["--contextcore-resume"] if resume else [])]), quiet=form == "json"
    )
    if _written_at(evidence) in (None, before):  # nothing ran, or nothing could be written; pytest has said why
        return 2 if code in (_USAGE, _NOT_RUN) else 1
    content = evidence.read_bytes()
    if output is not None:
        write("--output", output, content)
    if form == "json":
        sys.stdout.write(f"{content.decode().rstrip()}\n")
    return 0 if code == 0 else 1


def _pytest_arguments(out: Path, more: Sequence[str]) -> list[str]:
    suite = suite_folder()
    return [
        str(suite),
        f"--rootdir={Path.cwd()}",
        f"--confcutdir={suite}",  # no conftest above it, which may be the caller's, and no collector for each folder
        f"--config-file={os.devnull}",
        "--no-header",
        "--disable-plugin-autoload",
        *("-p", "dependency", "-p", "contextcore", "-p", _PLUGIN, "-p", "no:cacheprovider"),
        *("-W", f"ignore:{_IMPORTED}:pytest.PytestAssertRewriteWarning"),
        f"--contextcore-out={out}",
        *more,
    ]


def _run(arguments: Sequence[str], *, quiet: bool) -> int:
    """Run pytest; its exit code. ``quiet``: print only why a run did not take place."""
    import pytest  # noqa: PLC0415  (only once the command line was understood)

    with ExitStack() as around:
        around.enter_context(_no_added_options())
        around.enter_context(_closed_stdin())
        if quiet:
            around.enter_context(redirect_stdout(around.enter_context(Path(os.devnull).open("w", encoding="utf-8"))))
        return int(pytest.main(list(arguments)))


@contextmanager
def _no_added_options() -> Iterator[None]:
    added = os.environ.pop("PYTEST_ADDOPTS", None)
    try:
        yield
    finally:
        if added is not None:
            os.environ["PYTEST_ADDOPTS"] = added


@contextmanager
def _closed_stdin() -> Iterator[None]:
    """Keep what the caller types from the suite and its programs."""
    before, empty = os.dup(0), os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    try:
        yield
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(empty)


def _written_at(path: Path) -> tuple[int, int] | None:
    """Tell one version of the evidence from another: each write makes a new file."""
    try:
        found = path.stat()
    except OSError:  # it is not there, or cannot be
        return None
    return found.st_ino, found.st_mtime_ns
