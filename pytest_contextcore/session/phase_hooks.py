"""The hooks around a phase's test: its span, its outcome before its call report is made, its properties for JUnit."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from .. import private
from ..errors import HandoffRefused
from ..reasons import end_at_caller, exception_reason
from ..redact import redact
from ..report import junit, terminal, verdict
from ..span import code_attributes
from ..spans.of_subtests import subtest_span
from ..trace import rules
from ..trace.evidence import Status
from ..trace.rules import Outcome, Trouble
from .dependency import evaluate_user_markers, repeat_under_user_names
from .items import PhaseItem, mark_reused, phase_of
from .timeout import Deadline


class PhaseHooks:
    """A runner of phases for `TracedSession`, and a plugin object that is registered while one runs: other tests are
    not to pay for it.

    Args:
        manager: where to register itself.
    """

    def __init__(self, manager: pytest.PytestPluginManager) -> None:
        self._manager = manager
        self._item: pytest.Item | None = None
        self._deadline: Deadline | None = None

    def begin(self, item: pytest.Item) -> None:
        """A phase's test is about to run."""
        self._item = item
        self._manager.register(self, "contextcore-phases")
        phase = _of(item)
        if (seconds := phase.run.plan.by_id[phase.phase_id].timeout) is not None:
            self._deadline = Deadline(phase.run, phase.phase_id, seconds)
            self._manager.register(self._deadline, "contextcore-deadline")

    def interrupt(self, item: pytest.Item, error: BaseException) -> None:
        """It ended without a result: Ctrl-C, ``pytest.exit``, or a plugin that broke."""
        phase = _of(item)
        if _is_running(phase):
            trouble = Trouble(f"interrupted: {exception_reason(error)}", "run the phase again")
            phase.run.recorder.add_trouble(phase.phase_id, trouble, error)

    def end(self, item: pytest.Item) -> None:
        """It is over: if it began as a phase, that has ended now."""
        try:
            self._close(_of(item))
        finally:
            self._item = None
            self._manager.unregister(self)
            if self._deadline is not None:
                self._manager.unregister(self._deadline)
                self._deadline = None

    def _close(self, phase: PhaseItem) -> None:
        """The test is over, with its teardown."""
        if self._deadline is not None:
            self._deadline.stop()
        if _is_running(phase):
            phase.run.end(phase.phase_id)
            phase.running = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Our decision comes before every other plugin's, so that a skip names the span that is the root cause.

        No wrapper: raised there, the skip would keep pytest's logging plugin from its own setup.
        """
        if (phase := phase_of(item)) is None:
            return  # a plugin runs another test within a phase
        recorder, phase_id = phase.run.recorder, phase.phase_id
        phase.held, phase.refused = None, not _is_running(phase) and rules.is_final(recorder.span(phase_id))
        if phase.refused:  # a plugin repeats tests, and did not ask whether it may repeat this one
            raise _stopped(phase, recorder.outcome(phase_id))
        phase.run.start()
        if phase.kept:
            return
        phase.held = rules.upstream_block(phase.run.plan, recorder.evidence, phase_id)
        if phase.held is not None:
            recorder.hold_phase(phase_id, phase.held)
            pytest.skip(_not_started(phase, phase.held))
        phase.running = phase.run.begin(phase_id, item.nodeid, code_attributes(item))
        if self._deadline is not None:
            self._deadline.start()
        evaluate_user_markers(item)

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """The function of a phase that the last evidence proves is not called."""
        phase = phase_of(pyfuncitem)
        return True if phase is not None and phase.kept else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """Before pytest-rerunfailures prepares another attempt: a failed integrity gate is final."""
        phase = phase_of(item)
        if phase is not None and rules.is_final(phase.run.recorder.span(phase.phase_id)):
            private.forbid_rerun(item)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Innermost: turns failed gates into the test's failure, before anybody looks at it."""
        phase = phase_of(item)
        if phase is None or phase.kept:
            return (yield)
        phase.in_call = True
        try:
            result = yield
        except HandoffRefused:
            result = None  # recorded by phase.receive, with reason and next action
        except (KeyboardInterrupt, pytest.exit.Exception):
            raise
        except BaseException as error:
            told = _skip_is_failure(error) if isinstance(error, pytest.skip.Exception) else error
            stop = _record_raised(phase, told)
            if stop is not error:
                raise stop from None
            if not item.config.getoption("fulltrace"):
                end_at_caller(error)
            raise
        finally:
            phase.in_call = False
        outcome = phase.run.recorder.seal_phase(phase.phase_id)
        if outcome.status is not Status.COMPLETED:
            raise _stopped(phase, outcome)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A subtest is a span of its phase. A failed one does not fail its test's own report; a phase it fails."""
        if not isinstance(report, pytest.SubtestReport) or self._item is None or report.nodeid != self._item.nodeid:
            return
        phase = _of(self._item)
        if not _is_running(phase):
            return
        run, span = phase.run, phase.run.recorder.span(phase.phase_id)
        trace_id = run.recorder.evidence.otel_trace_id
        run.plan_spans.child(subtest_span(report, trace_id, run.spans.current, span.started_at or 0))
        if report.failed:
            name = report.head_line.removeprefix(report.location[2]).strip()
            run.recorder.add_trouble(phase.phase_id, Trouble(redact(f"subtest {name} failed"), _again(report.nodeid)))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Outside pytest's skipping plugin, inside pytest-dependency: no skip or xfail makes a phase green."""
        report = yield
        phase = phase_of(item)
        if phase is None or phase.in_call:  # a subtest's report, made while the test still runs
            return report
        if phase.kept:
            mark_reused(report)
        if phase.held is not None:
            _show_held(item, report, _not_started(phase, phase.held))
        elif not phase.refused and not _refuse_excuse(phase, report):  # refused: the record of the last attempt stands
            _record_failure(phase, report, call)
        _shorten_summary(report)
        if call.when == "teardown":
            self._close(phase)
            evidence = phase.run.recorder.evidence
            report.user_properties += junit.phase_properties(evidence, phase.run.recorder.span(phase.phase_id))
        repeat_under_user_names(item, report)
        return report


def _of(item: pytest.Item) -> PhaseItem:
    if (phase := phase_of(item)) is None:
        raise LookupError(f"{item.nodeid} is no phase")
    return phase


def _is_running(phase: PhaseItem) -> bool:
    return phase.run.recorder.span(phase.phase_id).status is Status.IN_PROGRESS


def _record_raised(phase: PhaseItem, error: BaseException) -> BaseException:
    """Record what a test raised; what it then fails with: a failed gate wins over it."""
    recorder = phase.run.recorder
    recorder.add_trouble(phase.phase_id, _trouble(phase, error), error)
    outcome = recorder.seal_phase(phase.phase_id)
    return _stopped(phase, outcome) if outcome.status is Status.BLOCKED else error


def _record_failure(phase: PhaseItem, report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
    """A failed setup or teardown, or a failure that another plugin decided on without anything being raised."""
    if not report.failed:
        return
    recorder = phase.run.recorder
    if call.excinfo is None:
        recorder.add_trouble(phase.phase_id, Trouble(redact(report.longreprtext), _again(report.nodeid)))
    elif call.when != "call":
        error = call.excinfo.value
        recorder.add_trouble(phase.phase_id, _trouble(phase, error, f"{call.when}: "), error)


def _trouble(phase: PhaseItem, error: BaseException, where: str = "") -> Trouble:
    return Trouble(where + exception_reason(error), _again(phase.run.collected.nodeids[phase.phase_id]))


def _again(nodeid: str) -> str:
    return f"mend {nodeid} or what it exercises, then run again"


def _stopped(phase: PhaseItem, outcome: Outcome) -> BaseException:
    """What a test fails with whose phase did not complete."""
    recorder = phase.run.recorder
    span = recorder.span(phase.phase_id)
    now = {"status": outcome.status, "blocked_reason": outcome.reason, "next_action": outcome.next_action}
    details = recorder.details(phase.phase_id)
    message = terminal.stopped_message(verdict.of_phase(span.model_copy(update=now)), details)
    return pytest.fail.Exception(message, pytrace=False)


def _not_started(phase: PhaseItem, hold: Outcome) -> str:
    root = next((span for span in phase.run.recorder.evidence.spans if span.span_id == hold.blocked_on), None)
    return verdict.not_started(hold.reason, root)


def _show_held(item: pytest.Item, report: pytest.TestReport, why: str) -> None:
    """Let a not-started phase's skip point at its own test, not into the plugin."""
    if report.skipped:
        path, line = item.reportinfo()[:2]
        report.longrepr = (str(path), (line or 0) + 1, f"Skipped: {why}")


def _skip_is_failure(error: BaseException) -> BaseException:
    text = str(error) or "no reason given"
    return pytest.fail.Exception(redact(f"a phase cannot be skipped, but its test was: {text}"), pytrace=False)


def _refuse_excuse(phase: PhaseItem, report: pytest.TestReport) -> bool:
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
    recorder.add_trouble(phase.phase_id, Trouble(why, _again(report.nodeid)), first=True)
    outcome = recorder.outcome(phase.phase_id)
    report.outcome = "failed"
    report.longrepr = str(_stopped(phase, outcome)) if outcome.status is Status.BLOCKED else why
    return True


def _shorten_summary(report: pytest.TestReport) -> None:
    """Keep pytest's summary to a line: in CI it repeats the whole message, which stands above it twice already."""
    if report.failed and (crash := getattr(report.longrepr, "reprcrash", None)) is not None:
        crash.message = crash.message.partition("\n")[0]
