"""The JSON documents by which programs tell each other of a trace, as evidence gives them.

``TaskSpanContract`` says how a span stands, ``GateResult`` what a gate said, ``HandoffContract`` what one agent hands
to another. Their keys are those of the program that the pilot comes from; ``schemas/`` says what is valid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from ..schemas import VERSION, schema
from ..text import format_time
from .evidence import Attributes, Evidence, GateEvidence, Result, Severity, SpanEvidence

Document = dict[str, Any]

_CHECKSUMS = ("source_checksum", "artifact_manifest_checksum", "project_context_checksum")
_METRICS = ("gap_count", "feature_count", "complexity_score", "artifact_count")


def gate_results(evidence: Evidence) -> list[Document]:
    """A GateResult for each gate that passed, failed or was waived; what was not asked has none."""
    return [
        _gate_result(evidence, span, gate)
        for span in evidence.spans
        for gate in span.gates
        if gate.result in (Result.PASS, Result.FAIL, Result.WAIVED)
    ]


def _gate_result(evidence: Evidence, span: SpanEvidence, gate: GateEvidence) -> Document:
    failed = gate.result is not Result.PASS
    waived = f" (waived by {gate.waived})" if gate.waived else ""
    return _document(
        gate_id=gate.gate_id,
        phase=_phase(span.phase),
        result="fail" if failed else "pass",
        severity=(gate.severity or Severity.ERROR).value if failed else "info",
        checked_at=_moment(gate.ended_at or gate.started_at),
        trace_id=evidence.trace_id,
        task_id=span.span_id,
        reason=f"{gate.reason}{waived}" if gate.reason else None,
        next_action=gate.next_action or None,
        blocking=gate.blocks,
        evidence=[
            _known(
                type=item.type or "finding", ref=item.ref or item.file or gate.gate_id, description=item.text or None
            )
            for item in gate.evidence
        ],
    )


def task_spans(evidence: Evidence) -> list[Document]:
    """A TaskSpanContract for the trace, and one for each of its phases, in the plan's order."""
    done = [each.condition for each in evidence.definition_of_done]
    phases = (_task_span(evidence, span, span.span_id, span.phase, span.exit_criteria) for span in evidence.spans)
    return [_task_span(evidence, evidence, evidence.trace_id, "OTHER", done), *phases]


def _task_span(
    evidence: Evidence, record: Evidence | SpanEvidence, task_id: str, phase: str, criteria: Sequence[str]
) -> Document:
    when = record.ended_at or record.started_at
    return _document(
        project_id=evidence.project_id,
        task_id=task_id,
        phase=_phase(phase),
        status=record.status.value,
        trace_id=evidence.trace_id,
        span_id=record.otel_span_id,
        parent_task_id=record.parent_id if isinstance(record, SpanEvidence) else None,
        acceptance_criteria=list(criteria),
        checksums=_observed(record.attributes, _CHECKSUMS, "input."),
        metrics=_observed(record.attributes, _METRICS, "quality.", "routing.", "output."),
        blocked_reason=record.blocked_reason or None,
        blocked_on_span_id=record.blocked_on_span_id or None,
        next_action=record.next_action or None,
        timestamp=None if when is None else _moment(when),
    )


def handoffs(evidence: Evidence, payloads: Mapping[str, tuple[str, Any]]) -> Iterator[Document]:
    """A HandoffContract for each handoff that a phase emitted and whose kind and payload, by its digest, are known."""
    for span in evidence.spans:
        emitted = {h.digest: h.name for h in span.handoffs if h.direction == "emitted" and h.digest in payloads}
        at = {str(event.attributes.get("handoff.digest")): event.time for event in span.events}
        for digest, name in emitted.items():
            kind, payload = payloads[digest]
            taken = [
                (other, h.direction)
                for other in evidence.spans
                for h in other.handoffs
                if h.digest == digest and h.direction != "emitted"
            ]
            refused = any(direction == "rejected" for _, direction in taken)
            yield _document(
                handoff_id=f"{span.span_id}-{name}-{digest[:12]}",
                from_agent=span.span_id,
                to_agent=taken[0][0].span_id if taken else "any",
                capability_id=name,
                inputs=payload,
                expected_output={"type": kind},
                project_id=evidence.project_id,
                trace_id=evidence.trace_id,
                parent_task_id=evidence.trace_id,
                status="failed" if refused else "completed" if taken else "pending",
                created_at=_moment(at[digest]) if digest in at else None,
            )


def _document(**keys: Any) -> Document:
    """A document without the keys that are not known."""
    return {"schema_version": VERSION, **_known(**keys)}


def _known(**keys: Any) -> Document:
    return {name: value for name, value in keys.items() if value is not None}


def _observed(known: Attributes, names: Sequence[str], *prefixes: str) -> Document | None:
    """What a span observed of these names; None if that is nothing."""
    return {name: known[full] for prefix in prefixes for name in names if (full := prefix + name) in known} or None


@cache
def _phases() -> frozenset[str]:
    return frozenset(schema("GateResult")["properties"]["phase"]["enum"])


def _phase(name: str) -> str:
    """The name of one of the pilot's phases; ``OTHER`` for a span that is none of these."""
    return name if name in _phases() else "OTHER"


def _moment(time: int | None) -> str:
    return format_time(time) if time is not None else f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
