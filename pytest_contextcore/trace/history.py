"""Evidence of ended runs, for runs to come: ``<out>/history/<trace id>/``, bounded by number and size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..errors import EvidenceError
from ..files import write_atomic
from ..text import format_time
from .evidence import Evidence, GateEvidence, SpanEvidence
from .file import EvidenceFile, load_evidence
from .recorder import Change

MAX_BYTES = 64 * 1024 * 1024
"""Of all files of a trace together."""


class History:
    """A listener of the recorder, after its evidence file: keeps what that says when the run is over.

    ``most``: so many files are kept, the newest ones. A failure to write changes no outcome: it is kept as ``problem``.
    """

    def __init__(self, file: EvidenceFile, most: int) -> None:
        self.problem: str | None = None
        self._file, self._most = file, most

    def __call__(self, change: Change, span: SpanEvidence | None, gate: GateEvidence | None) -> None:
        """Take note of a change."""
        del span, gate
        if change is not Change.TRACE_ENDED or not self._most or self._file.problem:
            return
        evidence, path = self._file.evidence, self._file.path
        try:
            _remember(folder(path.parent, evidence.trace_id), _name(evidence), path.read_bytes(), self._most)
        except OSError as error:
            self.problem = f"history not written to {folder(path.parent, evidence.trace_id)}: {error.strerror or error}"


def folder(out: Path, trace_id: str) -> Path:
    """Where the evidence of a trace's runs stands."""
    return out / "history" / trace_id


def earlier(out: Path, last: Evidence, most: int) -> Iterator[Evidence]:
    """The evidence of runs before the last one, newest first; each is read when it is asked for.

    What is damaged, or was altered, proves nothing and is left out. So is what others put there beyond `MAX_BYTES`.
    """
    size = 0
    for path in _newest_first(folder(out, last.trace_id))[:most]:
        size += path.lstat().st_size
        if size > MAX_BYTES:
            return
        try:
            found = load_evidence(path, unaltered=True)
        except EvidenceError:
            continue
        same_plan = (found.trace_id, found.project_id) == (last.trace_id, last.project_id)
        if same_plan and found.otel_span_id != last.otel_span_id:
            yield found


def _remember(where: Path, name: str, data: bytes, most: int) -> None:
    """Write a file, and remove the oldest ones; a run that goes on with a trace replaces what was said of it."""
    write_atomic(where / name, data, durable=False)
    size = 0
    for number, path in enumerate(_newest_first(where), 1):
        size += path.stat().st_size
        if number > most or size > MAX_BYTES:
            path.unlink()
    for path in where.glob(".*"):  # a killed run was writing it: the trace's lock is ours
        path.unlink()


def _name(evidence: Evidence) -> str:
    """When the trace began, so that names are in the order of time, and its own span."""
    began = format_time(evidence.started_at or 0).replace(":", "-")
    return f"{began}-{evidence.otel_span_id}.json"


def _newest_first(where: Path) -> list[Path]:
    return sorted(where.glob("[!.]*.json"), reverse=True)
