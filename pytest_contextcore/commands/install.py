"""``contextcore install init``: prepare and verify an environment. Doing it again changes nothing."""

from __future__ import annotations

from pathlib import Path

import click

from .cli import OUT, Group
from .installation import check_installation


@click.group("install", cls=Group, no_args_is_help=False)
def command() -> None:
    """Prepare and verify an environment."""


@command.command("init")
@OUT
def _init(out: Path) -> int:
    """Make the folder for evidence; verify packages and plugin.

    A line is printed for everything that a run relies on. Exit code 1: something is not right, and what to do is said
    below it.
    """
    checks = check_installation(out)
    for check in checks:
        click.echo(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<28} {check.found}")
        if not check.ok:
            click.echo(f"      {check.problem}; {check.next_action}")
    return 0 if all(check.ok for check in checks) else 1
