"""``contextcore prove``: is every gate of a plan able to fail?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..errors import ContextcoreError, PlanError, ProofRefused
from ..ids import PLAN_FILE
from ..plan.model import load_plan
from ..text import escaped
from .cli import FORMAT, OUT, refuse
from .plan_check import locate


@click.command("prove", context_settings={"ignore_unknown_options": True})
@OUT
@FORMAT
@click.option(
    "--workspace", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A folder that is copied, too, and given to pytest as --workspace.",
)  # fmt: skip
@click.argument("arguments", metavar="[PLAN] [OPTIONS OF PYTEST]", nargs=-1, type=click.UNPROCESSED)
def command(out: Path, form: str, workspace: Path | None, arguments: tuple[str, ...]) -> int:
    """Show that every gate is able to fail.

    The plan runs once on a copy. Then one thing at a time is changed, and the gate has to fail.

    PLAN is the plan's file or its folder; without it, plan.toml here, above, or in the only folder that has one. Exit
    code 0: no gate was found that cannot fail. 1: there is one, a mutation says nothing, or the plan does not pass on
    the copy. 4: a bad plan, or too many files to copy.
    """
    from ..proof.prove import prove  # noqa: PLC0415  (not to list the commands)
    from ..proof.result import save  # noqa: PLC0415

    named = arguments[:1] if arguments and not arguments[0].startswith("-") else ()
    path = locate(Path(named[0]) if named else None)
    if path is None or not path.is_file():
        nowhere = f"{PLAN_FILE} here, above or in one folder below: contextcore prove PLAN"
        return refuse(f"there is no {nowhere if path is None else f'plan {path}'}", 4)
    try:
        plan = load_plan(path)
    except PlanError as error:
        print(f"contextcore prove: {error}", file=sys.stderr)  # a line for each mistake
        return 4
    tell = (lambda line: print(f"prove: {escaped(line)}", file=sys.stderr, flush=True)) if form == "text" else _nothing
    try:
        report = prove(plan, out, arguments[len(named) :], workspace, tell)
    except ProofRefused as error:
        print(f"contextcore prove: {escaped(str(error), keep=chr(10))}", file=sys.stderr)
        return 4 if "[prove] copy" in str(error) else 1
    except ContextcoreError as error:
        return refuse(str(error), 1)
    print(report.model_dump_json(indent=2) if form == "json" else "\n".join(map(escaped, report.lines())))
    try:
        file = save(report, out)
    except OSError as error:
        return refuse(f"the result cannot be written to {out}: {error.strerror or error}; name a folder: --out DIR", 1)
    if form == "text":
        print(f"written to {file}")
    return report.exit_code


def _nothing(line: str) -> None:
    del line
