"""The files that a phase of PI-101-002 relies on: its recorded inputs, and what its handoff vouches for."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .exported import Export
from .findings import Unreadable
from .gates.implementation import outputs
from .ingested import Ingestion
from .names import (
    GENERATION_MANIFEST,
    HANDOFF,
    ONBOARDING,
    OVERRIDE,
    PROVENANCE,
    REPORT,
    REVIEWS,
    SOURCE,
    TESTS,
    TRACEABILITY,
    TRIAGE,
    VALIDATION,
)
from .workspace import Workspace

_SOURCES: tuple[tuple[int, Callable[[Workspace], Iterable[str]]], ...] = (
    (1, lambda ws: [SOURCE]),
    (2, lambda ws: [Export.load(ws).manifest_path]),
    (2, lambda ws: [Export.load(ws).context_path]),
    (2, lambda ws: [ONBOARDING, PROVENANCE, VALIDATION]),
    (4, lambda ws: [Ingestion.load(ws).seed_path]),
    (4, lambda ws: [Ingestion.load(ws).enriched_path]),
    (4, lambda ws: [TRACEABILITY]),
    (5, lambda ws: [OVERRIDE]),
    (6, lambda ws: [HANDOFF]),
    (7, lambda ws: outputs(ws).values()),
    (8, lambda ws: [TESTS]),
    (9, lambda ws: [REVIEWS, TRIAGE]),
    (10, lambda ws: [REPORT, GENERATION_MANIFEST]),
)


def relied_on(ws: Workspace, upto: int) -> list[str]:
    """The paths in the workspace that phase ``upto`` (1 to 10) relies on and that are there, each once.

    A path is left out if the file that names it is unreadable; the gate about that file fails.
    """
    paths: dict[str, None] = {}
    for phase, read in _SOURCES:
        if phase <= upto:
            try:
                paths.update(dict.fromkeys(path for path in read(ws) if ws.exists(path)))
            except Unreadable:
                continue
    return list(paths)


def made_by(ws: Workspace, position: int) -> list[str]:
    """The paths in the workspace that phase ``position`` of the embedded pipeline makes for others: the artifacts."""
    if position != 7:
        return []
    before = relied_on(ws, 6)
    return [path for path in relied_on(ws, 7) if path not in before]
