"""Spans out of evidence: names, parents, attributes, events, statuses. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..plan.attributes import RECORDABLE, Value
from ..plan.model import Kind
from ..redact import redact, shown_id
from ..span import (
    INTERRUPTED,
    OK,
    UNSET,
    Attributes,
    ErrorType,
    Link,
    SpanData,
    SpanEvent,
    SpanStatus,
    error_status,
)
from ..text import format_time
from ..trace.evidence import (
    Attempt,
    Event,
    Evidence,
    GateEvidence,
    ProgramEvidence,
    Result,
    SpanEvidence,
    Status,
)
from ..trace.rules import last_values
from ..trace.times import MICROSECOND

_TEST_RESULT = {Status.COMPLETED: "pass", Status.BLOCKED: "fail", Status.FAILED: "fail"}
_RUN_STATUS = {
    Status.COMPLETED: "success",
    Status.BLOCKED: "failure",
    Status.FAILED: "failure",
    Status.IN_PROGRESS: "in_progress",
    Status.NOT_STARTED: "skipped",
}
_RESULT = {
    Status.COMPLETED: "success",
    Status.BLOCKED: "failure",
    Status.FAILED: "failure",
    Status.NOT_STARTED: "skip",
}
"""``cicd.pipeline.result`` and ``cicd.pipeline.task.run.result``; what is in progress has none yet."""
_RESULT_OF_ERROR = {
    ErrorType.TIMEOUT: "timeout",
    ErrorType.INTERRUPTED: "error",
    ErrorType.CRASHED: "error",
    "KeyboardInterrupt": "cancellation",
    "_pytest.outcomes.Exit": "cancellation",
}
"""The same where something failed that is no failing test: by ``error.type``."""

_MOST_EVIDENCE = 32
"""Of so many items a gate's span says what they are; the evidence file has all of them."""

_STOPPED = (Status.IN_PROGRESS, Status.BLOCKED, Status.FAILED)


def waiting_spans(evidence: Evidence) -> Iterator[SpanData]:
    """The spans of the phases that did not start, when the trace has ended: of no length, before the trace's end.

    Trace stores sort by the start. So one starts a microsecond after the other, in the plan's order.
    """
    waiting = [span for span in evidence.spans if span.status is Status.NOT_STARTED]
    for left, span in enumerate(waiting, 1 - len(waiting)):
        moment = (evidence.ended_at or 0) + left * MICROSECOND
        yield from (found._replace(start=moment, end=moment) for found in phase_spans(evidence, span))


def phase_spans(evidence: Evidence, span: SpanEvidence) -> Iterator[SpanData]:
    """The spans of one phase that has ended or will not start: its gates, its programs, itself."""
    reused_at = evidence.started_at if span.reused_from is not None else None
    moment = reused_at or span.ended_at or evidence.ended_at or evidence.started_at or 0
    written = max((attempt.ended_at or 0 for attempt in span.attempts), default=0)  # with an earlier attempt
    for gate in span.gates if span.started_at is not None else ():  # else a gate of an earlier run may stand there
        if gate.started_at is not None and gate.started_at >= written:
            yield gate_span(evidence, span, gate, reused_at=reused_at)
    for program in () if span.reused else span.programs:
        if program.ended_at is not None and (program.started_at or 0) >= written:
            yield program_span(evidence, program)
    attributes: Attributes = {
        "project.id": evidence.project_id,
        "task.id": span.span_id,
        "task.parent_id": span.parent_id,
        "task.phase": span.phase,
        **_known({"task.goal": span.goal, "task.exit_criteria": span.exit_criteria}),
        **_status_attributes(span),
        **span.attributes,
        **_ci_result("cicd.pipeline.task.run.result", evidence, span),
    }
    if span.reused:
        attributes["task.reused"] = True
    if reused_at is not None:
        attributes |= _times_before(span)
    earlier = [] if span.reused else span.attempts  # a reused phase's attempts are spans of another trace
    if earlier:
        attributes["task.attempt"] = len(earlier) + 1
    if span.nodeid:
        attributes["test.case.name"] = shown_id(span.nodeid)
    if span.status in _TEST_RESULT and not span.reused:
        attributes["test.case.result.status"] = _TEST_RESULT[span.status]
    yield SpanData(
        name=f"{span.span_id} {span.phase}",
        trace_id=evidence.otel_trace_id,
        span_id=span.otel_span_id,
        parent_id=evidence.otel_span_id,
        start=reused_at or span.started_at or moment,
        end=reused_at or span.ended_at or moment,
        attributes=attributes,
        events=_events(span.events) if reused_at is None else (),
        links=_links(evidence, span, earlier),
        status=_span_status(span),
    )


def _links(evidence: Evidence, span: SpanEvidence, earlier: Sequence[Attempt]) -> tuple[Link, ...]:
    """To the span that a reused phase had when it ran, and to earlier attempts."""
    proof = span.reused_from
    found = [Link(proof.otel_trace_id, proof.otel_span_id)] if proof is not None else []
    return (*found, *(Link(evidence.otel_trace_id, attempt.otel_span_id) for attempt in earlier))


def parent_span(evidence: Evidence, now: int) -> SpanData:
    """The span of the whole trace."""
    recorded = {name: value for name, value in last_values(evidence.spans).items() if name.startswith(RECORDABLE)}
    attributes: Attributes = {
        "project.id": evidence.project_id,
        "task.id": evidence.trace_id,
        "task.type": evidence.type,
        "task.title": evidence.title,
        **_known({"task.definition_of_done": [f"{it.condition}: {it.state}" for it in evidence.definition_of_done]}),
        **_status_attributes(evidence),
        **recorded,
        "test.suite.name": evidence.trace_id,
        "test.suite.run.status": _RUN_STATUS[evidence.status],
        **_ci_result("cicd.pipeline.result", evidence, evidence),
    }
    return SpanData(
        name=evidence.trace_id,
        trace_id=evidence.otel_trace_id,
        span_id=evidence.otel_span_id,
        parent_id=evidence.otel_parent_span_id,
        start=evidence.started_at or now,
        end=evidence.ended_at or now,
        attributes=attributes,
        status=_span_status(evidence),
        parent_remote=evidence.otel_parent_span_id is not None,
    )


def interrupted_parent(evidence: Evidence, moment: int) -> SpanData:
    """The span of a trace whose process was killed, as far as is known at a moment."""
    stopped = next((span.span_id for span in evidence.spans if span.status in _STOPPED), None)
    cut = {
        "status": Status.FAILED,
        "blocked_reason": INTERRUPTED,
        "blocked_on_span_id": stopped,
        "next_action": "run the plan again",
        "error_type": ErrorType.INTERRUPTED,
        "ended_at": moment,
    }
    span = parent_span(evidence.model_copy(update=cut), moment)
    return span._replace(attributes={**span.attributes, "task.interrupted": True})


def _times_before(record: SpanEvidence | GateEvidence) -> Attributes:
    """When a reused phase or its gate ran: its own span has the moment at which its new trace began, and no length.

    Otherwise it would start before its parent.
    """
    told = {"started_at": record.started_at, "ended_at": record.ended_at}
    return {f"task.reused.{name}": format_time(moment) for name, moment in told.items() if moment is not None}


def _events(events: list[Event]) -> tuple[SpanEvent, ...]:
    return tuple(SpanEvent(event.name, event.time, event.attributes) for event in events)


def gate_span(evidence: Evidence, span: SpanEvidence, gate: GateEvidence, *, reused_at: int | None = None) -> SpanData:
    """The span of one gate that was checked, or left without a verdict; ``reused_at``: when its phase was reused."""
    task_status, status = _gate_status(gate)
    attributes: Attributes = {
        "project.id": evidence.project_id,
        "task.id": gate.gate_id,
        "task.parent_id": span.span_id,
        "task.phase": span.phase,
        "task.status": task_status.value,
        "gate.kind": gate.kind.value,
        "gate.result": gate.result.value,
        **_known(
            {
                "gate.purpose": gate.purpose,
                "gate.criterion": gate.criterion,
                "gate.severity": gate.severity.value if gate.severity is not None else None,
                "gate.reason": gate.reason,
                "gate.waived": gate.waived,
                "gate.evidence": [f"{item.type}: {item.ref}" for item in gate.evidence[:_MOST_EVIDENCE]],
            }
        ),
        **gate.attributes,
    }
    if task_status is Status.BLOCKED:
        attributes["task.blocked_reason"] = gate.reason or ""
        attributes["task.next_action"] = gate.next_action or ""
    start, end = gate.started_at or 0, gate.ended_at or gate.started_at or 0
    if reused_at is not None:
        attributes |= _times_before(gate)
        start = end = reused_at
    return SpanData(
        name=gate.gate_id,
        trace_id=evidence.otel_trace_id,
        span_id=gate.otel_span_id,
        parent_id=span.otel_span_id,
        start=start,
        end=end,
        attributes=attributes,
        events=_events(gate.events) if reused_at is None else (),
        status=status,
    )


def program_span(evidence: Evidence, program: ProgramEvidence) -> SpanData:
    """The span of a program that ``phase.run`` ran, below a gate or a phase; of one that failed, what it said last."""
    name = redact(Path(program.args[0]).name) if program.args else "?"  # evidence may be edited
    attributes: Attributes = {"process.executable.name": name}
    if program.pid is not None:
        attributes["process.pid"] = program.pid
    if program.exit_code is not None:
        attributes["process.exit.code"] = program.exit_code
    start, failed = program.started_at or 0, program.exit_code != 0
    end = program.ended_at or start
    events: tuple[SpanEvent, ...] = ()
    if failed and program.stderr:
        events = (SpanEvent("program.output", end, {"log.iostream": "stderr", "program.output": program.stderr}),)
    return SpanData(
        name=name,
        trace_id=evidence.otel_trace_id,
        span_id=program.otel_span_id,
        parent_id=program.otel_parent_span_id or evidence.otel_span_id,
        start=start,
        end=end,
        attributes=attributes,
        events=events,
        status=error_status(program.end, program.error_type or ErrorType.EXIT_CODE) if failed else OK,
        kind="client",
    )


def _gate_status(gate: GateEvidence) -> tuple[Status, SpanStatus]:
    """A gate is a task too. An advisory failure is a warning: it does not mark the trace as erroneous in a backend."""
    if gate.result is Result.NOT_CHECKED:
        return Status.FAILED, error_status(gate.reason or "", gate.error_type or ErrorType.NOT_CHECKED)
    if gate.result is not Result.FAIL:
        return Status.COMPLETED, OK
    if gate.kind is Kind.ADVISORY:
        return Status.COMPLETED, UNSET
    return Status.BLOCKED, error_status(gate.reason or "", ErrorType.GATE_FAILED)


def _status_attributes(record: Evidence | SpanEvidence) -> Attributes:
    attributes: Attributes = {"task.status": record.status.value}
    if record.status in (Status.BLOCKED, Status.FAILED, Status.NOT_STARTED):
        attributes |= _known(
            {
                "task.blocked_reason": record.blocked_reason,
                "task.blocked_on_span_id": record.blocked_on_span_id,
                "task.next_action": record.next_action,
            }
        )
    return attributes


def _known(values: Mapping[str, Value | None]) -> Attributes:
    """The values that are there; older evidence lacks some."""
    return {name: value for name, value in values.items() if value not in (None, "", [])}


def _span_status(record: Evidence | SpanEvidence) -> SpanStatus:
    """Completed is OK, blocked and failed are ERROR with the reason, anything else is UNSET."""
    if record.status is Status.COMPLETED:
        return OK
    if record.status in (Status.BLOCKED, Status.FAILED):
        return error_status(record.blocked_reason or "", record.error_type or ErrorType.OTHER)
    return UNSET


def _ci_result(name: str, evidence: Evidence, record: Evidence | SpanEvidence) -> Attributes:
    """The result of a trace or a phase in the words of CI systems, where one ran it."""
    if not evidence.in_ci or record.status is Status.IN_PROGRESS:
        return {}
    reused = isinstance(record, SpanEvidence) and record.reused
    return {name: "skip" if reused else _RESULT_OF_ERROR.get(record.error_type or "", _RESULT[record.status])}
