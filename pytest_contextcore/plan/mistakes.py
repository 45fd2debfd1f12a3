"""Every mistake in a plan or a waivers file, at once and by id. Pure.

The models check what each part is made of; their errors are put into plain words here. Whether the parts fit together
is checked here, on the document itself, so that a wrong value somewhere does not hide it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ..errors import MISSING, UNKNOWN_KEY, Fault, PlanError, shown

_NAMED = {
    "phases": ("phase", "id"),
    "gates": ("gate", "id"),
    "definition_of_done": ("condition", "condition"),
    "attributes": ("attribute", "name"),
    "waivers": ("waiver for", "gate"),
}
"""List of tables → what one of them is called, and the key that tells it from the others."""

_EXPECTED = {
    "string_type": "a text",
    "string_too_short": "a text that is not empty",
    "string_pattern_mismatch": "a text of the form {pattern}",
    "too_long": "at most {max_length} characters",
    "too_short": "a list with at least one entry",
    "tuple_type": "a list",
    "model_type": "a table",
    "dict_type": "a table",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "enum": "one of {expected}",
    "literal_error": "one of {expected}",
}
"""The models' kind of error → what is right. Of other kinds it stands in the error's message."""


def refused(kind: str, path: Path, faults: Iterable[Fault]) -> PlanError:
    """The error that names the file once and then every mistake, each on a line of its own."""
    found = list(dict.fromkeys(faults))
    lines = [str(fault) for fault in found]
    said = lines[0] if len(lines) == 1 else "\n  ".join([f"{len(lines)} mistakes", *lines])
    return PlanError(f"{kind} {path}: {said}", found)


def explained(
    error: ValidationError, document: Mapping[str, Any], models: Mapping[tuple[str, ...], type[BaseModel]]
) -> list[Fault]:
    """What the models refuse, one fault for each place.

    ``models``: the keys that lead to a table, without positions → its model, whose keys are suggested.
    """
    found: dict[str, Fault] = {}
    for details in error.errors(include_url=False):
        if details["type"] == "too_short" and details["input"]:
            continue  # the entries are there; each that is wrong is named
        fault = _explained(details, document, models)
        known = found.setdefault(fault.path, fault)
        if fault.expected not in known.expected:  # several types are right
            found[fault.path] = replace(known, expected=f"{known.expected} or {fault.expected}")
    return list(found.values())


def _explained(
    details: ErrorDetails, document: Mapping[str, Any], models: Mapping[tuple[str, ...], type[BaseModel]]
) -> Fault:
    location, kind = details["loc"], details["type"]
    place, key = place_of(document, location), str(location[-1])
    if kind == "missing":
        return Fault(place, MISSING, "a value", f"add {key}")
    if kind == "extra_forbidden":
        known = list(models[tuple(part for part in location[:-1] if isinstance(part, str))].model_fields)
        near = difflib.get_close_matches(key, known, 1)
        what = f"rename it to {near[0]}" if near else f"remove it, or use one of {', '.join(known)}"
        return Fault(place, UNKNOWN_KEY, f"one of {', '.join(known)}", what)
    if kind in _EXPECTED:
        known_values = {
            name: str(value).replace("'", "").replace(" or ", ", ") for name, value in details.get("ctx", {}).items()
        }
        expected = _EXPECTED[kind].format(**known_values)
    else:
        expected = details["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return Fault(place, shown(details["input"]), expected, "correct it")


def place_of(document: object, location: Iterable[int | str]) -> str:
    """Where something stands: ``phase TRAIN, gate G1: kind``; by position where a table has no id."""
    tables: list[str] = []
    keys = ""
    value = document
    for part in location:
        if isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
            word, key = _NAMED.get(keys.rpartition(".")[2], ("", ""))
            name = value.get(key) if isinstance(value, dict) else None
            if word and isinstance(value, dict):
                tables.append(f"{word} {_label(name)}" if isinstance(name, str) and name else f"{word} {part + 1}")
                keys = ""
            else:
                keys += f"[{part}]"
        elif isinstance(value, dict):
            keys = f"{keys}.{_key(str(part))}" if keys else _key(str(part))
            value = value.get(str(part))
        else:
            break  # what follows names a branch of a model, not a part of the document
    return ": ".join(filter(None, [", ".join(tables), keys]))


def _label(name: str) -> str:
    """An id as it is; anything else quoted, on one line."""
    return name if re.fullmatch(r"[A-Za-z0-9._-]{1,80}", name) else shown(name)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]{1,80}", name) else shown(name)


# -- do the parts fit together? ---------------------------------------------------------------------------------------
_Place = tuple[int | str, ...]
_Misfit = tuple[_Place, str, str, str]
_Tables = list[tuple[_Place, Mapping[str, Any]]]


def misfits(document: Mapping[str, Any], registered: Iterable[str]) -> Iterator[Fault]:
    """What is wrong between the parts of a plan. Parts of a wrong type are passed over: the models name them.

    ``registered``: the attributes that the package declares.
    """
    for place, observed, expected, action in _misfits(document, set(registered)):
        yield Fault(place_of(document, place), observed, expected, action)


def _misfits(document: Mapping[str, Any], registered: set[str]) -> Iterator[_Misfit]:
    phases = tables(document, (), "phases")
    yield from _repeated(phases, "id")
    yield from _repeated(phases, "name")
    for place, phase in phases:
        yield from _gate_misfits(place, phase)
    yield from _dependency_misfits(phases)
    attributes = tables(document, (), "attributes")
    yield from _repeated(attributes, "name")
    own = {text_of(entry, "name") for _, entry in attributes}
    for place, entry in attributes:
        if (name := text_of(entry, "name")) in registered:
            yield (*place, "name"), shown(name), "a name that the package does not declare itself", "remove the entry"
    gates = {
        f"{text_of(phase, 'id')}-{text_of(gate, 'id')}" for _, phase in phases for _, gate in tables(phase, (), "gates")
    }
    for place, done in tables(document.get("trace"), ("trace",), "definition_of_done"):
        values = done.get("attributes")
        if not done.get("gates") and not values:
            yield place, "by neither", "proven by gates or attributes", "add gates or attributes"
        for name in _texts(done, "gates"):
            if name not in gates:
                yield (*place, "gates"), shown(name), "gates of this plan", "name one that is declared"
        for name in values if isinstance(values, dict) else ():
            if name not in registered | own:
                yield (*place, "attributes"), shown(name), "declared attributes", "declare it"


def _gate_misfits(place: _Place, phase: Mapping[str, Any]) -> Iterator[_Misfit]:
    gates = tables(phase, place, "gates")
    yield from _repeated(gates, "id")
    criteria = _texts(phase, "exit_criteria")
    if not criteria or not gates:
        return  # which is a mistake of its own
    for at, gate in gates:
        if (criterion := text_of(gate, "criterion")) and criterion not in criteria:
            yield (*at, "criterion"), shown(criterion), "one of its phase's exit_criteria", "copy it word for word"
    for criterion in criteria:
        if all(text_of(gate, "criterion") != criterion for _, gate in gates):
            observed = f"{shown(criterion)}, which has none"
            yield (*place, "exit_criteria"), observed, "criteria with a gate each", "add a gate for it"


def _dependency_misfits(phases: _Tables) -> Iterator[_Misfit]:
    upstream: dict[str, list[str]] = {}
    before: list[str] = []
    for _, phase in phases:
        phase_id = text_of(phase, "id")
        upstream[phase_id] = _texts(phase, "depends_on") if "depends_on" in phase else before
        before = [phase_id]
    rank = {phase_id: position for position, phase_id in enumerate(upstream)}
    for place, phase in phases:
        phase_id, at = text_of(phase, "id"), (*place, "depends_on")
        for name in _texts(phase, "depends_on"):
            if name not in rank:
                yield at, shown(name), "ids of phases", f"use some of {', '.join(rank)}"
            elif rank[name] < rank[phase_id]:
                continue  # as it should be; a circle has a phase that names a later one
            elif way := _way(upstream, name, phase_id):
                circle = " → ".join(map(_label, [phase_id, *way]))
                yield at, f"{_label(name)} (circular: {circle})", "phases that do not depend on it", "break the circle"
            else:
                yield at, f"{_label(name)}, which comes later", "phases that stand before it", f"move {name} before it"


def _way(upstream: Mapping[str, list[str]], start: str, goal: str) -> list[str]:
    """The phases from ``start`` to ``goal``, each depending on the next; empty where there is no such way."""
    ways, seen = [[start]], {start}
    while ways:
        way = ways.pop()
        if way[-1] == goal:
            return way
        new = [name for name in upstream.get(way[-1], ()) if name not in seen]
        seen.update(new)
        ways += [[*way, name] for name in new]
    return []


def _repeated(tables: _Tables, key: str) -> Iterator[_Misfit]:
    seen: set[str] = set()
    for place, table in tables:
        value = text_of(table, key)
        if value and value in seen:
            yield (*place, key), f"{shown(value)}, declared twice", "one that no other has", "choose another"
        seen.add(value)


def tables(holder: object, place: _Place, key: str) -> _Tables:
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
