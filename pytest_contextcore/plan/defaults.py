"""What a plan leaves unsaid: every key but ids of trace and phases has a default. A stated value is never changed.

Works on a plan's document as TOML has it, which may have anything anywhere: whatever is wrong is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .checks import KINDS
from .tables import gate_ids, text_of, texts

EVERY_PHASE = "every phase is completed"

_PURPOSES = {
    "exists": "{} exists",
    "sha256": "the bytes of {} are the expected ones",
    "schema": "{} is valid by its JSON Schema",
    "query": "{}",
    "same": "{} have the same values",
    "subset": "{}: every value of the first is in the second",
    "junit": "{} has no failed test",
    "dbt": "{} has no failed node",
    "gate_results": "{} has no failed gate",
    "report": "{} has no failure",
    "run": "{} ends with exit status 0",
    "drift": "{} is near that of earlier runs",
}
_NEXT_ACTIONS = {
    "exists": "Make the files that {} names, or correct the glob.",
    "sha256": "Make {} and its digest again: find out what changed one of them, or did not write it.",
    "schema": "Make {} or correct it where the findings say, or correct the schema.",
    "query": "Find out why {} does not hold.",
    "same": "Bring {} in line: the findings name what differs.",
    "subset": "Bring {} in line: the findings name what is too many.",
    "junit": "Correct the tests that failed or did not run, and write {} again.",
    "dbt": "Correct the nodes that failed, and run dbt again.",
    "gate_results": "Do what the failed gates of {} say.",
    "report": "Correct what {} names, and write it again.",
    "run": "Read what {} printed, and run it again.",
    "drift": "Find out what changed {}; contextcore history says when. If it is right, waive the gate in waivers.toml.",
}


def filled(document: dict[str, Any]) -> dict[str, Any]:
    """A plan's document with every default that can be told from what is there."""
    phases = _each(document.get("phases"), _phase)
    trace = document.get("trace")
    if isinstance(trace, dict):
        title = text_of(trace, "id")
        done = {"condition": EVERY_PHASE, "phases": [name for p in _dicts(phases) if (name := text_of(p, "id"))]}
        trace = {"title": title, "project_id": title, "definition_of_done": [done], **trace}
        trace["definition_of_done"] = _each(trace["definition_of_done"], _condition)
    attributes = _each(document.get("attributes"), lambda entry: {"meaning": text_of(entry, "name"), **entry})
    return {**document, **_given(phases=phases, trace=trace, attributes=attributes)}


def program(run: object) -> str:
    """A program with its arguments, as a person would type it."""
    return " ".join(map(str, run)) if isinstance(run, list | tuple) else str(run)


def _phase(phase: dict[str, Any]) -> dict[str, Any]:
    criteria = texts(phase, "exit_criteria")
    names = iter(gate_ids(phase))
    gates = _each(phase.get("gates"), lambda gate: _gate({"id": next(names), **gate}, criteria))
    checked = dict.fromkeys(text_of(gate, "criterion") for gate in _dicts(gates))
    name = text_of(phase, "name") or text_of(phase, "id")
    return {"name": name, "goal": _goal(phase) or name, "exit_criteria": list(checked), **phase, **_given(gates=gates)}


def _goal(phase: Mapping[str, Any]) -> str:
    if phase.get("run"):
        return f"Run {program(phase['run'])}"
    return f"Make {', '.join(made)}" if (made := texts(phase, "outputs")) else ""


def _gate(gate: dict[str, Any], criteria: list[str]) -> dict[str, Any]:
    kind, about = _about(gate.get("check"))
    purpose = _PURPOSES[kind].format(about) if kind else text_of(gate, "criterion") or text_of(gate, "id")
    purpose = text_of(gate, "purpose") or purpose
    action = _NEXT_ACTIONS[kind].format(about) if kind else f"Find out why this does not hold: {purpose}."
    criterion = criteria[0] if len(criteria) == 1 else purpose
    return {"purpose": purpose, "criterion": criterion, "next_action": action, **gate}


def _about(check: object) -> tuple[str, str]:
    """A check's kind, and what it is about in a word; empty where there is none that can be told."""
    kind = next((kind for kind in KINDS if kind in check), "") if isinstance(check, dict) else ""
    value = check[kind] if kind and isinstance(check, dict) else None
    if kind in ("same", "subset") and isinstance(value, list):
        return kind, " and ".join(map(_source, value))
    return kind, program(value) if kind == "run" else _source(value)


def _source(value: object) -> str:
    if not isinstance(value, dict):
        return str(value)
    select = value.get("select")
    return f"{_source(value.get('file'))}#{select}" if select else _source(value.get("file"))


def _condition(done: dict[str, Any]) -> dict[str, Any]:
    parts = [*texts(done, "gates"), *texts(done, "phases"), *_dicts([done.get("attributes")])]
    told = ", ".join(name for part in parts for name in ([part] if isinstance(part, str) else part))
    return {"condition": told or "done", "next_action": "Complete what is missing.", **done}


def _each(entries: Any, fill: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """A list with its tables filled; anything else as it is."""
    if not isinstance(entries, list):
        return entries
    return [fill(entry) if isinstance(entry, dict) else entry for entry in entries]


def _dicts(entries: object) -> Iterable[dict[str, Any]]:
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _given(**parts: Any) -> dict[str, Any]:
    return {name: part for name, part in parts.items() if part is not None}
