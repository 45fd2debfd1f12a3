"""Spans out of evidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_contextcore.reasons import exception_type
from pytest_contextcore.spans.of_trace import interrupted_parent, parent_span, phase_spans, program_span, waiting_spans
from pytest_contextcore.trace.evidence import Condition, EvidenceItem, ProgramEvidence, Result, Status
from pytest_contextcore.trace.recorder import TraceRecorder
from pytest_contextcore.trace.rules import Trouble

from ..support import page_samples as samples
from ..support.plans import warehouse


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
    span = program_span(samples.completed(), program)
    assert (span.name, span.kind, span.status.error_type) == ("load", "client", error_type)
    assert span.attributes.keys() == {"process.executable.name", *known}
    said = [event.attributes["program.output"] for event in span.events]
    assert said == (["last words"] if error_type and "stderr" in fields else [])


def test_phases_that_did_not_start_stand_one_after_the_other_at_the_end_of_the_trace(tmp_path: Path) -> None:
    recorder = TraceRecorder(warehouse(tmp_path), clock=lambda: 10**18)  # a clock that does not move
    recorder.start()
    recorder.begin_phase("E", "test_load.py::test_extract")
    recorder.end_phase("E")
    recorder.finish()
    evidence = recorder.evidence
    (*_, ran), waiting, parent = (
        phase_spans(evidence, evidence.spans[0]),
        waiting_spans(evidence),
        parent_span(evidence, 0),
    )
    times = [(span.name, span.start, span.end) for span in (ran, *waiting, parent)]
    after = [10**18 + number * 1_000 for number in range(3)]
    assert times == [
        ("LOAD-7-E EXTRACT", after[0], after[0]),
        ("LOAD-7-T TRANSFORM", after[1], after[1]),
        ("LOAD-7-P PUBLISH", after[2], after[2]),
        ("LOAD-7", after[0], after[2]),
    ]


def test_phases_say_their_goal_gates_what_they_checked_and_the_parent_what_is_done(tmp_path: Path) -> None:
    recorder = TraceRecorder(warehouse(tmp_path))
    recorder.start()
    recorder.begin_phase("E", "test_load.py::test_extract")
    recorder.begin_gate("E", "C1")
    for number in range(40):
        recorder.add_finding("E", "C1", EvidenceItem(type="lost_row", ref=str(number)))
    recorder.end_gate("E", "C1", Result.PASS)
    recorder.end_phase("E")
    recorder.begin_phase("T", "test_load.py::test_transform")
    recorder.add_trouble("T", Trouble("a reason", "a next action", "KeyError"))
    recorder.end_phase("T")
    recorder.finish()
    evidence = recorder.evidence
    gate, extract = phase_spans(evidence, evidence.spans[0])
    assert gate.attributes["gate.purpose"] == "The source answers"
    assert gate.attributes["gate.criterion"] == "source reachable"
    assert gate.attributes["gate.evidence"] == [f"lost_row: {number}" for number in range(32)]
    assert extract.attributes["task.goal"] == "Take the rows out of the shop"
    assert extract.attributes["task.exit_criteria"] == ["source reachable"]
    (*_, failed), parent = phase_spans(evidence, evidence.spans[1]), parent_span(evidence, 0)
    told = ("task.status", "task.blocked_reason", "task.next_action")
    for span in (failed, parent):
        assert [span.attributes[name] for name in told] == ["failed", "a reason", "a next action"]
    assert parent.attributes["task.blocked_on_span_id"] == "LOAD-7-T"
    assert parent.attributes["task.definition_of_done"] == ["every row arrived: not reached"]


@pytest.mark.parametrize(
    ("condition", "state"),
    [
        (Condition(condition="c", met=True), "met"),
        (Condition(condition="c", met=False, missing=["gate P-C1 failed"], broken=["gate P-C1 failed"]), "not met"),
        (Condition(condition="c", met=False, missing=["gate P-C1 was not checked"]), "not reached"),
    ],
)
def test_a_condition_is_met_not_met_or_not_reached(condition: Condition, state: str) -> None:
    assert condition.state == state
