"""The hooks of a session that has a plan; each decides nothing itself (contract 2)."""

from __future__ import annotations

from collections.abc import Generator, Mapping

import pytest

from ..errors import HandoffRefused
from ..plugin import RUNNING
from ..reasons import end_at_caller, exception_reason
from ..redact import redact
from ..report import junit, terminal, verdict
from ..trace import rules
from ..trace.evidence import Result, Status
from ..trace.rules import Outcome, Trouble
from .dependency import evaluate_user_markers, repeat_under_user_names
from .reused import is_kept
from .run import PlanRun
from .shared import PHASE_OF
from .sources import code_attributes

_HELD = pytest.StashKey[Outcome]()
_IN_CALL = pytest.StashKey[bool]()
_REFUSED = pytest.StashKey[bool]()
"""On a phase's item: it was to be run again, and was not."""


class PhaseRunner:
    """Has the plugin objects that concern phases registered while a phase runs: other tests are not to pay for them.

    Args:
        manager: where to register them.
        plugins: the objects by name, in the order in which they are registered.
    """

    def __init__(self, manager: pytest.PytestPluginManager, plugins: Mapping[str, object]) -> None:
        self._manager, self._plugins = manager, plugins
        self._running: pytest.Item | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """A plugin that runs a phase past ``pytest_runtest_protocol`` leaves out what makes it one: no silent pass."""
        if item is not self._running and PHASE_OF in item.stash:
            raise pytest.UsageError(
                f"{item.nodeid} is a phase, but another plugin runs it without pytest_runtest_protocol, so that its "
                "gates would not count; run it without that plugin"
            )

    def begin(self, item: pytest.Item) -> None:
        """A phase's test is about to run."""
        self._running = item
        for name, plugin in self._plugins.items():
            self._manager.register(plugin, name)

    def interrupt(self, item: pytest.Item, error: BaseException) -> None:
        """It ended without a result."""
        _interrupt(*item.stash[PHASE_OF], error)

    def end(self, item: pytest.Item) -> None:
        """It is over: if it began as a phase, that has ended now."""
        try:
            _close(*item.stash[PHASE_OF])
        finally:
            item.stash[RUNNING] = self._running = None
            for name in self._plugins:
                self._manager.unregister(name=name)


class PlanHooks:
    """Runs phases: their spans, their outcome before their call report is made, their properties for JUnit.

    Registered while a phase runs.
    """

    def __init__(self, runs: list[PlanRun]) -> None:
        self._runs = runs

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Our decision comes before every other plugin's, so that a skip names the span that is the root cause.

        No wrapper: raised there, the skip would keep pytest's logging plugin from its own setup.
        """
        if (found := item.stash.get(PHASE_OF, None)) is None:
            return  # a plugin runs another test within a phase
        run, phase_id = found
        if is_kept(item):
            run.start()
            return
        if _is_final(run, phase_id):  # a plugin repeats tests, and did not ask whether it may repeat this one
            item.stash[_REFUSED] = True
            raise _stopped(run, phase_id, run.recorder.outcome(phase_id))
        run.start()
        hold = rules.upstream_block(run.plan, run.recorder.evidence, phase_id)
        if hold is not None:
            item.stash[_HELD] = hold
            run.recorder.hold_phase(phase_id, hold)
            pytest.skip(verdict.not_started(run.recorder.evidence, hold.reason, hold.blocked_on))
        item.stash[RUNNING] = run.begin(phase_id, item.nodeid, code_attributes(item))
        evaluate_user_markers(item)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """Before pytest-rerunfailures prepares another attempt: a failed integrity gate is final (contract 2)."""
        found = item.stash.get(PHASE_OF, None)
        if found is not None and rules.is_final(found[0].recorder.span(found[1])):
            errors = getattr(item, "_terminal_errors", None)  # its note of errors after which a test is not repeated
            if isinstance(errors, dict):
                errors["contextcore"] = True

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Innermost: turns failed gates into the test's failure, before anybody looks at it."""
        found = item.stash.get(PHASE_OF, None)
        if found is None or is_kept(item):
            return (yield)
        run, phase_id = found
        item.stash[_IN_CALL] = True
        try:
            result = yield
        except HandoffRefused:
            result = None  # recorded by phase.receive, with reason and next action
        except (KeyboardInterrupt, pytest.exit.Exception):
            raise
        except pytest.skip.Exception as error:
            raise self._stop(run, phase_id, _skip_is_failure(error)) from None
        except BaseException as error:
            stop = self._stop(run, phase_id, error)
            if stop is error:
                if not item.config.getoption("fulltrace"):
                    end_at_caller(error)
                raise
            raise stop from None
        finally:
            item.stash[_IN_CALL] = False
        outcome = run.recorder.seal_phase(phase_id)
        if outcome.status is not Status.COMPLETED:
            raise _stopped(run, phase_id, outcome)
        return result

    def _stop(self, run: PlanRun, phase_id: str, error: BaseException) -> BaseException:
        """Record what a test raised; what it then fails with: a failed gate wins over it."""
        run.recorder.add_trouble(phase_id, _trouble(run, phase_id, error), error)
        outcome = run.recorder.seal_phase(phase_id)
        return _stopped(run, phase_id, outcome) if outcome.status is Status.BLOCKED else error

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A subtest is a span of its phase. A failed one does not fail its test's own report; a phase it fails."""
        if not isinstance(report, pytest.SubtestReport) or (found := self._running(report.nodeid)) is None:
            return
        run, phase_id = found
        span = run.recorder.span(phase_id)
        if run.subtests is not None:
            run.subtests.add(report, run.spans.current, span.started_at or 0)
        if report.failed:
            name = report.head_line.removeprefix(report.location[2]).strip()
            run.recorder.add_trouble(phase_id, Trouble(redact(f"subtest {name} failed"), _again(report.nodeid)))

    def pytest_exception_interact(
        self,
        node: pytest.Item | pytest.Collector,
        call: pytest.CallInfo[object],
        report: pytest.CollectReport | pytest.TestReport,
    ) -> None:
        """The exception of a failed subtest: only here are its type and its whole message at hand."""
        if isinstance(report, pytest.SubtestReport) and call.excinfo is not None:
            found = node.stash.get(PHASE_OF, None)
            if found is not None and found[0].subtests is not None:
                found[0].subtests.explain(report, call.excinfo.value)

    def _running(self, nodeid: str) -> tuple[PlanRun, str] | None:
        for run in self._runs:
            for phase_id, phase_nodeid in run.collected.nodeids.items():
                if phase_nodeid == nodeid and run.recorder.span(phase_id).status is Status.IN_PROGRESS:
                    return run, phase_id
        return None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Outside pytest's skipping plugin, inside pytest-dependency: no skip or xfail makes a phase green."""
        report = yield
        found = item.stash.get(PHASE_OF, None)
        if found is None or item.stash.get(_IN_CALL, False):  # a subtest's report, made while the test still runs
            return report
        run, phase_id = found
        if (hold := item.stash.get(_HELD, None)) is not None:
            _show_held(item, report, verdict.not_started(run.recorder.evidence, hold.reason, hold.blocked_on))
        elif item.stash.get(_REFUSED, False):
            pass  # the phase was not run again: its record stands
        elif not _refuse_excuses(run, phase_id, report):
            _take_note_of_failure(run, phase_id, report, call)
        _shorten_summary(report)
        if call.when == "teardown":
            _close(run, phase_id)
            report.user_properties.extend(junit.phase_properties(run.recorder.evidence, run.recorder.span(phase_id)))
        repeat_under_user_names(item, report)
        return report


def _shorten_summary(report: pytest.TestReport) -> None:
    """Keep pytest's summary to a line: in CI it repeats the whole message, which stands above it twice already."""
    if report.failed and (crash := getattr(report.longrepr, "reprcrash", None)) is not None:
        crash.message = crash.message.partition("\n")[0]


def _close(run: PlanRun, phase_id: str) -> None:
    """The phase's test is over, with its teardown."""
    if run.recorder.span(phase_id).status is Status.IN_PROGRESS:
        run.end(phase_id)


def _is_final(run: PlanRun, phase_id: str) -> bool:
    """Whether the phase has ended with a verdict that no further attempt may change."""
    span = run.recorder.span(phase_id)
    return span.status is not Status.IN_PROGRESS and rules.is_final(span)


def _interrupt(run: PlanRun, phase_id: str, error: BaseException) -> None:
    if run.recorder.span(phase_id).status is Status.IN_PROGRESS:
        trouble = Trouble(f"interrupted: {exception_reason(error)}", "run the phase again")
        run.recorder.add_trouble(phase_id, trouble, error)


def _trouble(run: PlanRun, phase_id: str, error: BaseException, when: str = "call") -> Trouble:
    where = "" if when == "call" else f"{when}: "
    return Trouble(where + exception_reason(error), _again(run.collected.nodeids[phase_id]))


def _again(nodeid: str) -> str:
    return f"mend {nodeid} or what it exercises, then run again"


def _skip_is_failure(error: BaseException) -> BaseException:
    text = str(error) or "no reason given"
    return pytest.fail.Exception(redact(f"a phase cannot be skipped, but its test was: {text}"), pytrace=False)


def _stopped(run: PlanRun, phase_id: str, outcome: Outcome) -> BaseException:
    span = run.recorder.span(phase_id)
    places = {
        gate.gate_id: run.recorder.failed_at.get(gate.gate_id) for gate in span.gates if gate.result is Result.FAIL
    }
    return pytest.fail.Exception(terminal.stopped_message(span, outcome, places), pytrace=False)


def _show_held(item: pytest.Item, report: pytest.TestReport, why: str) -> None:
    """Let a not-started phase's skip point at its own test, not into the plugin."""
    if report.skipped:
        path, line = item.reportinfo()[:2]
        report.longrepr = (str(path), (line or 0) + 1, f"Skipped: {why}")


def _take_note_of_failure(run: PlanRun, phase_id: str, report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
    """A failed setup or teardown, or a failure that another plugin decided on without anything being raised."""
    if not report.failed:
        return
    if call.excinfo is None:
        run.recorder.add_trouble(phase_id, Trouble(redact(report.longreprtext), _again(report.nodeid)))
    elif call.when != "call":
        error = call.excinfo.value
        run.recorder.add_trouble(phase_id, _trouble(run, phase_id, error, when=call.when), error)


def _refuse_excuses(run: PlanRun, phase_id: str, report: pytest.TestReport) -> bool:
    """A skipped or expected failure is no completed phase (contract 2, "Precedence")."""
    if hasattr(report, "wasxfail"):
        mark = report.wasxfail or "no reason given"
        why = f"a phase cannot be expected to fail, but its test is marked xfail: {mark}"
        del report.wasxfail
    elif report.skipped:
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        why = f"a phase cannot be skipped, but its test was: {text.removeprefix('Skipped: ')}"
    else:
        return False
    report.outcome = "failed"
    run.recorder.trouble.setdefault(phase_id, []).insert(0, Trouble(redact(why), _again(report.nodeid)))
    outcome = run.recorder.outcome(phase_id)
    report.longrepr = str(_stopped(run, phase_id, outcome)) if outcome.status is Status.BLOCKED else redact(why)
    return True
