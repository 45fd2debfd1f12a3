"""A finished span as plain data; no pydantic and no SDK, since ordinary tests make many of them.

Named tuples: a frozen dataclass of twelve fields takes six times as long to make.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Attributes = dict[str, bool | int | float | str | list[str]]
StatusCode = Literal["unset", "ok", "error"]


class SpanStatus(NamedTuple):
    """An OTel span status; only an error has a description."""

    code: StatusCode = "unset"
    description: str = ""


INTERRUPTED = "interrupted: the run was killed before this ended"
"""Why a span ended that a kill left open."""

UNSET, OK = SpanStatus(), SpanStatus("ok")


def error_status(description: str) -> SpanStatus:
    """Status ERROR with a description."""
    return SpanStatus("error", description)


_NONE: Attributes = {}
"""What spans and events have by default: never changed."""


class SpanEvent(NamedTuple):
    """A moment on a span: nanoseconds since the epoch."""

    name: str
    time: int
    attributes: Attributes = _NONE


class Link(NamedTuple):
    """A link to a span of another trace (hex ids)."""

    trace_id: str
    span_id: str


class SpanData(NamedTuple):
    """A finished span: hex ids, nanoseconds since the epoch.

    ``parent_remote`` says that the parent is a span of another process (OTLP span flags).
    """

    name: str
    trace_id: str
    span_id: str
    parent_id: str | None
    start: int
    end: int
    attributes: Attributes = _NONE
    events: tuple[SpanEvent, ...] = ()
    links: tuple[Link, ...] = ()
    status: SpanStatus = UNSET
    trace_state: str = ""
    parent_remote: bool = False
