"""What a process that died left of a trace: the spans in its files, and what its evidence says was open."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..export.otlp_json import spans_of
from ..export.spool import Spool
from ..span import SpanData
from ..spans.of_trace import program_span
from ..spans.writer import SUFFIX
from ..trace.evidence import SEVERITY_OF, Evidence, Result, SpanEvidence, Status

_RESULTS = frozenset(map(str, Result))


class Found(NamedTuple):
    """A span that stands in a file: hex ids, nanoseconds since the epoch, in a plan's own file its texts too."""

    span_id: str
    parent_id: str
    start: int
    end: int
    texts: Mapping[str, str] = {}


@dataclass(slots=True)
class Seen:
    """What files have of the spans that were asked for: which, when the first one below each began, the last end."""

    ended: dict[str, Found] = field(default_factory=dict)
    below: dict[str, int] = field(default_factory=dict)
    last: int = 0


def look(files: Iterable[Path], wanted: Collection[str]) -> Seen:
    """Read files of spans for these ids; memory does not grow with the files."""
    seen = Seen()
    for span in (span for path in files for span in spans_in(path)):
        if span.span_id in wanted:
            seen.ended.setdefault(span.span_id, span)
        if span.parent_id in wanted:
            seen.below[span.parent_id] = min(seen.below.get(span.parent_id, span.start), span.start)
        if span.span_id in wanted or span.parent_id in wanted:
            seen.last = max(seen.last, span.end)
    return seen


def spans_in(path: Path) -> Iterator[Found]:
    """The spans of a spool or of a plan's own file; what is damaged or cannot be read is left out."""
    try:
        if path.name.endswith(SUFFIX):
            yield from (span for _, spans in requests_in(path) for span in spans)
        else:
            yield from _of_spool(path)
    except OSError:
        return


def requests_in(path: Path) -> Iterator[tuple[dict[str, Any], list[Found]]]:
    """The requests of a plan's own file, each with its spans; a torn or damaged line is left out.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        for line in file:
            try:
                request = json.loads(line)
                spans = [_found(span) for span in spans_of(request)]
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                continue
            yield request, spans


def _found(span: Mapping[str, Any]) -> Found:
    times = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
    if not all(0 <= time < 1 << 63 for time in times):
        raise ValueError("a time that no span has")
    texts = {pair["key"]: pair["value"].get("stringValue", "") for pair in span.get("attributes", ())}
    return Found(str(span["spanId"]), str(span.get("parentSpanId", "")), *times, texts)


def _of_spool(path: Path) -> Iterator[Found]:
    from ..export.messages import scope_of  # noqa: PLC0415  (protobuf: only after a kill)

    for piece in Spool(path).pieces():
        for span in scope_of(piece.data).spans if piece.whole else ():
            times = span.start_time_unix_nano, span.end_time_unix_nano
            yield Found(span.span_id.hex(), span.parent_span_id.hex(), *times)


def ids_of(evidence: Evidence) -> set[str]:
    """The span ids that an evidence knows of: its own, those of phases and their attempts, of gates and programs."""
    found = {evidence.otel_span_id}
    for phase in evidence.spans:
        found.add(phase.otel_span_id)
        for part in (phase.gates, phase.programs, phase.attempts):
            found.update(one.otel_span_id for one in part)
    return found


def catch_up(evidence: Evidence, seen: Seen) -> None:
    """Gates of the phase that runs, as the files show them: evidence may be a moment behind.

    Those whose span stands there have ended, and those that have a span below them have begun.
    """
    for phase in evidence.spans:
        for gate in phase.gates if phase.status is Status.IN_PROGRESS else ():
            span = seen.ended.get(gate.otel_span_id)
            if gate.ended_at is None and span is not None and (result := span.texts.get("gate.result")) in _RESULTS:
                gate.result, gate.started_at, gate.ended_at = Result(result), span.start, span.end
                gate.reason = span.texts.get("gate.reason")
                gate.severity = SEVERITY_OF[gate.kind] if gate.result is Result.FAIL else None
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
