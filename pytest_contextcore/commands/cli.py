"""The console script. Entry points name its commands, so that the plugin knows none of its clients."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from importlib.metadata import entry_points
from pathlib import Path
from typing import ParamSpec

import click

from ..errors import CommandRefused, ContextcoreError, PlanError, ProofRefused
from ..files import write_output
from ..text import cut, escaped, harmless
from ..version import __version__

Given = ParamSpec("Given")

GROUP = "contextcore.commands"
"""The entry points: name of a command → a ``click.Command`` that gives its exit code, or None for 0."""

DISTRIBUTION = "pytest-contextcore"

_INTERRUPTED = 130  # what a shell gives for Ctrl-C
_MAX_LINE = 1000


class _Program(click.Group):
    """The installed commands. The module of a command is imported when it is called, or to list what it does."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(entry.name for entry in entry_points(group=GROUP))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        found = [entry.load() for entry in entry_points(group=GROUP, name=cmd_name)]
        return found[0] if found else None


def _say_version(ctx: click.Context, parameter: click.Parameter, given: bool) -> None:
    """Print the version; and, where another distribution has a program of this name, which one runs."""
    del parameter
    if not given:
        return
    print(f"contextcore {__version__}, of {DISTRIBUTION}")
    owners = {entry.dist.name for entry in entry_points(group="console_scripts", name="contextcore") if entry.dist}
    if others := sorted(owners - {DISTRIBUTION}):
        print(f"{', '.join(others)} has a program contextcore, too; {_which_runs()}")
        print("always this one: pytest-contextcore, or python -m pytest_contextcore")
    ctx.exit()


def _which_runs() -> str:
    found = shutil.which("contextcore")
    try:
        ours = found is not None and b"pytest_contextcore" in Path(found).read_bytes()
    except OSError:
        ours = False
    return f"the one that was installed last runs, here {'this one' if ours else 'the other one'} ({found})"


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_say_version, help="The version.")
def program() -> None:
    """Write a plan, run it, look at what a run left, and send its spans.

    To begin: contextcore plan init, then contextcore run.
    """


OUT = click.option(
    "--contextcore-out", "--out", "out", metavar="DIR", default="out", show_default=True,
    type=click.Path(path_type=Path), help="The folder for evidence.",
)  # fmt: skip

FORMAT = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="What is printed."
)


FILE = click.Path(path_type=Path)
"""A path that a command takes; whether it is there, the command finds out."""


def refuse(message: str, exit_code: int = 2, *, keep: str = "") -> int:
    """Say on stderr, in one line, why the running command cannot do it; gives the command's exit code."""
    said = f"{click.get_current_context().command_path}: {escaped(message, keep)}"
    print(harmless(said), file=sys.stderr)
    return exit_code


def refusing(code: int, *, bad_plan: int = 0) -> Callable[[Callable[Given, int]], Callable[Given, int]]:
    """Decorate a command: an error of ours is told on stderr and ends it with this code, or a bad plan's own."""

    def decorate(command: Callable[Given, int]) -> Callable[Given, int]:
        @wraps(command)
        def guarded(*given: Given.args, **named: Given.kwargs) -> int:
            try:
                return command(*given, **named)
            except PlanError as error:
                return refuse(str(error), bad_plan or code, keep="\n")  # a line for each mistake
            except ContextcoreError as error:
                return refuse(str(error), code, keep="\n" * isinstance(error, ProofRefused))  # what pytest printed

        return guarded

    return decorate


def print_json(value: object) -> None:
    """Print a document in ASCII, so that no text in it does anything to a terminal; ``##[`` is for GitHub's log."""
    print(json.dumps(value, indent=2).replace("##[", "#\\u0023["))


def print_lines(lines: Iterable[str], *, err: bool = False) -> None:
    """Evidence may come from elsewhere: no control character and no CI command of it reaches the terminal."""
    for line in lines:
        print(harmless(escaped(line)), file=sys.stderr if err else sys.stdout)


def write(what: str, path: Path, text: str) -> None:
    """Write a file that the user named, or raise `CommandRefused`."""
    try:
        write_output(path, text.encode())
    except OSError as error:
        raise CommandRefused(f"{what} cannot be written to {path}: {error.strerror or error}") from None


def main(arguments: list[str] | None = None) -> int:
    """Run a command; gives the command's exit code, 2 for bad usage, 1 for lost output, 130 for Ctrl-C."""
    given = sys.argv[1:] if arguments is None else arguments
    name = escaped(cut(" ".join(["contextcore", *given[:1]]), _MAX_LINE))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal need not know every character
    try:
        code = program.main(given, prog_name="contextcore", standalone_mode=False)
        print(end="", flush=True)  # nothing where standard output is closed
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return error.exit_code
    except click.UsageError as error:
        path = " ".join(filter(None, [error.ctx.command_path, error.ctx.invoked_subcommand])) if error.ctx else name
        said = escaped(cut(error.format_message(), _MAX_LINE)).rstrip(".")
        print(f"{path}: {said}; see {path} --help", file=sys.stderr)
        return error.exit_code
    except click.Abort:
        print(f"{name}: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except OSError as error:
        lost = error.errno in (errno.EPIPE, errno.ENOSPC)
        if error.errno != errno.EPIPE:  # which says that the reader went away, as with ``| head``
            what = "its output cannot be written: " if lost else f"{error.filename}: " * bool(error.filename)
            print(f"{name}: {what}{error.strerror or error}", file=sys.stderr)
        if lost:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes the rest when it ends
        return 1
    return code or 0
