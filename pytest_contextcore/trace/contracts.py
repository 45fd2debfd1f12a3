"""The four JSON documents by which programs tell each other of a trace, and those that evidence gives.

``TaskSpanContract`` says how a span stands, ``GateResult`` what a gate said, ``HandoffContract`` what one agent hands
to another, ``ArtifactIntent`` what shall be made. Their keys are those of the program that this pilot comes from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from .evidence import (
    Attributes,
    Evidence,
    GateEvidence,
    Result,
    Severity,
    SpanEvidence,
    Status,
)
from .times import format_time

Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=0)]
PhaseName = Literal[
    "INIT_BASELINE", "EXPORT_CONTRACT", "CONTRACT_INTEGRITY", "INGEST_PARSE_ASSESS", "ROUTING_DECISION",
    "ARTISAN_DESIGN", "ARTISAN_IMPLEMENT", "TEST_VALIDATE", "REVIEW_CALIBRATE", "FINALIZE_VERIFY", "OTHER",
]  # fmt: skip
"""The pilot's phases; a span that is none of these has ``OTHER``."""

Moment = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$",
        json_schema_extra={"format": "date-time"},
    ),
]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    def document(self) -> dict[str, Any]:
        """JSON's types, without what is not known."""
        return self.model_dump(mode="json", exclude_none=True)


class _Contract(_Document):
    schema_version: Literal["v1"]


class Checksums(_Document):
    """Checksums that a span observed."""

    source_checksum: Text | None = None
    artifact_manifest_checksum: Text | None = None
    project_context_checksum: Text | None = None


class Metrics(_Document):
    """What a span counted."""

    gap_count: Count | None = None
    feature_count: Count | None = None
    complexity_score: Annotated[float, Field(ge=0, le=100)] | None = None
    artifact_count: Count | None = None


class TaskSpanContract(_Contract):
    """How a task's span stands."""

    project_id: Text
    task_id: Text
    phase: PhaseName
    status: Status
    trace_id: Text | None = None
    span_id: Text | None = None
    parent_task_id: Text | None = None
    acceptance_criteria: list[str] | None = None
    checksums: Checksums | None = None
    metrics: Metrics | None = None
    blocked_reason: Text | None = None
    blocked_on_span_id: Text | None = None
    next_action: Text | None = None
    timestamp: Moment | None = None


class ContractEvidence(_Document):
    """What a gate found."""

    type: Text
    ref: Text
    description: str | None = None


class GateResult(_Contract):
    """What a gate said."""

    gate_id: Text
    phase: PhaseName
    result: Literal["pass", "fail"]
    severity: Literal["info", "warning", "error", "critical"]
    checked_at: Moment
    trace_id: Text | None = None
    task_id: Text | None = None
    reason: Text | None = None
    next_action: Text | None = None
    blocking: bool | None = None
    evidence: list[ContractEvidence] | None = None


class ExpectedOutput(_Document):
    """What whoever takes a handoff shall give."""

    type: Text
    schema_ref: Text | None = None


class HandoffContract(_Contract):
    """What one agent hands to another."""

    handoff_id: Text
    from_agent: Text
    to_agent: Text
    capability_id: Text
    inputs: dict[str, Any]
    expected_output: ExpectedOutput
    project_id: Text | None = None
    trace_id: Text | None = None
    parent_task_id: Text | None = None
    priority: Literal["low", "normal", "high", "critical"] | None = None
    status: Literal["pending", "accepted", "in_progress", "completed", "failed", "expired"] | None = None
    result_trace_id: Text | None = None
    error: Text | None = None
    created_at: Moment | None = None
    deadline: Moment | None = None


class OutputConvention(_Document):
    """Where an artifact shall lie."""

    output_path: Text | None = None
    output_ext: Text | None = None


class ArtifactIntent(_Contract):
    """An artifact that shall be made, and why."""

    artifact_id: Text
    artifact_type: Text
    intent: Literal["create", "update", "validate", "deprecate"]
    owner: Text
    parameter_sources: Annotated[dict[str, Any], Field(min_length=1)]
    artifact_category: Literal["observability", "onboarding", "integrity"] | None = None
    task_id: Text | None = None
    promoted_to_task: bool | None = None
    promotion_reason: Literal["lifecycle", "dependency", "risk", "ownership", "traceability", "none"] | None = None
    output_convention: OutputConvention | None = None
    semantic_conventions: dict[str, Any] | None = None
    acceptance_criteria: list[str] | None = None


def gate_results(evidence: Evidence) -> list[dict[str, Any]]:
    """A GateResult for each gate that passed, failed or was waived; what was not asked has none."""
    return [
        _gate_result(evidence, span, gate).document()
        for span in evidence.spans
        for gate in span.gates
        if gate.result in (Result.PASS, Result.FAIL, Result.WAIVED)
    ]


def _gate_result(evidence: Evidence, span: SpanEvidence, gate: GateEvidence) -> GateResult:
    failed = gate.result is not Result.PASS
    waived = f" (waived by {gate.waived})" if gate.waived else ""
    return GateResult(
        schema_version="v1",
        gate_id=gate.gate_id,
        trace_id=evidence.trace_id,
        task_id=span.span_id,
        phase=_phase(span.phase),
        result="fail" if failed else "pass",
        severity=(gate.severity or Severity.ERROR).value if failed else "info",
        reason=f"{gate.reason}{waived}" if gate.reason else None,
        next_action=gate.next_action or None,
        blocking=gate.result is Result.FAIL and gate.severity is not Severity.WARNING,
        evidence=[
            ContractEvidence(
                type=item.type or "finding", ref=item.ref or item.file or gate.gate_id, description=item.text or None
            )
            for item in gate.evidence
        ],
        checked_at=_moment(gate.ended_at or gate.started_at),
    )


def task_spans(evidence: Evidence) -> list[dict[str, Any]]:
    """A TaskSpanContract for the trace, and one for each of its phases, in the plan's order."""
    done = [each.condition for each in evidence.definition_of_done]
    phases = (_task_span(evidence, span, span.span_id, span.phase, span.exit_criteria) for span in evidence.spans)
    return [each.document() for each in (_task_span(evidence, evidence, evidence.trace_id, "OTHER", done), *phases)]


def _task_span(
    evidence: Evidence, record: Evidence | SpanEvidence, task_id: str, phase: str, criteria: Sequence[str]
) -> TaskSpanContract:
    known = record.attributes
    checksums = _named(known, "input.", Checksums)
    when = record.ended_at or record.started_at
    return TaskSpanContract(
        schema_version="v1",
        project_id=evidence.project_id,
        trace_id=evidence.trace_id,
        span_id=record.otel_span_id,
        task_id=task_id,
        parent_task_id=record.parent_id if isinstance(record, SpanEvidence) else None,
        phase=_phase(phase),
        status=record.status,
        acceptance_criteria=list(criteria),
        checksums=Checksums(**checksums) if checksums else None,
        metrics=_metrics(known),
        blocked_reason=record.blocked_reason or None,
        blocked_on_span_id=record.blocked_on_span_id or None,
        next_action=record.next_action or None,
        timestamp=None if when is None else _moment(when),
    )


def handoffs(evidence: Evidence, payloads: Mapping[str, tuple[str, Any]]) -> Iterator[dict[str, Any]]:
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
            yield HandoffContract(
                schema_version="v1",
                handoff_id=f"{span.span_id}-{name}-{digest[:12]}",
                project_id=evidence.project_id,
                trace_id=evidence.trace_id,
                parent_task_id=evidence.trace_id,
                from_agent=span.span_id,
                to_agent=taken[0][0].span_id if taken else "any",
                capability_id=name,
                inputs=payload,
                expected_output=ExpectedOutput(type=kind),
                status="failed" if refused else "completed" if taken else "pending",
                created_at=_moment(at[digest]) if digest in at else None,
            ).document()


def _phase(name: str) -> Any:
    return name if name in get_args(PhaseName) else "OTHER"


def _moment(time: int | None) -> str:
    return format_time(time) if time is not None else f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def _named(known: Attributes, prefix: str, model: type[_Document]) -> dict[str, Any]:
    return {name: known[prefix + name] for name in model.model_fields if prefix + name in known}


def _metrics(known: Attributes) -> Metrics | None:
    prefixes = ("quality.", "routing.", "output.")
    found = {name: value for prefix in prefixes for name, value in _named(known, prefix, Metrics).items()}
    return Metrics(**found) if found else None
