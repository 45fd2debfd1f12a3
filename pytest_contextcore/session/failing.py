"""How a phase's test fails: what was raised goes into the record, and the record decides what the test fails with."""

from __future__ import annotations

import pytest

from ..errors import HandoffRefused
from ..reasons import exception_reason
from ..redact import redact
from ..report import terminal, verdict
from ..trace.evidence import Result, Status
from ..trace.rules import Outcome, Trouble
from .items import PhaseItem


def record_raised(phase: PhaseItem, error: BaseException) -> BaseException:
    """Record what a test raised, once; what it fails with unless a gate failed."""
    if error is phase.raised:
        return phase.told or error
    phase.raised = error
    phase.told = _skip_is_failure(error) if isinstance(error, pytest.skip.Exception) else error
    interrupts = (KeyboardInterrupt, pytest.exit.Exception)  # recorded when the session ends by them
    if not isinstance(error, (HandoffRefused, *interrupts)):  # that one is recorded by phase.receive
        phase.run.recorder.add_trouble(phase.phase_id, trouble_of(phase, phase.told), phase.told)
    return phase.told


def seal(phase: PhaseItem) -> None:
    """The test was called.

    Raises:
        pytest.fail.Exception: its gates, or what was recorded beside them, do not let the phase complete.
    """
    outcome = phase.run.recorder.seal_phase(phase.phase_id)
    if outcome.status is not Status.COMPLETED:
        raise stopped(phase, outcome)


def record_failure(phase: PhaseItem, report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
    """A failed setup or teardown, or a failure that another plugin decided on without anything being raised."""
    if not report.failed:
        return
    recorder = phase.run.recorder
    if call.excinfo is None:
        recorder.add_trouble(phase.phase_id, Trouble(redact(report.longreprtext), again(report.nodeid)))
    elif call.when != "call":
        error = call.excinfo.value
        recorder.add_trouble(phase.phase_id, trouble_of(phase, error, f"{call.when}: "), error)


def trouble_of(phase: PhaseItem, error: BaseException, where: str = "") -> Trouble:
    """What an exception means for its phase."""
    return Trouble(where + exception_reason(error), again(phase.run.collected.nodeids[phase.phase_id]))


def again(nodeid: str) -> str:
    """What to do about a test that failed."""
    return f"mend {nodeid} or what it exercises, then run again"


def stopped(phase: PhaseItem, outcome: Outcome) -> BaseException:
    """What a test fails with whose phase did not complete."""
    recorder = phase.run.recorder
    span = recorder.span(phase.phase_id)
    places = {gate.gate_id: recorder.failed_at(gate.gate_id) for gate in span.gates if gate.result is Result.FAIL}
    now = {"status": outcome.status, "blocked_reason": outcome.reason, "next_action": outcome.next_action}
    message = terminal.stopped_message(verdict.of_phase(span.model_copy(update=now)), places)
    return pytest.fail.Exception(message, pytrace=False)


def not_started(phase: PhaseItem, hold: Outcome) -> str:
    """Why a phase does not start, in a line."""
    root = next((span for span in phase.run.recorder.evidence.spans if span.span_id == hold.blocked_on), None)
    return verdict.not_started(hold.reason, root)


def show_held(item: pytest.Item, report: pytest.TestReport, why: str) -> None:
    """Let a not-started phase's skip point at its own test, not into the plugin."""
    if report.skipped:
        path, line = item.reportinfo()[:2]
        report.longrepr = (str(path), (line or 0) + 1, f"Skipped: {why}")


def _skip_is_failure(error: BaseException) -> BaseException:
    text = str(error) or "no reason given"
    return pytest.fail.Exception(redact(f"a phase cannot be skipped, but its test was: {text}"), pytrace=False)


def refuse_excuse(phase: PhaseItem, report: pytest.TestReport) -> bool:
    """Let a skipped or expected failure be a failure: it is no completed phase."""
    if hasattr(report, "wasxfail"):
        mark = report.wasxfail or "no reason given"
        why = redact(f"a phase cannot be expected to fail, but its test is marked xfail: {mark}")
        del report.wasxfail
    elif report.skipped:
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        why = redact(f"a phase cannot be skipped, but its test was: {text.removeprefix('Skipped: ')}")
    else:
        return False
    recorder = phase.run.recorder
    recorder.add_trouble(phase.phase_id, Trouble(why, again(report.nodeid)), first=True)
    outcome = recorder.outcome(phase.phase_id)
    report.outcome = "failed"
    report.longrepr = str(stopped(phase, outcome)) if outcome.status is Status.BLOCKED else why
    return True


def shorten_summary(report: pytest.TestReport) -> None:
    """Keep pytest's summary to a line: in CI it repeats the whole message, which stands above it twice already."""
    if report.failed and (crash := getattr(report.longrepr, "reprcrash", None)) is not None:
        crash.message = crash.message.partition("\n")[0]
