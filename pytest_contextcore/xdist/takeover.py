"""A plan that a worker ran, in the controller: it brings the trace to its end, also where the worker died."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..errors import EvidenceError
from ..ids import named
from ..plan.model import Plan
from ..recovery.end import cut_off, emitted
from ..session.logged import Logged, fail, failed_in
from ..session.shared import Services
from ..span import ErrorType
from ..spans.writer import PlanSpans
from ..trace.evidence import Evidence, SpanEvidence, Status
from ..trace.file import EvidenceFile, evidence_path, load_evidence
from ..trace.recorder import TraceRecorder
from ..trace.rules import NEVER_REACHED, NEVER_RUN, Outcome, Trouble


class RemotePlan:
    """A plan as the workers collected it, and what became of it.

    Args:
        fresh: its evidence before any phase ran.
        partial: phases were deselected.
        awaited: some are to run.
    """

    def __init__(self, plan: Plan, fresh: Evidence, shared: Services, *, partial: bool, awaited: bool) -> None:
        self.plan, self.fresh, self.awaited = plan, fresh, awaited
        self._out, self._outbox, self._remote = shared.context.out, shared.outbox, shared.context.remote
        self._partial, self._history = partial, shared.context.history
        self._recorder: TraceRecorder | None = None
        self._left: Outcome | None = None
        self._problems: list[str] = []
        self._sources: tuple[EvidenceFile, PlanSpans] | None = None

    @property
    def told(self) -> bool:
        """Whether it is known how its worker ended."""
        return self._recorder is not None

    def ended(self, evidence: Evidence, problems: Sequence[str]) -> None:
        """Its worker has run what it was given."""
        if not self.told:
            self._problems = [*problems]
            self._take_over(evidence)

    def crashed(self, span: SpanEvidence) -> None:
        """Its worker died in this phase, or right after it: that has failed, and nothing else of the plan starts."""
        if self.told:
            return
        recorder = self._take_over_left_behind()
        nodeid, name = span.nodeid or "", named(span.span_id, span.phase)
        advice = f"find out why {nodeid} ends its process, then run again"
        trouble = Trouble(f"its worker crashed while it ran {nodeid}", advice, ErrorType.CRASHED)
        fail(recorder, self.plan.short_phase_id(span.span_id), nodeid, trouble)
        reason = f"the worker that ran this plan crashed in {name}"
        self._left = Outcome(Status.NOT_STARTED, reason, advice, span.span_id)

    def finish(self, logged: Mapping[str, Logged], *, whole: bool) -> tuple[Evidence, list[str]] | None:
        """Bring the trace to its end: its evidence, and what could not be written, a line each.

        None if no phase was to run. ``logged``: what was logged here of its tests, by node id. ``whole``: nothing
        stopped the session.
        """
        if not self.told and not self.awaited:
            return None
        recorder = self._recorder or self._take_over_left_behind()
        for span in recorder.evidence.spans:
            nodeid = span.nodeid or ""
            if nodeid in logged and (trouble := failed_in(logged[nodeid])) is not None:
                fail(recorder, self.plan.short_phase_id(span.span_id), nodeid, trouble)
        recorder.finish(self._left or (NEVER_RUN if whole else NEVER_REACHED))
        problems = [source.problem for source in self._sources or () if source.problem]
        return recorder.evidence, [*self._problems, *(found for found in problems if found not in self._problems)]

    def left_behind(self) -> Evidence | None:
        """What a worker has written of it in this session; None where no worker began it."""
        try:
            evidence = load_evidence(evidence_path(self._out, self.fresh.trace_id))
        except EvidenceError:
            return None
        return evidence if evidence.runs == self.fresh.runs else None

    def _take_over_left_behind(self) -> TraceRecorder:
        """Go on from what a worker wrote that says nothing any more; what it ran just then was cut off."""
        evidence = self.left_behind()
        if evidence is None:
            recorder = self._take_over(self.fresh)
            recorder.start()
            return recorder
        kept, sent = emitted(self._out, evidence)  # adds to the evidence what its spans prove
        recorder = self._take_over(evidence, kept, sent)
        for span in recorder.evidence.spans:
            if span.status is Status.IN_PROGRESS:
                cut_off(span, "its worker ended before it did", ErrorType.CRASHED, recorder.now())
        return recorder

    def _take_over(self, evidence: Evidence, kept: Iterable[str] = (), sent: Iterable[str] = ()) -> TraceRecorder:
        recorder = TraceRecorder(self.plan, evidence, remote=self._remote, partial=self._partial)
        sampled = self._outbox.sampled(self.fresh.otel_trace_id)
        spans = PlanSpans(recorder, self._out, self._outbox, sampled=sampled, kept=kept, sent=sent)
        file = EvidenceFile(recorder, self._out, self._history)
        recorder.subscribe(spans)
        recorder.subscribe(file)
        self._recorder, self._sources = recorder, (file, spans)
        return recorder
