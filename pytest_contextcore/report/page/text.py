"""How times, durations and long texts are said to a person. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import TypeVar

from ...trace.evidence import AttributeValue, format_time
from ..verdict import pieces
from .elements import Html, Node, element

WHOLE = 20_000
"""Characters of one text that the page holds; the evidence file has the rest."""
MOST = 200
"""Entries of one list that the page holds; the evidence file has the rest."""

T = TypeVar("T")

_US, _MS, _S = 1_000, 1_000_000, 1_000_000_000


def duration(nanoseconds: int | None) -> str:
    """A duration in the unit a person would choose: ``840 µs``, ``1.09 s``, ``2 min 05 s``, ``3 h 07 min``."""
    if nanoseconds is None:
        return ""
    value = max(nanoseconds, 0)
    if value < 999_500:
        return f"{round(value / _US)} µs"
    if value < 999_500_000:
        return f"{value / _MS:.1f} ms" if value < 9_950_000 else f"{round(value / _MS)} ms"
    if value < 59_995_000_000:
        return f"{value / _S:.2f} s" if value < 9_995_000_000 else f"{value / _S:.1f} s"
    minutes, seconds = divmod(round(value / _S), 60)
    if minutes < 60:
        return f"{minutes} min {seconds:02} s" if seconds else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if minutes else f"{hours} h"


def lasted(start: int | None, end: int | None) -> int | None:
    """Nanoseconds between two moments, if both are known."""
    return None if start is None or end is None else end - start


def moment(nanoseconds: int | None) -> Html | None:
    """A moment in UTC; the page's script adds the reader's own time."""
    if nanoseconds is None:
        return None
    when = datetime.fromtimestamp(nanoseconds // _S, UTC)
    shown = f"{when:%Y-%m-%d %H:%M:%S}.{nanoseconds % _S // _MS:03} UTC"
    return element("time", shown, datetime=format_time(nanoseconds))


def clipped(text: str, limit: int = WHOLE) -> str:
    """The text, cut at ``limit`` characters, with how much is missing and where it stands."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text) - limit:,} more characters in the evidence file)"


def brief(text: str, *, lines: int = 6, limit: int = 700) -> str:
    """The beginning of a text, for a place where the whole would push everything else away."""
    parts = text.split("\n")
    shown = "\n".join(parts[:lines])
    if len(shown) > limit:
        return f"{shown[:limit]}…"
    return f"{shown}\n… and {len(parts) - lines} more lines" if len(parts) > lines else shown


def rich(text: str) -> list[Node]:
    """A plan's text, with what stands between backticks as code."""
    return [element("code", piece) if code else piece for piece, code in pieces(text)]


def value(given: AttributeValue | None) -> Node:
    """An attribute's value as a person reads it."""
    if given is None:
        return element("span", "not set", class_="quiet")
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, list):
        shown = ", ".join(some(given)) if given else "none"
        return clipped(f"{shown}, … {len(given) - MOST} more" if len(given) > MOST else shown)
    return clipped(str(given))


def some(entries: Sequence[T], most: int = MOST) -> list[T]:
    """The first entries."""
    return list(islice(entries, most))


def plural(count: int, noun: str, many: str | None = None) -> str:
    """``1 gate``, ``3 gates``."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"
