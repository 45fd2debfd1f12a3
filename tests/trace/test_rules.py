from __future__ import annotations

from pathlib import Path

import pytest

from pytest_contextcore.plan.model import Plan
from pytest_contextcore.trace import rules
from pytest_contextcore.trace.evidence import EvidenceItem, Input, Result, Status
from pytest_contextcore.trace.recorder import TraceRecorder
from pytest_contextcore.trace.rules import Outcome, Trouble

from ..support.plans import WAREHOUSE, warehouse


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return warehouse(tmp_path)


@pytest.fixture
def recorder(plan: Plan) -> TraceRecorder:
    made = TraceRecorder(plan)
    made.start()
    return made


def check(recorder: TraceRecorder, phase: str, gate: str, result: Result = Result.PASS, reason: str = "") -> None:
    recorder.begin_gate(phase, gate)
    recorder.end_gate(phase, gate, result, reason or None)


def complete(recorder: TraceRecorder, phase: str, row_count: int | None = None) -> None:
    recorder.begin_phase(phase, f"test_load.py::test_{phase}")
    if row_count is not None:
        recorder.add_values(phase, {"quality.row_count": row_count})
    for gate in recorder.plan.by_id[phase].gates:
        check(recorder, phase, gate.id)
    recorder.end_phase(phase)


PASS, FAIL, NONE = Result.PASS, Result.FAIL, Result.NOT_APPLICABLE
RAISED = Trouble("KeyError: 'x'", "mend it", "KeyError")
REFUSED = Trouble("Rows was not emitted", "emit it", "handoff_refused", blocks=True)


@pytest.mark.parametrize(
    ("results", "trouble", "status", "reason"),
    [
        ((PASS, PASS, PASS), None, Status.COMPLETED, None),
        ((PASS, NONE, PASS), None, Status.COMPLETED, None),
        ((PASS, PASS, FAIL), None, Status.COMPLETED, None),
        ((PASS,), None, Status.FAILED, "declared gates C2, C3 were never checked"),
        ((PASS, PASS, PASS), RAISED, Status.FAILED, "KeyError: 'x'"),
        ((PASS, FAIL), RAISED, Status.BLOCKED, "C2: no"),
        ((FAIL, FAIL, FAIL), None, Status.BLOCKED, "C1: no (also failed: C2)"),
        ((), REFUSED, Status.BLOCKED, "Rows was not emitted"),
        ((PASS, FAIL), REFUSED, Status.BLOCKED, "C2: no; Rows was not emitted"),
    ],
    ids=[
        "all",
        "not applicable",
        "advisory",
        "unchecked",
        "raised",
        "gate and raised",
        "integrity first",
        "handoff",
        "both",
    ],
)
def test_gates_and_what_was_raised_decide_a_phase(
    recorder: TraceRecorder, results: tuple[Result, ...], trouble: Trouble | None, status: Status, reason: str | None
) -> None:
    recorder.begin_phase("T", "t")
    for gate, result in zip(("C1", "C2", "C3"), results, strict=False):
        check(recorder, "T", gate, result, "no" if result is FAIL else "")
    if trouble is not None:
        recorder.add_trouble("T", trouble)
    recorder.end_phase("T")
    assert (recorder.span("T").status, recorder.span("T").blocked_reason) == (status, reason)


@pytest.mark.parametrize(
    ("rows", "status", "reason"),
    [
        (3, Status.COMPLETED, None),
        (2, Status.BLOCKED, "every row arrived (quality.row_count: observed 2, expected 3)"),
        (None, Status.BLOCKED, "every row arrived (quality.row_count: observed nothing, expected 3)"),
    ],
)
def test_the_parent_completes_when_every_phase_did_and_the_definition_of_done_holds(
    recorder: TraceRecorder, rows: int | None, status: Status, reason: str | None
) -> None:
    for phase in "ETP":
        complete(recorder, phase, row_count=rows)
    recorder.finish()
    evidence = recorder.evidence
    assert (evidence.status, evidence.blocked_on_span_id) == (status, None)
    assert evidence.blocked_reason == (f"definition of done not met: {reason}" if reason else None)
    assert evidence.next_action == ("Compare the row counts of source and target." if reason else None)


@pytest.mark.parametrize(("phase", "gate", "held"), [("T", "C1", "LOAD-7-T"), ("T", "C2", None), ("E", "C1", None)])
def test_only_an_integrity_failure_stops_phases_that_do_not_depend_on_it(
    tmp_path: Path, phase: str, gate: str, held: str | None
) -> None:
    text = WAREHOUSE.replace('name = "PUBLISH"', 'name = "PUBLISH"\ndepends_on = []')
    plan = warehouse(tmp_path, text)
    recorder = TraceRecorder(plan)
    recorder.start()
    recorder.begin_phase(phase, "t")
    check(recorder, phase, gate, Result.FAIL, "no")
    recorder.end_phase(phase)
    outcome = rules.upstream_block(plan, recorder.evidence, "P")
    assert (outcome.blocked_on if outcome else None) == held


def test_the_summary_lists_every_status_and_result(recorder: TraceRecorder) -> None:
    complete(recorder, "E")
    assert recorder.evidence.model_dump(mode="json")["summary"] == {
        "phases": {"not_started": 2, "in_progress": 0, "blocked": 0, "completed": 1, "failed": 0},
        "gates": {"pass": 1, "fail": 0, "waived": 0, "not_applicable": 0, "not_checked": 4},
    }


@pytest.mark.parametrize("missing", ["reason", "next_action", "error_type"])
def test_a_blocked_outcome_without_reason_next_action_and_type_of_error_cannot_be_built(missing: str) -> None:
    whole = {"reason": "x", "next_action": "x", "error_type": "x"}
    Outcome(Status.BLOCKED, **whole)
    with pytest.raises(ValueError, match="span needs"):
        Outcome(Status.BLOCKED, **(whole | {missing: ""}))


def test_an_input_counts_once_with_the_digest_seen_last(recorder: TraceRecorder) -> None:
    recorder.begin_phase("E", "e")
    for path, digest in (("a", "1"), ("b", "2"), ("a", "3")):
        recorder.add_file("E", "inputs", Input(path=path, sha256=digest))
    assert [(item.path, item.sha256) for item in recorder.span("E").inputs] == [("a", "3"), ("b", "2")]


def test_time_never_goes_backwards(plan: Plan) -> None:
    moments = iter([5_000, 1_000, 7_000])
    recorder = TraceRecorder(plan, clock=lambda: next(moments))
    assert [recorder.now() for _ in range(3)] == [5_000, 5_000, 7_000]


def test_a_new_attempt_forgets_the_values_of_the_last_one(recorder: TraceRecorder) -> None:
    complete(recorder, "E", row_count=99)
    assert recorder.evidence.attributes == {"quality.row_count": 99}
    complete(recorder, "E")
    assert recorder.evidence.attributes == {}
    complete(recorder, "T", row_count=3)
    assert recorder.evidence.attributes == {"quality.row_count": 3}


def test_an_input_that_a_phase_observes_otherwise_than_its_upstream_is_drift(tmp_path: Path) -> None:
    """Not what another branch observed, not what came of it, and not the same thing twice."""
    graph = warehouse(tmp_path, WAREHOUSE.replace('id = "P"', 'id = "P"\ndepends_on = ["E"]'))
    recorder = TraceRecorder(graph)
    name, seen = "input.source_checksum", {"E": ["1"], "T": ["1", "2", "2"], "P": ["1"]}
    for phase, values in seen.items():
        recorder.begin_phase(phase, phase)
        for value in values:
            recorder.add_values(phase, {name: value, "quality.gap_count": int(value)})
    found = {phase: [event.attributes for event in recorder.span(phase).events] for phase in seen}
    drifted = {"drift.attribute": name, "drift.before": "1", "drift.after": "2"}
    assert found == {"E": [], "T": [drifted], "P": []}


def test_what_a_gate_took_for_granted_stands_in_the_text_of_its_condition(recorder: TraceRecorder) -> None:
    recorder.begin_phase("P", "P")
    for number in range(22):
        recorder.add_finding("P", "C1", EvidenceItem(type="assumed", ref=f"a{number}"))
    recorder.finish()
    (done,) = recorder.evidence.definition_of_done
    assert done.condition.startswith("every row arrived (assumed: a0, a1, ")
    assert done.condition.endswith("a19, and 2 more)")


def test_gates_that_passed_meet_no_condition_where_their_phase_was_stopped_after_them(recorder: TraceRecorder) -> None:
    for phase in ("E", "T"):
        complete(recorder, phase)
    recorder.begin_phase("P", "P")
    for gate in recorder.plan.by_id["P"].gates:
        check(recorder, "P", gate.id)
    recorder.add_trouble("P", REFUSED)
    recorder.end_phase("P")
    recorder.finish()
    assert [done.missing for done in recorder.evidence.definition_of_done if not done.met] != []
    assert any("phase P: blocked" in done.broken for done in recorder.evidence.definition_of_done)
