"""Spans of sub-assertions, pytest's ``subtests`` and unittest's ``subTest``: below the span of what runs them."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Literal, NamedTuple

import pytest

from ..ids import new_span_id
from ..reasons import Failure, failure_in, failure_of
from ..redact import redact, shown_id
from ..span import OK, UNSET, Attributes, SpanData, SpanEvent, error_status

Verdict = Literal["pass", "fail", ""]
"""What became of a test; empty where it was skipped or interrupted, or failed as expected."""


class Place(NamedTuple):
    """Where a span stands: ids in hex, W3C ``tracestate`` of the trace, nanoseconds since the epoch."""

    trace_id: str
    span_id: str
    parent_id: str
    state: str
    start: int
    end: int


def case_span(
    name: str, verdict: Verdict, failures: Sequence[Failure], attributes: Attributes, place: Place
) -> SpanData:
    """The span of a test or a subtest; ``attributes`` are taken over, and complete afterwards.

    The first failure is the status, and those whose exception is known are events.
    """
    attributes["test.case.name"] = name
    if verdict:
        attributes["test.case.result.status"] = verdict
    status = OK if verdict == "pass" else UNSET
    events: tuple[SpanEvent, ...] = ()
    if failures:
        status = error_status(failures[0].line, failures[0].type)
        events = tuple(event for failure in failures for event in failure.events())
    trace_id, span_id, parent_id, state, start, end = place
    return SpanData(name, trace_id, span_id, parent_id, min(start, end), end, attributes, events, (), status, state)


def subtest_span(
    report: pytest.SubtestReport, trace_id: str, parent_id: str, earliest: int, state: str = ""
) -> SpanData:
    """The span of a subtest that is reported just now. Its parent began at ``earliest``, and it not before."""
    now = time.time_ns()

    def within(seconds: float) -> int:
        """Of unittest's subtests pytest tells no times: they end as they are reported."""
        return min(max(int(seconds * 1e9), earliest), now) if seconds else now

    return case_span(
        f"{shown_id(report.nodeid)} {redact(_description(report))}",
        "fail" if report.failed else "pass" if report.passed else "",
        (_failure(report, within(report.stop)),) if report.failed else (),
        {},
        Place(trace_id, new_span_id(), parent_id, state, within(report.start), within(report.stop)),
    )


def _failure(report: pytest.SubtestReport, when: int) -> Failure:
    """What failed. pytest tells of a subtest that raised while that exception is still handled."""
    error = sys.exception()
    return failure_of(error, when) if error is not None else failure_in(report)


def _description(report: pytest.SubtestReport) -> str:
    """Message and parameters, as pytest's own reports show them."""
    context = report.context
    parts = [f"[{context.msg}]"] if context.msg is not None else []
    if context.kwargs:
        parts.append(f"({', '.join(f'{name}={value}' for name, value in context.kwargs.items())})")
    return " ".join(parts) or "(<subtest>)"
