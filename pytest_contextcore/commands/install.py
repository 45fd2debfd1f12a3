"""``contextcore install init``: prepare and verify an environment. Doing it again changes nothing."""

from __future__ import annotations

from pathlib import Path

import click

from ..text import escaped
from .cli import OUT
from .installation import check_endpoint, check_installation


@click.group("install", no_args_is_help=False)
def command() -> None:
    """Prepare and verify an environment."""


@command.command("init")
@OUT
@click.option("--endpoint", metavar="URL", help="Also ask the collector there for an answer.")
def _init(out: Path, endpoint: str | None) -> int:
    """Make the folder for evidence; verify packages and plugin.

    A line is printed for everything that a run relies on. Exit code 1: something is not right; what to do about it is
    printed below it.
    """
    asked = check_endpoint(endpoint) if endpoint is not None else None
    checks = [*check_installation(out), *([asked] if asked else [])]
    for check in checks:
        print(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<28} {escaped(check.found)}")
        if not check.ok:
            print(f"      {escaped(check.problem)}; {check.next_action}")
    return 0 if all(check.ok for check in checks) else 1
