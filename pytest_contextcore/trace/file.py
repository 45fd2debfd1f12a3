"""The evidence on disk: current at every transition, valid at every moment (contract 5)."""

from __future__ import annotations

import hashlib
import re
import threading
from pathlib import Path
from time import monotonic  # by name: a test may patch the module's own

from ..files import write_atomic
from ..plan.model import Kind
from .changes import Change
from .evidence import Evidence, GateEvidence, Result, SpanEvidence
from .recorder import TraceRecorder

NOT_WRITTEN = "evidence not written to"
"""How the message about evidence that could not be written begins."""

GATE_DELAY = 0.25
"""Seconds that a gate's result may wait for its write; contract 5 allows 0.5."""


class EvidenceFile:
    """Writes a recorder's evidence to ``<out>/<trace id>.json``: a listener of the recorder.

    Phase transitions are written at once and durably. Gate results, and gates and programs that begin, are written at
    once as well while that is rare; when they come fast they wait for a timer, since rewriting a long file at every
    gate would be quadratic.
    A failure to write changes no outcome: it is kept as ``problem``.
    """

    def __init__(self, recorder: TraceRecorder, out: Path) -> None:
        self.path = evidence_path(out, recorder.plan.trace.id)
        self.problem: str | None = None
        self._recorder = recorder
        self._lock = threading.RLock()
        self._timer: threading.Timer | None = None
        self._written = 0.0
        self._blocked = False

    def __call__(self, change: Change, span: SpanEvidence | None, gate: GateEvidence | None) -> None:
        """Take note of a change."""
        if change is Change.CHILD_ENDED:
            return  # nothing of it stands in the evidence
        if change not in (Change.GATE_ENDED, Change.NOTED):
            self._blocked = False
            self.write(durable=True)
        elif self._first_to_block(gate) or monotonic() - self._written >= GATE_DELAY:
            self.write(durable=False)
        else:
            self._write_later()

    def write(self, *, durable: bool) -> None:
        """Write now."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._recorder.evidence.recount()
            try:
                write_atomic(self.path, dump(self._recorder.evidence), durable=durable)
                self.problem = None
            except (OSError, ValueError) as error:
                why = getattr(error, "strerror", None) or str(error).splitlines()[0]
                self.problem = f"{NOT_WRITTEN} {self.path}: {why}"
            self._written = monotonic()

    def _first_to_block(self, gate: GateEvidence | None) -> bool:
        """Whether this gate blocks its phase, and none has before: that must not wait."""
        if self._blocked or gate is None or gate.result is not Result.FAIL or gate.kind is Kind.ADVISORY:
            return False
        self._blocked = True
        return True

    def _write_later(self) -> None:
        with self._lock:
            if self._timer is None:
                self._timer = threading.Timer(GATE_DELAY, self._on_timer)
                self._timer.daemon = True
                self._timer.start()

    def _on_timer(self) -> None:
        with self._lock:
            if self._timer is not None:
                self.write(durable=False)


def evidence_path(out: Path, trace_id: str) -> Path:
    """Where the evidence of a trace stands."""
    return out / f"{trace_id}.json"


def dump(evidence: Evidence) -> bytes:
    """The file's bytes: indented JSON, UTF-8, with the seal over all the rest as its last field.

    The seal tells a file that was damaged or edited on its way from one CI job to the next. It is no signature: who
    can write the file can seal it anew.
    """
    data = evidence.model_copy(update={"seal": ""}).model_dump_json(indent=2).encode()
    head = data.removesuffix(_UNSEALED)
    return head + _UNSEALED.replace(b'""', b'"%s"' % _seal(data)) + b"\n"


def is_unaltered(data: bytes) -> bool:
    """Whether a file's bytes are those that :func:`dump` gave."""
    match = _SEALED.fullmatch(data)
    return match is not None and match[2] == _seal(match[1] + _UNSEALED)


_UNSEALED = b'"seal": ""\n}'
_SEALED = re.compile(rb'(.*)"seal": "([0-9a-f]{64})"\n}\n', re.S)


def _seal(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()
