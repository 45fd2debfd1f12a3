"""``contextcore contract …``: which commands there are, and what they have in common on the command line.

A further command is one more line in ``SUBCOMMANDS``. Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

import argparse
import pkgutil
import sys
from dataclasses import dataclass
from typing import NoReturn

import click

from .findings import clean

PROGRAM = "contextcore contract"
_LINE = 400


class UsageError(Exception):
    """The command line cannot be followed; the message is one line and says what is right."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise UsageError(f"{message}; see {self.prog} --help")


@dataclass(frozen=True, slots=True)
class Subcommand:
    """A command: what it is for, and where its function is, a ``(arguments) -> int`` that may raise `UsageError`."""

    summary: str
    function: str


SUBCOMMANDS = {
    "a2a-check-pipeline": Subcommand(
        "check an export: one verdict per gate", "pytest_contextcore.pilot.check_pipeline:command"
    ),
    "a2a-diagnose": Subcommand(
        "ask the Three Questions about a pipeline's output", "pytest_contextcore.pilot.diagnose:command"
    ),
    "a2a-pilot": Subcommand("run the pilot PI-101-002", "pytest_contextcore.pilot.run_pilot:command"),
    "a2a-validate": Subcommand(
        "check a file of evidence, a plan or waivers", "pytest_contextcore.pilot.validate:command"
    ),
}


class _Contract(click.Group):
    """The commands; the module of one is imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in SUBCOMMANDS:
            return None
        found = SUBCOMMANDS[cmd_name]

        def run(arguments: tuple[str, ...]) -> int:
            try:
                code: int = pkgutil.resolve_name(found.function)(list(arguments))
            except UsageError as error:
                print(f"{PROGRAM} {cmd_name}: {clean(str(error), _LINE)}", file=sys.stderr)
                return 2
            return code

        return click.Command(
            cmd_name, callback=run, params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
            help=found.summary, add_help_option=False, context_settings={"ignore_unknown_options": True},
        )  # fmt: skip


@click.group("contract", cls=_Contract)
def contract() -> None:
    """Run the pilot, or ask its gates about a pipeline's output."""
