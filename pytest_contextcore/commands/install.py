"""``contextcore install init``: prepare and verify an environment. Doing it again changes nothing."""

from __future__ import annotations

from pathlib import Path

import click

from ..text import escaped
from .cli import OUT
from .installation import Check, check_endpoint, check_installation


@click.group("install", no_args_is_help=False)
def command() -> None:
    """Prepare and verify an environment."""


@command.command("init")
@OUT
@click.option("-e", "--endpoint", metavar="URL", help="The collector (default: the one of the environment, if any).")
@click.option("--skip-verify", is_flag=True, help="Do not ask the collector.")
def _init(out: Path, endpoint: str | None, skip_verify: bool) -> int:
    """Make the folder for evidence; verify packages, plugin and the collector.

    A line is printed for everything that a run relies on. Exit code 1: something is not right, such as a collector that
    does not answer; what to do about it is printed below it.
    """
    asked = None if skip_verify else check_endpoint(endpoint)
    said = "not asked (--skip-verify)" if skip_verify else "none is configured: spans are not sent"
    checks = [*check_installation(out), asked or Check("endpoint", said)]
    for check in checks:
        print(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<28} {escaped(check.found)}")
        if not check.ok:
            print(f"      {escaped(check.problem)}; {check.next_action}")
    return 0 if all(check.ok for check in checks) else 1
