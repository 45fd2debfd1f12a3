"""``contextcore contract a2a-diagnose``: the Three Questions, and where to start."""

from __future__ import annotations

from .answers import Output, deliver
from .questions import QUESTIONS
from .target import PARTS, locate, parser, threshold

NAME = "a2a-diagnose"


def command(arguments: list[str]) -> int:
    """The command line: exit code 0 if no question is answered no, 1 if one is.

    Raises:
        UsageError: the command line cannot be followed.
    """
    line = parser(NAME, "Ask whether the contract is complete, faithfully translated and faithfully executed.")
    for part in PARTS:
        line.add_argument(f"--{part}-dir", metavar="D", help=f"folder (default: {part}, next to EXPORT_DIR, if there)")
    options = line.parse_args(arguments)
    target = locate(options.export_dir, options.source, {part: getattr(options, f"{part}_dir") for part in PARTS})
    return deliver(NAME, target, threshold(options.min_coverage), QUESTIONS, Output(options.format, options.report))
