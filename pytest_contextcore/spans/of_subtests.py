"""Spans of sub-assertions, pytest's ``subtests`` and unittest's ``subTest``: below the span of what runs them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import pytest

from ..ids import new_span_id
from ..reasons import Failure, failure_in, failure_of
from ..redact import redact
from ..span import OK, UNSET, Attributes, SpanData, error_status


class _Held(NamedTuple):
    """A failed subtest whose exception pytest is about to show."""

    report: pytest.SubtestReport
    parent_id: str
    earliest: int
    now: int


class SubtestSpans:
    """Turns the reports of subtests into spans, as they come.

    Only failed ones wait, until pytest shows their exception: a report knows neither its type nor its whole message.

    Args:
        trace_id: 32 hex digits.
        sink: takes each span.
        state: W3C ``tracestate`` of the trace.
    """

    def __init__(self, trace_id: str, sink: Callable[[SpanData], None], state: str = "") -> None:
        self._trace_id, self._sink, self._state = trace_id, sink, state
        self._held: _Held | None = None

    def add(self, report: pytest.SubtestReport, parent_id: str, earliest: int) -> None:
        """A subtest has ended. ``earliest``: when its parent began, in nanoseconds; nothing below it begins before."""
        self.flush()
        held = _Held(report, parent_id, earliest, time.time_ns())
        if report.failed:
            self._held = held
        else:
            self._emit(held, None)

    def explain(self, report: object, error: BaseException) -> None:
        """Pytest shows the exception of a subtest that was added just now."""
        if (held := self._held) is not None and held.report is report:
            self._held = None
            self._emit(held, failure_of(error, _within(held, int(held.report.stop * 1e9))))

    def flush(self) -> None:
        """No more is to be learned about the subtest that waits."""
        if (held := self._held) is not None:
            self._held = None
            self._emit(held, failure_in(held.report))

    def _emit(self, held: _Held, failure: Failure | None) -> None:
        report = held.report
        name = redact(f"{report.nodeid} {_description(report)}")
        attributes: Attributes = {"test.case.name": name}
        status = UNSET
        if failure is not None:
            attributes["test.case.result.status"] = "fail"
            status = error_status(failure.line)
        elif report.passed:
            attributes["test.case.result.status"] = "pass"
            status = OK
        end = _within(held, int(report.stop * 1e9))
        self._sink(
            SpanData(
                name=name,
                trace_id=self._trace_id,
                span_id=new_span_id(),
                parent_id=held.parent_id,
                start=min(_within(held, int(report.start * 1e9)), end),
                end=end,
                attributes=attributes,
                events=failure.events() if failure is not None else (),
                status=status,
                trace_state=self._state,
            )
        )


def _within(held: _Held, moment: int) -> int:
    """The moment, inside of the parent. Of unittest's subtests pytest tells none: they end as they are reported."""
    return min(max(moment, held.earliest), held.now) if moment else held.now


def _description(report: pytest.SubtestReport) -> str:
    """Message and parameters, as pytest's own reports show them."""
    context = report.context
    parts = [f"[{context.msg}]"] if context.msg is not None else []
    if context.kwargs:
        parts.append(f"({', '.join(f'{name}={value}' for name, value in context.kwargs.items())})")
    return " ".join(parts) or "(<subtest>)"
