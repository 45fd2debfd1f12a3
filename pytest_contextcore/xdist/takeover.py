"""A plan whose worker died: the controller goes on from the evidence that the worker left."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..errors import EvidenceError
from ..export.outbox import Outbox
from ..plan.model import Plan
from ..recovery.end import emitted, files_of
from ..recovery.read import catch_up, cut_off, ids_of, look, program_spans
from ..spans.writer import PlanSpans
from ..trace.evidence import Evidence, Status
from ..trace.file import EvidenceFile, evidence_path, load_evidence
from ..trace.recorder import TraceRecorder
from ..trace.rules import Trouble


class Crash(NamedTuple):
    """A worker died in a phase: its short id, and its test's node id."""

    phase_id: str
    nodeid: str


def left_behind(out: Path, fresh: Evidence) -> Evidence | None:
    """What a worker has written of a plan in this session; None where no worker began it."""
    try:
        evidence = load_evidence(evidence_path(out, fresh.trace_id))
    except EvidenceError:
        return None
    return evidence if evidence.runs == fresh.runs else None


def take_over(
    out: Path, outbox: Outbox, plan: Plan, fresh: Evidence, crash: Crash | None
) -> tuple[Evidence, list[str]]:
    """Bring a plan to its end: the phase that crashed has failed, and what is downstream does not start.

    Args:
        out: folder of evidence.
        outbox: where spans go.
        plan: the plan.
        fresh: its evidence before any phase ran.
        crash: where its worker died; None where the session was stopped before the worker had said how it went.

    Returns:
        The evidence, and what could not be written, a line each.
    """
    evidence = left_behind(out, fresh)
    recorder = TraceRecorder(plan, evidence or fresh)
    there = None
    if evidence is not None:
        catch_up(evidence, look(files_of(out, evidence.trace_id, fresh.runs[-1]), ids_of(evidence)))
        there = emitted(out, evidence.trace_id, fresh.runs[-1])
    spans = PlanSpans(recorder, out, outbox, sampled=outbox.sampled(fresh.otel_trace_id), emitted=there)
    file = EvidenceFile(recorder, out)
    recorder.subscribe(spans)
    recorder.subscribe(file)
    if evidence is None:
        recorder.start()
    _end_what_was_open(recorder, spans)
    if crash is not None:
        _fail(recorder, crash)
    recorder.finish()
    return recorder.evidence, [problem for problem in (file.problem, spans.problem) if problem]


def _end_what_was_open(recorder: TraceRecorder, spans: PlanSpans) -> None:
    """End gates and programs of the phase in which a worker died; the spans of gates are made with the phase's."""
    for span in recorder.evidence.spans:
        if span.status is Status.IN_PROGRESS:
            cut_off(span, "its worker ended before it did", recorder.now())
            for program in program_spans(recorder.evidence, span):
                spans.child(program)


def _fail(recorder: TraceRecorder, crash: Crash) -> None:
    """The phase failed, unless what was recorded says that it was blocked or failed before."""
    phase_id, nodeid = crash
    if recorder.span(phase_id).status is Status.NOT_STARTED:
        recorder.begin_phase(phase_id, nodeid)
    if recorder.span(phase_id).status in (Status.IN_PROGRESS, Status.COMPLETED):
        reason = f"its worker crashed while it ran {nodeid}"
        if recorder.span(phase_id).status is Status.COMPLETED:
            recorder.reopen_phase(phase_id)
        recorder.add_trouble(phase_id, Trouble(reason, f"find out why {nodeid} ends its process, then run again"))
        recorder.end_phase(phase_id)
