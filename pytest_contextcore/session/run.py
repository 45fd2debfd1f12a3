"""One execution of one plan in this process: recorder, files and spans put together."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ..export.outbox import Outbox
from ..phase.handoff_store import HandoffStore
from ..phase.output import Hear
from ..phase.phase import Phase
from ..plan.assign import CollectedPlan
from ..plan.waivers import Waivers
from ..span import Attributes
from ..spans.current import SpanContexts
from ..spans.writer import PlanSpans
from ..trace.evidence import Evidence
from ..trace.file import EvidenceFile, earlier
from ..trace.recorded import Recorded, recorded
from ..trace.recorder import TraceRecorder
from ..trace.rules import NEVER_REACHED, NEVER_RUN, Outcome, upstream_block
from .context import RunContext
from .logged import Logged, fail, troubles
from .relied import Relied


class PlanRun:
    """Everything that belongs to one plan's execution. Nothing is written before its first phase is reached."""

    def __init__(
        self, collected: CollectedPlan, context: RunContext, outbox: Outbox, evidence: Evidence, waivers: Waivers
    ) -> None:
        self.collected, self.context, self.plan = collected, context, collected.plan
        trace_id, remote = self.plan.trace.id, context.remote
        self.recorder = TraceRecorder(self.plan, evidence, remote=remote, waivers=waivers)
        self.remarks: list[str] = []
        self.preview: list[str] = []
        sampled = outbox.sampled(evidence.otel_trace_id)
        self.handoffs = HandoffStore(context.out, trace_id, earlier=context.history > 0)
        self.receive = outbox.receive
        self.hear: Hear | None = None
        self.relied = Relied(self.recorder, collected, context, self.handoffs)
        self.spans = SpanContexts(evidence.otel_trace_id, sampled=sampled, state=remote.state if remote else "")
        self.plan_spans = PlanSpans(self.recorder, context.out, outbox, sampled=sampled)
        self.file = EvidenceFile(self.recorder, context.out, context.history)
        self.recorder.subscribe(self.plan_spans)  # first: what evidence calls ended has its span on disk by then
        self.recorder.subscribe(self.file)
        self.started = self.finished = False
        self.process = os.getpid()
        self.logged = {phase_id: Logged() for phase_id in collected.nodeids}
        """What was logged of its phases' tests in this process."""
        self.awaited: frozenset[str] = frozenset()
        """Phases that were selected, once nothing keeps the session from running them."""

    def start(self) -> None:
        """The first phase was reached."""
        if not self.started:
            self.started = True
            self.recorder.start()

    def announce(self, phase_id: str, nodeid: str, code: Attributes) -> Phase:
        """A phase begins, or begins anew, with its test or with its program; what its test gets as its fixture."""
        self.recorder.begin_phase(phase_id, nodeid, code)
        self.relied.begin(phase_id, nodeid)
        return self.handle(phase_id)

    def enter(self, phase_id: str) -> None:
        """A phase's test starts; its span becomes the current one."""
        self.logged[phase_id].begin_attempt()
        self.handoffs.begin(self.plan.span_id(phase_id))
        self.spans.open(self.recorder.span(phase_id).otel_span_id)

    def handle(self, phase_id: str) -> Phase:
        """What the phase's test gets as its fixture."""
        return Phase(
            self.recorder,
            phase_id,
            self.relied.of(phase_id),
            spans=self.spans,
            child=self.plan_spans.child,
            receive=self.receive,
            root=self.context.root,
            hear=self.hear,
        )

    def recall(self, phase_id: str, name: str) -> Recorded | None:
        """What a phase sees of an attribute, now and in earlier runs; None where those are not kept."""
        now, most = self.recorder.evidence, self.context.history
        before = earlier(self.context.out, now, most)
        return recorded(name, self.plan.span_id(phase_id), now, before) if most else None

    def end(self, phase_id: str, moment: int | None = None) -> None:
        """An attempt at a phase's test is over, with its teardown, since a ``moment`` or now."""
        self.spans.close()
        self.remarks += self.relied.end(phase_id)
        self.recorder.end_phase(phase_id, moment)

    def hold(self, phase_id: str) -> Outcome | None:
        """Why a phase may not start now, or None if it may: each upstream's reports are read once more."""
        self._settle([upstream for upstream in self.plan.upstream[phase_id] if upstream in self.logged])
        return upstream_block(self.plan, self.recorder.evidence, phase_id)

    def settle(self) -> None:
        """The session is over in this process: what the reports say now is what counts."""
        self.spans.close()
        self._settle(self.logged)

    def _settle(self, phase_ids: Iterable[str]) -> None:
        spans = {phase_id: self.recorder.span(phase_id) for phase_id in phase_ids}
        for phase_id, trouble in troubles(spans, self.logged).items():
            self.start()
            fail(self.recorder, phase_id, self.collected.nodeids[phase_id], trouble)

    def finish(self, *, whole: bool) -> None:
        """Nothing more happens. ``whole``: nothing stopped the session, so a phase that was not run got lost."""
        if self.awaited:
            self.start()
        if self.started and not self.finished:
            self.finished = True
            self.recorder.finish(NEVER_RUN if whole else NEVER_REACHED)

    def problems(self) -> list[str]:
        """What went wrong with files, what is to be known of the trace, and waivers that did nothing, a line each."""
        sources = (self.file, self.plan_spans, self.handoffs)
        found = [source.problem for source in sources if source.problem]
        return [*found, *self.remarks, *self.recorder.waivers.remarks()]
