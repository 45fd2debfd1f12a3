"""What a phase observes itself: the attribute values of its span, by short names."""

from __future__ import annotations

from collections.abc import Callable, Collection

from .documents import json_object
from .exported import Export
from .findings import Unreadable
from .gates.export import held_coverage
from .gates.finalize import SUCCESS, rollup
from .gates.implementation import outputs
from .ingested import Ingestion
from .names import REPORT, SOURCE
from .workspace import Workspace

Value = str | int | float


def observe(ws: Workspace, upto: int, only: Collection[str] = ()) -> dict[str, Value]:
    """Give the values that phase `upto` (1 to 10) observes: those first known in it or before it, or `only` some.

    A value that cannot be read is left out: the gate that needs its file says why. Never raises.
    """
    result: dict[str, Value] = {}
    for phase, name, read in _READERS:
        if phase <= upto and (not only or name in only):
            try:
                result[name] = read(ws)
            except Unreadable:
                continue
    return result


def _digest(ws: Workspace, path: str) -> str:
    return f"sha256:{ws.digest(path)}"


def _feature_count(ws: Workspace) -> int:
    """Count the features that are mapped to the gaps."""
    gaps = set(Export.load(ws).gaps)
    return len({id_ for entry in Ingestion.load(ws).mappings if entry.artifact_id in gaps for id_ in entry.feature_ids})


def _artifact_count(ws: Workspace) -> int:
    return sum(ws.exists(path) for path in set(outputs(ws).values()))


def _finalize_status(ws: Workspace) -> str:
    status = json_object(ws, REPORT).get("status").name()
    return "complete" if status == SUCCESS else status


_READERS: tuple[tuple[int, str, Callable[[Workspace], Value]], ...] = (
    (1, "source_checksum", lambda ws: _digest(ws, SOURCE)),
    (2, "artifact_manifest_checksum", lambda ws: _digest(ws, Export.load(ws).manifest_path)),
    (2, "project_context_checksum", lambda ws: _digest(ws, Export.load(ws).context_path)),
    (2, "coverage_percent", held_coverage),
    (2, "gap_count", lambda ws: len(Export.load(ws).gaps)),
    (4, "feature_count", _feature_count),
    (4, "complexity_score", lambda ws: Ingestion.load(ws).seed.get("complexity", "composite").number()),
    (5, "selected_path", lambda ws: Ingestion.load(ws).seed.get("complexity", "route").name()),
    (7, "path_count", lambda ws: len(set(outputs(ws).values()))),
    (7, "artifact_count", _artifact_count),
    (10, "finalize_status", _finalize_status),
    (10, "rollup", lambda ws: f"sha256:{rollup(ws).digest}"),
)
