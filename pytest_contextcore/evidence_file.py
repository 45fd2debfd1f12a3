"""The evidence on disk: current at every transition, valid at every moment (contract 5)."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from .model import Evidence, GateEvidence, SpanEvidence
from .recorder import Change, TraceRecorder
from .store import write_atomic

GATE_DELAY = 0.25
"""Seconds that a gate's result may wait for its write; contract 5 allows 0.5."""


class EvidenceFile:
    """Writes a recorder's evidence to ``<out>/<trace id>.json``: a listener of the recorder.

    Phase transitions are written at once and durably. Gate results are written at once as well while that is rare;
    when they come fast they wait for a timer, since rewriting a long file at every gate would be quadratic.
    A failure to write changes no outcome: it is kept as ``problem``.
    """

    def __init__(self, recorder: TraceRecorder, out: Path) -> None:
        self.path = evidence_path(out, recorder.plan.trace.id)
        self.problem: str | None = None
        self._recorder = recorder
        self._lock = threading.RLock()
        self._timer: threading.Timer | None = None
        self._written = 0.0

    def __call__(self, change: Change, span: SpanEvidence | None, gate: GateEvidence | None) -> None:
        """Take note of a change."""
        if change is not Change.GATE_ENDED:
            self.write(durable=True)
        elif time.monotonic() - self._written >= GATE_DELAY:
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
            except OSError as error:
                self.problem = f"evidence not written to {self.path}: {error.strerror or error}"
            self._written = time.monotonic()

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
    """The file's bytes: indented JSON, UTF-8."""
    return evidence.model_dump_json(indent=2).encode() + b"\n"
