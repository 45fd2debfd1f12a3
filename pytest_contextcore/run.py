"""One execution of one plan in this process: recorder, files and spans put together."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .collection import CollectedPlan
from .context import SpanContexts
from .evidence_file import EvidenceFile
from .handle import Phase
from .handoff_store import HandoffStore
from .ids import Remote, new_trace_id
from .model import Attributes
from .outbox import Outbox, PlanSpans
from .recorder import TraceRecorder, all_of
from .waivers import Waivers

OptionValue = str | int | float | bool | list[str] | None


@dataclass(frozen=True, slots=True)
class RunContext:
    """What all processes of a session share.

    Attributes:
        out: absolute folder for evidence.
        root: pytest's rootdir; paths in the evidence are relative to it.
        run_id: names this session; trace ids are derived from it, so that every process knows them.
        remote: the parent that the environment names.
        replacement: this xdist worker replaces one that died, so that the evidence on disk is this session's own.
    """

    out: Path
    root: Path
    run_id: str = field(default_factory=new_trace_id)
    remote: Remote | None = None
    replacement: bool = False

    def otel_trace_id(self, name: str) -> str:
        """The OpenTelemetry trace id of a plan, or of the ordinary tests (``pytest``), in this session."""
        if self.remote is not None:
            return self.remote.trace_id
        return hashlib.sha256(f"{self.run_id} trace {name}".encode()).hexdigest()[:32]

    def otel_span_id(self, name: str) -> str:
        """The id of a trace's parent span in this session; it tells this session's evidence from an older one."""
        return hashlib.sha256(f"{self.run_id} span {name}".encode()).hexdigest()[:16]


class PlanRun:
    """Everything that belongs to one plan's execution. Nothing is written before its first phase is reached."""

    def __init__(
        self,
        collected: CollectedPlan,
        context: RunContext,
        outbox: Outbox,
        *,
        options: Mapping[str, OptionValue],
        workspace: Path | None,
        fingerprints: Mapping[str, str],
        waivers: Waivers,
    ) -> None:
        self.collected, self.context, self.plan = collected, context, collected.plan
        self.recorder = TraceRecorder(
            self.plan,
            options=options,
            workspace=str(workspace) if workspace else None,
            otel_trace_id=context.otel_trace_id(self.plan.trace.id),
            otel_span_id=context.otel_span_id(self.plan.trace.id),
            remote=context.remote,
            waivers=waivers,
        )
        for phase in self.plan.phases:
            span = self.recorder.span(phase.id)
            span.nodeid, span.fingerprint = collected.nodeids.get(phase.id), fingerprints.get(phase.id)
        sampled = outbox.sampled(self.recorder.evidence.otel_trace_id)
        self.handoffs = HandoffStore(context.out, self.plan.trace.id)
        self.spans = SpanContexts(
            self.recorder.evidence.otel_trace_id,
            sampled=sampled,
            state=context.remote.state if context.remote else "",
        )
        self.file = EvidenceFile(self.recorder, context.out)
        self.plan_spans = PlanSpans(self.recorder, context.out, outbox, sampled=sampled)
        self.recorder.listener = all_of(self.file, self.plan_spans)
        self.started = self.finished = False

    def start(self) -> None:
        """The first phase was reached."""
        if not self.started:
            self.started = True
            self.recorder.start()

    def begin(self, phase_id: str, nodeid: str, code: Attributes) -> Phase:
        """A phase's test starts; its span becomes the current one."""
        self.start()
        self.recorder.begin_phase(phase_id, nodeid, code)
        self.spans.open(self.recorder.span(phase_id).otel_span_id)
        return Phase(self.recorder, phase_id, handoffs=self.handoffs, spans=self.spans, root=self.context.root)

    def finish(self) -> None:
        """The session is over."""
        if self.started and not self.finished:
            self.finished = True
            self.spans.close()
            self.recorder.finish()

    def problems(self) -> list[str]:
        """What went wrong with files, and waivers that did nothing, a line each."""
        sources = (self.file, self.plan_spans, self.handoffs)
        found = [source.problem for source in sources if source.problem]
        return [*found, *self.recorder.waivers.remarks()]


def asserts_are_disabled() -> str | None:
    """Why ``assert`` does nothing in this process, or None: then a plan must refuse to run (contract 2)."""
    if sys.flags.optimize:
        return "asserts are disabled (PYTHONOPTIMIZE or python -O), so no gate could fail; run without it"
    return None
