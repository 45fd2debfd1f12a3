"""Ending spans that a kill left open, marked interrupted.

The files of spans tell what had ended, the evidence what was open. What the evidence knows of and a spool lacks is
appended to it. The session's own span, and the parent of a plan whose evidence is gone, end as the placeholder beside
the spool says. Who runs a plan anew ends what the last run left open before the evidence is replaced.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeGuard

from ..errors import EvidenceError
from ..export import wire
from ..export.outbox import CHILD
from ..export.outbox import SUFFIX as SPOOL
from ..export.spool import Spool
from ..ids import ID
from ..span import INTERRUPTED, ErrorType, SpanData
from ..spans.of_trace import interrupted_parent, phase_spans, waiting_spans
from ..spans.writer import SUFFIX
from ..trace.evidence import Event, Evidence, GateEvidence, ProgramEvidence, Result, SpanEvidence, Status
from ..trace.file import evidence_path, load_evidence
from ..trace.rules import DESELECTED, NEVER_REACHED, trace_end

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

_RUN = re.compile(r"[0-9a-f]{32}")


def end_open_spans(spool: Spool) -> int:
    """End what a killed run left open in a spool, to which nobody writes any more; how many spans that were."""
    placeholders = list(Spool(spool.opened).pieces()) if spool.opened.is_file() else []
    return sum(_end(spool, piece.data) for piece in placeholders if piece.whole)


def end_open_spans_of_plan(own: Path, spool: Spool) -> int:
    """End in a spool, which has the spans of a plan's own file, what a killed run left open; how many spans."""
    evidence = _evidence(own.parent, own.name.removesuffix(SUFFIX))
    return _append(spool, _missing_spans(evidence, [spool.path])) if _was_cut_off(evidence) else 0


def end_before_another_run(out: Path, trace_id: str, *, joined: bool) -> str | None:
    """End what a killed run of this plan left open, while its evidence still says what that was; a line about it.

    The caller holds the plan's lock. ``joined``: the run that begins goes on with the trace, and so ends its parent.
    """
    evidence = _evidence(out, trace_id)
    if not _was_cut_off(evidence):
        return None
    spools = _spools(out, evidence.runs[-1] if evidence.runs else "")
    for spool in map(Spool, spools):
        if any(span.span_id.hex() == evidence.otel_span_id for span in spans_in(spool.opened)) and spool.claim():
            _append(spool, _missing_spans(evidence, spools, joined=joined))
        spool.close()
    running = [f" in {span.span_id}" for span in evidence.spans if span.status is Status.IN_PROGRESS]
    return f"the last run of {trace_id} had no end: it was killed, or os._exit was called{''.join(running)}"


def emitted(out: Path, evidence: Evidence) -> tuple[set[str], set[str]]:
    """The spans of a worker that died in the plan's own file and in its spools: not to be emitted there again.

    The evidence has caught up with them afterwards.
    """
    kept, sent = look([out / f"{evidence.trace_id}{SUFFIX}"]), look(_spools(out, evidence.runs[-1]))
    for seen in (kept, sent):
        catch_up(evidence, seen)
    return kept.ended, sent.ended


def _missing_spans(evidence: Evidence, files: Iterable[Path], *, joined: bool = False) -> list[SpanData]:
    """The spans of a trace that was killed, and that files lack, as they are if nothing more happens; the parent last.

    What was open ended at the last moment that is known of its run. ``joined``: another run will end the parent, and
    the phases that did not start.
    """
    evidence, seen = evidence.model_copy(deep=True), look(files)
    catch_up(evidence, seen)
    last, marked = max(seen.last, _last_moment(evidence)), set[str]()
    for phase in evidence.spans:
        if phase.status is Status.IN_PROGRESS:
            marked |= {phase.otel_span_id, *cut_off(phase, INTERRUPTED, ErrorType.INTERRUPTED, last)}
            phase.status, phase.blocked_reason, phase.ended_at = Status.FAILED, INTERRUPTED, last
            phase.error_type, phase.next_action = ErrorType.INTERRUPTED, "run the phase again"
        elif phase.status is Status.NOT_STARTED and phase.blocked_reason is None:
            phase.blocked_reason, phase.next_action = NEVER_REACHED.reason, NEVER_REACHED.next_action
    evidence.ended_at = trace_end(evidence, last)
    spans = [
        span
        for phase in evidence.spans
        if not (phase.reused and evidence.joined) and phase.status is not Status.NOT_STARTED
        for span in phase_spans(evidence, phase)
    ]
    end = () if joined else (*waiting_spans(evidence), interrupted_parent(evidence, evidence.ended_at))
    return [
        span._replace(attributes={**span.attributes, "task.interrupted": True}) if span.span_id in marked else span
        for span in (*spans, *end)
        if span.span_id not in seen.ended
    ]


def _end(spool: Spool, placeholder: bytes) -> int:
    from ..export import messages  # noqa: PLC0415  (protobuf: only after a kill)

    scope = messages.scope_of(placeholder)
    (span,) = scope.spans
    run, out = spool.path.name[:32], spool.path.parent.parent
    spools = _spools(out, run)
    evidence = _evidence(out, span.name) if ID.fullmatch(span.name) else None
    if evidence is not None and (evidence.trace_id, evidence.otel_span_id) == (span.name, span.span_id.hex()):
        if evidence.runs[-1:] != [run] or not _was_cut_off(evidence):
            return 0  # it came to its end, or a later run goes on with it
        return _append(spool, _missing_spans(evidence, spools))
    seen = look(spools)
    if span.span_id.hex() in seen.ended:
        return 0
    span.end_time_unix_nano = max(seen.last, span.start_time_unix_nano)
    return int(spool.append(wire.frame_of(scope.SerializeToString())))


def _append(spool: Spool, spans: list[SpanData]) -> int:
    return len(spans) if spool.append(b"".join(map(wire.frame, spans)), len(spans)) else 0


def _was_cut_off(evidence: Evidence | None) -> TypeGuard[Evidence]:
    """Whether its run was killed; one that left phases out on purpose said so of each, and may be gone on with."""
    if evidence is None or evidence.started_at is None or evidence.ended_at is not None:
        return False
    waiting = [span.blocked_reason for span in evidence.spans if span.status is Status.NOT_STARTED]
    running = any(span.status is Status.IN_PROGRESS for span in evidence.spans)
    return running or None in waiting or DESELECTED not in waiting


def _spools(out: Path, run_id: str) -> list[Path]:
    """The spools of a run, without what programs sent: they are not believed that a span of ours has ended."""
    found = (out / "spool").glob(f"{run_id}*{SPOOL}") if _RUN.fullmatch(run_id) else []  # may be edited
    return sorted(path for path in found if CHILD not in path.name)


def _last_moment(evidence: Evidence) -> int:
    parts: list[Evidence | SpanEvidence | GateEvidence | ProgramEvidence] = [evidence, *evidence.spans]
    for phase in evidence.spans:
        parts += [*phase.gates, *phase.programs]
    return max(max(part.started_at or 0, part.ended_at or 0) for part in parts)


def _evidence(out: Path, trace_id: str) -> Evidence | None:
    try:
        return load_evidence(evidence_path(out, trace_id))
    except (EvidenceError, ValueError):  # the latter for a name that no file can have
        return None


class Seen(NamedTuple):
    """What files have: spans that ended, when the first one below each began, gates that passed, the last moment."""

    ended: set[str]
    below: dict[str, int]
    passed: dict[str, Span]
    last: int


def look(files: Iterable[Path]) -> Seen:
    """What stands in files of spans."""
    ended: set[str] = set()
    below: dict[str, int] = {}
    passed: dict[str, Span] = {}
    last = 0
    for span in (span for path in files for span in spans_in(path)):
        parent, start = span.parent_span_id.hex(), span.start_time_unix_nano
        ended.add(span.span_id.hex())
        below[parent] = min(below.get(parent, start), start)
        last = max(last, span.end_time_unix_nano)
        if any(pair.key == "gate.result" and pair.value.string_value == Result.PASS for pair in span.attributes):
            passed[span.span_id.hex()] = span
    return Seen(ended, below, passed, last)


def spans_in(path: Path) -> Iterator[Span]:
    """The spans of a spool or of a plan's own file; what is damaged or cannot be read is left out."""
    from ..export.messages import scope_of  # noqa: PLC0415  (protobuf: only after a kill)

    try:
        if path.name.endswith(SUFFIX):
            yield from _spans_in_lines(path)
        else:
            for piece in Spool(path).pieces():
                yield from scope_of(piece.data).spans if piece.whole else ()
    except OSError:
        return


def _spans_in_lines(path: Path) -> Iterator[Span]:
    from ..export.messages import request_from_json  # noqa: PLC0415  (protobuf: only after a kill)

    with path.open("rb") as file:
        for line in file:
            with suppress(ValueError, RecursionError):  # torn or damaged
                for of_resource in request_from_json(json.loads(line)).resource_spans:
                    yield from (span for scope in of_resource.scope_spans for span in scope.spans)


def catch_up(evidence: Evidence, seen: Seen) -> None:
    """What the evidence, a moment behind, does not say yet: gates with a span have passed, with one below have begun.

    One that failed is in the evidence at once.
    """
    for phase in evidence.spans:
        for gate in phase.gates if phase.status is Status.IN_PROGRESS else ():
            if gate.ended_at is None and (span := seen.passed.get(gate.otel_span_id)) is not None:
                gate.result, gate.started_at = Result.PASS, span.start_time_unix_nano
                gate.ended_at = span.end_time_unix_nano
                gate.events = [Event(name=event.name, time=event.time_unix_nano) for event in span.events]
            elif gate.started_at is None and (start := seen.below.get(gate.otel_span_id)) is not None:
                gate.started_at = max(start, phase.started_at or 0)


def cut_off(phase: SpanEvidence, why: str, error_type: str, moment: int) -> set[str]:
    """End the gates and programs that were open when the process died; the ids of their spans."""
    ended: set[str] = set()
    for gate in phase.gates:
        if gate.started_at is not None and gate.ended_at is None:
            gate.reason, gate.error_type, gate.ended_at = why, error_type, moment
            ended.add(gate.otel_span_id)
    for program in phase.programs:
        if program.started_at is not None and program.ended_at is None:
            program.end, program.error_type, program.ended_at = why, error_type, moment
            ended.add(program.otel_span_id)
    return ended
