"""Spans out of evidence."""

from __future__ import annotations

import pytest

from pytest_contextcore.reasons import exception_type
from pytest_contextcore.spans.of_trace import interrupted_parent, parent_span, phase_spans, program_span
from pytest_contextcore.trace.evidence import ProgramEvidence, SpanReference, Status
from pytest_contextcore.trace.rules import end_of_trace

from ..support import page_samples as samples


@pytest.mark.parametrize(
    ("error_type", "result"),
    [
        ("timeout", "timeout"),
        ("interrupted", "error"),
        ("worker_crashed", "error"),
        ("KeyboardInterrupt", "cancellation"),
        (exception_type(pytest.exit.Exception()), "cancellation"),
        ("ValueError", "failure"),
        (None, "failure"),
    ],
)
def test_in_ci_a_trace_and_a_failed_phase_say_in_its_words_how_they_ended(error_type: str | None, result: str) -> None:
    evidence = samples.stopped(Status.FAILED)
    evidence.error_type = evidence.spans[1].error_type = error_type
    for in_ci in (True, False):
        evidence.in_ci = in_ci
        spans = [list(phase_spans(evidence, phase))[-1] for phase in evidence.spans]
        told = [span.attributes.get("cicd.pipeline.task.run.result") for span in spans]
        assert told == (["success", result, "skip", "skip"] if in_ci else [None] * 4)
        parent = parent_span(evidence, 0)
        assert parent.attributes.get("cicd.pipeline.result") == (result if in_ci else None)
        assert parent.status.error_type == spans[1].status.error_type == (error_type or "_OTHER")


def test_spans_without_length_are_in_the_plans_order_inside_their_parent() -> None:
    """Backends sort siblings by their start: one moment for all would be any order."""
    evidence = samples.stopped()
    evidence.ended_at = end_of_trace(evidence, 0)
    evidence.spans[0].reused, evidence.spans[0].reused_from = True, SpanReference(otel_trace_id="a", otel_span_id="b")
    spans = [list(phase_spans(evidence, phase, number=at))[-1] for at, phase in enumerate(evidence.spans)]
    assert sorted(spans, key=lambda span: span.start) == spans
    assert len({span.start for span in spans}) == len(spans)
    assert [span.end - span.start for span in (spans[0], *spans[2:])] == [0, 0, 0]
    parent = parent_span(evidence, 0)
    assert parent.start <= min(span.start for span in spans)
    assert max(span.end for span in spans) <= parent.end


def test_a_trace_that_a_kill_cut_off_is_blocked_on_the_phase_that_ran() -> None:
    evidence = samples.completed()
    assert "task.blocked_on_span_id" not in interrupted_parent(evidence, 1).attributes
    evidence.spans[1].status = Status.IN_PROGRESS
    span = interrupted_parent(evidence, 1)
    assert span.attributes["task.blocked_on_span_id"] == evidence.spans[1].span_id
    assert (span.attributes["task.next_action"], span.status.error_type) == ("run the plan again", "interrupted")


@pytest.mark.parametrize(
    ("fields", "error_type", "known"),
    [
        ({"pid": 7, "exit_code": 0, "stderr": "all is well"}, "", {"process.pid", "process.exit.code"}),
        ({"pid": 7, "exit_code": -9, "stderr": "last words"}, "exit_code", {"process.pid", "process.exit.code"}),
        ({"pid": 7, "error_type": "timeout", "stderr": "last words"}, "timeout", {"process.pid"}),
        ({"error_type": "FileNotFoundError"}, "FileNotFoundError", set()),
    ],
    ids=["passed", "killed", "late", "absent"],
)
def test_a_program_is_a_client_span_and_says_what_a_failed_one_said_last(
    fields: dict[str, object], error_type: str, known: set[str]
) -> None:
    program = ProgramEvidence.model_validate({"otel_span_id": "9" * 16, "args": ["bin/load", "--all"], **fields})
    span = program_span(samples.completed(), program, "8" * 16)
    assert (span.name, span.kind, span.status.error_type) == ("load", "client", error_type)
    assert span.attributes.keys() == {"process.executable.name", *known}
    said = [event.attributes["program.output"] for event in span.events]
    assert said == (["last words"] if error_type and "stderr" in fields else [])
