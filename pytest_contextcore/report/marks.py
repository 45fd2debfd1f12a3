"""The marks of statuses and results, and whether a terminal can show them."""

from __future__ import annotations

from ..trace.evidence import Result, Status

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


def can_encode(encoding: str | None) -> bool:
    """Whether an encoding, UTF-8 if it is not known, has the marks."""
    try:
        "".join(MARKS.values()).encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def in_ascii(text: str) -> str:
    """The text for a terminal that can show ASCII only."""
    return text.replace("…", "...").encode("ascii", "replace").decode()
