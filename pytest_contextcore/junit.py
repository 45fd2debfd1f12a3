"""The JUnit report: properties of phases, and test cases for phases that got no report (contract 5)."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Literal

import pytest

from .model import Evidence, SpanEvidence, Status
from .rules import DESELECTED, Outcome
from .spans import phase_spans
from .summary import held_reason

if TYPE_CHECKING:
    from _pytest.junitxml import LogXML

_SHOWN = ("task.", "input.", "quality.", "routing.", "output.")


def phase_properties(evidence: Evidence, span: SpanEvidence) -> list[tuple[str, object]]:
    """Trace and span id (hex), and what the span says of task, inputs, quality, routing and output."""
    *_, phase = phase_spans(evidence, span)
    shown = [(name, str(value)) for name, value in phase.attributes.items() if name.startswith(_SHOWN)]
    waived = [("gate.waived", f"{gate.gate_id}: {gate.waived}") for gate in span.gates if gate.waived]
    return [("otel_trace_id", phase.trace_id), ("otel_span_id", phase.span_id), *shown, *waived]


def add_unreported(config: pytest.Config, traces: Collection[Evidence], reported: Collection[str]) -> None:
    """Give the JUnit file the phases that no test report stands for.

    Not started ones, for example after ``-x``, are skipped with the blocking span; interrupted ones failed; reused ones
    passed. They are given to the JUnit plugin alone: a hook call would change other plugins' counts. Deselected ones
    are left out, as everywhere in pytest.
    """
    xml = _log_xml(config)
    if xml is None:
        return
    for evidence in traces:
        for span in evidence.spans:
            if span.nodeid is not None and span.nodeid not in reported and span.blocked_reason != DESELECTED:
                for report in _reports(evidence, span):
                    xml.pytest_runtest_logreport(report)


def _log_xml(config: pytest.Config) -> LogXML | None:
    if not config.getoption("xmlpath", None):
        return None
    from _pytest.junitxml import xml_key  # noqa: PLC0415  (where pytest itself keeps its JUnit plugin)

    return config.stash.get(xml_key, None)


_OUTCOMES: dict[Status, Literal["passed", "failed", "skipped"]] = {
    Status.COMPLETED: "passed",
    Status.NOT_STARTED: "skipped",
    Status.BLOCKED: "failed",
    Status.FAILED: "failed",
    Status.IN_PROGRESS: "failed",
}


def _longrepr(span: SpanEvidence, path: str, line: int) -> str | tuple[str, int, str] | None:
    if span.status is Status.NOT_STARTED:
        outcome = Outcome(span.status, span.blocked_reason, span.next_action, span.blocked_on_span_id)
        return path, line, f"Skipped: {held_reason(outcome)}"
    return None if span.status is Status.COMPLETED else f"{span.span_id} {span.phase}: {span.blocked_reason}"


def _reports(evidence: Evidence, span: SpanEvidence) -> list[pytest.TestReport]:
    nodeid = span.nodeid or span.span_id
    path, _, name = nodeid.partition("::")
    line = span.attributes.get("code.line.number", 0)
    place = (path, line if isinstance(line, int) else 0, name)
    first = pytest.TestReport(
        nodeid=nodeid,
        location=place,
        keywords={},
        outcome=_OUTCOMES[span.status],
        longrepr=_longrepr(span, path, place[1]),
        when="setup" if span.status is Status.NOT_STARTED else "call",
    )
    last = pytest.TestReport(
        nodeid=nodeid,
        location=place,
        keywords={},
        outcome="passed",
        longrepr=None,
        when="teardown",
        user_properties=phase_properties(evidence, span),
    )
    return [first, last]
