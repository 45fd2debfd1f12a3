"""The handoffs of a trace on disk, so that a phase can take over what a reused phase emitted in an earlier run."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from ..files import write_atomic
from ..redact import redact
from ..trace.evidence import SpanEvidence
from .handoff import Emitted

MAX_BYTES = 256 * 1024 * 1024


class HandoffStore:
    """The last handoff of each name, in memory and in ``<out>/<trace id>.handoffs.json``.

    A payload that holds a secret of the environment stays in memory. A failure to write changes no outcome of this run:
    it is kept as ``problem``.
    """

    def __init__(self, out: Path, trace_id: str) -> None:
        self.path = out / f"{trace_id}.handoffs.json"
        self.problem: str | None = None
        self._known: dict[str, Emitted] = {}
        self._before: dict[str, dict[str, Emitted]] = {}

    def get(self, name: str) -> Emitted | None:
        """The handoff of this name, or None if nobody emitted one."""
        return self._known.get(name)

    def put(self, emitted: Emitted) -> None:
        """Keep an emitted handoff."""
        self._known[emitted.name] = emitted
        self._write()

    def begin(self, span_id: str) -> None:
        """A phase begins; where it begins anew, what an earlier attempt at it handed on is taken back."""
        before = self._before.setdefault(span_id, dict(self._known))
        if before != self._known:
            self._known = dict(before)
            self._write()

    def _write(self) -> None:
        document = {
            name: asdict(known)
            for name, known in self._known.items()
            if redact(known.payload, limit=len(known.payload)) == known.payload
        }
        try:
            write_atomic(self.path, json.dumps(document, indent=2).encode(), durable=False)
        except OSError as error:
            self.problem = f"handoffs not written to {self.path}: {error.strerror or error}"

    def take_back(self, spans: Iterable[SpanEvidence]) -> None:
        """Take what reused phases emitted out of the file; an entry whose digest is not the recorded one is not taken.

        What is not taken is missing for the phase that wants to receive it, which says so.
        """
        recorded = {(h.name, h.digest) for span in spans for h in span.handoffs if h.direction == "emitted"}
        for name, emitted in self._on_disk().items():
            if (name, emitted.digest) in recorded:
                self._known[name] = emitted

    def lost(self, span: SpanEvidence) -> str | None:
        """The name of a handoff that this phase of an earlier run emitted and that cannot be taken back, if any."""
        kept = {(name, emitted.digest) for name, emitted in self._on_disk().items()}
        last = {h.name: h.digest for h in span.handoffs if h.direction == "emitted"}
        return next((name for name, digest in last.items() if (name, digest) not in kept), None)

    def _on_disk(self) -> dict[str, Emitted]:
        found = {}
        for name, entry in self._read().items():
            try:
                found[name] = Emitted(**entry)
            except TypeError:
                continue  # not written by us: as good as absent
        return found

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            if not self.path.is_file() or self.path.stat().st_size > MAX_BYTES:
                return {}
            document = json.loads(self.path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}  # absent or damaged: nothing can be taken back, and receiving says what is missing
        entries = document if isinstance(document, dict) else {}
        return {name: entry for name, entry in entries.items() if isinstance(entry, dict)}
