"""A difference between two runs as lines for people: by phase, what is unchanged left out. Pure.

What follows from something else is said once: a value at the first phase that shows it, a reason at the phase that
blocks, the reason of a phase at its gate. ``diff.document`` has everything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from ..trace.evidence import SpanEvidence, Status
from ..trace.rules import good_gates
from .diff import Change, Difference, Value

_REPEATED = ("attribute", "input", "handoff")
_DIGESTS = ("input", "handoff", "plan", "definition")
_TEXTS = ("reason", "evidence", "waived")
_MET: dict[Value, str] = {True: "met", False: "not met"}
_WORDS = {"next_action": "next", "definition": "test or plan entry", "blocked_on": "blocked on"}


def lines(found: Difference) -> Iterator[str]:
    """The difference, a line each; a single one if nothing changed."""
    trace_id = found.a.trace_id
    if found.same:
        yield f"{trace_id}: nothing changed ({found.b.status.value})"
    else:
        yield f"{trace_id}: {_arrow(found.a.status.value, found.b.status.value)}"
        told = [*_trace(found), *_phases(found)]
        yield from told or ["only values that follow from others changed; --format json lists them"]
    for duration in found.durations:
        name = _short(found, duration.phase) if duration.phase else "in all"
        yield f"time: {name} {duration.old:.2f} s → {duration.new:.2f} s"


def _trace(found: Difference) -> Iterator[str]:
    by_phase = found.a.blocked_on_span_id or found.b.blocked_on_span_id
    for change in found.changes:
        if change.phase is None and (change.what in ("plan", "option", "condition") or _own_reason(change, by_phase)):
            yield from _line(change, "  ")


def _own_reason(change: Change, by_phase: str | None) -> bool:
    """Whether this is the reason of a trace that no phase blocks."""
    return change.what in ("reason", "next_action") and by_phase is None


def _phases(found: Difference) -> Iterator[str]:
    seen: set[tuple[str, str | None, str, str]] = set()
    for span_id, (old, new) in _pairs(found).items():
        changes = [change for change in found.changes if change.phase == span_id]
        moved = old is None or new is None or old.status is not new.status
        once = _ran_once(found, old, new)
        told = [] if once else list(_phase(found, [change for change in changes if not _is_repeated(change, seen)]))
        if moved or told:
            name = (new or old or found.b.spans[0]).phase
            yield f"{_short(found, span_id)} {name}{f': {_moved(old, new)}' if moved else ''}{once}"
            yield from told


def _pairs(found: Difference) -> dict[str, tuple[SpanEvidence | None, SpanEvidence | None]]:
    old, new = ({span.span_id: span for span in run.spans} for run in (found.a, found.b))
    return {span_id: (old.get(span_id), new.get(span_id)) for span_id in {**new, **old}}


def _moved(old: SpanEvidence | None, new: SpanEvidence | None) -> str:
    if old is None or new is None:
        return "only in B" if old is None else "only in A"
    return _arrow(old.status.value, new.status.value)


def _ran_once(found: Difference, old: SpanEvidence | None, new: SpanEvidence | None) -> str:
    """For a phase that ran in one of the runs only: everything about it is new, or gone. Else nothing."""
    ran = [(side, span) for side, span in (("A", old), ("B", new)) if span and span.status is not Status.NOT_STARTED]
    if len(ran) != 1:
        return ""
    side, span = ran[0]
    good = good_gates(span)
    other = new if side == "A" else old
    blocker = other.blocked_on_span_id if other is not None else None
    held = f"; in {'B' if side == 'A' else 'A'} blocked on {_short(found, blocker)}" if blocker else ""
    return f" ({good}/{len(span.gates)} gates{held})"


def _is_repeated(change: Change, seen: set[tuple[str, str | None, str, str]]) -> bool:
    if change.what not in _REPEATED:
        return False
    name = (change.name or "").partition(" ")[2] if change.what == "handoff" else change.name  # validated as emitted
    key = (change.what, name, repr(change.old), repr(change.new))
    known = key in seen
    seen.add(key)
    return known


def _phase(found: Difference, changes: Sequence[Change]) -> Iterator[str]:
    """The lines of a phase that ran in both runs, or in neither."""
    gates = [change for change in changes if change.gate is not None]
    whats = {change.what for change in changes if change.gate is None}
    for change in changes:
        if change.gate is not None or change.what in ("status", "phase"):
            continue
        if change.what == "reason" and (gates or "blocked_on" in whats):
            continue  # a gate says it, or the phase that blocks this one
        if change.what == "next_action" and (gates or "reason" in whats):
            continue
        if change.what == "blocked_on":
            yield f"  blocked on: {_arrow(_short(found, change.old), _short(found, change.new))}"
        elif change.what not in _REPEATED:
            yield from _line(change, "  ")
    for gate_id in dict.fromkeys(change.gate for change in gates):
        yield from _gate([change for change in gates if change.gate == gate_id])
    for change in changes:
        if change.what in _REPEATED:
            yield from _line(change, "  ")


def _gate(changes: Sequence[Change]) -> Iterator[str]:
    first = changes[0]
    name = (first.gate or "").removeprefix(f"{first.phase}-")
    moved = next((change for change in changes if change.what in ("result", "gate")), None)
    yield f"  {name}: {_arrow(moved.old, moved.new)}" if moved else f"  {name}"
    for change in changes:
        follows = change.what == "next_action" and any(other.what == "reason" for other in changes)
        if change is not moved and not follows:
            yield from _line(change, "    ")


def _line(change: Change, indent: str) -> Iterator[str]:
    word = _WORDS.get(change.what, change.what)
    label = f"{word} {change.name}" if change.name else word
    if change.what in _TEXTS:
        for sign, value in (("-", change.old), ("+", change.new)):
            if value is not None:
                first, *more = str(value).splitlines() or [""]
                yield f"{indent}{sign} {label}: {first}"
                yield from (f"{indent}{sign}   {part}" for part in more)
    elif change.what in _DIGESTS:
        yield f"{indent}{label}: {_arrow(_start(change.old), _start(change.new))}"
    elif change.what == "condition":
        yield f"{indent}done: {change.name}: {_arrow(*(_MET.get(met, 'none') for met in (change.old, change.new)))}"
    else:
        yield f"{indent}{label}: {_arrow(change.old, change.new)}"


def _start(digest: Value) -> Value:
    return digest.removeprefix("sha256:")[:12] if isinstance(digest, str) else digest


def _arrow(old: Value, new: Value) -> str:
    return _shown(new) if old == new and type(old) is type(new) else f"{_shown(old)} → {_shown(new)}"


def _shown(value: Value) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return value[: len("sha256:") + 12] if value.startswith("sha256:") else value
    return json.dumps(value, ensure_ascii=False)


def _short(found: Difference, ident: Value) -> str:
    return "none" if ident is None else str(ident).removeprefix(f"{found.a.trace_id}-")
