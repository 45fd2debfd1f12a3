"""The controller's side of xdist: a plan's tests go to one worker, and what is done once is done for all workers."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ..options import KEY
from ..plan.model import Plan, load_plan
from ..private import scopes_of
from ..report.progress import GateLine, Shown, label, open_progress
from ..session.close import Closed, Trace, close
from ..session.items import ReusedWords
from ..session.lock import hold
from ..session.shared import WORKER_INPUT, Services, services
from ..trace.evidence import Evidence, Result, SpanEvidence
from .messages import CHANNEL, CannotRun, GateDecided, PlanEnded, PlanFound, from_text
from .scheduler import PlanScheduling, UntilAPlan
from .takeover import Crash, left_behind, take_over

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import Scheduling
    from xdist.workermanage import WorkerController

CRASHED = "???"
"""What xdist gives as ``when`` in the report of a test whose worker crashed."""


@dataclass(slots=True)
class _RemotePlan:
    """A plan as the workers collected it, and what became of it."""

    plan: Plan
    fresh: Evidence
    ended: Trace | None = None


class Controller:
    """A pytest plugin object: hands a session's context to the workers, and does for all of them what is done once."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._plans: dict[str, _RemotePlan] = {}
        self._plan_of: dict[str, str] = {}
        self._phases: dict[str, SpanEvidence] = {}
        """By node id, like the plan; asked at each report of each test."""
        self._heard: dict[str, list[PlanFound | CannotRun]] = {}
        """By worker, until it has collected."""
        self._gates: deque[GateLine] = deque()
        self._progress = Shown()
        self._running: dict[str, tuple[int, tuple[str, int | None, str]]] = {}
        """When the tests that run began, and where they stand."""
        self._reruns: Counter[str] = Counter()
        self._closed = Closed()

    @property
    def _shared(self) -> Services:
        return services(self._config)

    def pytest_sessionstart(self) -> None:
        """Register what only some sessions need."""
        if self._config.stash[KEY].resume:
            self._config.pluginmanager.register(ReusedWords(), "contextcore-reused-words")

    # --- workers and what they say

    def pytest_configure_node(self, node: WorkerController) -> None:
        """Before a worker starts: the session's context, and a channel for what it has to say."""
        worker, channel = node.gateway.id, node.gateway.newchannel()
        channel.setcallback(lambda text: self._hear(worker, text))
        node.workerinput[CHANNEL] = channel
        node.workerinput[WORKER_INPUT] = {
            "run_id": self._shared.context.run_id,
            "worker_id": worker,
            "replaces": "yes" if self._plans else "",
        }

    def _hear(self, worker: str, text: str) -> None:
        """Called by a thread that receives, so it only takes note."""
        match from_text(text):
            case GateDecided(gate_id, result, reason):
                self._gates.append(GateLine(gate_id, Result(result), reason))
            case PlanFound() | CannotRun() as message:
                self._heard.setdefault(worker, []).append(message)

    def pytest_xdist_node_collection_finished(self, node: WorkerController) -> None:
        """A worker has collected; what it said of the plans is here already.

        Raises:
            pytest.UsageError: the plan cannot be run.
        """
        for message in self._heard.pop(node.gateway.id, ()):
            if isinstance(message, CannotRun):
                raise pytest.UsageError(message.reason)
            self._add_plan(message)

    def _add_plan(self, found: PlanFound) -> None:
        fresh = Evidence.model_validate_json(found.evidence)
        if fresh.trace_id in self._plans:
            return  # another worker said so before
        plan = load_plan(Path(found.path))
        self._plans[fresh.trace_id] = _RemotePlan(plan, fresh)
        self._phases.update((span.nodeid, span) for span in fresh.spans if span.nodeid is not None)
        self._plan_of.update(dict.fromkeys(found.nodeids, fresh.trace_id))
        if found.nodeids:
            hold(self._config, self._shared.context.out, plan.trace.id, joined=fresh.joined)
        if not self._progress.listeners:
            self._progress = open_progress(self._config)

    @pytest.hookimpl(wrapper=True)
    def pytest_xdist_make_scheduler(self, log: Producer) -> Generator[None, Scheduling, Scheduling]:
        """Whatever ``--dist`` says, a plan's phases go to one worker."""
        own = yield
        return UntilAPlan(own, self._plan_of, lambda: self._beside_plans(own, log))

    def _beside_plans(self, own: Scheduling, log: Producer) -> PlanScheduling:
        mode = self._config.getoption("dist")
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if mode in ("each", "worksteal") and reporter is not None and self._config.get_verbosity() >= 0:
            once = ", each once" if mode == "each" else ""
            reporter.write_line(f"\ncontextcore: --dist {mode} does not go with a plan; tests run as with load{once}")
        return PlanScheduling(self._config, log, self._plan_of, scopes_of(own))

    # --- tests

    def pytest_runtest_logstart(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        """A worker starts a test; if it is a phase, it is shown."""
        self._running[nodeid] = time.time_ns(), location
        if self._progress.phases is not None and (span := self._phases.get(nodeid)) is not None:
            self._progress.phases.begin(label(span))

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """A worker is done with a test."""
        self._running.pop(nodeid, None)
        if self._progress.phases is not None and (span := self._phases.get(nodeid)) is not None:
            self._progress.phases.end(label(span))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Print gates that were decided meanwhile; take note of ordinary tests."""
        while self._gates:
            gate = self._gates.popleft()
            if self._progress.gates is not None:
                self._progress.gates.show(gate)
        if report.nodeid not in self._phases:
            self._take_note(report)

    def _take_note(self, report: pytest.TestReport) -> None:
        """Of an ordinary test: its worker makes its spans, but for one in which the worker crashed."""
        shared = self._shared
        shared.ordinary.ran = True
        shared.outbox.begin_root()
        if str(report.when) == CRASHED:
            start, location = self._running.pop(report.nodeid, (time.time_ns(), report.location))
            attempt = self._reruns[report.nodeid] + 1
            shared.ordinary.crashed(report.nodeid, str(report.node.gateway.id), attempt, start, location)
        elif str(report.outcome) == "rerun":  # as pytest-rerunfailures says: the next span of it is another one
            self._reruns[report.nodeid] += 1

    # --- ends

    def pytest_testnodedown(self, node: WorkerController) -> None:
        """A worker is done: the evidence of the plans that it ran."""
        output = getattr(node, "workeroutput", None) or {}
        for message in map(from_text, output.get(WORKER_INPUT, ())):
            if isinstance(message, PlanEnded):
                evidence = Evidence.model_validate_json(message.evidence)
                if (plan := self._plans.get(evidence.trace_id)) is not None:
                    plan.ended = Trace(evidence, message.problems)

    @pytest.hookimpl(tryfirst=True)
    def pytest_handlecrashitem(self, crashitem: str) -> None:
        """A worker died: if it was running a phase, that phase failed and the rest of its plan does not start."""
        if (span := self._phases.get(crashitem)) is not None:
            plan = self._plans[self._plan_of[crashitem]]
            if plan.ended is None:
                crash = Crash(plan.plan.short_phase_id(span.span_id), crashitem)
                self._take_over(plan, crash)

    def _take_over(self, plan: _RemotePlan, crash: Crash | None) -> None:
        shared = self._shared
        plan.ended = Trace(*take_over(shared.context.out, shared.outbox, plan.plan, plan.fresh, crash))

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None, None, None]:
        """Before pytest writes its reports; all workers that ran a plan to its end have said so by now.

        Innermost around the others: after them xdist has stopped the workers that ``-x`` left running, so that what
        they wrote last is sent too.
        """
        shared = self._shared
        out, unfinished = shared.context.out, [plan for plan in self._plans.values() if plan.ended is None]
        begun = [plan for plan in unfinished if left_behind(out, plan.fresh) is not None]
        if begun:
            self._stop_workers()
        for plan in begun:
            self._take_over(plan, None)
        if self._plans or shared.outbox.settings.exporting:
            shared.ordinary.finish(int(exitstatus))
        traces = [plan.ended for plan in self._plans.values() if plan.ended is not None]
        self._closed = close(session, shared, traces)
        try:
            return (yield)
        finally:
            self._closed.lines += shared.outbox.finish()

    def _stop_workers(self) -> None:
        """After Ctrl-C and ``-x`` they may still write; what they leave must be final before it is gone on from."""
        session = self._config.pluginmanager.get_plugin("dsession")
        if (nodes := getattr(session, "nodemanager", None)) is not None:
            nodes.teardown_nodes()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The closing tables, and what was written where."""
        self._closed.show(self._config, terminalreporter)
