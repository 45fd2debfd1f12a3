from __future__ import annotations

from pathlib import Path

import pytest

from pytest_contextcore.plan.model import Plan
from pytest_contextcore.trace.evidence import Evidence, Input, Result
from pytest_contextcore.trace.recorder import TraceRecorder
from pytest_contextcore.trace.resume import fingerprint, not_reusable

from ..support.plans import warehouse

PRINTS = {"E": "1", "T": "2", "P": "3"}


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return warehouse(tmp_path)


@pytest.fixture
def last(plan: Plan) -> Evidence:
    recorder = TraceRecorder(plan)
    recorder.start()
    for phase in plan.phases:
        recorder.span(phase.id).fingerprint = PRINTS[phase.id]
        recorder.begin_phase(phase.id, f"t.py::{phase.id}")
        for gate in phase.gates:
            recorder.begin_gate(phase.id, gate.id)
            recorder.end_gate(phase.id, gate.id, Result.PASS)
        recorder.add_input(phase.id, Input(path=f"{phase.id}.csv", sha256="a" * 64))
        recorder.end_phase(phase.id)
    recorder.finish()
    return recorder.evidence


def unchanged(path: str) -> str | None:
    return "a" * 64


def test_everything_that_is_unchanged_may_be_reused(plan: Plan, last: Evidence) -> None:
    assert not_reusable(plan, last, [], PRINTS, unchanged) == {}


def test_what_runs_now_and_everything_after_it_is_not_reused(plan: Plan, last: Evidence) -> None:
    assert not_reusable(plan, last, ["T"], PRINTS, unchanged) == {
        "T": "it runs now",
        "P": "T, a phase before it, may not be reused: it runs now",
    }


def test_a_changed_input_is_named(plan: Plan, last: Evidence) -> None:
    refused = not_reusable(plan, last, [], PRINTS, lambda path: None if path == "T.csv" else "a" * 64)
    assert refused["T"] == "its input T.csv changed"
    assert set(refused) == {"T", "P"}


def test_a_changed_fingerprint_is_refused(plan: Plan, last: Evidence) -> None:
    assert "its test, its entry" in not_reusable(plan, last, [], {**PRINTS, "E": "x"}, unchanged)["E"]


def test_a_phase_that_did_not_complete_is_refused(plan: Plan, last: Evidence) -> None:
    fresh = TraceRecorder(plan).evidence
    assert not_reusable(plan, fresh, [], PRINTS, unchanged)["E"] == "the last evidence says not_started"


def test_the_fingerprint_changes_with_each_thing_that_a_phase_depends_on(plan: Plan, tmp_path: Path) -> None:
    def of(source: str = "s", options: dict[str, object] | None = None, workspace: str | None = "/w") -> str:
        return fingerprint(plan, "E", source=source, options=options or {}, workspace=workspace)

    assert of() == of(options={"unread": 1})
    assert len({of(), of(source="other"), of(workspace="/v"), of(workspace=None)}) == 4
