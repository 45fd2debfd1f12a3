"""Whether the parts of a plan's document fit together, whatever its schema says of each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..errors import MISSING, shown
from ..text import cut
from .tables import Misfit, Place, Tables, gate_ids, tables, text_of, texts

NAMES = {
    "phases": ("phase", "id"),
    "gates": ("gate", "id"),
    "definition_of_done": ("condition", "condition"),
    "attributes": ("attribute", "name"),
    "waivers": ("waiver for", "gate"),
}
"""What the tables of plans and waivers are called in messages."""


def misfits(document: Mapping[str, Any], registered: Iterable[str]) -> Iterator[Misfit]:
    """What is wrong between the parts of a plan. ``registered``: the attributes that the package declares."""
    registered = set(registered)
    phases = tables(document, (), "phases")
    yield from _repeated(phases, "id")
    once = {text_of(phase, "id"): (place, {"name": text_of(phase, "id"), **phase}) for place, phase in phases}
    yield from _repeated(list(once.values()), "name")
    for place, phase in phases:
        yield from _gate_misfits(place, phase)
    yield from _dependency_misfits(phases)
    attributes = tables(document, (), "attributes")
    yield from _repeated(attributes, "name")
    for place, entry in attributes:
        if (name := text_of(entry, "name")) in registered:
            yield (*place, "name"), shown(name), "a name that the package does not declare itself", "remove the entry"
    ids = [text_of(phase, "id") for _, phase in phases]
    gates = {f"{phase_id}-{gate}" for phase_id, (_, phase) in zip(ids, phases, strict=True) for gate in gate_ids(phase)}
    declared = registered | {text_of(entry, "name") for _, entry in attributes}
    for place, done in tables(document.get("trace"), ("trace",), "definition_of_done"):
        values = done.get("attributes")
        if not any(done.get(key) for key in ("gates", "phases", "attributes")):
            yield place, "by none", "proven by gates, phases or attributes", "add some"
        for name in texts(done, "gates"):
            if name not in gates:
                yield (*place, "gates"), shown(name), "gates of this plan", "name one that is declared"
        for name in texts(done, "phases"):
            if name not in ids:
                yield (*place, "phases"), shown(name), "ids of phases", "name one that is declared"
        for name in values if isinstance(values, dict) else ():
            if name not in declared:
                yield (*place, "attributes"), shown(name), "declared attributes", "declare it"


def _gate_misfits(place: Place, phase: Mapping[str, Any]) -> Iterator[Misfit]:
    gates, criteria = tables(phase, place, "gates"), texts(phase, "exit_criteria")
    yield from _repeated(gates, "id")
    if not criteria:
        return  # they are told from the gates
    checked = {text_of(gate, "criterion") for _, gate in gates}
    if len(criteria) == 1 and gates:
        checked.add(criteria[0])  # which is the default
    for at, gate in gates:
        if "criterion" not in gate and len(criteria) > 1:
            yield (*at, "criterion"), MISSING, "one of its phase's exit_criteria", "copy it word for word"
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
        for name in texts(phase, "depends_on"):
            if name not in rank:
                yield at, shown(name), f"ids of phases ({cut(', '.join(rank), 100)})", "name one that is declared"
            elif rank[name] >= rank[text_of(phase, "id")]:
                yield at, shown(name), "phases that stand before it", f"move {shown(name)} before it"


def _repeated(tables: Tables, key: str) -> Iterator[Misfit]:
    seen: set[str] = set()
    for place, table in tables:
        value = text_of(table, key)
        if value and value in seen:
            yield (*place, key), f"{shown(value)}, declared twice", "one that no other has", "choose another"
        seen.add(value)
