"""One trace over several runs, such as the jobs of a CI pipeline (contract 2 and 6). Pure.

The evidence of the last run comes along as an artifact and ``TRACEPARENT`` says which trace is meant: with the id and
the parent span of that evidence, the phases which it proves keep their spans, and the run that ends the trace emits the
parent, once.
"""

from __future__ import annotations

from ..errors import JoinRefused
from ..ids import Remote, traceparent
from ..plan.model import Plan
from .evidence import Evidence, SpanEvidence, Status
from .resume import Proof

_EMITTED = (Status.COMPLETED, Status.BLOCKED, Status.FAILED)


def is_open(evidence: Evidence) -> bool:
    """Whether a later run may go on with this trace: its parent span has not been emitted."""
    return evidence.started_at is not None and evidence.ended_at is None


def header(evidence: Evidence, *, sampled: bool) -> str:
    """The ``TRACEPARENT`` that goes on with this trace: its parent span."""
    return traceparent(evidence.otel_trace_id, evidence.otel_span_id, sampled=sampled)


def left(evidence: Evidence) -> list[SpanEvidence]:
    """The phases that a later run has to run."""
    return [span for span in evidence.spans if span.status not in _EMITTED]


def joins(plan: Plan, proof: Proof, given: str | None, remote: Remote | None) -> bool:
    """Whether this run goes on with the trace of the last evidence.

    It does when ``TRACEPARENT`` (``given``; ``remote`` once parsed) names that trace, which is still open, and this run
    takes over from it what it needs. The trace's own parent span can mean nothing else; another span of the trace, such
    as that of the whole CI run, is the parent of a new execution where nothing can be taken over.

    Raises:
        JoinRefused: the trace has ended, another plan made it, a phase would be in it twice; or ``TRACEPARENT`` names
            another trace than the open one whose phases this run takes over.
    """
    last = proof.last
    if last is None:
        return False
    named = remote is not None and remote.trace_id == last.otel_trace_id
    own = named and remote is not None and remote.span_id == last.otel_span_id
    if own and (why := _ended(last) or _misfit(plan, last, proof)):
        raise JoinRefused(
            f"TRACEPARENT asks to go on with the trace {last.otel_trace_id} of {last.trace_id}, but {why}; "
            "unset TRACEPARENT to begin a new trace"
        )
    if own:
        return True
    if not (is_open(last) and proof.proven):
        return False
    if named:
        return _misfit(plan, last, proof) is None
    if given is not None:
        raise JoinRefused(
            f"TRACEPARENT is {given[:80]!r}, but {', '.join(proof.proven)} were run in the unfinished trace "
            f"{last.otel_trace_id}; set TRACEPARENT={header(last, sampled=True)} to go on with that, "
            "or unset it to begin a new trace"
        )
    return False


def _ended(last: Evidence) -> str | None:
    if is_open(last):
        return None
    return f"that has ended ({last.status}) and its parent span is out"


def _misfit(plan: Plan, last: Evidence, proof: Proof) -> str | None:
    """Why the trace cannot be gone on with as it is, or None."""
    if last.plan_digest != plan.digest:
        return f"another version of {plan.path} made it (digest {last.plan_digest}, now {plan.digest})"
    for phase in plan.phases:
        span = next((span for span in last.spans if span.span_id == plan.span_id(phase.id)), None)
        if span is not None and span.status in _EMITTED and phase.id not in proof.proven:
            return f"{phase.id} has its span in it already and cannot be kept: {proof.refused.get(phase.id, '')}"
    return None
