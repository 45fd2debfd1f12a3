"""The evidence on disk: current at every transition of a phase, and valid at every moment.

Evidence of ended runs is kept in ``<out>/history/<trace id>/``, bounded by number and size.
"""

from __future__ import annotations

import hashlib
import re
import stat
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import monotonic  # by name: a test may patch the module's own

from pydantic import ValidationError

from ..errors import EvidenceError
from ..files import write_atomic
from ..text import format_time
from .evidence import SCHEMA_VERSION, Evidence, GateEvidence, SpanEvidence, Status
from .recorder import Change, TraceRecorder

NOT_WRITTEN = "evidence not written to"
"""How the message about evidence that could not be written begins."""

GATE_DELAY = 0.25
"""Seconds that a gate's result may wait for its write, half of what users may rely on."""

MAX_EVIDENCE_BYTES = 256 * 1024 * 1024
MAX_HISTORY_BYTES = 64 * 1024 * 1024
"""Of all files of a trace's ended runs together."""


class EvidenceFile:
    """Writes a recorder's evidence to ``<out>/<trace id>.json``: a listener of the recorder.

    Transitions, failed gates and programs that start are written at once, the last since what a program sends us is on
    disk at once too. Other gate results, and gates that begin, are written at once while that is rare; when they come
    fast they wait for a timer. The text of a phase is made again only after it changed. A killed process loses nothing
    of it; what a power cut must not take either is the end of the trace.
    A failure to write changes no outcome: it is kept as ``problem``.

    ``kept``: of how many ended runs the evidence stays in the history.
    """

    def __init__(self, recorder: TraceRecorder, out: Path, kept: int = 0) -> None:
        self.path, self._kept = evidence_path(out, recorder.plan.trace.id), kept
        self.problem: str | None = None
        self._recorder = recorder
        self._index = {span.span_id: index for index, span in enumerate(recorder.evidence.spans)}
        self._pieces = [b""] * len(self._index)
        self._digests = [b""] * len(self._index)
        self._changed = set(self._index.values())
        self._lock = threading.RLock()
        self._timer: threading.Timer | None = None
        self._written = 0.0

    def __call__(self, change: Change, span: SpanEvidence | None, gate: GateEvidence | None) -> None:
        """Take note of a change."""
        with self._lock:
            self._changed |= set(self._index.values()) if span is None else {self._index[span.span_id]}
            rare = change not in (Change.GATE_ENDED, Change.NOTED)
            if rare or (gate is not None and gate.blocks) or monotonic() - self._written >= GATE_DELAY:
                self._write(ended=change is Change.TRACE_ENDED)
            elif self._timer is None:
                self._timer = threading.Timer(GATE_DELAY, self._on_timer)
                self._timer.daemon = True
                self._timer.start()

    def _write(self, *, ended: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            data = self._document()
            write_atomic(self.path, data, durable=ended)
            self.problem = None
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error).splitlines()[0]
            self.problem = f"{NOT_WRITTEN} {self.path}: {why}"
        else:
            if ended and self._kept:
                self._remember(data)
        self._written = monotonic()

    def _remember(self, data: bytes) -> None:
        """Keep what the file says now that the run is over, under a name in the order of time; drop the oldest ones.

        A run that goes on with a trace replaces what was said of it.
        """
        evidence = self._recorder.evidence
        where = history_folder(self.path.parent, evidence.trace_id)
        name = f"{format_time(evidence.started_at or 0).replace(':', '-')}-{evidence.otel_span_id}.json"
        try:
            write_atomic(where / name, data, durable=False)
            size = 0
            for number, path in enumerate(_newest_first(where), 1):
                size += path.stat().st_size
                if number > self._kept or size > MAX_HISTORY_BYTES:
                    path.unlink()
            for path in where.glob(".*"):  # a killed run was writing it: the trace's lock is ours
                path.unlink()
        except OSError as error:
            self.problem = f"history not written to {where}: {error.strerror or error}"

    def _document(self) -> bytes:
        evidence = self._recorder.evidence
        for index in self._changed:
            self._pieces[index], self._digests[index] = _piece_of(evidence.spans[index])
        # A phase that runs changes without a word, such as by a recorded value: it is made again every time.
        self._changed = {index for index in self._changed if evidence.spans[index].status is Status.IN_PROGRESS}
        return _joined(evidence, self._pieces, self._digests)

    def _on_timer(self) -> None:
        with self._lock:
            if self._timer is not None:
                self._write(ended=False)


def evidence_path(out: Path, trace_id: str) -> Path:
    """Where the evidence of a trace stands."""
    return out / f"{trace_id}.json"


def history_folder(out: Path, trace_id: str) -> Path:
    """Where the evidence of a trace's ended runs stands."""
    return out / "history" / trace_id


def _newest_first(where: Path) -> list[Path]:
    return sorted(where.glob("[!.]*.json"), reverse=True)


def earlier(out: Path, last: Evidence, most: int) -> Iterator[Evidence]:
    """The evidence of runs before the last one, newest first; each is read when it is asked for.

    What is damaged, or was altered, proves nothing and is left out. So is what others put there beyond the bound.
    """
    size = 0
    for path in _newest_first(history_folder(out, last.trace_id))[:most]:
        size += path.lstat().st_size
        if size > MAX_HISTORY_BYTES:
            return
        try:
            found = load_evidence(path, unaltered=True)
        except EvidenceError:
            continue
        same_plan = (found.trace_id, found.project_id) == (last.trace_id, last.project_id)
        if same_plan and found.otel_span_id != last.otel_span_id:
            yield found


def load_evidence(path: Path, *, unaltered: bool = False) -> Evidence:
    """Read an evidence file; with ``unaltered`` only one that stands there itself, with the bytes that a run wrote.

    Raises:
        EvidenceError: it is absent, damaged, of another schema version, or altered; or a link, or no file at all.
    """
    try:
        if not stat.S_ISREG((path.lstat() if unaltered else path.stat()).st_mode):  # a pipe may never be written to
            raise EvidenceError(f"evidence {path}: it is no regular file; put the file itself there")
        if path.stat().st_size > MAX_EVIDENCE_BYTES:
            raise EvidenceError(f"evidence {path}: larger than {MAX_EVIDENCE_BYTES} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise EvidenceError(f"evidence {path}: cannot be read: {error.strerror or error}") from error
    try:
        evidence = Evidence.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        more = f" (expected {SCHEMA_VERSION})" if key == "schema_version" else ""
        more += "; if it is no evidence, keep it in another folder" if first["type"] == "missing" else ""
        raise EvidenceError(f"evidence {path}: {key or 'document'}: {first['msg']}{more}") from error
    if unaltered and not is_unaltered(data):
        raise EvidenceError(
            f"evidence {path}: it was changed after a run wrote it (its seal does not fit); "
            "restore the file as it was written"
        )
    return evidence


_BEGIN = b"\n    {\n"
"""How an object begins that stands in a list of the document itself, such as a phase; texts have no raw line ends."""

_END = b'"\n}\n'
_SEALED = re.compile(rb'(.*"seal": ")([0-9a-f]{64})("\n}\n)', re.S)


def dump(evidence: Evidence) -> bytes:
    """The file's bytes: indented JSON, UTF-8, with the seal over all the rest as its last field.

    The seal tells a file that was damaged or edited on its way from one CI job to the next. It is no signature: who
    can write the file can seal it anew.
    """
    pieces = [_piece_of(span) for span in evidence.spans]
    return _joined(evidence, [data for data, _ in pieces], [digest for _, digest in pieces])


def is_unaltered(data: bytes) -> bool:
    """Whether a file's bytes are those that :func:`dump` gave."""
    match = _SEALED.fullmatch(data)
    return match is not None and match[2] == _seal(map(_digest, (match[1] + match[3]).split(_BEGIN)))


def _joined(evidence: Evidence, phases: list[bytes], digests: list[bytes]) -> bytes:
    """The document with these phases, each from its second line on, and the digests of them."""
    text = evidence.model_copy(update={"spans": [], "seal": ""}).model_dump_json(indent=2).encode() + b"\n"
    head, _, tail = text.partition(b'\n  "spans": []')
    before = (head + b'\n  "spans": [').split(_BEGIN)
    *first, last = [*before, *phases]
    last = last.removesuffix(b",") + b"\n  ]" + tail
    found = [*map(_digest, before), *digests]
    found[-1] = _digest(last)
    return _BEGIN.join([*first, last.removesuffix(_END) + _seal(found) + _END])


def _piece_of(span: SpanEvidence) -> tuple[bytes, bytes]:
    """A phase in the document from its second line on, and the digest of that."""
    data = span.model_dump_json(indent=2).replace("\n", "\n    ").encode().removeprefix(b"{\n") + b","
    return data, _digest(data)


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _seal(digests: Iterable[bytes]) -> bytes:
    """SHA-256 over the digests of the pieces of a document without a seal, cut where phases begin.

    So the seal costs what a phase weighs at each transition, not what the whole document does.
    """
    return hashlib.sha256(b"".join(digests)).hexdigest().encode()
