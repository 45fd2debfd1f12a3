"""One execution of one plan in this process: recorder, files and spans put together."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path

from ..export.outbox import Outbox
from ..phase.exchange import Exchange
from ..phase.files import PhaseFiles
from ..phase.handoff_store import HandoffStore
from ..phase.phase import Phase
from ..plan.assign import CollectedPlan
from ..plan.waivers import Waivers
from ..span import Attributes
from ..spans.current import SpanContexts
from ..spans.writer import PlanSpans
from ..trace.drift import drifts, looked_at, trouble
from ..trace.evidence import Evidence, SpanEvidence
from ..trace.file import EvidenceFile
from ..trace.recorder import TraceRecorder
from ..tracked.code import Code
from ..tracked.contents import Digests
from .context import RunContext


class PlanRun:
    """Everything that belongs to one plan's execution. Nothing is written before its first phase is reached."""

    def __init__(
        self, collected: CollectedPlan, context: RunContext, outbox: Outbox, evidence: Evidence, waivers: Waivers
    ) -> None:
        self.collected, self.context, self.plan = collected, context, collected.plan
        trace_id, remote = self.plan.trace.id, context.remote
        self.recorder = TraceRecorder(self.plan, evidence, remote=remote, waivers=waivers)
        self.remarks: list[str] = []
        sampled = outbox.sampled(evidence.otel_trace_id)
        self.handoffs = HandoffStore(context.out, trace_id)
        workspace = Path(evidence.workspace) if evidence.workspace else None
        self.digests = Digests(context.out, workspace)
        self.code = Code(context.root, self.digests, context.code, self.plan.path.parent)
        for nodeid in collected.nodeids.values():  # what was loaded of these files is what they say now
            self.code.begin(nodeid)
        self.command = f"pytest {self.plan.path.parent}"
        self.last_phase = self.plan.phases[-1].id
        self.preview: list[str] = []
        self._places: dict[str, str] = {}
        self._files: PhaseFiles | None = None
        self._exchange: Exchange | None = None
        self.spans = SpanContexts(evidence.otel_trace_id, sampled=sampled, state=remote.state if remote else "")
        self.plan_spans = PlanSpans(self.recorder, context.out, outbox, sampled=sampled)
        self.file = EvidenceFile(self.recorder, context.out)
        self.recorder.subscribe(self.plan_spans)  # first: what evidence calls ended has its span on disk by then
        self.recorder.subscribe(self.file)
        self.started = self.finished = False

    def start(self) -> None:
        """The first phase was reached."""
        if not self.started:
            self.started = True
            self.recorder.start()

    def begin(self, phase_id: str, nodeid: str, code: Attributes) -> Phase:
        """A phase's test starts, or starts anew; its span becomes the current one."""
        self.recorder.begin_phase(phase_id, nodeid, code)
        self.handoffs.begin(self.plan.span_id(phase_id))
        self.spans.open(self.recorder.span(phase_id).otel_span_id)
        root = self.context.root
        own = self.code.begin(nodeid)
        self._files = PhaseFiles(
            self.recorder, phase_id, digests=self.digests, code=own, root=root, places=self._places
        )
        self._exchange = Exchange(self.recorder, phase_id, self.handoffs, root=root, command=self.command)
        return Phase(
            self.recorder,
            phase_id,
            exchange=self._exchange,
            files=self._files,
            spans=self.spans,
            child=self.plan_spans.child,
        )

    def look_again(self, phase_id: str) -> None:
        """A phase's test was called: whether what it rests on is still as it was, which blocks it otherwise."""
        if self._exchange is not None and self._files is not None:
            self._exchange.check_again()
            self._files.renew_outputs()
        evidence = self.recorder.evidence
        spans = looked_at(self.plan, evidence, phase_id, last=phase_id == self.last_phase)
        found = list(drifts(evidence, spans, self._digest, self._was_ignored))
        if (stop := trouble(found, self.recorder.span(phase_id), self.command)) is not None:
            self.recorder.add_trouble(phase_id, stop)

    def _digest(self, path: str) -> str | None:
        """The digest of a file now, by its recorded path."""
        return self.digests.find(self._places.get(path, self.context.root / path))

    def ignores(self, phase_id: str, path: str) -> bool:
        """Whether a phase's entry in the plan says that a change of this file does not make it run again."""
        patterns = self.plan.by_id[phase_id].reuse.ignore
        shown = os.path.relpath(self.context.root / path, self.plan.path.parent) if patterns else ""
        return any(fnmatchcase(shown, pattern) for pattern in patterns)

    def _was_ignored(self, span: SpanEvidence, path: str) -> bool:
        """Whether a reused phase's file may differ from what it recorded."""
        return span.reused and self.ignores(self.plan.short_phase_id(span.span_id), path)

    def end(self, phase_id: str) -> None:
        """A phase's test is over, with its teardown."""
        self.spans.close()
        if self._files is not None:
            self.remarks += self._files.settle()
        self.recorder.end_phase(phase_id)

    def finish(self) -> None:
        """The session is over."""
        if self.started and not self.finished:
            self.finished = True
            self.spans.close()
            self.recorder.finish()

    def problems(self) -> list[str]:
        """What went wrong with files, what is to be known of the trace, and waivers that did nothing, a line each."""
        sources = (self.file, self.plan_spans, self.handoffs)
        found = [source.problem for source in sources if source.problem]
        return [*found, *self.remarks, *self.recorder.waivers.remarks()]
