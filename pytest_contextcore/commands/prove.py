"""``contextcore prove``: is every gate of a plan able to fail?"""

from __future__ import annotations

from pathlib import Path

import click

from ..plan.model import load_plan
from .cli import FORMAT, OUT, print_json, print_lines, refuse, refusing
from .plan_check import locate


@click.command("prove", context_settings={"ignore_unknown_options": True})
@OUT
@FORMAT
@click.option(
    "--workspace", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A folder that is copied, too, and given to pytest as --workspace.",
)  # fmt: skip
@click.argument("arguments", metavar="[PLAN] [OPTIONS OF PYTEST]", nargs=-1, type=click.UNPROCESSED)
@refusing(1, bad_plan=4)
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
    plan = load_plan(locate(Path(named[0]) if named else None))

    def tell(line: str) -> None:
        if form == "text":
            print_lines([f"prove: {line}"], err=True)

    report = prove(plan, out, arguments[len(named) :], workspace, tell)
    if form == "json":
        print_json(report.model_dump(mode="json"))
    else:
        print_lines(report.lines())
    try:
        file = save(report, out)
    except OSError as error:
        return refuse(f"the result cannot be written to {out}: {error.strerror or error}; name a folder: --out DIR", 1)
    if form == "text":
        print_lines([f"written to {file}"])
    return report.exit_code
