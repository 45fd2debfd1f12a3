"""What OTLP lines are made of: the plugin's spans, and those that the SDK made for code under test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext

    class StatusLike(Protocol):
        """Whether the span went well."""

        @property
        def code(self) -> Literal["unset", "ok", "error"]:
            """As OTel names it."""

        @property
        def description(self) -> str:
            """Only an error has one."""

    class EventLike(Protocol):
        """A moment on a span."""

        @property
        def name(self) -> str:
            """Its name."""

        @property
        def time(self) -> int:
            """Nanoseconds since the epoch."""

        @property
        def attributes(self) -> Mapping[str, Any]:
            """Name → value."""

    class LinkLike(Protocol):
        """A link to a span of another trace."""

        @property
        def trace_id(self) -> str:
            """32 hex digits."""

        @property
        def span_id(self) -> str:
            """16 hex digits."""

    class SpanLike(Protocol):
        """What a line is made of: `pytest_contextcore.span.SpanData`, or `ForeignSpan`, which has a ``kind`` too.

        Read as well where there is one: ``parent_remote`` (False without it).
        """

        @property
        def name(self) -> str:
            """The span's name."""

        @property
        def trace_id(self) -> str:
            """32 hex digits."""

        @property
        def span_id(self) -> str:
            """16 hex digits."""

        @property
        def parent_id(self) -> str | None:
            """16 hex digits."""

        @property
        def start(self) -> int:
            """Nanoseconds since the epoch."""

        @property
        def end(self) -> int:
            """Nanoseconds since the epoch."""

        @property
        def attributes(self) -> Mapping[str, Any]:
            """Name → value."""

        @property
        def events(self) -> Sequence[EventLike]:
            """Moments on the span."""

        @property
        def links(self) -> Sequence[LinkLike]:
            """Links to spans of other traces."""

        @property
        def status(self) -> StatusLike:
            """Only an error has a description."""

        @property
        def trace_state(self) -> str:
            """W3C ``tracestate``."""


class ForeignStatus(NamedTuple):
    """The status of a span that the SDK made."""

    code: Literal["unset", "ok", "error"] = "unset"
    description: str = ""


class ForeignEvent(NamedTuple):
    """A moment on a span that the SDK made: nanoseconds since the epoch."""

    name: str
    time: int
    attributes: Mapping[str, Any]


class ForeignLink(NamedTuple):
    """A link of a span that the SDK made (hex ids)."""

    trace_id: str
    span_id: str
    attributes: Mapping[str, Any]
    parent_remote: bool = False


class ForeignSpan(NamedTuple):
    """A finished span of instrumented code under test, with the resource and the scope that it was made with."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str | None
    start: int
    end: int
    attributes: Mapping[str, Any]
    events: tuple[ForeignEvent, ...]
    links: tuple[ForeignLink, ...]
    status: ForeignStatus
    trace_state: str
    kind: int
    parent_remote: bool
    resource: Mapping[str, Any]
    scope_name: str
    scope_version: str
    dropped: tuple[int, int, int] = (0, 0, 0)
    """How many attributes, events and links the SDK's limits cut off."""


def from_readable(span: ReadableSpan) -> ForeignSpan:
    """A span that the SDK has ended.

    Raises:
        ValueError: the span has no context, or has not ended.
    """
    context = span.get_span_context()
    if context is None or span.start_time is None or span.end_time is None:
        raise ValueError(f"span {span.name!r} has not ended")
    code = span.status.status_code.name.lower()
    scope = span.instrumentation_scope
    return ForeignSpan(
        name=span.name,
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        parent_id=f"{span.parent.span_id:016x}" if span.parent else None,
        start=span.start_time,
        end=span.end_time,
        attributes=span.attributes or {},
        events=tuple(ForeignEvent(event.name, event.timestamp, event.attributes or {}) for event in span.events),
        links=tuple(_foreign_link(link.context, link.attributes or {}) for link in span.links),
        status=ForeignStatus("ok" if code == "ok" else "error" if code == "error" else "unset", _text(span)),
        trace_state=context.trace_state.to_header(),
        kind=span.kind.value + 1,  # OTLP counts from "unspecified"
        parent_remote=bool(span.parent and span.parent.is_remote),
        resource=span.resource.attributes,
        scope_name=scope.name if scope else "",
        scope_version=(scope.version or "") if scope else "",
        dropped=(span.dropped_attributes, span.dropped_events, span.dropped_links),
    )


def _text(span: ReadableSpan) -> str:
    return span.status.description or ""


def _foreign_link(context: SpanContext, attributes: Mapping[str, Any]) -> ForeignLink:
    return ForeignLink(f"{context.trace_id:032x}", f"{context.span_id:016x}", attributes, context.is_remote)
