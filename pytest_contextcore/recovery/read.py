"""What a process that died left of a trace: the spans in its files, and what its evidence says was open."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
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


class Seen(NamedTuple):
    """What files have: ids of spans that ended, when the first one below each began, the last moment known of."""

    ended: set[str]
    below: dict[str, int]
    last: int


def look(files: Iterable[Path]) -> Seen:
    """What stands in files of spans."""
    ended: set[str] = set()
    below: dict[str, int] = {}
    last = 0
    for span in (span for path in files for span in spans_in(path)):
        ended.add(span.span_id)
        below[span.parent_id] = min(below.get(span.parent_id, span.start), span.start)
        last = max(last, span.end)
    return Seen(ended, below, last)


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
