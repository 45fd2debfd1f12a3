"""``contextcore contract a2a-pilot``: the pilot's suite as a command, from an installed package or a checkout.

The suite runs in this process, with the caller's folder as its root directory. Neither that folder's configuration nor
``PYTEST_ADDOPTS`` is read: they must not change what the pilot checks.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path

from pytest_contextcore import write_output

from .commands import Parser, UsageError, suite_folder
from .findings import clean
from .names import PLAN_ID

NAME = "a2a-pilot"
_PLUGIN = "pytest_contextcore.pilot.plugin"
_IMPORTED = "Module already imported so cannot be rewritten"  # true of this command's few modules, which assert nothing
_VALUES = {
    "workspace": ("DIR", "check this workspace instead of building the embedded one"),
    "source-checksum": ("VALUE", "inject: the source checksum that the export records"),
    "drop-feature": ("ID", "inject: that gap's feature is lost (repeatable)"),
    "test-failures": ("N", "inject: break N generated artifacts before validation"),
    "review-blockers": ("N", "inject: N blocking review findings"),
    "min-coverage": ("PERCENT", "S2's coverage threshold (default: 80)"),
    "scan-existing": ("DIR", "S2 counts artifacts found in DIR, too"),
    "contextcore-html": ("FILE", "also write the trace as a page"),
    "junitxml": ("FILE", "also write a JUnit report"),
}
_USAGE, _NOT_RUN = 4, 5  # pytest's exit codes


def command(arguments: list[str]) -> int:
    """The command line: exit code 0 if the trace completed, 1 if it is blocked or failed.

    Raises:
        UsageError: the command line cannot be followed, or the evidence cannot be written where ``--output`` says.
    """
    options = _parser().parse_args(arguments)
    if options.output is not None and not options.output.strip():
        raise UsageError("--output: the value is empty; name a file")
    if not options.contextcore_out.strip():
        raise UsageError("--contextcore-out: the value is empty; name a folder")
    out = Path.cwd() / options.contextcore_out
    evidence = out / f"{PLAN_ID}.json"
    before = _written_at(evidence)
    code = _run(_pytest_arguments(options, out), quiet=options.format == "json")
    if _written_at(evidence) in (None, before):  # nothing ran, or nothing could be written; pytest has said why
        return 2 if code in (_USAGE, _NOT_RUN) else 1
    content = evidence.read_bytes()
    if options.output is not None:
        _write(options.output, content)
    if options.format == "json":
        sys.stdout.write(f"{content.decode().rstrip()}\n")
    return 0 if code == 0 else 1


def _parser() -> Parser:
    made = Parser(
        prog=f"contextcore contract {NAME}",
        description="Run the pilot PI-101-002: ten phases, S1 to S10, as one trace.",
        allow_abbrev=False,
    )
    for name, (metavar, text) in _VALUES.items():
        made.add_argument(f"--{name}", metavar=metavar, action="append", help=text)
    made.add_argument("--contextcore-out", metavar="DIR", default="out", help="where evidence goes (default: out)")
    made.add_argument("--contextcore-resume", action="store_true", help="reuse what the last evidence has")
    made.add_argument("--output", metavar="FILE", help="also write the evidence to this file")
    made.add_argument("--format", choices=("text", "json"), default="text", help="what is printed (default: text)")
    made.add_argument("--fail-on-block", action="store_true", help="accepted; a blocked trace is always exit code 1")
    return made


def _pytest_arguments(options: Namespace, out: Path) -> list[str]:
    given = [f"--{name}={value}" for name in _VALUES for value in getattr(options, name.replace("-", "_")) or ()]
    suite = suite_folder()
    return [
        str(suite),
        f"--rootdir={Path.cwd()}",
        f"--confcutdir={suite}",  # no conftest above it, which may be the caller's, and no collector for each folder
        f"--config-file={os.devnull}",
        "--no-header",
        *("-p", _PLUGIN, "-p", "no:cacheprovider"),
        *("-W", f"ignore:{_IMPORTED}:pytest.PytestAssertRewriteWarning"),
        f"--contextcore-out={out}",
        *(["--contextcore-resume"] if options.contextcore_resume else []),
        *given,
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


def _write(output: str, content: bytes) -> None:
    try:
        write_output(Path(output), content)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError(f"--output: {clean(output)} cannot be written: {why}") from None
