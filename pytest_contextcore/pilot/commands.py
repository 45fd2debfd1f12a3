"""``contextcore contract …``: the table of its commands, and what they share.

A new command is a line in ``SUBCOMMANDS``. Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from pytest_contextcore import write_output

from .findings import clean

FC = TypeVar("FC", bound=Callable[..., Any])
PLAN_FILE = "plan.toml"


class Subcommand(NamedTuple):
    """A command: its summary, and where its ``click.Command`` is, which gives an exit code."""

    summary: str
    command: str


SUBCOMMANDS = {
    "a2a-check-pipeline": Subcommand(
        "Check an export: one verdict for each gate.", "pytest_contextcore.pilot.diagnosis:check_pipeline"
    ),
    "a2a-diagnose": Subcommand(
        "Ask the Three Questions about a pipeline's output.", "pytest_contextcore.pilot.diagnosis:diagnose"
    ),
    "a2a-gate": Subcommand("Check data from a file with one gate.", "pytest_contextcore.pilot.gate:command"),
    "a2a-pilot": Subcommand("Run the pilot PI-101-002.", "pytest_contextcore.pilot.run_pilot:command"),
    "a2a-validate": Subcommand(
        "Check a file of evidence, a plan, waivers or a contract.", "pytest_contextcore.pilot.validate:command"
    ),
}


class _Contract(click.Group):
    """The commands of ``SUBCOMMANDS``. The module of one is imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        if cmd_name not in SUBCOMMANDS:
            ctx.fail(f"there is no command {cmd_name!r}; there are {', '.join(SUBCOMMANDS)}")
        found: click.Command = pkgutil.resolve_name(SUBCOMMANDS[cmd_name].command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.summary) for name, command in SUBCOMMANDS.items()])

    def invoke(self, ctx: click.Context) -> int:
        """Run the command that was named; where its command line cannot be followed, the message names it."""
        try:
            code: int = super().invoke(ctx)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise
        return code


@click.group("contract", cls=_Contract)
def contract() -> None:
    """Run the pilot, or ask its gates about a pipeline's output.

    Exit code 0: all is well. 1: not. 2: bad usage.
    """


FORMAT = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="What is printed."
)


def always(option: str, what: str) -> Callable[[FC], FC]:
    """A flag of the original program that asks for what is done anyway: exit code 1 where something is wrong."""
    text = f"Accepted; {what} is exit code 1 with and without it."
    return click.option(option, is_flag=True, expose_value=False, help=text)


def not_empty(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse an option whose value is empty; a callback of options."""
    del ctx
    if value is not None and not value.strip():
        else_ = "" if parameter.required else " or leave it out"
        raise click.UsageError(f"{parameter.opts[-1]}: the value is empty; give one{else_}")
    return value


def write(option: str, file: str, content: bytes) -> None:
    """Write the file that an option names, or refuse the option."""
    try:
        write_output(Path(file), content)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise click.UsageError(f"{option}: {clean(file)} cannot be written: {why}") from None


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
