"""How statuses and times are written in a terminal."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .trace.evidence import Result, Status

if TYPE_CHECKING:
    from _pytest._io import TerminalWriter

MARKS = {
    Status.COMPLETED: "✓",
    Status.BLOCKED: "✗",
    Status.FAILED: "!",
    Status.NOT_STARTED: "·",
    Status.IN_PROGRESS: "…",
}
ASCII_MARKS = {
    Status.COMPLETED: "+",
    Status.BLOCKED: "x",
    Status.FAILED: "!",
    Status.NOT_STARTED: ".",
    Status.IN_PROGRESS: "~",
}
"""For terminals and code pages that cannot show the others."""

STATUS_OF = {
    Result.PASS: Status.COMPLETED,
    Result.FAIL: Status.BLOCKED,
    Result.WAIVED: Status.FAILED,
    Result.NOT_APPLICABLE: Status.NOT_STARTED,
    Result.NOT_CHECKED: Status.NOT_STARTED,
}
"""The status whose mark a gate's result gets."""


_COMMAND = re.compile(r"((?:^|[\r\n])\s*):(?=:)|##(?=\[)")


def can_encode(writer: TerminalWriter) -> bool:
    """Whether the terminal's encoding knows the marks."""
    encoding = getattr(getattr(writer, "_file", None), "encoding", None)
    try:
        "".join(MARKS.values()).encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def duration(start: int | None, end: int | None) -> str:
    """The time between two moments in nanoseconds; empty where one is unknown."""
    return "" if start is None or end is None else shown_seconds((end - start) / 1e9)


def shown_seconds(seconds: float) -> str:
    """A time as people read it: ``0.25 s``, ``1:05 min``, ``2:00:09 h``."""
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"


def on_github(environ: Mapping[str, str]) -> bool:
    """Whether this process runs in a step of GitHub Actions."""
    return environ.get("GITHUB_ACTIONS") == "true"


def harmless(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """The text as it may be printed in a log that GitHub Actions reads: no line of it is a workflow command.

    The runner takes ``::name …::`` at a line's start, blanks before it or not, and ``##[name …]`` anywhere in a line.
    Elsewhere the text stays as it is.
    """
    if not on_github(environ):
        return text
    return _COMMAND.sub(lambda found: "## " if found.group(1) is None else f"{found.group(1)}: ", text)
