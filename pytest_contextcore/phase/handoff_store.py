"""The handoffs of a trace on disk, so that a phase can take over what a reused phase emitted in an earlier run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ..files import write_atomic
from ..redact import redact
from ..trace.evidence import SpanEvidence
from .handoff import Emitted

_FILE = TypeAdapter(dict[str, Emitted])


class HandoffStore:
    """The last handoff of each name, in memory and in ``<out>/<trace id>.handoffs.json``.

    A payload that holds a secret of the environment stays in memory. A failure to write changes no outcome of this run:
    it is kept as ``problem``.
    """

    def __init__(self, out: Path, trace_id: str) -> None:
        self.path = out / f"{trace_id}.handoffs.json"
        self.problem: str | None = None
        self._emitted: list[Emitted] = []
        self._secret: set[str] = set()
        """Digests of payloads that are not written."""

    def get(self, name: str) -> Emitted | None:
        """The handoff of this name, or None if nobody emitted one."""
        return next((emitted for emitted in reversed(self._emitted) if emitted.name == name), None)

    def put(self, emitted: Emitted) -> None:
        """Keep an emitted handoff."""
        self._keep(emitted)
        self._write()

    def begin(self, span_id: str) -> None:
        """A phase begins; where it begins anew, what an earlier attempt at it handed on is taken back."""
        left = [emitted for emitted in self._emitted if emitted.span_id != span_id]
        if len(left) < len(self._emitted):
            self._emitted = left
            self._write()

    def _keep(self, emitted: Emitted) -> None:
        self._emitted.append(emitted)
        if redact(emitted.payload, limit=len(emitted.payload)) != emitted.payload:
            self._secret.add(emitted.digest)

    def _write(self) -> None:
        last = {emitted.name: asdict(emitted) for emitted in self._emitted if emitted.digest not in self._secret}
        try:
            write_atomic(self.path, f"{json.dumps(last, indent=0)}\n".encode(), durable=False)
        except OSError as error:
            self.problem = f"handoffs not written to {self.path}: {error.strerror or error}"

    def take_back(self, spans: Iterable[SpanEvidence]) -> None:
        """Take what reused phases emitted out of the file; an entry whose digest is not the recorded one is not taken.

        What is not taken is missing for the phase that wants to receive it, which says so.
        """
        recorded = {(h.name, h.digest) for span in spans for h in span.handoffs if h.direction == "emitted"}
        for name, emitted in self._on_disk.items():
            if (name, emitted.digest) in recorded:
                self._keep(emitted)

    def lost(self, span: SpanEvidence) -> str | None:
        """The name of a handoff that this phase of an earlier run emitted and that cannot be taken back, if any."""
        kept = {(name, emitted.digest) for name, emitted in self._on_disk.items()}
        last = {h.name: h.digest for h in span.handoffs if h.direction == "emitted"}
        return next((name for name, digest in last.items() if (name, digest) not in kept), None)

    @cached_property
    def _on_disk(self) -> dict[str, Emitted]:
        """What an earlier run left in the file."""
        return _read(self.path)


def payloads(path: Path) -> dict[str, Any]:
    """The payloads in such a file by their digests, parsed; those that are not what their digest says are left out."""
    return {
        emitted.digest: json.loads(emitted.payload)
        for emitted in _read(path).values()
        if hashlib.sha256(emitted.payload.encode()).hexdigest() == emitted.digest
    }


def _read(path: Path) -> dict[str, Emitted]:
    """What stands in the file. Damaged is as good as absent: receiving says what is missing."""
    try:
        return _FILE.validate_json(path.read_bytes()) if path.is_file() else {}
    except (OSError, ValidationError):
        return {}
