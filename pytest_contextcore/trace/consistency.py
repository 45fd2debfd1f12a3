"""Whether evidence agrees with itself. Pure.

Its seal tells of accidents only: whoever edits the file can seal it anew.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..plan.model import Plan
from .evidence import Evidence, Result, SpanEvidence, Status
from .rules import CHECKED, blocking_gates


def contradiction(plan: Plan, evidence: Evidence) -> str | None:
    """The first thing in it that cannot be, as a sentence; None if it agrees with itself."""
    return next(contradictions(plan, evidence), None)


def contradictions(plan: Plan, evidence: Evidence) -> Iterator[str]:
    """Everything in it that cannot be, each as a sentence."""
    seen: set[str] = set()
    for span in evidence.spans:
        if span.span_id in seen:
            yield f"{span.span_id} stands in it twice"
        seen.add(span.span_id)
        if span.status is Status.COMPLETED:
            yield from _of_completed(span)
        yield from _of_gates(plan, span)
    missing = next((span for span in evidence.spans if span.status is not Status.COMPLETED), None)
    if evidence.status is Status.COMPLETED and missing is not None:
        yield f"the trace is completed, but {missing.span_id} is {missing.status}"
    unmet = next((done for done in evidence.definition_of_done if not done.met), None)
    if evidence.status is Status.COMPLETED and unmet is not None:
        yield f"the trace is completed, but its condition {unmet.condition!r} is not met"
    counted = evidence.model_copy()
    counted.recount()
    if counted.summary != evidence.summary:
        yield "its summary does not count the statuses and results that stand in it"


def _of_completed(span: SpanEvidence) -> Iterator[str]:
    """A completed phase has ended, with no gate failed and none left out."""
    for gate in blocking_gates(span):
        yield f"{span.span_id} is completed, but its gate {gate.gate_id} failed"
    for gate in span.gates:
        if gate.result not in CHECKED:
            yield f"{span.span_id} is completed, but its gate {gate.gate_id} was not checked"
    if span.started_at is None or span.ended_at is None:
        yield f"{span.span_id} is completed, but has no time at which it {'ended' if span.started_at else 'started'}"
    if span.blocked_reason is not None:
        yield f"{span.span_id} is completed, but has a reason why it is not: {span.blocked_reason}"


def _of_gates(plan: Plan, span: SpanEvidence) -> Iterator[str]:
    """A gate that was checked says when; a phase of the same entry in the plan has all of that entry's gates."""
    for gate in span.gates:
        if gate.result is not Result.NOT_CHECKED and (gate.started_at is None or gate.ended_at is None):
            yield f"gate {gate.gate_id} has the result {gate.result}, but no times"
    phase = plan.by_id.get(plan.short_phase_id(span.span_id))
    if phase is not None and span.fingerprint.get("plan") == plan.phase_digest(phase.id):
        declared = {plan.gate_id(phase.id, gate.id): gate.kind for gate in phase.gates}
        found = {gate.gate_id: gate.kind for gate in span.gates}
        for name in {**declared, **found}:
            if declared.get(name) is not found.get(name):
                yield f"gate {name} is not as the plan declares it"
