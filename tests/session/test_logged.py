"""What the logged reports of a phase say: pure."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_contextcore.session.logged import Logged, fail, failed_in, troubles, unproven
from pytest_contextcore.trace.evidence import Status
from pytest_contextcore.trace.recorder import TraceRecorder
from pytest_contextcore.trace.rules import Trouble

from ..support.plans import warehouse


def report(when: str, outcome: str = "passed", longrepr: object = None, **more: object) -> Any:
    made = pytest.TestReport("t.py::test", ("t.py", 1, "test"), {}, "passed", None, "call")
    made.__dict__.update({"when": when, "outcome": outcome, "longrepr": longrepr, **more})
    return made


def logged(*reports: Any, attempt: int = 0) -> Logged:
    return Logged(list(reports), attempt)


WHOLE = ("setup", "call", "teardown")


def test_three_reports_that_passed_prove_an_attempt() -> None:
    assert unproven(logged(*map(report, WHOLE))) is None


@pytest.mark.parametrize("missing", WHOLE)
def test_a_missing_report_is_no_pass(missing: str) -> None:
    trouble = unproven(logged(*(report(when) for when in WHOLE if when != missing)))
    assert trouble is not None
    assert f"no report of its {missing} was logged" in trouble.reason
    assert trouble.next_action


@pytest.mark.parametrize("when", WHOLE)
@pytest.mark.parametrize("outcome", ["failed", "skipped", "rerun", "fine"])
def test_a_report_that_did_not_pass_is_no_pass_and_gives_its_reason(when: str, outcome: str) -> None:
    reports = [report(part, outcome, "\nno disk\nmore") if part == when else report(part) for part in WHOLE]
    trouble = unproven(logged(*reports))
    assert trouble is not None
    assert trouble.reason == f"its {when} was reported as {outcome}: no disk"


def test_a_pass_that_was_expected_to_fail_is_no_pass() -> None:
    trouble = unproven(logged(report("setup"), report("call", wasxfail="known"), report("teardown")))
    assert trouble is not None
    assert trouble.reason.startswith("its call was reported as expected to fail")


def test_an_outcome_that_is_changed_after_it_was_logged_counts() -> None:
    reports = [report(when) for when in WHOLE]
    found = logged(*reports)
    reports[1].outcome = "failed"
    assert unproven(found) is not None
    assert failed_in(found) is not None


def test_reports_of_an_earlier_attempt_prove_nothing_but_its_setup() -> None:
    earlier = [report(when) for when in WHOLE]
    assert unproven(logged(*earlier, report("call"), report("teardown"), attempt=3)) is None  # as pytest-retry does
    assert unproven(logged(*earlier, report("setup"), report("teardown"), attempt=3)) is not None


@pytest.mark.parametrize(
    ("reports", "reason"),
    [
        ((report("call", "failed", SimpleNamespace(reprcrash=SimpleNamespace(message="no disk"))),), "no disk"),
        ((report("call", "failed"),), "it gives no reason"),
        ((report("???", "failed", "crashed"),), "its test was reported as failed: crashed"),
        ((report("call"), report("call", "rerun")), ""),
        ((), ""),
    ],
)
def test_any_failed_report_fails(reports: tuple[Any, ...], reason: str) -> None:
    trouble = failed_in(logged(*reports))
    assert (trouble is not None) == bool(reason)
    assert trouble is None or trouble.reason.endswith(reason)


def test_a_phase_is_failed_once_whatever_its_state(tmp_path: Path) -> None:
    recorder = TraceRecorder(warehouse(tmp_path))
    recorder.start()
    recorder.begin_phase("E", "t.py::e")
    recorder.gate("E", "C1").result = recorder.gate("E", "C1").result.PASS
    recorder.end_phase("E")
    assert recorder.span("E").status is Status.COMPLETED
    for phase_id in ("E", "T"):
        for reason in ("first", "second"):
            fail(recorder, phase_id, f"t.py::{phase_id}", Trouble(reason, "mend it", "test_failed"))
        assert (recorder.span(phase_id).status, recorder.span(phase_id).blocked_reason) == (Status.FAILED, "first")
    assert [attempt.status for attempt in recorder.span("E").attempts] == [Status.COMPLETED]


def test_only_a_phase_that_completed_in_this_run_needs_proof(tmp_path: Path) -> None:
    recorder = TraceRecorder(warehouse(tmp_path))
    spans = {phase_id: recorder.span(phase_id) for phase_id in ("E", "T", "P")}
    spans["E"].status, spans["T"].status, spans["T"].reused = Status.COMPLETED, Status.COMPLETED, True
    assert set(troubles(spans, {phase_id: Logged() for phase_id in spans})) == {"E"}
    failed = {phase_id: logged(report("teardown", "failed")) for phase_id in spans}
    assert set(troubles(spans, failed)) == {"E", "T", "P"}
