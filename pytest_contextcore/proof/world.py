"""Evidence against the world as it is now: files, code and handoffs have the bytes that were recorded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import FileRefused
from ..phase.handoff_store import read_emitted
from ..plan.model import Plan
from ..redact import redact
from ..trace.drift import drifts, overlap
from ..trace.evidence import Evidence, Input, SpanEvidence, Status
from ..tracked.code import module_and_conftests
from ..tracked.contents import Digests
from .difference import AGAIN, Difference

Ignored = Callable[[SpanEvidence, str], bool]
_MOST_FILES = 200_000
_MOST_BYTES = 1 << 40
_MOST_HANDOFF_BYTES = 256 * 1024 * 1024
_SHOWN = 3


class World:
    """The files as they are now, each hashed once and all of them together bounded; paths are those of evidence.

    Raises:
        FileRefused: there are more files, or more bytes, than anybody wants to wait for.
    """

    def __init__(self, root: Path, out: Path) -> None:
        self.root, self._known = root, dict[str, str | None]()
        self._digests = Digests(out, budget=_budget())

    def digest(self, path: str) -> str | None:
        """The SHA-256 of what stands at a recorded path; None where nothing is that can be read."""
        if path not in self._known:
            try:
                self._known[path] = self._digests.of(self.root / path)
            except OverBudget:
                raise
            except (OSError, ValueError):
                self._known[path] = None
        return self._known[path]

    def is_file(self, path: str) -> bool:
        """Whether a recorded path is that of a file: its digest is then one of bytes, not of a list of files."""
        return os.path.isfile(self.root / path)  # noqa: PTH113  (never raises)


class OverBudget(FileRefused):
    """Evidence names more than is hashed."""


def _budget() -> Callable[[str, int], None]:
    files = size = 0

    def take(name: str, more: int) -> None:
        nonlocal files, size
        files, size = files + 1, size + more
        if files > _MOST_FILES or size > _MOST_BYTES:
            raise OverBudget(f"{name}: the evidence names more than {_MOST_FILES} files or {_MOST_BYTES >> 30} GiB")

    return take


def changed_files(plan: Plan, evidence: Evidence, world: World) -> Iterator[Difference]:
    """The inputs, outputs and modules that have other bytes now, each file once.

    A file that a later phase made has the digest that it recorded. A folder that a later phase wrote into is left out.
    """

    def ignored(span: SpanEvidence, path: str) -> bool:
        return span.reused and plan.ignores(plan.short_phase_id(span.span_id), world.root / path)

    changed: dict[tuple[str, str, str], list[str]] = {}

    def add(word: str, span: SpanEvidence, item: Input) -> None:
        changed.setdefault((word, item.path, item.sha256), []).append(span.span_id)

    order = {span.span_id: position for position, span in enumerate(evidence.spans)}
    last = {item.path: (span, item) for span in evidence.spans for item in span.outputs}
    for path, (span, item) in last.items():
        if ignored(span, path) or world.digest(path) == item.sha256:
            continue
        others = (other for other, (by, _) in last.items() if order[by.span_id] >= order[span.span_id])
        if not any(other != path and overlap(path, other) for other in others):
            add("output", span, item)
    for drift in drifts(evidence, evidence.spans, world.digest, ignored):
        add("input", drift.span, drift.item)
    for span in evidence.spans:
        for item in span.modules:
            if not ignored(span, item.path) and world.digest(item.path) != item.sha256:
                add("code", span, item)
        yield from _without_record(plan, span, world, ignored)
    for (word, path, sha256), spans in changed.items():
        more = f" and {len(spans) - _SHOWN} more" if len(spans) > _SHOWN else ""
        now = world.digest(path)
        observed = f"SHA-256 {now}" if now is not None else "it is gone, or cannot be read"
        yield Difference(f"{path}, {word} of {', '.join(spans[:_SHOWN])}{more}", observed, f"SHA-256 {sha256}", AGAIN)


def _without_record(plan: Plan, span: SpanEvidence, world: World, ignored: Ignored) -> Iterator[Difference]:
    """The test's module of a completed phase, or a conftest above it, of which no digest was recorded."""
    made = [item.path for item in span.outputs]
    known = {item.path for item in span.modules}
    code = (
        module_and_conftests(span.nodeid or "", world.root, plan.path.parent) if span.status is Status.COMPLETED else ()
    )
    for path in code:
        shown = redact(os.path.relpath(path, world.root) if os.path.isabs(path) else path)  # noqa: PTH117
        if shown not in known and not ignored(span, shown) and not any(overlap(shown, each) for each in made):
            yield Difference(f"{shown}, code of {span.span_id}", "it has no record", "its digest when it ran", AGAIN)


def changed_handoffs(evidence: Evidence, path: Path) -> Iterator[Difference]:
    """The handoffs whose payload is not in the file beside the evidence as it was emitted.

    The file may have more: what earlier runs handed on.
    """
    large = path.is_file() and path.stat().st_size > _MOST_HANDOFF_BYTES
    found = [] if large else read_emitted(path)
    there = {(each.span_id, redact(each.name), each.digest) for each in found}
    for span in evidence.spans:
        for each in span.handoffs:
            if each.direction == "emitted" and (span.span_id, each.name, each.digest) not in there:
                observed = "none that is whole and can be read (a payload with a secret in it is never written)"
                what = f"handoff {each.name} of {span.span_id}, in {path}"
                expected = f"a payload with the digest {each.digest}"
                yield Difference(what, observed, expected, AGAIN)
