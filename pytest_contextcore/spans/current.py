"""OpenTelemetry's current context while a phase or a test runs, so that instrumented code joins its trace."""

from __future__ import annotations

from contextvars import Token

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    TraceState,
    get_current_span,
    set_span_in_context,
)

from ..ids import traceparent

Entered = Token[Context]


class _RecordedSpan(NonRecordingSpan):
    """A span that is not recording, since what it carries is kept by the recorder, and only children are to find it.

    Its context is made when somebody asks for it: most tests have no code that does.
    """

    def __init__(self, contexts: SpanContexts, span_id: str) -> None:
        self._contexts, self._id = contexts, span_id

    def get_span_context(self) -> SpanContext:
        """What its children need to know."""
        return self._contexts.of(self._id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.get_span_context()!r})"


class SpanContexts:
    """Makes spans of one trace OpenTelemetry's current span, in whichever thread or task it is asked to."""

    def __init__(self, trace_id: str, *, sampled: bool = True, state: str = "") -> None:
        self._trace_id, self._sampled = trace_id, sampled
        self._number = int(trace_id, 16)
        self._flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
        self._state = TraceState.from_header([state]) if state else TraceState()
        self._outermost: tuple[str, Entered] | None = None
        self._late: Context | None = None

    def enter(self, span_id: str) -> Entered:
        """Make this span (16 hex digits) the current one; what is returned leaves it again."""
        return otel_context.attach(set_span_in_context(_RecordedSpan(self, span_id)))

    def of(self, span_id: str) -> SpanContext:
        """The context of a span (16 hex digits) of this trace."""
        return SpanContext(
            self._number, int(span_id, 16), is_remote=False, trace_flags=self._flags, trace_state=self._state
        )

    def leave(self, entered: Entered) -> None:
        """Make the span from before the current one again."""
        otel_context.detach(entered)

    def open(self, span_id: str, *, late: bool = False) -> None:
        """Enter the span of a whole phase or test; threads that know no span are counted to it.

        ``late``: it has begun before, and this may be a thread or a task of its own.
        """
        self.close()
        self._outermost = (span_id, self.enter(span_id))
        self._late = otel_context.get_current() if late else None

    def close(self) -> None:
        """Leave the span of the phase or test, if one is open."""
        if self._outermost is not None:
            _, entered = self._outermost
            self._outermost = None
            if self._late is None or self._late is otel_context.get_current():
                self.leave(entered)

    @property
    def current(self) -> str:
        """The id of the innermost span that is open here: a span of the code under test, a gate, the phase."""
        context = get_current_span().get_span_context()
        if context.is_valid and format(context.trace_id, "032x") == self._trace_id:
            return format(context.span_id, "016x")
        if self._outermost is None:
            raise RuntimeError("no phase is running")
        return self._outermost[0]

    def traceparent(self) -> str:
        """The W3C header of the innermost open span."""
        return traceparent(self._trace_id, self.current, sampled=self._sampled)

    def tracestate(self) -> str:
        """The W3C ``tracestate`` that goes with it; empty where there is none."""
        return self._state.to_header()
