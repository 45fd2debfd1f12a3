"""``contextcore run``: pytest on a plan, with pytest's own options and exit codes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from ..errors import PlanError
from ..ids import PLAN_FILE
from .cli import refusing
from .plan_check import locate


@click.command("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("arguments", metavar="[PLAN] [OPTIONS OF PYTEST]", nargs=-1, type=click.UNPROCESSED)
@refusing(4)
def command(arguments: tuple[str, ...]) -> int:
    """Run a plan: pytest on its folder, with all options of pytest.

    PLAN is the plan's file, its folder, or one phase of it (plan.toml::TRAIN); without it, plan.toml here, above, or in
    the only folder that has one. Exit code 0: every phase completed. 1: a phase is blocked or failed. 4: a bad plan or
    option. Others as pytest has them.
    """
    named = arguments[:1] if arguments and not arguments[0].startswith("-") else ()
    name, _, phase = named[0].partition("::") if named else ("", "", "")
    try:
        path = locate(Path(name) if name else None)
    except PlanError as error:
        hint = f"; a phase is named {PLAN_FILE}::{name}" if name and Path(name).name == name else ""
        raise PlanError(f"{error}{hint}") from None
    target = [f"{path}::{phase}" if phase else str(path)]
    if path.name != PLAN_FILE:
        target = [f"--contextcore-plan={path}", f"{path.parent}" if not phase else f"{path}::{phase}"]
    sys.stdout.flush()
    return os.execv(sys.executable, [sys.executable, "-m", "pytest", *target, *arguments[len(named) :]])  # noqa: S606
