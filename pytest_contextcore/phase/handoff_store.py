"""The handoffs of a trace on disk, so that a phase can take over what a reused phase emitted in an earlier run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ..errors import HandoffRefused
from ..files import write_atomic
from ..redact import redact
from ..trace.evidence import SpanEvidence
from .handoff import Emitted

_MOST_OF_EARLIER_RUNS = 4_000_000
"""Characters of payloads."""

_FILE = TypeAdapter(list[tuple[Emitted, str]])
"""Each handoff, and a digest over all of it."""


class HandoffStore:
    """The handoffs of a trace, in memory and in ``<out>/<trace id>.handoffs.json``.

    A payload that holds a secret of the environment stays in memory. A failure to write changes no outcome of this run:
    it is kept as ``problem``. ``earlier``: what earlier runs handed on stays in the file, the newest of it, for a run
    that takes over a phase of one of them.
    """

    def __init__(self, out: Path, trace_id: str, *, earlier: bool = False) -> None:
        self.path = out / f"{trace_id}.handoffs.json"
        self.problem: str | None = None
        self._emitted: list[Emitted] = []
        self._earlier = earlier

    def get(self, kind: str, name: str | None = None) -> Emitted:
        """The handoff of this class and name (any if none is given).

        Raises:
            HandoffRefused: nobody emitted one, or there are several that differ.
        """
        found = [each for each in self._emitted if each.kind == kind and name in (None, each.name)]
        if len({each.digest for each in found}) > 1:
            told = [each.span_id if each.name == kind else f"{each.name!r} of {each.span_id}" for each in found]
            asked = f"phase.receive({kind})" if name is None else f"phase.receive({kind}, name={name!r})"
            raise HandoffRefused(
                f"{asked} could mean {len(found)} handoffs that differ: {', '.join(told)}",
                f"hand each on under a name of its own, phase.handoff({kind}(…), name=…), and receive it by that name",
            )
        if not found:
            given = f", name={name!r}" if name else ""
            raise HandoffRefused(
                f"handoff {kind}{given} was not emitted by any phase before this one",
                f"emit it upstream, with phase.handoff({kind}(…){given})",
            )
        return found[-1]

    def put(self, emitted: Emitted) -> None:
        """Keep an emitted handoff."""
        self._emitted.append(emitted)
        self._write()

    def begin(self, span_id: str) -> None:
        """A phase begins; where it begins anew, what an earlier attempt at it handed on is taken back."""
        left = [emitted for emitted in self._emitted if emitted.span_id != span_id]
        if len(left) < len(self._emitted):
            self._emitted = left
            self._write()

    def _write(self) -> None:
        own = [emitted for emitted in self._emitted if not _is_secret(emitted.payload)]
        kept = [(asdict(each), _check(each)) for each in (*own, *self._of_earlier_runs(own))]
        try:
            write_atomic(self.path, f"{json.dumps(kept, indent=0)}\n".encode(), durable=False)
        except OSError as error:
            self.problem = f"handoffs not written to {self.path}: {error.strerror or error}"

    def _of_earlier_runs(self, own: list[Emitted]) -> Iterator[Emitted]:
        """What the file had before this run, in its order, which is the newest first, as far as there is room."""
        size, known = 0, set(own)
        for emitted in self._on_disk.values() if self._earlier else ():
            if emitted in known or _is_secret(emitted.payload):
                continue
            size += len(emitted.payload)
            if size > _MOST_OF_EARLIER_RUNS:
                return
            yield emitted

    def take_back(self, spans: Iterable[SpanEvidence]) -> None:
        """Take what reused phases emitted out of the file; an entry whose digest is not the recorded one is not taken.

        What is not taken is missing for the phase that wants to receive it, which says so.
        """
        recorded = {each for span in spans for each in _emitted_by(span)}
        for key, emitted in self._on_disk.items():
            if key in recorded:
                self._emitted.append(emitted)

    def lost(self, span: SpanEvidence) -> str | None:
        """The name of a handoff that this phase of an earlier run emitted and that cannot be taken back, if any."""
        return next(
            (name for _, name, digest in _emitted_by(span) if (span.span_id, name, digest) not in self._on_disk), None
        )

    @cached_property
    def _on_disk(self) -> dict[tuple[str, str, str], Emitted]:
        """What an earlier run left in the file."""
        return {(emitted.span_id, redact(emitted.name), emitted.digest): emitted for emitted in read_emitted(self.path)}


def read_emitted(path: Path) -> list[Emitted]:
    """The handoffs in such a file. Damaged is as good as absent: receiving says what is missing."""
    try:
        entries = _FILE.validate_json(path.read_bytes()) if path.is_file() else []
    except (OSError, ValidationError):
        return []
    return [emitted for emitted, check in entries if check == _check(emitted)]


def _is_secret(payload: str) -> bool:
    return redact(payload, limit=len(payload)) != payload


def _check(emitted: Emitted) -> str:
    whole = "\0".join((emitted.kind, emitted.name, emitted.span_id, emitted.payload))
    return hashlib.sha256(whole.encode()).hexdigest()


def _emitted_by(span: SpanEvidence) -> list[tuple[str, str, str]]:
    """Emitter, name and digest of each handoff that a phase emitted."""
    return [(span.span_id, each.name, each.digest) for each in span.handoffs if each.direction == "emitted"]
