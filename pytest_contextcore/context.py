"""OpenTelemetry's current context while a phase or a test runs, so that instrumented code joins its trace."""

from __future__ import annotations

from contextvars import Token

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context

from .ids import traceparent


class SpanContextStack:
    """The spans that are open in this thread, the innermost being OpenTelemetry's current span.

    The spans are not recording: what they carry is kept by the recorder, and only children are to find them.
    """

    def __init__(self, trace_id: str, *, sampled: bool = True, state: str = "") -> None:
        self._trace_id, self._sampled = trace_id, sampled
        self._state = TraceState.from_header([state]) if state else TraceState()
        self._open: list[tuple[str, Token[Context]]] = []

    def push(self, span_id: str) -> None:
        """Make this span (16 hex digits) the current one."""
        flags = TraceFlags(TraceFlags.SAMPLED if self._sampled else TraceFlags.DEFAULT)
        context = SpanContext(
            int(self._trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=flags, trace_state=self._state
        )
        token = otel_context.attach(set_span_in_context(NonRecordingSpan(context)))
        self._open.append((span_id, token))

    def pop(self) -> None:
        """Close the innermost span."""
        _, token = self._open.pop()
        otel_context.detach(token)

    def pop_all(self) -> None:
        """Close every span that is still open."""
        while self._open:
            self.pop()

    @property
    def current(self) -> str:
        """The innermost open span's id."""
        return self._open[-1][0]

    def traceparent(self) -> str:
        """The W3C header of the innermost open span."""
        return traceparent(self._trace_id, self.current, sampled=self._sampled)

    def tracestate(self) -> str:
        """The W3C ``tracestate`` that goes with it; empty where there is none."""
        return self._state.to_header()
