"""Ending spans that a kill left open, marked interrupted (contract 7): from what the run had noted and recorded.

A spool has the finished spans. Beside it stands a note of those that were begun: the parent span of each plan, and the
span of the session. What a plan's phases had come to is in its evidence. The spans that are missing are written to the
spool, and a plan's to its own file too, so that they are ended once, whichever file is replayed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from .model import Evidence, Status
from .otlp import decode_line, encode_line, spans_of
from .resource import resource
from .reuse import EvidenceError, load_evidence
from .rules import DESELECTED
from .span_data import INTERRUPTED, SpanData
from .spans import parent_span, phase_spans, with_state
from .spool import Position, Spool

SUFFIX = ".otlp.jsonl"
NOTE = f"{SUFFIX}.open"
_ID = re.compile(rb'"spanId":"([0-9a-f]{16})"')
_END = re.compile(rb'"endTimeUnixNano":"(\d+)"')
_STATE = re.compile(rb'"traceState":("(?:[^"\\\\]|\\\\.)*")')
_RUN = re.compile(r"([0-9a-f]{32})")
_SPANS = '"spans":['


def end_open_spans(spool: Spool) -> int:
    """End what a killed run left open in this file, which nobody writes to any more; how many spans that were.

    A plan's own file is completed from the evidence beside it; a spool from the notes of its run as well.
    """
    path = spool.path
    if path.parent.name == "spool":
        return sum(_end_noted(spool, line) for note in _of_run(path, NOTE) for line in _lines(note))
    evidence = _evidence(path.with_name(f"{path.name.removesuffix(SUFFIX)}.json"))
    found, _ = _scan([path], {evidence.otel_span_id} if evidence is not None else set())
    first = next(iter(_lines(path)), b"")
    if evidence is None or found or (first and evidence.otel_trace_id.encode() not in first):
        return 0  # it came to its end, or the file is of another run
    return _append(spool, _missing(evidence, [path]), first)


def open_spans(evidence: Evidence) -> list[SpanData]:
    """All spans of a trace that was killed, in the order of its plan, the parent last; none if it came to its end.

    Those that had ended are as they were. What was open ended at the last moment that the evidence knows of.
    """
    return as_interrupted(evidence) if _was_cut_off(evidence) else []


def as_interrupted(evidence: Evidence) -> list[SpanData]:
    """The spans of a trace that has begun, as they are if nothing more happens; the parent last."""
    evidence = evidence.model_copy(deep=True)
    last = max(_times(evidence))
    marked = {evidence.otel_span_id}
    for phase in evidence.spans:
        if phase.status is not Status.IN_PROGRESS:
            continue
        marked.add(phase.otel_span_id)
        phase.status, phase.blocked_reason, phase.ended_at = Status.FAILED, INTERRUPTED, last
        for gate in phase.gates:
            if gate.started_at is not None and gate.ended_at is None:
                marked.add(gate.otel_span_id)
                gate.reason, gate.ended_at = INTERRUPTED, last
    evidence.status, evidence.blocked_reason, evidence.ended_at = Status.FAILED, INTERRUPTED, last
    emitted_before = evidence.joined  # by the runs that this one goes on with: their phases are reused here
    spans = [
        made
        for phase in evidence.spans
        if not (phase.reused and emitted_before)
        for made in phase_spans(evidence, phase)
    ]
    spans.append(parent_span(evidence, last))
    return [
        span._replace(attributes={**span.attributes, "task.interrupted": True}) if span.span_id in marked else span
        for span in spans
    ]


def _was_cut_off(evidence: Evidence) -> bool:
    """Whether its run was killed; one that left phases out on purpose said so of each, and may be gone on with."""
    if evidence.started_at is None or evidence.ended_at is not None:
        return False
    waiting = [span.blocked_reason for span in evidence.spans if span.status is Status.NOT_STARTED]
    running = any(span.status is Status.IN_PROGRESS for span in evidence.spans)
    return running or None in waiting or DESELECTED not in waiting


def _times(evidence: Evidence) -> Iterator[int]:
    yield evidence.started_at or 0
    for phase in evidence.spans:
        yield from (time for time in (phase.started_at, phase.ended_at) if time is not None)
        yield from (event.time for event in phase.events)
        for gate in phase.gates:
            yield from (time for time in (gate.started_at, gate.ended_at) if time is not None)


def _end_noted(spool: Spool, note: bytes) -> int:
    """End the span that was noted, and what is below it."""
    match = _ID.search(note)
    span = next(spans_of(decode_line(note)), None) if match else None
    if match is None or span is None:
        return 0
    out = spool.path.parent.parent
    evidence = _evidence(out / f"{span['name']}.json") if b'"task.id"' in note else None
    files = _of_run(spool.path, SUFFIX)
    if evidence is not None and evidence.otel_span_id.encode() == match[1]:
        if not _was_cut_off(evidence):
            return 0
        own = Spool(out / f"{evidence.trace_id}{SUFFIX}")
        count = _append(spool, _missing(evidence, [own.path, *files]), note)
        _append(own, _missing(evidence, [own.path]), note)
        own.close()
        return count
    found, last = _scan(files, {match[1].decode()})
    if found:
        return 0
    end = max(last, int(span["startTimeUnixNano"]))
    spool.append(_END.sub(b'"endTimeUnixNano":"%d"' % end, note).decode(), 1)
    return 1


def _missing(evidence: Evidence, files: Iterable[Path]) -> list[SpanData]:
    spans = open_spans(evidence)
    found, _ = _scan(files, {span.span_id for span in spans})
    return [span for span in spans if span.span_id not in found]


def _append(spool: Spool, spans: list[SpanData], like: bytes) -> int:
    """Write spans under the resource, and with the vendor state, of a line of the same run."""
    if spans:
        state = _STATE.search(like)
        spans = [with_state(span, json.loads(state[1]) if state else "") for span in spans]
        line = encode_line(spans, {} if like else resource(os.environ))
        if like:
            line = f"{like.decode().partition(_SPANS)[0]}{_SPANS}{line.partition(_SPANS)[2]}"
        spool.append(line, len(spans))
    return len(spans)


def _evidence(path: Path) -> Evidence | None:
    """The evidence of a trace that did not come to its end."""
    try:
        evidence = load_evidence(path)
    except EvidenceError:
        return None
    return evidence if evidence.started_at is not None and evidence.ended_at is None else None


def emitted(out: Path, trace_id: str, run_id: str) -> set[str]:
    """The ids of the spans that a trace's own file and the spools of a run hold: what must not be emitted again."""
    files = [out / f"{trace_id}{SUFFIX}", *sorted((out / "spool").glob(f"{run_id}*{SUFFIX}"))]
    return {found.decode() for path in files for line in _lines(path) for found in _ID.findall(line)}


def _scan(files: Iterable[Path], wanted: Collection[str]) -> tuple[set[str], int]:
    """Which of these span ids the files hold, and the last end of a span in them."""
    found: set[str] = set()
    last = 0
    for path in files:
        for line in _lines(path):
            found.update(name for name in map(bytes.decode, _ID.findall(line)) if name in wanted)
            last = max([last, *map(int, _END.findall(line))])
    return found, last


def _of_run(path: Path, suffix: str) -> list[Path]:
    """The files of the run that a spool belongs to: its own and those of its workers."""
    match = _RUN.match(path.name)
    return sorted(path.parent.glob(f"{match[1]}*{suffix}")) if match else []


def _lines(path: Path) -> Iterator[bytes]:
    """The whole lines of a file; none where it cannot be read."""
    try:
        yield from (line.data for line in Spool(path).lines(Position()))
    except OSError:
        return
