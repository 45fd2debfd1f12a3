"""A plan whose worker died: the controller goes on from the evidence that the worker left."""

from __future__ import annotations

from pathlib import Path

from ..errors import EvidenceError
from ..export.outbox import Outbox
from ..plan.model import Plan
from ..recovery.end import cut_off, emitted, program_spans
from ..span import ErrorType
from ..spans.writer import PlanSpans
from ..trace.evidence import Evidence, SpanEvidence, Status
from ..trace.file import EvidenceFile, evidence_path, load_evidence
from ..trace.recorder import TraceRecorder
from ..trace.rules import Trouble


def left_behind(out: Path, fresh: Evidence) -> Evidence | None:
    """What a worker has written of a plan in this session; None where no worker began it."""
    try:
        evidence = load_evidence(evidence_path(out, fresh.trace_id))
    except EvidenceError:
        return None
    return evidence if evidence.runs == fresh.runs else None


def take_over(
    out: Path, outbox: Outbox, plan: Plan, fresh: Evidence, crashed: SpanEvidence | None
) -> tuple[Evidence, list[str]]:
    """Bring a plan to its end; its evidence, and what could not be written, a line each.

    ``fresh`` is its evidence before any phase ran. The phase in which its worker ``crashed`` has failed, and what is
    downstream does not start; None where the session was stopped before the worker had said how it went.
    """
    evidence = left_behind(out, fresh)
    there = emitted(out, evidence) if evidence is not None else None
    recorder = TraceRecorder(plan, evidence or fresh)
    spans = PlanSpans(recorder, out, outbox, sampled=outbox.sampled(fresh.otel_trace_id), emitted=there)
    file = EvidenceFile(recorder, out)
    recorder.subscribe(spans)
    recorder.subscribe(file)
    if evidence is None:
        recorder.start()
    for span in recorder.evidence.spans:
        if span.status is Status.IN_PROGRESS:
            cut_off(span, "its worker ended before it did", ErrorType.CRASHED, recorder.now())
            for program in program_spans(recorder.evidence, span):
                spans.child(program)
    if crashed is not None:
        _fail(recorder, plan.short_phase_id(crashed.span_id), crashed.nodeid or "")
    recorder.finish()
    return recorder.evidence, [problem for problem in (file.problem, spans.problem) if problem]


def _fail(recorder: TraceRecorder, phase_id: str, nodeid: str) -> None:
    """The phase failed, unless what was recorded says that it was blocked or failed before."""
    match recorder.span(phase_id).status:
        case Status.NOT_STARTED:
            recorder.begin_phase(phase_id, nodeid)
        case Status.COMPLETED:
            recorder.reopen_phase(phase_id)
        case Status.BLOCKED | Status.FAILED:
            return
    reason = f"its worker crashed while it ran {nodeid}"
    advice = f"find out why {nodeid} ends its process, then run again"
    recorder.add_trouble(phase_id, Trouble(reason, advice, ErrorType.CRASHED))
    recorder.end_phase(phase_id)
