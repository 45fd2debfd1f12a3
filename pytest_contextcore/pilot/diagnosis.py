"""``contextcore contract a2a-check-pipeline`` and ``a2a-diagnose``: the pilot's gates over somebody's files.

The first asks whether an export is complete: one verdict for each gate of S1 to S3. The second asks all of the Three
Questions, up to the first no, and says where to start.
"""

from __future__ import annotations

import click

from .answers import Output, deliver
from .commands import FC, FORMAT
from .questions import QUESTIONS
from .target import PARTS, export_options, locate, threshold


@click.command("a2a-check-pipeline")
@export_options
@FORMAT
def check_pipeline(export_dir: str, source: str | None, min_coverage: str | None, report: str | None, form: str) -> int:
    """Check an export with the gates of the pilot's S1 to S3.

    Exit code 0: the export is healthy. 1: it is not.
    """
    target = locate(export_dir, source, {})
    return deliver("a2a-check-pipeline", target, threshold(min_coverage), QUESTIONS[:1], Output(form, report))


def _part_options(command: FC) -> FC:
    for part in reversed(PARTS):
        text = f"Folder (default: {part}, next to EXPORT_DIR, if there)."
        command = click.option(f"--{part}-dir", part, metavar="D", help=text)(command)
    return command


@click.command("a2a-diagnose")
@export_options
@_part_options
@FORMAT
def diagnose(
    export_dir: str, source: str | None, min_coverage: str | None, report: str | None, form: str, **parts: str | None
) -> int:
    """Ask whether the contract is complete, faithfully translated and faithfully executed.

    Exit code 0: no question is answered no. 1: one is.
    """
    target = locate(export_dir, source, parts)
    return deliver("a2a-diagnose", target, threshold(min_coverage), QUESTIONS, Output(form, report))
