"""Ending spans that a kill left open, marked interrupted.

Two files tell, each of one thing: the plan's own file of spans what had ended, the evidence what was open. What they
have together, and a spool or the plan's own file lacks, is appended there. The session's own span, and the parent of a
plan whose evidence is gone, end as the placeholder beside the spool says.

Who runs a plan anew ends what the last run left open before the evidence is replaced.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import EvidenceError
from ..export import wire
from ..export.otlp_json import line, spans_of
from ..export.outbox import SUFFIX as SPOOL
from ..export.resource import resource
from ..export.spool import Spool
from ..files import append_whole, end_line
from ..ids import ID
from ..span import INTERRUPTED, SpanData
from ..spans.of_trace import interrupted_parent, phase_spans, with_state
from ..spans.writer import SUFFIX, Emitted
from ..trace.evidence import Evidence, Status
from ..trace.file import load_evidence
from ..trace.rules import DESELECTED
from .read import Seen, catch_up, cut_off, ids_of, look, program_spans, requests_in, spans_in

_RUN = re.compile(r"[0-9a-f]{32}")


def end_open_spans(spool: Spool) -> int:
    """End what a killed run left open in a spool, to which nobody writes any more; how many spans that were."""
    placeholders = list(Spool(spool.opened).pieces()) if spool.opened.is_file() else []
    return sum(_end(spool, piece.data) for piece in placeholders if piece.whole)


def complete(path: Path) -> int:
    """End what a killed run left open in its plan's own file; how many spans that were."""
    evidence = _evidence(path.with_name(f"{path.name.removesuffix(SUFFIX)}.json"))
    if evidence is None or not _was_cut_off(evidence):
        return 0
    if (found := {span.span_id for span in spans_in(path)}) and found.isdisjoint(ids_of(evidence)):
        return 0  # the file is of another run
    return _complete(path, evidence)


def end_before_another_run(out: Path, trace_id: str, *, joined: bool) -> None:
    """End what a killed run of this plan left open, while its evidence still says what that was.

    The caller holds the plan's lock. ``joined``: the run that begins goes on with the trace, and so ends its parent.
    """
    evidence = _evidence(out / f"{trace_id}.json")
    if evidence is None or not _was_cut_off(evidence):
        return
    for path in files_of(out, trace_id, evidence.runs[-1])[1:] if evidence.runs else ():
        spool = Spool(path)
        if any(span.span_id == evidence.otel_span_id for span in spans_in(spool.opened)) and spool.claim():
            _end_plan(spool, evidence, joined=joined)
        spool.close()


def emitted(out: Path, trace_id: str, run_id: str) -> Emitted:
    """The ids of spans that a plan's own file and its run's spools hold: what must not be emitted there again."""
    own, *spools = files_of(out, trace_id, run_id)
    in_spools = {span.span_id for path in spools for span in spans_in(path)}
    return Emitted({span.span_id for span in spans_in(own)}, in_spools)


def files_of(out: Path, trace_id: str, run_id: str) -> list[Path]:
    """A plan's own file and the spools of a run."""
    spools = sorted((out / "spool").glob(f"{run_id}*{SPOOL}")) if _RUN.fullmatch(run_id) else []  # may be edited
    return [out / f"{trace_id}{SUFFIX}", *spools]


def as_interrupted(evidence: Evidence, seen: Seen) -> list[SpanData]:
    """All spans of a trace that was killed, as they are if nothing more happens; the parent last.

    Those that had ended are as they were. What was open ended at the last moment that is known of.
    """
    evidence = evidence.model_copy(deep=True)
    catch_up(evidence, seen)
    last = max(seen.last, *_times(evidence))
    marked: set[str] = set()
    for phase in evidence.spans:
        if phase.status is Status.IN_PROGRESS:
            marked |= {phase.otel_span_id, *cut_off(phase, INTERRUPTED, last)}
            phase.status, phase.blocked_reason, phase.ended_at = Status.FAILED, INTERRUPTED, last
    parent = interrupted_parent(evidence, last)
    evidence.ended_at = last
    emitted_before = evidence.joined  # by the runs that this one goes on with: their phases are reused here
    spans = [
        made
        for phase in evidence.spans
        if not (phase.reused and emitted_before)
        for made in phase_spans(evidence, phase, tuple(program_spans(evidence, phase)))
    ]
    spans = [
        span._replace(attributes={**span.attributes, "task.interrupted": True}) if span.span_id in marked else span
        for span in spans
    ]
    return [*spans, parent]


def _end(spool: Spool, placeholder: bytes) -> int:
    from ..export import messages  # noqa: PLC0415  (protobuf: only after a kill)

    scope = messages.scope_of(placeholder)
    (span,) = scope.spans
    run, out = spool.path.name[:32], spool.path.parent.parent
    evidence = _evidence(out / f"{span.name}.json") if ID.fullmatch(span.name) else None
    if evidence is not None and (evidence.trace_id, evidence.otel_span_id) == (span.name, span.span_id.hex()):
        if evidence.runs[-1:] != [run] or not _was_cut_off(evidence):
            return 0  # it came to its end, or a later run goes on with it
        count = _end_plan(spool, evidence, state=span.trace_state)
        _complete(out / f"{evidence.trace_id}{SUFFIX}", evidence)
        return count
    seen = look(files_of(out, "", run)[1:], {span.span_id.hex()})
    if seen.ended:
        return 0
    span.end_time_unix_nano = max(seen.last, span.start_time_unix_nano)
    return int(spool.append(wire.frame_of(scope.SerializeToString())))


def _end_plan(spool: Spool, evidence: Evidence, state: str = "", *, joined: bool = False) -> int:
    """Append what the spools of a plan's run lack: what the plan's own file has, and what was open."""
    from ..export import messages  # noqa: PLC0415  (protobuf: only after a kill)

    own, *spools = files_of(spool.path.parent.parent, evidence.trace_id, evidence.runs[-1])
    seen = look([own, *spools], ids_of(evidence) | {span.span_id for span in spans_in(own)})
    sent = look(spools, seen.ended).ended
    frames = [frame for frame in _frames(own) if messages.scope_of(frame).spans[0].span_id.hex() not in sent]
    begun = {span.otel_span_id for span in evidence.spans if span.status is not Status.NOT_STARTED}
    for span in as_interrupted(evidence, seen):
        parent = span.span_id == evidence.otel_span_id
        left_open = joined and (parent or (span.parent_id == evidence.otel_span_id and span.span_id not in begun))
        if not left_open and span.span_id not in seen.ended:
            frames.append(wire.frame(with_state(span, state)))
    return sum(spool.append(frame) for frame in frames)


def _complete(own: Path, evidence: Evidence) -> int:
    """Append what a plan's own file lacks, with resource and vendor state of the spans in it."""
    files = files_of(own.parent, evidence.trace_id, evidence.runs[-1]) if evidence.runs else [own]
    seen = look(files, ids_of(evidence))
    there = {span.span_id for span in spans_in(own)}
    spans = [span for span in as_interrupted(evidence, seen) if span.span_id not in there]
    try:
        like, _ = next(requests_in(own), ({}, []))
        request = json.loads(line([with_state(span, _state(like)) for span in spans], resource(os.environ)))
        if like:
            request["resourceSpans"][0]["resource"] = like["resourceSpans"][0].get("resource", {})
        descriptor = os.open(own, os.O_RDWR | os.O_APPEND)
        end_line(descriptor)
        append_whole(descriptor, json.dumps(request, separators=(",", ":")).encode() + b"\n")
        os.close(descriptor)
    except OSError:
        return 0  # the plan's next run replaces the file
    return len(spans)


def _frames(own: Path) -> Iterator[bytes]:
    """The spans of a plan's own file, for a spool."""
    from ..export.messages import from_json  # noqa: PLC0415  (protobuf: only after a kill)

    with suppress(OSError):
        for request, _ in requests_in(own):
            with suppress(ValueError):  # damaged
                yield from from_json(request)[1]


def _state(request: dict[str, Any]) -> str:
    found = next((span.get("traceState") for span in spans_of(request)), None) if request else None
    return found if isinstance(found, str) else ""


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
        yield from (time for gate in phase.gates for time in (gate.started_at, gate.ended_at) if time is not None)
        yield from (time for run in phase.programs for time in (run.started_at, run.ended_at) if time is not None)


def _evidence(path: Path) -> Evidence | None:
    try:
        return load_evidence(path) if path.is_file() else None
    except (EvidenceError, OSError, ValueError):  # the latter for a name that no file can have
        return None
