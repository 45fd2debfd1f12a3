"""What a process that died left of a trace: the spans in its files, and what its evidence says was open."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ..export.spool import Spool
from ..span import SpanData
from ..spans.of_trace import program_span
from ..spans.writer import SUFFIX
from ..trace.evidence import Evidence, SpanEvidence, Status


class Found(NamedTuple):
    """A span that stands in a file: hex ids, nanoseconds since the epoch."""

    span_id: str
    parent_id: str
    start: int
    end: int


@dataclass(slots=True)
class Seen:
    """What files have of the spans that were asked for: which, when the first one below each began, the last end."""

    ended: set[str] = field(default_factory=set)
    below: dict[str, int] = field(default_factory=dict)
    last: int = 0


def look(files: Iterable[Path], wanted: Collection[str]) -> Seen:
    """Read files of spans for these ids; memory does not grow with the files."""
    seen = Seen()
    for span in (span for path in files for span in spans_in(path)):
        if span.span_id in wanted:
            seen.ended.add(span.span_id)
        if span.parent_id in wanted:
            seen.below[span.parent_id] = min(seen.below.get(span.parent_id, span.start), span.start)
        if span.span_id in wanted or span.parent_id in wanted:
            seen.last = max(seen.last, span.end)
    return seen


def spans_in(path: Path) -> Iterator[Found]:
    """The spans of a spool or of a plan's own file; what is damaged or cannot be read is left out."""
    from ..export.messages import scope_of  # noqa: PLC0415  (protobuf: only after a kill)

    try:
        for frame in _frames_in(path):
            for span in scope_of(frame).spans:
                times = span.start_time_unix_nano, span.end_time_unix_nano
                yield Found(span.span_id.hex(), span.parent_span_id.hex(), *times)
    except OSError:
        return


def _frames_in(path: Path) -> Iterator[bytes]:
    if not path.name.endswith(SUFFIX):
        yield from (piece.data for piece in Spool(path).pieces() if piece.whole)
        return
    from ..export.messages import from_json  # noqa: PLC0415  (protobuf: only after a kill)

    with path.open("rb") as file:
        for line in file:
            try:
                frames = from_json(json.loads(line))[1]
            except (ValueError, RecursionError):  # torn or damaged
                continue
            yield from frames


def ids_of(evidence: Evidence) -> set[str]:
    """The span ids that an evidence knows of: its own, those of phases and their attempts, of gates and programs."""
    found = {evidence.otel_span_id}
    for phase in evidence.spans:
        found.add(phase.otel_span_id)
        for part in (phase.gates, phase.programs, phase.attempts):
            found.update(one.otel_span_id for one in part)
    return found


def catch_up(evidence: Evidence, seen: Seen) -> None:
    """Gates below which a span stands have begun, though the evidence, a moment behind, does not say so yet."""
    for phase in evidence.spans:
        for gate in phase.gates if phase.status is Status.IN_PROGRESS else ():
            if gate.started_at is None and (start := seen.below.get(gate.otel_span_id)) is not None:
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
    for program in phase.programs:
        start = program.started_at or 0
        around = [gate for gate in phase.gates if (gate.started_at or start + 1) <= start <= (gate.ended_at or start)]
        inner = max(around, key=lambda gate: gate.started_at or 0, default=None)
        yield program_span(evidence, program, (inner or phase).otel_span_id)
