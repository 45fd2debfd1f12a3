"""``contextcore plan``: look at a plan without running it, or begin one."""

from __future__ import annotations

from pathlib import Path

import click

from ..schemas import schema
from .cli import FILE, print_json, refusing
from .plan_check import check
from .plan_init import init


@click.group("plan", no_args_is_help=False)
def command() -> None:
    """Look at a plan without running it, or begin one."""


@command.command("check")
@click.argument("file", required=False, type=FILE)
@refusing(2)
def _check(file: Path | None) -> int:
    """Print a plan's order and gates, with all defaults, and which tests were found.

    FILE is the plan or its folder; without it, plan.toml here, above, or in the only folder that has one. Exit code 1:
    tests do not fit the plan, or are missing. 2: the plan has mistakes.
    """
    return check(file)


@command.command("init")
@click.argument("tests", required=False, type=click.Path(path_type=Path, exists=True))
@refusing(1)
def _init(tests: Path | None) -> int:
    """Write a plan.toml to start from, with comments. It runs green at once.

    TESTS is a folder or a file; without it, this folder is looked at. Where tests are marked with phase, the plan
    has these phases, and the gates that they ask for. A plan that is there already is left alone.
    """
    return init(tests)


@command.command("schema")
def _schema() -> None:
    """Print the JSON Schema of plans.

    An editor that reads #:schema ./plan.schema.json in a plan's first line completes and checks its keys by that file.
    """
    print_json(schema("plan"))
