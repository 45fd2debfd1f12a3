"""``contextcore contract a2a-check-pipeline`` and ``a2a-diagnose``: the pilot's gates over somebody's files.

The first asks whether an export is complete: one verdict for each gate of S1 to S3. The second asks all of the Three
Questions, up to the first no, and says where to start.
"""

from __future__ import annotations

from .answers import Output, deliver
from .questions import QUESTIONS
from .target import PARTS, locate, parser, threshold


def check_pipeline(arguments: list[str]) -> int:
    """The command line: exit code 0 if the export is healthy, 1 if not.

    Raises:
        UsageError: the command line cannot be followed.
    """
    name = "a2a-check-pipeline"
    options = parser(name, "Check an export with the gates of the pilot's S1 to S3.").parse_args(arguments)
    target = locate(options.export_dir, options.source, {})
    return deliver(name, target, threshold(options.min_coverage), QUESTIONS[:1], Output(options.format, options.report))


def diagnose(arguments: list[str]) -> int:
    """The command line: exit code 0 if no question is answered no, 1 if one is.

    Raises:
        UsageError: the command line cannot be followed.
    """
    name = "a2a-diagnose"
    line = parser(name, "Ask whether the contract is complete, faithfully translated and faithfully executed.")
    for part in PARTS:
        line.add_argument(f"--{part}-dir", metavar="D", help=f"folder (default: {part}, next to EXPORT_DIR, if there)")
    options = line.parse_args(arguments)
    target = locate(options.export_dir, options.source, {part: getattr(options, f"{part}_dir") for part in PARTS})
    return deliver(name, target, threshold(options.min_coverage), QUESTIONS, Output(options.format, options.report))
