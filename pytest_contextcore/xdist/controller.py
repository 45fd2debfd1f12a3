"""The controller's side of xdist: who runs a plan, plan errors, takeover when a worker died (contract 2, "xdist")."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ..errors import EvidenceError
from ..options import KEY
from ..plan.model import Plan, load_plan
from ..recovery.end import emitted, files_of
from ..recovery.read import catch_up, cut_off, ids_of, look, program_spans
from ..report.progress import GateLine, Shown, label, open_progress
from ..session.close import Closed, Trace, close, show
from ..session.items import ReusedWords
from ..session.lock import hold
from ..session.shared import WORKER_INPUT, Services, services
from ..spans.writer import PlanSpans
from ..trace.evidence import Evidence, Result, SpanEvidence, Status
from ..trace.file import EvidenceFile, evidence_path, load_evidence
from ..trace.recorder import TraceRecorder
from ..trace.rules import Trouble
from .crashed_tests import CrashedTests
from .scheduler import PinnedScheduler
from .worker import CHANNEL

if TYPE_CHECKING:
    from xdist.scheduler import Scheduling
    from xdist.workermanage import WorkerController


@dataclass(slots=True)
class _RemotePlan:
    """A plan as the workers collected it, and what its worker said of it in the end."""

    plan: Plan
    indices: list[int]
    fresh: Evidence
    done: Evidence | None = None
    problems: list[str] = field(default_factory=list)

    def phase_of(self, nodeid: str) -> str | None:
        """The short id of the phase with this node id."""
        for span in self.fresh.spans:
            if span.nodeid == nodeid:
                return self.plan.short_phase_id(span.span_id)
        return None


class Controller:
    """Hands a session's context to the workers, pins plans to workers, and reports for all of them."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._said: dict[str, dict[str, Any]] = {}
        self._plans: dict[str, _RemotePlan] = {}
        self._phases: dict[str, SpanEvidence] = {}
        """By node id; asked at each report of each test."""
        self._closed = Closed()
        self._gates: deque[GateLine] = deque()
        self._progress = Shown()

    def pytest_sessionstart(self) -> None:
        """Spans of tests that end with their worker are the controller's; nobody wants them without an export."""
        if self._config.stash[KEY].resume:
            self._config.pluginmanager.register(ReusedWords(), "contextcore-reused-words")
        if self._shared.outbox.settings.exporting:
            self._config.pluginmanager.register(
                CrashedTests(self._shared.ordinary, self._is_phase), "contextcore-crashes"
            )

    @property
    def _shared(self) -> Services:
        return services(self._config)

    def pytest_configure_node(self, node: WorkerController) -> None:
        """Before a worker starts: the session's context, and a channel for what it has to say."""
        channel = node.gateway.newchannel()
        node.workerinput[CHANNEL] = channel
        worker = node.gateway.id
        channel.setcallback(lambda text: self._hear(worker, json.loads(text)))
        node.workerinput[WORKER_INPUT] = {
            "run_id": self._shared.context.run_id,
            "worker_id": worker,
            "replaces": "yes" if self._plans else "",
        }

    def _hear(self, worker: str, message: dict[str, Any]) -> None:
        """What a worker says; called by a thread that receives."""
        if "gate" in message:
            gate_id, result, reason = message["gate"]
            self._gates.append(GateLine(gate_id, Result(result), reason))
        else:
            self._said.setdefault(worker, {}).update(message)

    def pytest_xdist_node_collection_finished(self, node: WorkerController) -> None:
        """A worker has collected; what it said of the plans is here already.

        Raises:
            pytest.UsageError: the plan cannot be run.
        """
        said = self._said.get(node.gateway.id, {})
        if "error" in said:
            raise pytest.UsageError(said["error"])
        for entry in said.get("plans", ()):
            fresh = Evidence.model_validate_json(entry["evidence"])
            if fresh.trace_id not in self._plans:
                plan = load_plan(Path(entry["path"]))
                self._plans[fresh.trace_id] = _RemotePlan(plan, entry["indices"], fresh)
                self._phases.update((span.nodeid, span) for span in fresh.spans if span.nodeid is not None)
                if entry["indices"]:
                    hold(self._config, self._shared.context.out, plan.trace.id, joined=fresh.joined)
                if not self._progress.listeners:
                    self._progress = open_progress(self._config)

    @pytest.hookimpl(wrapper=True)
    def pytest_xdist_make_scheduler(self) -> Generator[None, Scheduling, Scheduling]:
        """Whatever ``--dist`` says, a plan's phases go to one worker."""
        return PinnedScheduler((yield), self._pinned)

    def _pinned(self, collection: Sequence[str]) -> list[list[int]]:
        del collection  # the workers gave the indices
        return [plan.indices for plan in self._plans.values() if plan.indices]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A worker starts a test; if it is a phase, it is shown."""
        if self._progress.phases is not None and (span := self._phases.get(nodeid)) is not None:
            self._progress.phases.begin(label(span))

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """A worker is done with a test."""
        if self._progress.phases is not None and (span := self._phases.get(nodeid)) is not None:
            self._progress.phases.end(label(span))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Whether there are ordinary tests beside the phases.

        Gates that were decided meanwhile are printed first.
        """
        while self._gates:
            gate = self._gates.popleft()
            if self._progress.gates is not None:
                self._progress.gates.show(gate)
        if not self._is_phase(report.nodeid):
            self._shared.ordinary.ran = True
            self._shared.outbox.begin_root()

    def _is_phase(self, nodeid: str) -> bool:
        return nodeid in self._phases

    def pytest_testnodedown(self, node: WorkerController) -> None:
        """A worker is done: the evidence of the plans that it ran."""
        output = getattr(node, "workeroutput", None) or {}
        for entry in json.loads(output.get(WORKER_INPUT, "[]")):
            evidence = Evidence.model_validate_json(entry["evidence"])
            if (plan := self._plans.get(evidence.trace_id)) is not None:
                plan.done, plan.problems = evidence, entry["problems"]

    @pytest.hookimpl(tryfirst=True)
    def pytest_handlecrashitem(self, crashitem: str) -> None:
        """A worker died: if it was running a phase, that phase failed and the rest of its plan does not start."""
        for plan in self._plans.values():
            if plan.done is None and (phase_id := plan.phase_of(crashitem)) is not None:
                self._take_over(plan, phase_id, crashitem)

    def _take_over(self, plan: _RemotePlan, phase_id: str | None, nodeid: str = "") -> None:
        shared = self._shared
        evidence = self._left_behind(plan)
        context = shared.context
        if evidence is not plan.fresh:
            catch_up(evidence, look(files_of(context.out, evidence.trace_id, context.run_id), ids_of(evidence)))
        recorder = TraceRecorder.take_over(plan.plan, evidence)
        spans = PlanSpans(
            recorder,
            context.out,
            shared.outbox,
            sampled=shared.outbox.sampled(evidence.otel_trace_id),
            emitted=emitted(context.out, evidence.trace_id, context.run_id) if evidence is not plan.fresh else None,
        )
        file = EvidenceFile(recorder, shared.context.out)
        recorder.subscribe(spans)
        recorder.subscribe(file)
        if evidence is plan.fresh:
            recorder.start()
        _end_what_was_open(recorder, spans)
        if phase_id is not None:
            _fail(recorder, phase_id, nodeid)
        recorder.finish()
        plan.done = recorder.evidence
        plan.problems = [problem for problem in (file.problem, spans.problem) if problem]

    def _left_behind(self, plan: _RemotePlan) -> Evidence:
        """What the dead worker had written in this session; the fresh evidence where it wrote nothing."""
        try:
            evidence = load_evidence(evidence_path(self._shared.context.out, plan.plan.trace.id))
        except EvidenceError:
            return plan.fresh
        return evidence if evidence.runs == plan.fresh.runs else plan.fresh

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None, None, None]:
        """Before pytest writes its reports; all workers that ran a plan to its end have said so by now.

        Innermost around the others: after them xdist has stopped the workers that ``-x`` left running, so that what
        they wrote last is sent too.
        """
        shared = self._shared
        unfinished = [plan for plan in self._plans.values() if plan.done is None]
        if any(self._left_behind(plan) is not plan.fresh for plan in unfinished):
            self._stop_workers()
        for plan in unfinished:
            if self._left_behind(plan) is not plan.fresh:
                self._take_over(plan, None)
        if self._plans or shared.outbox.settings.exporting:
            shared.ordinary.finish(int(exitstatus))
        self._closed = close(session, shared, self._traces())
        try:
            return (yield)
        finally:
            self._closed.lines += shared.outbox.finish()

    def _stop_workers(self) -> None:
        """After Ctrl-C and ``-x`` they may still write; what they leave must be final before it is gone on from."""
        session = self._config.pluginmanager.get_plugin("dsession")
        if (nodes := getattr(session, "nodemanager", None)) is not None:
            nodes.teardown_nodes()

    def _traces(self) -> list[Trace]:
        return [Trace(plan.done, plan.problems) for plan in self._plans.values() if plan.done is not None]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The closing tables, and what was written where."""
        show(self._config, terminalreporter, self._closed)


def _end_what_was_open(recorder: TraceRecorder, spans: PlanSpans) -> None:
    """End the gates and programs of the phase in which a worker died; spans of gates are made with the phase's."""
    for span in recorder.evidence.spans:
        if span.status is Status.IN_PROGRESS:
            cut_off(span, "its worker ended before it did", recorder.now())
            for program in program_spans(recorder.evidence, span):
                spans.child(program)


def _fail(recorder: TraceRecorder, phase_id: str, nodeid: str) -> None:
    """A worker died in a phase, which failed, unless what was recorded says that it was blocked or failed before."""
    if recorder.span(phase_id).status is Status.NOT_STARTED:
        recorder.begin_phase(phase_id, nodeid)
    if recorder.span(phase_id).status in (Status.IN_PROGRESS, Status.COMPLETED):
        reason = f"its worker crashed while it ran {nodeid}"
        if recorder.span(phase_id).status is Status.COMPLETED:
            recorder.reopen_phase(phase_id)
        recorder.add_trouble(phase_id, Trouble(reason, f"find out why {nodeid} ends its process, then run again"))
        recorder.end_phase(phase_id)
