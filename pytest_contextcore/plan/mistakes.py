"""Whether the parts of a plan's document fit together, whatever its schema says of each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..errors import shown

Place = tuple[int | str, ...]
"""Keys and positions that lead to a part of a document."""

NAMES = {
    "phases": ("phase", "id"),
    "gates": ("gate", "id"),
    "definition_of_done": ("condition", "condition"),
    "attributes": ("attribute", "name"),
    "waivers": ("waiver for", "gate"),
}
"""What the tables of plans and waivers are called in messages."""

Misfit = tuple[Place, str, str, str]
"""Place, observed, expected, what to do."""

Tables = list[tuple[Place, Mapping[str, Any]]]


def misfits(document: Mapping[str, Any], registered: Iterable[str]) -> Iterator[Misfit]:
    """What is wrong between the parts of a plan. ``registered``: the attributes that the package declares."""
    registered = set(registered)
    phases = tables(document, (), "phases")
    yield from _repeated(phases, "id")
    yield from _repeated(phases, "name")
    for place, phase in phases:
        yield from _gate_misfits(place, phase)
    yield from _dependency_misfits(phases)
    attributes = tables(document, (), "attributes")
    yield from _repeated(attributes, "name")
    for place, entry in attributes:
        if (name := text_of(entry, "name")) in registered:
            yield (*place, "name"), shown(name), "a name that the package does not declare itself", "remove the entry"
    gates = {
        f"{text_of(phase, 'id')}-{text_of(gate, 'id')}" for _, phase in phases for _, gate in tables(phase, (), "gates")
    }
    declared = registered | {text_of(entry, "name") for _, entry in attributes}
    for place, done in tables(document.get("trace"), ("trace",), "definition_of_done"):
        values = done.get("attributes")
        if not done.get("gates") and not values:
            yield place, "by neither", "proven by gates or attributes", "add gates or attributes"
        for name in _texts(done, "gates"):
            if name not in gates:
                yield (*place, "gates"), shown(name), "gates of this plan", "name one that is declared"
        for name in values if isinstance(values, dict) else ():
            if name not in declared:
                yield (*place, "attributes"), shown(name), "declared attributes", "declare it"


def _gate_misfits(place: Place, phase: Mapping[str, Any]) -> Iterator[Misfit]:
    gates, criteria = tables(phase, place, "gates"), _texts(phase, "exit_criteria")
    yield from _repeated(gates, "id")
    if not criteria or not gates:
        return  # which is a mistake of its own
    checked = {text_of(gate, "criterion") for _, gate in gates}
    for at, gate in gates:
        if (criterion := text_of(gate, "criterion")) and criterion not in criteria:
            yield (*at, "criterion"), shown(criterion), "one of its phase's exit_criteria", "copy it word for word"
    for criterion in criteria:
        if criterion not in checked:
            observed = f"{shown(criterion)}, which has none"
            yield (*place, "exit_criteria"), observed, "criteria with a gate each", "add a gate for it"


def _dependency_misfits(phases: Tables) -> Iterator[Misfit]:
    rank = {text_of(phase, "id"): position for position, (_, phase) in enumerate(phases)}
    for place, phase in phases:
        at = (*place, "depends_on")
        for name in _texts(phase, "depends_on"):
            if name not in rank:
                yield at, shown(name), "ids of phases", f"use some of {', '.join(rank)}"
            elif rank[name] >= rank[text_of(phase, "id")]:
                yield at, shown(name), "phases that stand before it", f"move {shown(name)} before it"


def _repeated(tables: Tables, key: str) -> Iterator[Misfit]:
    seen: set[str] = set()
    for place, table in tables:
        value = text_of(table, key)
        if value and value in seen:
            yield (*place, key), f"{shown(value)}, declared twice", "one that no other has", "choose another"
        seen.add(value)


def tables(holder: object, place: Place, key: str) -> Tables:
    """The tables in a list, each with its place; none where the document has something else."""
    found = holder.get(key) if isinstance(holder, dict) else None
    entries = enumerate(found) if isinstance(found, list) else ()
    return [((*place, key, index), entry) for index, entry in entries if isinstance(entry, dict)]


def _texts(holder: Mapping[str, Any], key: str) -> list[str]:
    found = holder.get(key)
    return [entry for entry in found if isinstance(entry, str)] if isinstance(found, list) else []


def text_of(holder: Mapping[str, Any], key: str) -> str:
    """The text under a key; empty where the document has something else."""
    found = holder.get(key)
    return found if isinstance(found, str) else ""
