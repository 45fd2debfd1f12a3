"""``contextcore contract a2a-check-pipeline``: the export's gates, one verdict each."""

from __future__ import annotations

from .answers import Output, deliver
from .questions import QUESTIONS
from .target import locate, parser, threshold

NAME = "a2a-check-pipeline"


def command(arguments: list[str]) -> int:
    """The command line: exit code 0 if the export is healthy, 1 if not.

    Raises:
        UsageError: the command line cannot be followed.
    """
    options = parser(NAME, "Check an export with the gates of the pilot's S1 to S3.").parse_args(arguments)
    target = locate(options.export_dir, options.source, {})
    return deliver(NAME, target, threshold(options.min_coverage), QUESTIONS[:1], Output(options.format, options.report))
