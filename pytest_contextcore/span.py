"""A finished span as plain data; no pydantic and no SDK, since ordinary tests make many of them.

Named tuples: a frozen dataclass of twelve fields takes six times as long to make.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    import pytest

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


def code_attributes(item: pytest.Item) -> Attributes:
    """Where a test stands: ``code.*`` by OpenTelemetry's conventions, the path relative to the root directory.

    The function's name is qualified with its module; a test that is no function, such as a doctest, has none.
    """
    path, line, _ = item.location
    attributes: Attributes = {"code.file.path": path}
    if line is not None:
        attributes["code.line.number"] = line + 1
    function = getattr(item, "function", None)
    if function is not None:
        name = getattr(function, "__qualname__", None) or getattr(item, "originalname", "")
        attributes["code.function.name"] = f"{function.__module__}.{name}"
    return attributes
