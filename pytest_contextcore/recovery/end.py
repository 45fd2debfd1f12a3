"""Ending spans that a kill left open, marked interrupted (contract 7): from what the run had noted and recorded.

A spool has the finished spans. Beside it stands a note of those that were begun: the parent span of each plan, and the
span of the session. What a plan's phases had come to is in its evidence, and `left_behind` reads the two together. The
spans that are missing are written to the spool, and a plan's to its own file too, so that they are ended once,
whichever file is replayed. Who runs a plan anew does that first, since the evidence is about to be replaced.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import EvidenceError
from ..export.otlp import SPANS_MARK, encode_line, span_ids
from ..export.resource import resource
from ..export.spool import Spool, count_spans
from ..files import write_atomic
from ..span import INTERRUPTED, SpanData
from ..spans.of_trace import parent_span, phase_spans, with_state
from ..trace.evidence import Evidence, Status
from ..trace.file import load_evidence
from ..trace.rules import DESELECTED
from .read import (
    NOTHING,
    Seen,
    catch_up,
    cut_off,
    lines_of,
    lines_only_in_spool,
    look,
    program_spans,
    whole_spans,
)

SUFFIX = ".otlp.jsonl"
NOTE = f"{SUFFIX}.open"
_END = re.compile(rb'"endTimeUnixNano":"(\d{1,19})"')
_RUN = re.compile(r"([0-9a-f]{32})")


def end_open_spans(spool: Spool) -> int:
    """End what a killed run left open in this file, which nobody writes to any more; how many spans that were.

    A plan's own file is completed from the evidence beside it; a spool from the notes of its run as well.
    """
    path = spool.path
    if path.parent.name == "spool":
        return sum(_end_noted(spool, line) for note in _of_run(path, NOTE) for line in lines_of(note))
    evidence = _evidence(path.with_name(f"{path.name.removesuffix(SUFFIX)}.json"))
    before = _scan([path], {evidence.otel_span_id} if evidence is not None else set())
    first = next(iter(lines_of(path)), b"")
    if evidence is None or before.found or (first and evidence.otel_trace_id.encode() not in first):
        return 0  # it came to its end, or the file is of another run
    for note in _notes(path.parent, evidence):
        _end_in_spool(note, evidence)
    files = files_of(path.parent, evidence.trace_id, evidence.runs[-1]) if evidence.runs else [path]
    _complete(spool, evidence, files, first)
    return _scan([path], ()).spans - before.spans


def end_before_another_run(out: Path, trace_id: str, *, joined: bool) -> None:
    """End what a killed run of this plan left open, while its evidence still says what that was.

    The caller holds the plan's lock. ``joined``: the run that begins goes on with the trace, and so ends its parent.
    """
    evidence = _evidence(out / f"{trace_id}.json") if any((out / "spool").glob(f"*{NOTE}")) else None
    if evidence is None or not _was_cut_off(evidence):
        return
    for note in _notes(out, evidence):
        _end_in_spool(note, evidence, joined=joined)


def _notes(out: Path, evidence: Evidence) -> list[Path]:
    """Where a run noted that it began this trace."""
    notes = sorted((out / "spool").glob(f"*{NOTE}"))
    return [note for note in notes if any(_is_note_of(evidence, line) for line in lines_of(note))]


def _is_note_of(evidence: Evidence, line: bytes) -> bool:
    return evidence.otel_span_id in span_ids(line)


def _end_in_spool(note: Path, evidence: Evidence, *, joined: bool = False) -> None:
    """End what a killed run left open of this trace, where it noted the parent; of that only phases if ``joined``.

    Other plans of its session stay as they are: whether a run goes on with those is not known here. They are ended
    before they are run again, or by a replay, and so is the session's own span.
    """
    spool = Spool(note.with_name(note.name.removesuffix(".open")))
    if spool.claim():
        for line in list(lines_of(note)):
            if _is_note_of(evidence, line):
                _end_noted(spool, line, evidence.otel_span_id if joined else "")
        if joined:
            kept = [line + b"\n" for line in lines_of(note) if not _is_note_of(evidence, line)]
            with suppress(OSError):  # then its parent is ended twice at worst
                write_atomic(note, b"".join(kept), durable=False)
    spool.close()


def open_spans(evidence: Evidence, seen: Seen = NOTHING) -> list[SpanData]:
    """All spans of a trace that was killed, in the order of its plan, the parent last; none if it came to its end.

    Those that had ended are as they were. What was open ended at the last moment that is known of.
    """
    return as_interrupted(evidence, seen) if _was_cut_off(evidence) else []


def as_interrupted(evidence: Evidence, seen: Seen = NOTHING) -> list[SpanData]:
    """The spans of a trace that has begun, as they are if nothing more happens; the parent last."""
    evidence = evidence.model_copy(deep=True)
    catch_up(evidence, seen)
    last = max(seen.last, *_times(evidence))
    marked = {evidence.otel_span_id}
    for phase in evidence.spans:
        if phase.status is Status.IN_PROGRESS:
            marked |= {phase.otel_span_id, *cut_off(phase, INTERRUPTED, last)}
            phase.status, phase.blocked_reason, phase.ended_at = Status.FAILED, INTERRUPTED, last
    evidence.status, evidence.blocked_reason, evidence.ended_at = Status.FAILED, INTERRUPTED, last
    emitted_before = evidence.joined  # by the runs that this one goes on with: their phases are reused here
    spans = [
        made
        for phase in evidence.spans
        if not (phase.reused and emitted_before)
        for made in phase_spans(evidence, phase, tuple(program_spans(evidence, phase)))
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
        for program in phase.programs:
            yield from (time for time in (program.started_at, program.ended_at) if time is not None)


def _end_noted(spool: Spool, note: bytes, going_on: str = "") -> int:
    """End the span that was noted, and what is below it.

    ``going_on`` is the parent span of a trace that another run goes on with: of that only the phases that were cut off
    end.
    """
    span = next(iter(whole_spans(note)), None)
    if span is None:
        return 0
    span_id = span["spanId"]
    out = spool.path.parent.parent
    evidence = _any_evidence(out / f"{span.get('name')}.json") if b'"task.id"' in note else None
    files = _of_run(spool.path, SUFFIX)
    if evidence is not None and evidence.otel_span_id == span_id:
        if not _was_cut_off(evidence):
            return 0
        own = Spool(out / f"{evidence.trace_id}{SUFFIX}")
        files = [own.path, *files]
        count = _append(spool, _missing(evidence, files, files, going_on), note)
        if not going_on:
            _complete(own, evidence, files, note)
        own.close()
        return count
    seen = _scan(files, {span_id})
    if seen.found:
        return 0
    end = max(seen.last, int(span["startTimeUnixNano"]))
    spool.append(_END.sub(b'"endTimeUnixNano":"%d"' % end, note).decode(), 1)
    return 1


def _missing(evidence: Evidence, files: Iterable[Path], there: Iterable[Path], going_on: str = "") -> list[SpanData]:
    """The spans of a trace that was cut off, by all of its files, which are not in those that are looked at."""
    seen = look(files, evidence)
    spans = open_spans(evidence, seen)
    found = _scan(there, {span.span_id for span in spans}).found
    begun = {span.otel_span_id for span in evidence.spans if span.status is not Status.NOT_STARTED}
    return [
        span
        for span in spans
        if span.span_id not in found
        and not (going_on and (span.span_id == going_on or (span.parent_id == going_on and span.span_id not in begun)))
    ]


def _complete(own: Spool, evidence: Evidence, files: list[Path], like: bytes) -> None:
    """Bring a plan's own file to its end: with what only a spool has, then with what was open."""
    for line, spans in lines_only_in_spool(evidence, own.path, files):
        own.append(line, spans)
    _append(own, _missing(evidence, files, [own.path]), like)


def _append(spool: Spool, spans: list[SpanData], like: bytes) -> int:
    """Write spans under the resource, and with the vendor state, of a line of the same run."""
    if spans:
        sample = next(iter(whole_spans(like)), {})
        head, found, _ = like.decode().partition(SPANS_MARK) if sample else ("", "", "")
        state = sample.get("traceState")
        line = encode_line(
            [with_state(span, state if isinstance(state, str) else "") for span in spans],
            {} if found else resource(os.environ),
        )
        spool.append(f"{head}{SPANS_MARK}{line.partition(SPANS_MARK)[2]}" if found else line, len(spans))
    return len(spans)


def _evidence(path: Path) -> Evidence | None:
    """The evidence of a trace that did not come to its end."""
    evidence = _any_evidence(path)
    return evidence if evidence is not None and evidence.started_at is not None and evidence.ended_at is None else None


def _any_evidence(path: Path) -> Evidence | None:
    try:
        return load_evidence(path) if path.is_file() else None
    except (EvidenceError, OSError, ValueError):  # the latter for a name that no file can have
        return None


def files_of(out: Path, trace_id: str, run_id: str) -> list[Path]:
    """A trace's own file and the spools of a run."""
    spools = (out / "spool").glob(f"{run_id}*{SUFFIX}") if _RUN.fullmatch(run_id) else ()  # evidence may be edited
    return [out / f"{trace_id}{SUFFIX}", *sorted(spools)]


def emitted(out: Path, trace_id: str, run_id: str) -> set[str]:
    """The ids of the spans that these files hold: what must not be emitted again."""
    files = files_of(out, trace_id, run_id)
    return {found for path in files for line in lines_of(path) for found in span_ids(line)}


@dataclass(frozen=True, slots=True)
class _Scanned:
    """What files hold: which of the wanted span ids, the last end of a span, and how many spans."""

    found: set[str]
    last: int
    spans: int


def _scan(files: Iterable[Path], wanted: Collection[str]) -> _Scanned:
    found: set[str] = set()
    last = spans = 0
    for path in files:
        for line in lines_of(path):
            found.update(name for name in span_ids(line) if name in wanted)
            last = max([last, *map(int, _END.findall(line))])
            spans += count_spans(line)
    return _Scanned(found, last, spans)


def _of_run(path: Path, suffix: str) -> list[Path]:
    """The files of the run that a spool belongs to: its own and those of its workers."""
    match = _RUN.match(path.name)
    return sorted(path.parent.glob(f"{match[1]}*{suffix}")) if match else []
