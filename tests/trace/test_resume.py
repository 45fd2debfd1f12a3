from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import pytest

from pytest_contextcore.plan.model import Plan
from pytest_contextcore.trace.consistency import contradiction
from pytest_contextcore.trace.evidence import Evidence, HandoffRecord, Input, Result, SpanEvidence, Status
from pytest_contextcore.trace.recorder import TraceRecorder
from pytest_contextcore.trace.resume import Files, Now, decide, fingerprint

from ..support.plans import WAREHOUSE, warehouse

A, B = "a" * 64, "b" * 64
BRANCHES = WAREHOUSE.replace('name = "PUBLISH"', 'name = "PUBLISH"\ndepends_on = ["E"]')


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return warehouse(tmp_path)


def ran(plan: Plan) -> Evidence:
    recorder = TraceRecorder(plan)
    recorder.start()
    for phase in plan.phases:
        recorder.span(phase.id).fingerprint = printed(plan)[phase.id].fingerprint  # type: ignore[assignment]
        recorder.begin_phase(phase.id, f"t.py::{phase.id}")
        for gate in phase.gates:
            recorder.begin_gate(phase.id, gate.id)
            recorder.end_gate(phase.id, gate.id, Result.PASS)
        recorder.add_file(phase.id, "inputs", Input(path=f"{phase.id}.csv", sha256=A))
        recorder.add_file(phase.id, "outputs", Input(path=f"{phase.id}.bin", sha256=A))
        recorder.set_modules(phase.id, [Input(path=path, sha256=A) for path in ("t.py", "helper.py")])
        recorder.add_values(phase.id, {"quality.row_count": 3})
        recorder.end_phase(phase.id)
    recorder.finish()
    return recorder.evidence


@pytest.fixture
def last(plan: Plan) -> Evidence:
    return ran(plan)


def printed(plan: Plan, **options: object) -> dict[str, Now]:
    code = ["t.py", "helper.py"]
    return {name: Now(fingerprint(plan, name, options=options, workspace="/w"), code) for name in plan.by_id}


def must_run(
    plan: Plan, last: Evidence, running: Collection[str], now: Mapping[str, Now], files: Files
) -> Mapping[str, str]:
    return decide(plan, [last], running, now, files).refused


def files(**changed: str | None) -> Files:
    """The files as they were, but for some: name without its ending → digest."""
    return Files(lambda path: changed.get(path.replace(".", "_"), A))


def test_everything_that_is_unchanged_may_be_reused(plan: Plan, last: Evidence) -> None:
    assert must_run(plan, last, [], printed(plan), files()) == {}


def test_what_runs_now_and_all_that_depends_on_it_is_not_reused(plan: Plan, last: Evidence) -> None:
    assert must_run(plan, last, ["T"], printed(plan), files()) == {
        "T": "it runs now",
        "P": "it depends on T, which runs: it runs now",
    }


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"T_csv": B}, "its input T.csv changed"),
        ({"T_csv": None}, "its input T.csv is gone"),
        ({"T_bin": B}, "its output T.bin changed"),
        ({"T_bin": None}, "its output T.bin is gone"),
        ({"T_bin": None, "T_csv": B}, "its input T.csv changed"),
    ],
)
def test_the_one_file_that_changed_is_named(
    plan: Plan, last: Evidence, changed: dict[str, str | None], reason: str
) -> None:
    refused = must_run(plan, last, [], printed(plan), files(**changed))
    assert refused == {"T": reason, "P": f"it depends on T, which runs: {reason}"}


def test_changed_code_is_named_before_what_it_made(plan: Plan, last: Evidence) -> None:
    refused = must_run(plan, last, [], printed(plan), files(helper_py=B, E_bin=B))
    assert refused["E"] == "helper.py changed"
    new = {name: now._replace(code=[*now.code, "conftest.py"]) for name, now in printed(plan).items()}
    assert must_run(plan, last, [], new, files())["E"] == "conftest.py is new"
    assert must_run(plan, last, [], new, files()._replace(ignored=lambda _, path: path == "conftest.py")) == {}


def test_another_branch_does_not_matter_unless_it_handed_something_on(tmp_path: Path) -> None:
    plan = warehouse(tmp_path, BRANCHES)
    last = ran(plan)
    assert set(must_run(plan, last, [], printed(plan), files(T_csv=B))) == {"T"}
    for span, direction in zip(last.spans[1:], ("emitted", "validated"), strict=True):
        span.handoffs.append(HandoffRecord(name="Rows", direction=direction, digest=B))  # type: ignore[arg-type]
    assert set(must_run(plan, last, [], printed(plan), files(T_csv=B))) == {"T", "P"}


def test_a_changed_entry_option_or_workspace_is_named(tmp_path: Path) -> None:
    plan = warehouse(tmp_path, WAREHOUSE.replace('name = "EXTRACT"', 'name = "EXTRACT"\noptions = ["shop"]'))
    last = ran(plan)
    assert must_run(plan, last, [], printed(plan, shop="x"), files())["E"] == "option shop changed"
    moved = {"E": Now(fingerprint(plan, "E", options={}, workspace="/v"), [])}
    assert must_run(plan, last, [], moved, files())["E"] == "the workspace's path changed"
    other = warehouse(tmp_path, WAREHOUSE.replace("Take the rows", "Fetch the rows"))
    assert must_run(other, last, [], printed(other), files())["E"] == "its entry in plan.toml changed"
    assert must_run(plan, last, [], {}, files())["E"] == "its test t.py::E is not found"


def test_a_phase_that_did_not_complete_is_not_reused(plan: Plan) -> None:
    fresh = TraceRecorder(plan).evidence
    assert must_run(plan, fresh, [], printed(plan), files())["E"] == "the last evidence says not_started"


def remove_gate(evidence: Evidence) -> None:
    del evidence.spans[1].gates[0]
    evidence.recount()


def completed(span: SpanEvidence) -> None:
    span.status = Status.COMPLETED


def set_(**values: object) -> Callable[[Evidence], None]:
    """A change of the second phase or, with ``gate_``, of its first gate; the summary is counted anew."""

    def change(evidence: Evidence) -> None:
        span = evidence.spans[1]
        for name, value in values.items():
            setattr(span.gates[0] if name.startswith("gate_") else span, name.removeprefix("gate_"), value)
        evidence.recount()

    return change


CONTRADICTIONS: Mapping[str, Callable[[Evidence], object]] = {
    "LOAD-7-T is completed, but its gate LOAD-7-T-C1 failed": set_(gate_result=Result.FAIL),
    "LOAD-7-T is completed, but its gate LOAD-7-T-C1 was not checked": set_(gate_result=Result.NOT_CHECKED),
    "the trace is completed, but LOAD-7-T is failed": set_(status=Status.FAILED),
    "LOAD-7-T is completed, but has no time at which it ended": set_(ended_at=None),
    "LOAD-7-T is completed, but has a reason why it is not: no": set_(blocked_reason="no"),
    "gate LOAD-7-T-C1 has the result pass, but no times": set_(gate_ended_at=None),
    "gate LOAD-7-T-C1 is not as the plan declares it": remove_gate,
    "LOAD-7-T stands in it twice": lambda evidence: evidence.spans.append(evidence.spans[1]),
    "the trace is completed, but its condition 'every row arrived' is not met": lambda evidence: setattr(
        evidence.definition_of_done[0], "met", False
    ),
    "its summary does not count the statuses and results that stand in it": lambda evidence: (
        evidence.summary.phases.update({Status.FAILED: 1})
    ),
}


@pytest.mark.parametrize("said", CONTRADICTIONS)
def test_evidence_that_contradicts_itself_is_told(plan: Plan, last: Evidence, said: str) -> None:
    assert contradiction(plan, last) is None
    CONTRADICTIONS[said](last)
    assert contradiction(plan, last) == said


# --- several runs ----------------------------------------------------------------------------------------------------


def stopped(
    plan: Plan, phase_id: str = "T", *, inputs: str = A, upstream: str = A, integrity: bool = False
) -> Evidence:
    """A run in which a phase was blocked and nothing after it ran; the digests of its input, and of E's."""
    evidence = ran(plan)
    span = evidence.spans[[*plan.by_id].index(phase_id)]
    span.status, span.blocked_reason, span.next_action = Status.BLOCKED, "no", "mend it"
    span.gates[0 if integrity else -1].result = Result.FAIL
    span.inputs = [Input(path=f"{phase_id}.csv", sha256=inputs)]
    evidence.spans[0].inputs = [Input(path="E.csv", sha256=upstream)]
    for later in evidence.spans[evidence.spans.index(span) + 1 :]:
        later.status = Status.NOT_STARTED
    return evidence


def origins(plan: Plan, runs: list[Evidence], running: Collection[str] = ()) -> dict[str, int | str]:
    """Of each phase the number of the run that it is reused of, 0 being the last one, or why it runs."""
    reuse = decide(plan, iter(runs), running, printed(plan), files())
    places = {id(run): number for number, run in enumerate(runs)}
    return {**{name: places[id(kept.run)] for name, kept in reuse.kept.items()}, **reuse.refused}


def test_a_blocked_run_in_between_costs_nothing_where_its_inputs_were_others(plan: Plan) -> None:
    assert origins(plan, [stopped(plan, inputs=B), ran(plan)]) == {"E": 0, "T": 1, "P": 1}
    assert origins(plan, [stopped(plan, upstream=B), ran(plan)]) == {"E": 1, "T": 1, "P": 1}


def test_a_phase_that_did_not_complete_with_the_same_inputs_runs(plan: Plan) -> None:
    found = origins(plan, [stopped(plan), ran(plan)])
    assert (found["E"], found["T"]) == (0, "the last evidence says blocked")
    assert isinstance(found["P"], str)
    assert origins(plan, [stopped(plan, inputs=B), stopped(plan), ran(plan)])["T"] == "the last evidence says blocked"
    killed = stopped(plan, inputs=B)
    killed.spans[1].status = Status.IN_PROGRESS
    killed.spans[1].modules = []  # nothing says what it ran
    assert origins(plan, [killed, ran(plan)])["T"] == "the last evidence says in_progress"


def test_a_failed_integrity_gate_of_the_last_run_stands(plan: Plan) -> None:
    found = origins(plan, [stopped(plan, inputs=B, integrity=True), ran(plan)])
    assert (found["T"], found["E"]) == ("the last evidence says blocked", 0)
    again = origins(plan, [stopped(plan, "P", inputs=B), stopped(plan, inputs=B, integrity=True), ran(plan)])
    assert (again["T"], again["P"]) == (0, 2)  # it has run again since, and completed


def test_what_runs_now_asks_no_earlier_run(plan: Plan) -> None:
    def runs() -> Iterator[Evidence]:
        yield ran(plan)
        raise AssertionError("read further than is needed")

    assert decide(plan, runs(), ["T"], printed(plan), files()).refused["P"].startswith("it depends on T")
    assert decide(plan, runs(), (), printed(plan), files()).refused == {}


def test_evidence_of_a_phase_does_not_count_where_what_it_depends_on_was_another_one(plan: Plan) -> None:
    """P rested on T as it was then; that T is as it is now was shown by another run."""
    newer, older = stopped(plan, "P", inputs=B), ran(plan)
    newer.spans[2].status = Status.NOT_STARTED
    older.spans[1].modules = [Input(path="t.py", sha256=B)]
    found = origins(plan, [newer, older])
    assert (found["T"], found["P"]) == (0, "the last evidence says not_started")


def test_what_was_handed_on_otherwise_since_is_not_what_a_phase_received(plan: Plan) -> None:
    newer, older = stopped(plan, "P", inputs=B), ran(plan)
    for run, digest in ((newer, A), (older, B)):
        run.spans[1].handoffs = [HandoffRecord(name="Rows", direction="emitted", digest=digest)]
    older.spans[2].handoffs = [HandoffRecord(name="Rows", direction="validated", digest=B)]
    assert origins(plan, [newer, older])["P"] == "the last evidence says blocked"
    older.spans[1].handoffs[0].digest = older.spans[2].handoffs[0].digest = A
    assert origins(plan, [newer, older])["P"] == 1
