"""Records that a trace starts from: nothing has happened yet, or an earlier attempt at a phase has."""

from __future__ import annotations

from collections.abc import Mapping

from ..ids import new_span_id, new_trace_id
from ..plan.model import PhasePlan, Plan
from .evidence import (
    Attempt,
    Attributes,
    Event,
    Evidence,
    GateEvidence,
    OptionValue,
    SpanEvidence,
    is_integrity_failure,
)

ATTEMPT_EVENT = "phase.attempt"
"""On a phase's span, once for each earlier attempt at it."""


def fresh_evidence(
    plan: Plan,
    *,
    otel_trace_id: str | None = None,
    otel_span_id: str | None = None,
    otel_parent_span_id: str | None = None,
    workspace: str | None = None,
    options: Mapping[str, OptionValue] | None = None,
    run_id: str = "",
    in_ci: bool = False,
    nodeids: Mapping[str, str] | None = None,
    fingerprints: Mapping[str, dict[str, str]] | None = None,
) -> Evidence:
    """The evidence of a trace that has not begun; ids in lower-case hex, tests and fingerprints by phase id."""
    spans = [fresh_span(plan, phase) for phase in plan.phases]
    for phase, span in zip(plan.phases, spans, strict=True):
        span.nodeid, span.fingerprint = (nodeids or {}).get(phase.id), (fingerprints or {}).get(phase.id, {})
    return Evidence(
        trace_id=plan.trace.id,
        otel_trace_id=otel_trace_id or new_trace_id(),
        otel_span_id=otel_span_id or new_span_id(),
        otel_parent_span_id=otel_parent_span_id,
        project_id=plan.trace.project_id,
        title=plan.trace.title,
        type=plan.trace.type,
        in_ci=in_ci,
        workspace=workspace,
        options=dict(options or {}),
        plan_digest=plan.digest,
        spans=spans,
        runs=[run_id] if run_id else [],
    )


def fresh_span(plan: Plan, phase: PhasePlan) -> SpanEvidence:
    """A phase that has not started, with a span id of its own."""
    return SpanEvidence(
        span_id=plan.span_id(phase.id),
        otel_span_id=new_span_id(),
        parent_id=plan.trace.id,
        phase=phase.name,
        gates=[
            GateEvidence(
                gate_id=plan.gate_id(phase.id, gate.id),
                purpose=gate.purpose,
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
