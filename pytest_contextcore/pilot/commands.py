"""``contextcore contract …``: the table of its commands, and what they share.

A new command is a line in ``SUBCOMMANDS``. Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

import argparse
import pkgutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from pytest_contextcore import ContextcoreError

from .findings import clean

PROGRAM = "contextcore contract"
PLAN_FILE = "plan.toml"
_LINE = 400


class UsageError(ContextcoreError):
    """The command line cannot be followed; the message is one line and says what is right."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise UsageError(f"{message}; see {self.prog} --help")


@dataclass(frozen=True, slots=True)
class Subcommand:
    """A command: its summary, and where its function is: arguments in, exit code out, or a `UsageError`."""

    summary: str
    function: str


SUBCOMMANDS = {
    "a2a-check-pipeline": Subcommand(
        "check an export: one verdict per gate", "pytest_contextcore.pilot.diagnosis:check_pipeline"
    ),
    "a2a-diagnose": Subcommand(
        "ask the Three Questions about a pipeline's output", "pytest_contextcore.pilot.diagnosis:diagnose"
    ),
    "a2a-pilot": Subcommand("run the pilot PI-101-002", "pytest_contextcore.pilot.run_pilot:command"),
    "a2a-validate": Subcommand(
        "check a file of evidence, a plan or waivers against its schema", "pytest_contextcore.pilot.validate:command"
    ),
}


def contract(arguments: list[str]) -> int:
    """The command line: exit code 0 if all is well, 1 if not, 2 for bad usage."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print("\n".join(_usage()), file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    name, *rest = arguments
    if name not in SUBCOMMANDS:
        known = ", ".join(SUBCOMMANDS)
        print(f"{PROGRAM}: there is no command {clean(repr(name))}; there are {known}", file=sys.stderr)
        return 2
    try:
        code: int = pkgutil.resolve_name(SUBCOMMANDS[name].function)(rest)
    except UsageError as error:
        print(f"{PROGRAM} {name}: {clean(str(error), _LINE)}", file=sys.stderr)
        return 2
    return code


def suite_folder() -> Path:
    """The folder with the pilot's plan and tests: in the installed package, else in the checkout.

    Raises:
        FileNotFoundError: neither is there, since the installation is incomplete.
    """
    here = Path(__file__).resolve().parent
    places = (here / "suite", here.parents[1] / "pilot_tests")
    for folder in places:
        if (folder / PLAN_FILE).is_file():
            return folder
    raise FileNotFoundError(
        f"the pilot's {PLAN_FILE} is neither in {places[0]} nor in {places[1]}; install pytest-contextcore again"
    )


def _usage() -> list[str]:
    width = max(map(len, SUBCOMMANDS))
    lines = [f"  {name:<{width}}  {command.summary}" for name, command in SUBCOMMANDS.items()]
    return [f"usage: {PROGRAM} COMMAND …", *lines, f"{PROGRAM} COMMAND --help says more"]
