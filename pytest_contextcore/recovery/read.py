"""What a process that died left in its files of spans, held against its evidence, which may be a moment behind.

Spans are written when they end, evidence of gates and programs within half a second. So the files may have a gate that
the evidence does not know to have ended, and a span below a gate that it does not know to have begun.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..export.otlp import SCOPE_NAME, decode_line, placed_spans, span_ids
from ..export.spool import Position, Spool
from ..span import SpanData
from ..spans.of_trace import program_span
from ..trace.evidence import Event, Evidence, GateEvidence, Result, Severity, SpanEvidence, Status

_IDS = re.compile(rb'"(?:spanId|parentSpanId)":"([0-9a-f]{16})"')


@dataclass(frozen=True, slots=True)
class Seen:
    """What files show of a trace: its ended spans, when the first span below each one began, and the last end."""

    spans: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    below: Mapping[str, int] = field(default_factory=dict)
    last: int = 0


NOTHING = Seen()


def look(files: Iterable[Path], evidence: Evidence) -> Seen:
    """Read them for the spans that stand in the evidence, and for those right below them."""
    wanted = _ids(evidence)
    spans: dict[str, Mapping[str, Any]] = {}
    below: dict[str, int] = {}
    last = 0
    for line in (line for path in files for line in lines_of(path)):
        if wanted.isdisjoint(found.decode() for found in _IDS.findall(line)):
            continue
        for span in whole_spans(line):
            parent, start = span.get("parentSpanId", ""), int(span["startTimeUnixNano"])
            if span["spanId"] in wanted:
                spans[span["spanId"]] = span
            if parent in wanted:
                below[parent] = min(below.get(parent, start), start)
            if span["spanId"] in wanted or parent in wanted:
                last = max(last, int(span["endTimeUnixNano"]))
    return Seen(spans, below, last)


def catch_up(evidence: Evidence, seen: Seen) -> None:
    """Bring the gates of the phase that ran up to what the files show: those that ended, and those that had begun."""
    for phase in evidence.spans:
        if phase.status is not Status.IN_PROGRESS:
            continue
        for gate in phase.gates:
            if gate.ended_at is None and (span := seen.spans.get(gate.otel_span_id)) is not None:
                _take_from_span(gate, span)
            elif gate.started_at is None and (start := seen.below.get(gate.otel_span_id)) is not None:
                gate.started_at = max(start, phase.started_at or 0)


def cut_off(phase: SpanEvidence, why: str, moment: int) -> set[str]:
    """End the gates and programs that were open when the process died; the ids of their spans."""
    ended: set[str] = set()
    for gate in phase.gates:
        if gate.started_at is not None and gate.ended_at is None:
            gate.reason, gate.ended_at = why, moment
            ended.add(gate.otel_span_id)
    for program in phase.programs:
        if program.started_at is not None and program.ended_at is None:
            program.end, program.ended_at = why, moment
            ended.add(program.otel_span_id)
    return ended


def program_spans(evidence: Evidence, phase: SpanEvidence) -> Iterator[SpanData]:
    """The spans of the programs that a phase ran, each below the gate in which it was started."""
    if phase.reused:
        return  # they were run in another trace, or by an earlier run of this one
    for program in phase.programs:
        start = (program.started_at or 0) // 1000  # evidence has microseconds, spans have nanoseconds
        around = [
            gate
            for gate in phase.gates
            if gate.started_at is not None and gate.started_at // 1000 <= start <= (gate.ended_at or 1 << 63) // 1000
        ]
        inner = max(around, key=lambda gate: gate.started_at or 0, default=None)
        yield program_span(evidence, program, inner.otel_span_id if inner is not None else phase.otel_span_id)


def lines_only_in_spool(evidence: Evidence, own: Path, files: Iterable[Path]) -> Iterator[tuple[str, int]]:
    """Lines of a trace that its spools have and its own file has not, with how many spans each holds.

    A line goes to the one and then to the other: a kill, or a disk that takes no more, may have come in between.
    """
    known = {found for line in lines_of(own) for found in span_ids(line)}
    wanted = _ids(evidence)
    for line in (line for path in files if path != own for line in lines_of(path)):
        if wanted.isdisjoint(found.decode() for found in _IDS.findall(line)):
            continue
        spans = whole_spans(line, SCOPE_NAME)
        ours = [span for span in spans if span["spanId"] in wanted or span.get("parentSpanId") in wanted]
        if ours and not any(span["spanId"] in known for span in ours):
            yield line.decode(), len(spans)


def lines_of(path: Path) -> Iterator[bytes]:
    """The whole lines of a file; none where it cannot be read."""
    try:
        yield from (line.data for line in Spool(path).lines(Position()))
    except OSError:
        return


def whole_spans(line: bytes, scope: str = "") -> list[dict[str, Any]]:
    """The spans of a line, of one scope if it is named; none where the line is damaged."""
    try:
        placed = list(placed_spans(decode_line(line)))
        if not all(_is_whole(span) for _, _, span in placed):
            return []
        return [span for _, level, span in placed if not scope or (level.get("scope") or {}).get("name") == scope]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return []


def _is_whole(span: Mapping[str, Any]) -> bool:
    """Whether its parent and its times are what OTLP has there, or what `int` takes for it."""
    times = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
    return isinstance(span.get("parentSpanId"), str | None) and all(0 <= time < 1 << 63 for time in times)


def _ids(evidence: Evidence) -> set[str]:
    """The span ids that an evidence knows of: its own, those of phases and their attempts, of gates and programs."""
    found = {evidence.otel_span_id}
    for phase in evidence.spans:
        found.add(phase.otel_span_id)
        for part in (phase.gates, phase.programs, phase.attempts):
            found.update(one.otel_span_id for one in part)
    return found


def _take_from_span(gate: GateEvidence, span: Mapping[str, Any]) -> None:
    try:
        said = _strings(span.get("attributes", ()))
        result = Result(said.get("gate.result", ""))
        severity = Severity(said["gate.severity"]) if "gate.severity" in said else None
        events = [Event(name=event["name"], time=int(event["timeUnixNano"])) for event in span.get("events", ())]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return  # written by another version, or damaged
    gate.result, gate.severity, gate.events = result, severity, events
    gate.reason, gate.waived = said.get("gate.reason"), said.get("gate.waived")
    gate.next_action = said.get("task.next_action", gate.next_action)
    gate.started_at, gate.ended_at = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])


def _strings(attributes: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    found = ((pair["key"], pair.get("value", {}).get("stringValue")) for pair in attributes)
    return {name: text for name, text in found if isinstance(text, str)}
