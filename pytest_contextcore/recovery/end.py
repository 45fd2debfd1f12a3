"""Ending spans that a kill left open, marked interrupted.

Two files tell, each of one thing: the plan's own file of spans what had ended, the evidence what was open. What they
have together, and a spool or the plan's own file lacks, is appended there. The session's own span, and the parent of a
plan whose evidence is gone, end as the placeholder beside the spool says.

Who runs a plan anew ends what the last run left open before the evidence is replaced.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from ..export import wire
from ..export.outbox import SUFFIX as SPOOL
from ..export.spool import Spool
from ..span import INTERRUPTED, SpanData
from ..spans.of_trace import interrupted_parent, phase_spans, with_state
from ..spans.writer import SUFFIX, Emitted
from ..trace.evidence import Evidence, Status
from ..trace.resume import EvidenceError, load_evidence
from ..trace.rules import DESELECTED
from .read import NOTHING, Seen, catch_up, cut_off, ids_of, look, program_spans, spans_in

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
    spans = [*spans_in(path)]
    if spans and ids_of(evidence).isdisjoint({span.span_id for span in spans}):
        return 0  # the file is of another run
    return _complete(path, evidence, _spools(path.parent / "spool", evidence))


def end_before_another_run(out: Path, trace_id: str, *, joined: bool) -> None:
    """End what a killed run of this plan left open, while its evidence still says what that was.

    The caller holds the plan's lock. ``joined``: the run that begins goes on with the trace, and so ends its parent.
    """
    evidence = _evidence(out / f"{trace_id}.json")
    if evidence is None or not _was_cut_off(evidence):
        return
    for path in _spools(out / "spool", evidence):
        spool = Spool(path)
        if any(span.span_id == evidence.otel_span_id for span in spans_in(spool.opened)) and spool.claim():
            _end_plan(spool, evidence, "", joined=joined)
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
