"""``contextcore contract a2a-check-pipeline`` and ``a2a-diagnose``: the pilot's gates over somebody's files.

The first asks whether an export is complete: one verdict for each gate of S1 to S3. The second asks all of the Three
Questions, up to the first no, and says where to start.
"""

from __future__ import annotations

import click

from .answers import deliver
from .commands import FC, FORMAT, always, not_empty
from .questions import QUESTIONS
from .target import PARTS, export_options, locate, threshold


@click.command("a2a-check-pipeline")
@export_options
@click.option(
    "--task-id", metavar="ID", callback=not_empty, help="The task that the gates belong to; stands in the document."
)
@FORMAT
@always("--fail-on-unhealthy", "an export that is not healthy")
def check_pipeline(
    export_dir: str, source: str | None, min_coverage: str | None, report: str | None, form: str,
    *, trace_id: str | None, task_id: str | None,
) -> int:  # fmt: skip
    """Check an export with the gates of the pilot's S1 to S3, and two that only advise.

    Exit code 0: the export is healthy. 1: it is not.
    """
    target, ids = locate(export_dir, source, {}), {"trace_id": trace_id, "task_id": task_id}
    asked = threshold(min_coverage), QUESTIONS[:1]
    return deliver("a2a-check-pipeline", target, *asked, form=form, report=report, ids=ids)


def _part_options(command: FC) -> FC:
    for part in reversed(PARTS):
        text = f"Folder (default: {part}, next to EXPORT_DIR, if there)."
        command = click.option(f"--{part}-dir", part, metavar="D", help=text)(command)
    return command


@click.command("a2a-diagnose")
@export_options
@_part_options
@FORMAT
@always("--fail-on-issue", "a question that is answered no")
def diagnose(
    export_dir: str, source: str | None, min_coverage: str | None, report: str | None, form: str,
    *, trace_id: str | None, **parts: str | None,
) -> int:  # fmt: skip
    """Ask whether the contract is complete, faithfully translated and faithfully executed.

    Exit code 0: no question is answered no. 1: one is.
    """
    target, ids = locate(export_dir, source, parts), {"trace_id": trace_id, "task_id": None}
    return deliver("a2a-diagnose", target, threshold(min_coverage), QUESTIONS, form=form, report=report, ids=ids)
