"""Traces for the tests of the page: small and large ones, in every state, and one whose every text is hostile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zlib import crc32

from pydantic import BaseModel

from pytest_contextcore.plan.model import Kind
from pytest_contextcore.trace.evidence import (
    SEVERITY_OF,
    Attachment,
    Condition,
    Event,
    Evidence,
    EvidenceItem,
    GateEvidence,
    HandoffRecord,
    Input,
    ProgramEvidence,
    Result,
    SpanEvidence,
    Status,
)
from pytest_contextcore.trace.rules import DESELECTED

BEGIN = 1_790_000_000_000_000_000
MS = 1_000_000


def gate(span_id: str, name: str, at: int, result: Result = Result.PASS, kind: Kind = Kind.REQUIRED) -> GateEvidence:
    """A gate of 4 ms that begins ``at`` nanoseconds after the trace; a failed one has everything that one can have."""
    made = GateEvidence(
        gate_id=f"{span_id}-{name}",
        purpose=f"Purpose of {name}",
        criterion=f"the criterion of {name}",
        attributes={"quality.row_count": 3},
        otel_span_id=f"{crc32(f'{span_id}-{name}'.encode()):016x}",
        kind=kind,
        result=result,
    )
    if result is Result.NOT_CHECKED:
        return made
    made.started_at, made.ended_at = BEGIN + at, BEGIN + at + 4 * MS
    made.events = [Event(name="gate.check.started", time=made.started_at)]
    if result is Result.FAIL:
        made.severity = SEVERITY_OF[kind]
    if result in (Result.FAIL, Result.WAIVED):
        made.reason = f"the reason of {name}: 2 rows lost (observed: 1, expected: 3)"
        made.next_action = f"the next action of {name}"
        made.evidence = [EvidenceItem(type="lost_row", ref="row-7", description="it was there an hour ago")]
    if result is Result.WAIVED:
        made.waived = "known since spring; approved by Kim until 2027-01-31"
    return made


def phase(trace_id: str, number: int, gates: list[GateEvidence], *, at: int = 0, took: int = 20 * MS) -> SpanEvidence:
    """A completed phase that begins ``at`` nanoseconds after the trace."""
    span_id = f"{trace_id}-S{number}"
    return SpanEvidence(
        span_id=span_id,
        otel_span_id=f"{number:016x}",
        parent_id=trace_id,
        phase=f"PHASE_{number}",
        goal=f"The goal of `phase {number}`",
        exit_criteria=["the criterion of C1", "the criterion of G1"],
        status=Status.COMPLETED,
        started_at=BEGIN + at,
        ended_at=BEGIN + at + took,
        nodeid=f"tests/test_plan.py::test_phase_{number}",
        attributes={"code.line.number": 10 * number, "quality.row_count": number},
        inputs=[Input(path=f"data/rows-{number}.csv", sha256=f"{number:064x}")],
        gates=gates,
        events=[Event(name="handoff.emitted", time=BEGIN + at + took, attributes={"handoff.name": "Rows"})],
        handoffs=[HandoffRecord(name="Rows", direction="emitted", digest="d" * 64)],
        fingerprint={"plan": "f" * 64},
    )


def trace(spans: list[SpanEvidence], status: Status = Status.COMPLETED, trace_id: str = "LOAD-7") -> Evidence:
    """A trace of these phases, which ends with the last of them."""
    evidence = Evidence(
        trace_id=trace_id,
        otel_trace_id="ab" * 16,
        otel_span_id="cd" * 8,
        project_id="warehouse",
        title="Load the nightly orders",
        type="job",
        started_at=BEGIN,
        ended_at=max((span.ended_at for span in spans if span.ended_at), default=BEGIN),
        options={"workspace": None, "min_coverage": 80.0},
        plan_digest="e" * 64,
        definition_of_done=[Condition(condition="every row arrived", met=status is Status.COMPLETED)],
        spans=spans,
    )
    cause = next((span for span in spans if span.status is status and span.blocked_reason), None)
    evidence.status = status
    if cause is not None and status is not Status.COMPLETED:
        evidence.blocked_reason, evidence.next_action = cause.blocked_reason, cause.next_action
        evidence.blocked_on_span_id = cause.span_id
    evidence.recount()
    return evidence


def completed(trace_id: str = "LOAD-7") -> Evidence:
    """Three phases with two gates each."""
    return trace([_sound(trace_id, number) for number in (1, 2, 3)], trace_id=trace_id)


def _sound(trace_id: str, number: int) -> SpanEvidence:
    at = (number - 1) * 30 * MS
    span_id = f"{trace_id}-S{number}"
    return phase(trace_id, number, [gate(span_id, "C1", at + MS), gate(span_id, "G1", at + 6 * MS)], at=at)


def stopped(status: Status = Status.BLOCKED, trace_id: str = "LOAD-7") -> Evidence:
    """The second of four phases is blocked by its integrity gate, or failed; the two behind it did not start."""
    second = f"{trace_id}-S2"
    failed = Result.FAIL if status is Status.BLOCKED else Result.NOT_CHECKED
    gates = [gate(second, "C1", 31 * MS, failed, Kind.INTEGRITY), gate(second, "G1", 36 * MS)]
    broken = phase(trace_id, 2, gates, at=30 * MS)
    broken.status = status
    if status is Status.BLOCKED:
        broken.blocked_reason, broken.next_action = f"C1: {gates[0].reason}", gates[0].next_action
    else:
        broken.blocked_reason, broken.next_action = "KeyError: 'orders'", "mend the test or what it exercises"
        message = {"exception.type": "KeyError", "exception.message": "KeyError: 'orders'"}
        broken.events.append(Event(name="exception", time=BEGIN + 37 * MS, attributes=dict(message)))
    return trace(
        [_sound(trace_id, 1), broken, *(_held(trace_id, number, broken) for number in (3, 4))], status, trace_id
    )


def _held(trace_id: str, number: int, root: SpanEvidence) -> SpanEvidence:
    span_id = f"{trace_id}-S{number}"
    return SpanEvidence(
        span_id=span_id,
        otel_span_id=f"{number:016x}",
        parent_id=trace_id,
        phase=f"PHASE_{number}",
        nodeid=f"tests/test_plan.py::test_phase_{number}",
        blocked_reason=f"{root.span_id} {root.phase} is {root.status}: {root.blocked_reason}",
        blocked_on_span_id=root.span_id,
        next_action=root.next_action,
        gates=[gate(span_id, "C1", 0, Result.NOT_CHECKED)],
    )


def running(done: int) -> Evidence:
    """So many of three phases are completed, and the next one is running."""
    evidence = completed()
    for span in evidence.spans[done:]:
        span.status, span.ended_at = Status.IN_PROGRESS, None
        if span is not evidence.spans[done]:
            span.status, span.started_at = Status.NOT_STARTED, None
        span.gates = [gate(span.span_id, "C1", 0, Result.NOT_CHECKED)]
    evidence.status, evidence.ended_at = Status.IN_PROGRESS, None
    evidence.recount()
    return evidence


def remarked() -> Evidence:
    """Completed, with a waived gate and a warning."""
    evidence = completed()
    span = evidence.spans[1]
    span.gates = [
        gate(span.span_id, "C1", 31 * MS, Result.WAIVED),
        gate(span.span_id, "G1", 36 * MS, Result.FAIL, Kind.ADVISORY),
    ]
    evidence.recount()
    return evidence


def partial() -> Evidence:
    """The first phase is reused from a run of the day before, the second ran, the third was not selected."""
    evidence = completed()
    first = evidence.spans[0]
    day = 86_400_000 * MS
    first.reused, first.started_at, first.ended_at = True, BEGIN - day, BEGIN - day + 20 * MS
    third = evidence.spans[2] = _held("LOAD-7", 3, first)
    third.blocked_reason, third.blocked_on_span_id, third.next_action = DESELECTED, None, None
    evidence.status, evidence.ended_at = Status.IN_PROGRESS, None
    evidence.recount()
    return evidence


def dropped() -> Evidence:
    """As `partial`, but nobody deselected the third phase: a plugin dropped its test."""
    evidence = partial()
    evidence.spans[2].blocked_reason = "its test was selected but never run"
    return evidence


def large(phases: int = 100, gates: int = 10) -> Evidence:
    """Many phases with many gates; one in the middle takes 99 % of the time, the sixtieth is blocked."""
    spans: list[SpanEvidence] = []
    at, stop = 0, phases * 3 // 5
    for number in range(1, phases + 1):
        span_id = f"BIG-1-S{number}"
        if number > stop:
            spans.append(_held("BIG-1", number, spans[stop - 1]))
            spans[-1].gates = [gate(span_id, f"C{nth}", 0, Result.NOT_CHECKED) for nth in range(1, gates + 1)]
            continue
        took = 600_000 * MS if number == phases // 2 else 100 * MS
        made = [gate(span_id, f"C{nth}", at + nth * MS) for nth in range(1, gates + 1)]
        if number == stop:
            made[3] = gate(span_id, "C4", at + 4 * MS, Result.FAIL, Kind.INTEGRITY)
        spans.append(phase("BIG-1", number, made, at=at, took=took))
        at += took + MS
    spans[stop - 1].status = Status.BLOCKED
    spans[stop - 1].blocked_reason, spans[stop - 1].next_action = "C4: the reason of C4", "the next action of C4"
    return trace(spans, Status.BLOCKED, "BIG-1")


HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    '"><svg/onload=alert(3)>',
    "' autofocus onfocus='alert(4)",
    "<!-- <script>",
    "]]></style></title></textarea><script>alert(5)</script>",
    "javascript:alert(6)",
    "$style ${script} {{7*7}} {% raw %}",
    "line\u2028separator\u2029",
    "abc\u202edcba\u2066x\u2069",
    "null\x00bell\x07escape\x1b[31mreturn\r",
    "half a pair \ud800",
    "&lt;b&gt; &amp;",
)


def hostile() -> Evidence:
    """A blocked trace with a hostile text in every place where a text can stand."""
    evidence = stopped()
    evidence.workspace, evidence.otel_parent_span_id = "w", "p"
    evidence.definition_of_done = [Condition(condition="c", met=False, broken=["b"])]
    for span in evidence.spans:
        span.attributes = {"a": "v", "b": ["v"]}
        span.handoffs = [HandoffRecord(name="n", direction=way, digest="d") for way in ("emitted", "rejected")]
        span.programs = [ProgramEvidence(otel_span_id="5" * 16, args=["a"], stdout="o")]
        span.attachments = [Attachment(path="p", title="t")]
        span.events = [Event(name="e", time=BEGIN, attributes={"a": "v"})]
        for made in span.gates:
            made.waived = "w"
            made.evidence = [EvidenceItem(type="t", ref="r", file="f", description="d")]
    _spoil(evidence, (f"{HOSTILE[number % len(HOSTILE)]} #{number}" for number in range(10_000)))
    broken = evidence.spans[1]
    broken.gates[0].reason = "</script><script>alert(7)</script>" + "x" * 100_000
    evidence.blocked_on_span_id = broken.span_id
    for held in evidence.spans[2:]:
        held.blocked_on_span_id = broken.span_id
    return evidence


def _spoil(value: Any, texts: Iterator[str]) -> Any:
    """The value with every text in it replaced, the names in dictionaries too."""
    if type(value) is str:  # and no status
        return next(texts)
    if isinstance(value, list):
        return [_spoil(inner, texts) for inner in value]
    if isinstance(value, dict):
        return {next(texts): _spoil(inner, texts) for inner in value.values()}
    if isinstance(value, BaseModel):
        for name in sorted(set(type(value).model_fields) - {"direction", "schema_version", "summary"}):
            setattr(value, name, _spoil(getattr(value, name), texts))
    return value
