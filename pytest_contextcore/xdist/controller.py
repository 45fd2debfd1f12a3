"""The controller's side of xdist: a plan's tests go to one worker, and what is done once is done for all workers."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ..options import KEY
from ..plan.model import load_plan
from ..private import scopes_of
from ..report.progress import GateLine, Shown, label, open_progress
from ..session.close import Closed, Trace, close, open_page, ran_whole, was_refused
from ..session.items import ReusedWords
from ..session.lock import hold
from ..session.logged import Logged
from ..session.shared import WORKER_INPUT, services
from ..trace.evidence import Evidence, Result, SpanEvidence
from .scheduler import PlanScheduling, UntilAPlan
from .takeover import RemotePlan
from .worker import CHANNEL, PlanFound

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import Scheduling
    from xdist.workermanage import WorkerController


class Controller:
    """A pytest plugin object: hands a session's context to the workers, and does for all of them what is done once."""

    def __init__(self, config: pytest.Config) -> None:
        self._config, self._shared = config, services(config)
        self._plans: dict[str, RemotePlan] = {}
        self._plan_of: dict[str, str] = {}
        self._phases: dict[str, SpanEvidence] = {}
        """By node id, like the plan; asked at each report of each test."""
        self._heard: deque[str] = deque()
        """What workers said (see `Link`); a thread that receives puts it here."""
        self._logged: dict[str, Logged] = {}
        """What was logged of phases' tests, by node id."""
        self._found: list[PlanFound] = []
        self._cannot_run = ""
        self._progress = Shown()
        self._began: dict[str, int] = {}
        """When the tests that run began."""
        self._closed = Closed()
        if config.stash[KEY].resume:
            config.pluginmanager.register(ReusedWords(), "contextcore-reused-words")

    # --- workers and what they say

    def pytest_configure_node(self, node: WorkerController) -> None:
        """Before a worker starts: the session's context, and a channel for what it has to say."""
        channel = node.gateway.newchannel()
        channel.setcallback(self._heard.append)
        node.workerinput[CHANNEL] = channel
        node.workerinput[WORKER_INPUT] = {
            "run_id": self._shared.context.run_id,
            "worker_id": node.gateway.id,
            "replaces": "yes" if self._plans else "",
        }

    def _listen(self) -> None:
        """Take note of what workers said."""
        while self._heard:
            match json.loads(self._heard.popleft()):
                case ["cannot run", reason]:
                    self._cannot_run = reason
                case ["plan found", *found]:
                    self._found.append(PlanFound(*found))
                case ["gate decided", gate_id, result, reason]:
                    if self._progress.gates is not None:
                        self._progress.gates.show(GateLine(gate_id, Result(result), reason))
                case ["printed", phase_id, lines]:
                    if self._progress.output is not None:
                        self._progress.output.show(phase_id, lines)
                case ["plan ended", text, problems]:
                    evidence = Evidence.model_validate_json(text)
                    self._plans[evidence.trace_id].ended(evidence, problems)

    def pytest_xdist_node_collection_finished(self) -> None:
        """A worker has collected, and has said before what plans there are; one that cannot run is a usage error."""
        self._listen()
        if self._cannot_run:
            raise pytest.UsageError(self._cannot_run)
        while self._found:
            self._add_plan(self._found.pop())

    def _add_plan(self, found: PlanFound) -> None:
        fresh = Evidence.model_validate_json(found.evidence)
        if fresh.trace_id in self._plans:
            return  # another worker said so before
        plan, shared = load_plan(Path(found.path)), self._shared
        if found.awaited:
            hold(self._config, shared.context.out, plan.trace.id, joined=fresh.joined)
        remote = RemotePlan(plan, fresh, shared, partial=found.partial, awaited=found.awaited)
        self._plans[fresh.trace_id] = remote
        self._phases.update((span.nodeid, span) for span in fresh.spans if span.nodeid is not None)
        self._logged.update((span.nodeid, Logged()) for span in fresh.spans if span.nodeid is not None)
        self._plan_of.update(dict.fromkeys(found.nodeids, fresh.trace_id))
        if not self._progress.listeners:
            self._progress = open_progress(self._config)
        open_page(self._config, shared, self._plans)

    @pytest.hookimpl(wrapper=True)
    def pytest_xdist_make_scheduler(self, log: Producer) -> Generator[None, Scheduling, Scheduling]:
        """Whatever ``--dist`` says, a plan's phases go to one worker."""
        own = yield
        return UntilAPlan(own, self._plan_of, lambda: self._beside_plans(own, log))

    def _beside_plans(self, own: Scheduling, log: Producer) -> PlanScheduling:
        mode = self._config.getoption("dist")
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if mode in ("each", "worksteal") and reporter is not None and self._config.get_verbosity() >= 0:
            why = f"--dist {mode} does not go with a plan"
            reporter.write_line(f"\ncontextcore: {why}; tests run as with load, each once")
        return PlanScheduling(self._config, log, self._plan_of, scopes_of(own))

    # --- tests

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A worker starts a test; if it is a phase, it is shown."""
        self._began[nodeid] = time.time_ns()
        if self._progress.phases is not None and (span := self._phases.get(nodeid)) is not None:
            self._progress.phases.begin(label(span))

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """A worker is done with a test."""
        self._began.pop(nodeid, None)
        if self._progress.phases is not None and (span := self._phases.get(nodeid)) is not None:
            self._progress.phases.end(label(span))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Print gates that were decided meanwhile. Spans of ordinary tests are their worker's, unless it crashed."""
        self._listen()
        if (logged := self._logged.get(report.nodeid)) is not None:
            logged.reports.append(report)
            return
        shared = self._shared
        shared.ordinary.ran = True
        shared.outbox.begin_root()
        if str(report.when) == "???":  # what xdist says of a test whose worker crashed
            start = self._began.pop(report.nodeid, time.time_ns())
            shared.ordinary.crashed(report, str(report.node.gateway.id), start)

    # --- ends

    @pytest.hookimpl(tryfirst=True)
    def pytest_handlecrashitem(self, crashitem: str) -> None:
        """A worker died: if it was running a phase, the plan is told."""
        self._listen()
        if (span := self._phases.get(crashitem)) is not None:
            self._plans[self._plan_of[crashitem]].crashed(span)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None, None, None]:
        """Before pytest writes its reports: what no worker told of a plan stands in the evidence that it left.

        Innermost around the others: after them xdist has stopped the workers that ``-x`` left running, so that what
        they wrote last is sent too.
        """
        shared = self._shared
        self._listen()
        for plan in self._plans.values():
            if not plan.told and plan.left_behind() is not None:
                xdist: Any = self._config.pluginmanager.get_plugin("dsession")
                xdist.nodemanager.teardown_nodes()  # after Ctrl-C and ``-x`` they may still write
                self._listen()
        if self._plans or shared.outbox.settings.exporting:
            shared.ordinary.finish(int(exitstatus))
        begun = [plan for plan in self._plans.values() if plan.told or not was_refused(session)]
        ends = [plan.finish(self._logged, whole=ran_whole(session)) for plan in begun]
        traces = [Trace(*ended) for ended in ends if ended is not None]
        self._closed = close(session, shared, traces)
        try:
            return (yield)
        finally:
            self._closed.lines += shared.outbox.finish()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The closing tables, and what was written where."""
        self._closed.show(self._config, terminalreporter)
