"""Looking into a plan's document, which may have anything anywhere: tables, texts, and what does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Place = tuple[int | str, ...]
"""Keys and positions that lead to a part of a document."""

Misfit = tuple[Place, str, str, str]
"""Place, observed, expected, what to do."""

Tables = list[tuple[Place, Mapping[str, Any]]]


def tables(holder: object, place: Place, key: str) -> Tables:
    """The tables in a list, each with its place; none where the document has something else."""
    found = holder.get(key) if isinstance(holder, dict) else None
    entries = enumerate(found) if isinstance(found, list) else ()
    return [((*place, key, index), entry) for index, entry in entries if isinstance(entry, dict)]


def texts(holder: Mapping[str, Any], key: str) -> list[str]:
    """The texts in a list; none where the document has something else."""
    found = holder.get(key)
    return [entry for entry in found if isinstance(entry, str)] if isinstance(found, list) else []


def text_of(holder: Mapping[str, Any], key: str) -> str:
    """The text under a key; empty where the document has something else."""
    found = holder.get(key)
    return found if isinstance(found, str) else ""


def gate_ids(phase: Mapping[str, Any]) -> list[str]:
    """The ids of a phase's gates; one that has none gets ``G1``, ``G2`` and so on."""
    stated = [text_of(gate, "id") for _, gate in tables(phase, (), "gates")]
    free = (name for number in range(1, 2 * len(stated) + 1) if (name := f"G{number}") not in stated)
    return [name or next(free) for name in stated]
