"""The marks of statuses and results, and whether a terminal can show them."""

from __future__ import annotations

from ..trace.evidence import Status

MARKS = dict(zip(Status, "·…✗✓!", strict=True))
ASCII_MARKS = dict(zip(Status, ".~x+!", strict=True))
"""For terminals and code pages that cannot show the others."""


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
