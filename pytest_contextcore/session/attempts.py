"""Attempts at a phase's test: how they begin, fail and end.

One begins where pytest sets the test up, or where its function is called again.

Plugins repeat a test in many ways: they run its protocol again, or only its setup and call, or just its function. So
the function itself is watched: who calls it once more begins another attempt, unless an integrity gate has failed.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import partial, wraps
from typing import Any

import pytest

from ..errors import HandoffRefused, PhaseStopped
from ..reasons import end_at_caller, exception_reason, exception_type
from ..redact import redact
from ..report import terminal, verdict
from ..span import ErrorType, code_attributes
from ..text import harmless
from ..trace import rules
from ..trace.evidence import Status
from ..trace.rules import Outcome, Trouble
from .branches import branches_of
from .items import PhaseItem, phase_of
from .logged import unproven
from .perform import Work
from .timeout import PhaseTimeout

STOPS = (KeyboardInterrupt, pytest.exit.Exception)
"""What ends the session, whatever test it is raised in."""


def is_running(phase: PhaseItem) -> bool:
    """Whether an attempt has begun and not ended."""
    return phase.run.recorder.span(phase.phase_id).status is Status.IN_PROGRESS


def is_final(phase: PhaseItem) -> bool:
    """Whether an integrity gate has failed in this session, so that the test must not be run again."""
    span = phase.run.recorder.span(phase.phase_id)
    return span.status is not Status.NOT_STARTED and rules.is_final(span)


def begin(phase: PhaseItem, item: pytest.Item) -> None:
    """An attempt begins; one that is still open has ended."""
    if phase.ahead is None:
        if is_running(phase):
            phase.run.end(phase.phase_id)
        phase.ahead = phase.run.announce(phase.phase_id, item.nodeid, code_attributes(item))
    phase.running, phase.ahead = phase.ahead, None
    phase.run.enter(phase.phase_id)
    phase.called = phase.returned = False
    phase.raised = phase.told = phase.over = None


def end(phase: PhaseItem) -> None:
    """The attempt is over; it has failed unless its function's call and its reports prove that it passed."""
    if is_running(phase):
        require_call(phase)
        if (trouble := unproven(phase.run.logged[phase.phase_id])) is not None:
            phase.run.recorder.add_trouble(phase.phase_id, trouble)
        phase.run.end(phase.phase_id, phase.over)
    phase.running = None


def require_call(phase: PhaseItem) -> None:
    """Fail an attempt in which the test's function was not called."""
    if phase.returned or phase.raised is not None:
        return
    how = "not called to its end" if phase.called else "never called"
    trouble = Trouble(
        f"its test function was {how}: a plugin or conftest.py runs it otherwise, or not at all",
        "look for hooks around the call of tests, then run again",
        ErrorType.TEST_FAILED,
    )
    phase.run.recorder.add_trouble(phase.phase_id, trouble)


def in_another_process(phase: PhaseItem) -> str | None:
    """Why a phase cannot run here; None in the process that runs its plan."""
    if phase.run.process == os.getpid():
        return None
    return (
        "a phase runs in the process that runs its plan, but this one runs in a child of it: what it finds would be "
        "lost; run the plan without the plugin that forks (pytest-forked: without --forked)"
    )


class Calls:
    """A pytest plugin object that is registered while a phase runs."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Outermost: what a setup raises counts, though a plugin that repeats tests may make no report of it."""
        try:
            return (yield)
        except STOPS:
            raise
        except BaseException as error:
            phase = phase_of(item)
            if phase is not None and is_running(phase):
                phase.run.recorder.add_trouble(phase.phase_id, trouble_of(phase, error, "setup: "), error)
            raise

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        """Innermost: whoever calls the function calls it through us."""
        phase, function = phase_of(pyfuncitem), pyfuncitem.obj
        if phase is None or phase.kept or inspect.isasyncgenfunction(function):
            return (yield)
        pyfuncitem.obj = _watched(function, phase, pyfuncitem)
        try:
            return (yield)
        finally:
            pyfuncitem.obj = function


def _watched(function: Callable[..., Any], phase: PhaseItem, item: pytest.Item) -> Callable[..., Any]:
    """The function, with its calls watched."""
    if inspect.iscoroutinefunction(function):

        @wraps(function)
        async def call(*args: Any, **arguments: Any) -> Any:
            with _watch(phase, item):
                return await function(*args, **arguments)

        return call

    @wraps(function)
    def call_now(*args: Any, **arguments: Any) -> Any:
        with _watch(phase, item):
            return function(*args, **arguments)

    return call_now


@contextmanager
def _watch(phase: PhaseItem, item: pytest.Item) -> Iterator[None]:
    """Around a call of the function: the first one of the attempt, or another attempt.

    Raises:
        pytest.fail.Exception: it must not be called here, or not again.
        pytest.skip.Exception: the phase is not to start.
    """
    if (why := in_another_process(phase)) is not None:
        raise pytest.fail.Exception(why, pytrace=False)
    if phase.held is not None:
        pytest.skip(not_started(phase, phase.held))
    phase.refused = phase.refused or (phase.called and is_final(phase))
    if phase.refused:
        raise stopped(phase, phase.run.recorder.outcome(phase.phase_id))
    if phase.called or not is_running(phase):
        begin(phase, item)
    phase.called = True
    try:
        with _checks(phase, item):
            yield
    except BaseException as error:
        record_raised(phase, error)
        if not item.config.getoption("fulltrace", False):
            end_at_caller(error)
        raise
    phase.returned = True
    if not phase.in_call:  # called outside of pytest_runtest_call, where failed gates become the test's failure
        seal(phase)


@contextmanager
def _checks(phase: PhaseItem, item: pytest.Item) -> Iterator[None]:
    """Around a test's function: do what the plan says of the phase; its checks are evaluated whatever was raised."""
    if phase.running is None:
        raise LookupError(f"{phase.phase_id} has not begun")
    work, branches = Work(phase.run.plan, phase.running), branches_of(item.config)
    recall = partial(phase.run.recall, phase.phase_id)
    try:
        branches.run(phase, item, work)
        yield
        work.record_outputs(phase.began)
        work.attach(phase.began)
    except (*STOPS, PhaseTimeout):
        raise
    except BaseException as error:
        record_raised(phase, error)
        if phase.began is not None:
            with suppress(PhaseStopped):  # such as the log of a program that failed, if it wrote one
                work.attach(phase.began)
        if not isinstance(error, PhaseStopped) or error.decidable:
            work.evaluate_checks(phase.began, item.config, recall)
        raise
    work.evaluate_checks(phase.began, item.config, recall)


# --- how an attempt fails: what was raised goes into the record, and the record decides what the test fails with ------


def record_raised(phase: PhaseItem, error: BaseException) -> BaseException:
    """Record what a test raised, once; what it fails with unless a gate failed."""
    if error is phase.raised:
        return phase.told or error
    phase.raised = error
    phase.told = _skip_is_failure(error) if isinstance(error, pytest.skip.Exception) else error
    if isinstance(error, PhaseStopped):
        trouble = Trouble(error.reason, error.next_action, error.error_type, error.blocks)
        phase.run.recorder.add_trouble(phase.phase_id, trouble, error)
    elif not isinstance(error, HandoffRefused):  # recorded by phase.handoff or phase.receive
        trouble = interrupted(error) if isinstance(error, STOPS) else trouble_of(phase, phase.told)
        phase.run.recorder.add_trouble(phase.phase_id, trouble, phase.told)
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
    """A failed setup or teardown, or another plugin's failure: raised around the call, or not raised at all."""
    if not report.failed:
        return
    recorder = phase.run.recorder
    if call.excinfo is None:
        trouble = Trouble(redact(report.longreprtext), again(report.nodeid), ErrorType.TEST_FAILED)
        recorder.add_trouble(phase.phase_id, trouble)
    elif call.when != "call" or recorder.outcome(phase.phase_id).status is Status.COMPLETED:
        error, where = call.excinfo.value, "" if call.when == "call" else f"{call.when}: "
        recorder.add_trouble(phase.phase_id, trouble_of(phase, error, where), error)


def interrupted(error: BaseException) -> Trouble:
    """What Ctrl-C, ``pytest.exit`` or a plugin that broke means for the phase that runs."""
    return Trouble(f"interrupted: {exception_reason(error)}", "run the phase again", exception_type(error))


def trouble_of(phase: PhaseItem, error: BaseException, where: str = "") -> Trouble:
    """What an exception means for its phase."""
    nodeid = phase.run.collected.nodeids[phase.phase_id]
    return Trouble(where + exception_reason(error), again(nodeid), exception_type(error))


def again(nodeid: str) -> str:
    """What to do about a test that failed."""
    return f"mend {nodeid} or what it exercises, then run again"


def stopped(phase: PhaseItem, outcome: Outcome) -> BaseException:
    """What a test fails with whose phase did not complete."""
    recorder = phase.run.recorder
    span = recorder.span(phase.phase_id)
    details = recorder.details(phase.phase_id)
    now = {"status": outcome.status, "blocked_reason": outcome.reason, "next_action": outcome.next_action}
    said = verdict.of_phase(span.model_copy(update=now))
    error = pytest.fail.Exception(terminal.stopped_message(said, details), pytrace=False)
    phase.verdict = error, harmless(said.headline)
    return error


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
    recorder.add_trouble(phase.phase_id, Trouble(why, again(report.nodeid), ErrorType.EXCUSED), first=True)
    outcome = recorder.outcome(phase.phase_id)
    report.outcome = "failed"
    report.longrepr = str(stopped(phase, outcome)) if outcome.status is Status.BLOCKED else why
    return True


def shorten_summary(phase: PhaseItem, report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
    """Have pytest's summary say in a line why a phase stopped: it names the test itself, and the rest stands above."""
    if report.failed and (crash := getattr(report.longrepr, "reprcrash", None)) is not None:
        error, headline = phase.verdict or (None, "")
        ours = call.excinfo is not None and call.excinfo.value is error
        crash.message = headline if ours else crash.message.partition("\n")[0]
