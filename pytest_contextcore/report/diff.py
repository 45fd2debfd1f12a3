"""What changed between two runs of a trace: values laid out flat and compared. Times are no difference. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ..errors import EvidenceError
from ..ids import short_id
from ..text import format_time, short, shown_seconds
from ..trace.evidence import Evidence, SpanEvidence, Status
from .verdict import lasted

NOISE_SECONDS = 0.5
NOISE_SHARE = 0.25
"""A duration is told if it differs by more than both: this many seconds, and this share of the longer one."""

Key = tuple[str | None, str | None, str, str | None]


class Change(NamedTuple):
    """One value that differs from A to B, None where there is none; the fields stand in ``docs/commands.md``."""

    phase: str | None
    gate: str | None
    what: str
    name: str | None
    old: Any
    new: Any


class Difference(NamedTuple):
    """What changed from A to B, in the plan's order; ``durations`` are seconds of a phase (or the trace: None)."""

    a: Evidence
    b: Evidence
    changes: tuple[Change, ...]
    durations: tuple[tuple[str | None, float, float], ...]


def compare(a: Evidence, b: Evidence) -> Difference:
    """Compare two runs; an ``EvidenceError`` if they are not runs of the same trace."""
    if a.trace_id != b.trace_id:
        both = f"A is a run of trace {a.trace_id}, B of {b.trace_id}"
        raise EvidenceError(f"{both}: only runs of one trace can be compared")
    left, right = _flat(a), _flat(b)
    keys = dict.fromkeys([*right, *left])
    place = {phase: at for at, phase in enumerate(dict.fromkeys(key[0] for key in keys))}
    changes = []
    for key in sorted(keys, key=lambda key: place[key[0]]):
        old, new = left.get(key), right.get(key)
        if key[2] == "module" and None in (old, new):
            continue  # what was loaded at all depends on the other tests of the session
        if (type(old), old) != (type(new), new):
            name = None if key[2] == "evidence" else key[3]  # an item of evidence is its own name
            changes.append(Change(*key[:3], name, old, new))
    return Difference(a, b, tuple(changes), tuple(_durations(a, b)))


def _flat(run: Evidence) -> dict[Key, Any]:
    """Every value of a run that is worth comparing, by phase, gate, what it is and its name."""
    conditions = {done.condition: done.met for done in run.definition_of_done}
    of_trace = {"plan": run.plan_digest, "option": run.options, "condition": conditions, "attribute": run.attributes}
    places: list[tuple[str | None, str | None, dict[str, Any]]] = [(None, None, {**_state(run), **of_trace})]
    for span in run.spans:
        own = {"phase": span.phase, "reused": span.reused, "test": span.nodeid}
        own |= {"definition": span.fingerprint.get("plan")}
        places.append((span.span_id, None, {**_state(span), **own}))
        for gate in span.gates:
            said = {"reason": gate.reason, "next_action": gate.next_action, "waived": gate.waived}
            items = {item: item for item in (f"{each.type}: {each.ref}" for each in gate.evidence)}
            result = {"gate": gate.purpose, "result": gate.result.value, "kind": gate.kind.value}
            places.append((span.span_id, gate.gate_id, {**result, **said, "evidence": items}))
        inputs, outputs, modules = (
            {file.path.removeprefix(f"{run.workspace}/"): file.sha256 for file in files}
            for files in (span.inputs, span.outputs, span.modules)
        )
        handoffs = {f"{each.direction} {each.name}": each.digest for each in span.handoffs}
        found = {"attribute": span.attributes, "module": modules, "input": inputs, "output": outputs}
        places.append((span.span_id, None, {**found, "handoff": handoffs}))
    return {
        (phase, gate, what, name): value
        for phase, gate, values in places
        for what, found in values.items()
        for name, value in (found.items() if isinstance(found, dict) else [(None, found)])
    }


def _state(run: Evidence | SpanEvidence) -> dict[str, str | None]:
    blocked = {"blocked_on": run.blocked_on_span_id, "next_action": run.next_action}
    return {"status": run.status.value, "reason": run.blocked_reason, **blocked}


def _durations(a: Evidence, b: Evidence) -> Iterator[tuple[str | None, float, float]]:
    left, right = (dict(_seconds(run)) for run in (a, b))
    for phase, new in right.items():
        old = left.get(phase, new)
        if abs(new - old) > max(NOISE_SECONDS, NOISE_SHARE * max(old, new)):
            yield phase, round(old, 3), round(new, 3)


def _seconds(run: Evidence) -> Iterator[tuple[str | None, float]]:
    spans = [(span.span_id, lasted(span)) for span in run.spans if not span.reused]
    yield from ((phase, took / 1e9) for phase, took in [(None, lasted(run)), *spans] if took is not None)


# --- for people ------------------------------------------------------------------------------------------------------

_REPEATED = ("attribute", "module", "input", "output", "handoff")  # by later phases
_TOLD_OF_TRACE = ("plan", "option", "condition")
_TOLD_OF_PHASE = ("status", "reason", "blocked_on", "reused", "test", "definition", *_REPEATED)
_TOLD_OF_GATE = ("result", "kind", "reason", "waived", "evidence")


def lines(found: Difference) -> Iterator[str]:
    """The difference, a line each, in the plan's order; without what only follows from something else."""
    trace_id, status = found.a.trace_id, [run.status.value for run in (found.a, found.b)]
    both = " → ".join(dict.fromkeys(status))
    yield f"{trace_id}: {both if found.changes else f'nothing changed ({both})'}"
    told = [*_told(found)]
    if found.changes and not told:
        yield "only values that follow from others changed; --format json lists them"
    for change in told:
        place = short_id(change.gate or change.phase or "", trace_id)
        label = " ".join(filter(None, (place, change.what.replace("_", " "), change.name)))
        yield f"{label}: {_shown(change.old)} → {_shown(change.new)}"
    for phase, old, new in found.durations:
        yield f"time: {short_id(phase, trace_id) if phase else 'in all'} {shown_seconds(old)} → {shown_seconds(new)}"


def _told(found: Difference) -> Iterator[Change]:
    """The changes that do not follow from another one; what later phases repeat stands at the first."""
    a, b = ({span.span_id for span in run.spans if span.status is not Status.NOT_STARTED} for run in found[:2])
    told_by_gate = {(change.phase, "reason") for change in found.changes if change.gate}
    seen: set[str] = set()
    for change in found.changes:
        if change.phase is None:
            known: Sequence[str] = _TOLD_OF_TRACE
        elif change.phase not in a & b:
            known = ("status",)  # all else differs because of that
        else:
            known = _TOLD_OF_GATE if change.gate else _TOLD_OF_PHASE
        if change.what not in known or (not change.gate and (change.phase, change.what) in told_by_gate):
            continue
        if change.phase is not None and change.what in _REPEATED:
            # a handoff's name without its direction: it is validated as it was emitted
            key = repr((change.what, (change.name or "").rpartition(" ")[2], change.old, change.new))
            if key in seen:
                continue
            seen.add(key)
        yield change


def _shown(value: object) -> str:
    if value is None or not isinstance(value, str):
        return "none" if value is None else json.dumps(value, ensure_ascii=False)
    return short(" ".join(value.split()))


# --- for programs ----------------------------------------------------------------------------------------------------


def document(found: Difference, files: Sequence[str]) -> dict[str, object]:
    """The difference as JSON; the shape is documented in ``docs/commands.md``."""
    runs = {
        side: {
            "file": file,
            "status": run.status.value,
            "started_at": format_time(run.started_at) if run.started_at is not None else None,
            "otel_trace_id": run.otel_trace_id,
        }
        for side, run, file in zip("ab", (found.a, found.b), files, strict=True)
    }
    return {
        "schema_version": "v1",
        "command": "diff",
        "trace_id": found.a.trace_id,
        **runs,
        "same": not found.changes,
        "changes": [change._asdict() for change in found.changes],
        "durations": [dict(zip(("phase", "old", "new"), told, strict=True)) for told in found.durations],
    }
