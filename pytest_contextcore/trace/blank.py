"""Records that a trace starts from: nothing has happened yet, or an earlier attempt at a phase has."""

from __future__ import annotations

from ..ids import new_span_id, new_trace_id
from ..plan.model import PhasePlan, Plan
from .evidence import (
    Attempt,
    Attributes,
    Event,
    Evidence,
    GateEvidence,
    SpanEvidence,
    is_integrity_failure,
)

ATTEMPT_EVENT = "phase.attempt"
"""On a phase's span, once for each earlier attempt at it."""


def fresh_evidence(plan: Plan) -> Evidence:
    """The evidence of a trace that has not begun, with ids of its own."""
    return Evidence(
        trace_id=plan.trace.id,
        otel_trace_id=new_trace_id(),
        otel_span_id=new_span_id(),
        project_id=plan.trace.project_id,
        title=plan.trace.title,
        type=plan.trace.type,
        plan_digest=plan.digest,
        spans=[fresh_span(plan, phase) for phase in plan.phases],
    )


def fresh_span(plan: Plan, phase: PhasePlan) -> SpanEvidence:
    """A phase that has not started, with a span id of its own."""
    return SpanEvidence(
        span_id=plan.span_id(phase.id),
        otel_span_id=new_span_id(),
        parent_id=plan.trace.id,
        phase=phase.name,
        goal=phase.goal,
        exit_criteria=list(phase.exit_criteria),
        gates=[
            GateEvidence(
                gate_id=plan.gate_id(phase.id, gate.id),
                purpose=gate.purpose,
                criterion=gate.criterion,
                otel_span_id=new_span_id(),
                kind=gate.kind,
            )
            for gate in phase.gates
        ],
    )


def remember_attempt(span: SpanEvidence, before: SpanEvidence, moment: int) -> None:
    """Say of each earlier attempt that it was and how it ended: it has a span of its own, which has ended."""
    span.attempts = [*before.attempts, Attempt.model_validate(before.model_dump(include=set(Attempt.model_fields)))]
    span.events = [event for event in span.events if event.name != ATTEMPT_EVENT]
    for number, attempt in enumerate(span.attempts, 1):
        attributes: Attributes = {"task.attempt": number, "task.status": attempt.status.value}
        if attempt.blocked_reason:
            attributes["task.blocked_reason"] = attempt.blocked_reason
        span.events.append(Event(name=ATTEMPT_EVENT, time=moment, attributes=attributes))


def keep_failures(evidence: Evidence, last: Evidence) -> None:
    """Let integrity gates that failed in the last run stand in a blank record, until their phase runs again.

    Their times are those of the earlier run: no span of this one stands for them.
    """
    known = {span.span_id: span for span in evidence.spans}
    for before in last.spans:
        span = known.get(before.span_id)
        failed = {gate.gate_id: gate for gate in before.gates if is_integrity_failure(gate)}
        if span is not None and failed:
            span.gates = [
                failed[gate.gate_id].model_copy(update={"otel_span_id": gate.otel_span_id, "events": []})
                if gate.gate_id in failed
                else gate
                for gate in span.gates
            ]
