"""The hooks around a phase's test: its span, its outcome before its call report is made, its properties for JUnit."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from .. import private
from ..errors import PhaseStopped
from ..redact import redact
from ..report import junit
from ..span import ErrorType
from ..spans.of_subtests import subtest_span
from ..trace.evidence import Status
from ..trace.rules import Trouble
from . import attempts
from .branches import branches_of
from .dependency import evaluate_user_markers, tell_dependents
from .items import PhaseItem, mark_reused, phase_of
from .logged import LoggedReports
from .timeout import Deadline


class PhaseHooks:
    """A runner of phases for `TracedSession`, and a plugin object that is registered while one runs: other tests are
    not to pay for it.

    Args:
        manager: where to register itself.
        reports: who tells of each report of a phase that is logged.
    """

    def __init__(self, manager: pytest.PytestPluginManager, reports: LoggedReports) -> None:
        self._manager, self._reports, self._calls = manager, reports, attempts.Calls()
        self._item: pytest.Item | None = None
        self._deadline: Deadline | None = None

    def begin(self, item: pytest.Item) -> None:
        """A phase's test is about to run."""
        self._item = item
        self._manager.register(self, "contextcore-phases")
        self._manager.register(self._calls, "contextcore-calls")
        self._reports.tell = self._logged
        phase = _of(item)
        if (seconds := phase.run.plan.by_id[phase.phase_id].timeout) is not None:
            self._deadline = Deadline(phase.run, phase.phase_id, seconds)
            self._manager.register(self._deadline, "contextcore-deadline")

    def interrupt(self, item: pytest.Item, error: BaseException) -> None:
        """It ended without a result: Ctrl-C, ``pytest.exit``, or a plugin that broke."""
        phase = _of(item)
        if attempts.is_running(phase):
            phase.run.recorder.add_trouble(phase.phase_id, attempts.interrupted(error), error)

    def end(self, item: pytest.Item) -> None:
        """It is over: an attempt of which no teardown was logged has ended now."""
        try:
            self._close(item)
        finally:
            self._item = self._reports.tell = None
            self._manager.unregister(self)
            self._manager.unregister(self._calls)
            if self._deadline is not None:
                self._manager.unregister(self._deadline)
                self._deadline = None

    def _close(self, item: pytest.Item) -> None:
        """The test is over, with its teardown."""
        if self._deadline is not None:
            self._deadline.stop()
        phase = _of(item)
        branches_of(item.config).end(phase)
        attempts.end(phase)
        if phase.run.recorder.span(phase.phase_id).status is not Status.COMPLETED:
            tell_dependents(item, "teardown", "failed")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Our decision comes before every other plugin's, so that a skip names the span that is the root cause.

        No wrapper: raised there, the skip would keep pytest's logging plugin from its own setup.
        """
        if (phase := phase_of(item)) is None:
            return  # a plugin runs another test within a phase
        recorder, phase_id = phase.run.recorder, phase.phase_id
        branches_of(item.config).look(phase)
        phase.held, phase.refused = None, attempts.is_final(phase) or phase.stopped
        if (why := attempts.in_another_process(phase)) is not None:
            phase.refused = True
            raise pytest.fail.Exception(why, pytrace=False)
        if phase.refused:  # a plugin repeats tests; that is refused where the test is called, which nobody overlooks
            phase.running = phase.run.handle(phase_id)
            return
        phase.run.start()
        if phase.kept:
            return
        phase.held = phase.run.hold(phase_id)
        if phase.held is not None:
            recorder.hold_phase(phase_id, phase.held)
            pytest.skip(attempts.not_started(phase, phase.held))
        attempts.begin(phase, item)
        if self._deadline is not None:
            self._deadline.start()
        evaluate_user_markers(item)

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """The function of a phase that is reused is not called."""
        phase = phase_of(pyfuncitem)
        return True if phase is not None and phase.kept else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """Before pytest-rerunfailures prepares another attempt: a failed integrity gate is final."""
        if (phase := phase_of(item)) is not None and attempts.is_final(phase):
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
            if attempts.is_running(phase) and phase.raised is None:
                phase.run.relied.look_again(phase.phase_id)
        except attempts.STOPS:
            raise
        except BaseException as error:
            if phase.refused or not attempts.is_running(phase):
                raise
            told = attempts.record_raised(phase, error)
            outcome = phase.run.recorder.seal_phase(phase.phase_id)
            if outcome.status is Status.BLOCKED or isinstance(told, PhaseStopped):
                raise attempts.stopped(phase, outcome) from None
            if told is not error:
                raise told from None
            raise
        finally:
            phase.in_call = False
        if attempts.is_running(phase):
            attempts.require_call(phase)
            attempts.seal(phase)
        return result

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
            attempts.show_held(item, report, attempts.not_started(phase, phase.held))
        elif not (phase.refused or attempts.refuse_excuse(phase, report)):  # refused: the last attempt's record stands
            attempts.record_failure(phase, report, call)
        attempts.shorten_summary(phase, report, call)
        if call.when == "teardown":
            phase.over = phase.run.recorder.now()
            if self._deadline is not None:
                self._deadline.stop()
        return report

    def _logged(self, report: pytest.TestReport) -> None:
        """A report of the phase is logged: every plugin has had its say about it, and the last one ends the attempt."""
        if (item := self._item) is None or report.nodeid != item.nodeid:
            return
        phase = _of(item)
        if isinstance(report, pytest.SubtestReport):
            if attempts.is_running(phase):
                _add_subtest(phase, report)
            return
        tell_dependents(item, report.when, report.outcome)
        if report.when == "teardown":
            self._close(item)
            evidence = phase.run.recorder.evidence
            report.user_properties += junit.phase_properties(evidence, phase.run.recorder.span(phase.phase_id))


def _of(item: pytest.Item) -> PhaseItem:
    if (phase := phase_of(item)) is None:
        raise LookupError(f"{item.nodeid} is no phase")
    return phase


def _add_subtest(phase: PhaseItem, report: pytest.SubtestReport) -> None:
    """A subtest is a span of its phase. A failed one does not fail its test's own report; a phase it fails."""
    run, span = phase.run, phase.run.recorder.span(phase.phase_id)
    trace_id = run.recorder.evidence.otel_trace_id
    run.plan_spans.child(subtest_span(report, trace_id, run.spans.current, span.started_at or 0))
    if report.failed:
        name = report.head_line.removeprefix(report.location[2]).strip()
        trouble = Trouble(redact(f"subtest {name} failed"), attempts.again(report.nodeid), ErrorType.TEST_FAILED)
        run.recorder.add_trouble(phase.phase_id, trouble)
