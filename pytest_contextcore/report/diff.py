"""What changed between two runs of a trace, for programs and as lines for people. Pure.

Both runs are laid out flat, a value a key, and compared key by key. Ids, moments and the workspace's place differ from
run to run and are left out. Times are no difference: the same files checked on a slower machine are the same.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

from ..ids import short_id
from ..text import short, shown_seconds
from ..trace.evidence import Evidence, SpanEvidence, Status, format_time

NOISE_SECONDS = 0.5
NOISE_SHARE = 0.25
"""A duration is told if it differs by more than both: this many seconds, and this share of the longer one."""

Key = tuple[str | None, str | None, str, str | None]
_REPEATED = ("attribute", "input", "handoff")
"""Later phases repeat these values; people are told of the first."""


class Change(NamedTuple):
    """One value that differs; the values of ``what`` stand in ``docs/commands.md``.

    Attributes:
        phase: the phase's full id; None for the trace itself.
        gate: the gate's full id, or None.
        what: what kind of value it is.
        name: which attribute, input, …; None where there is one only.
        old: the value in A; None where it has none.
        new: the value in B.
    """

    phase: str | None
    gate: str | None
    what: str
    name: str | None
    old: Any
    new: Any


class Duration(NamedTuple):
    """A phase (or the trace: None) that took noticeably longer or shorter, in seconds."""

    phase: str | None
    old: float
    new: float


class Difference(NamedTuple):
    """What changed from A to B, in the plan's order; the runs are the same if nothing but times differs."""

    a: Evidence
    b: Evidence
    changes: tuple[Change, ...]
    durations: tuple[Duration, ...]


def compare(a: Evidence, b: Evidence) -> Difference:
    """Compare two runs.

    Raises:
        ValueError: they are not runs of the same trace.
    """
    if a.trace_id != b.trace_id:
        raise ValueError(f"A is a run of trace {a.trace_id}, B of {b.trace_id}: only runs of one trace can be compared")
    comparable = (a.workspace, a.options) == (b.workspace, b.options)
    left, right = (dict(_flat(run, definitions=comparable)) for run in (a, b))
    keys = dict.fromkeys([*right, *left])
    place = {phase: at for at, phase in enumerate(dict.fromkeys(key[0] for key in keys))}
    changes = []
    for key in sorted(keys, key=lambda key: place[key[0]]):
        old, new = left.get(key), right.get(key)
        if (type(old), old) != (type(new), new):
            name = None if key[2] == "evidence" else key[3]  # an item of evidence is its own name
            changes.append(Change(*key[:3], name, old, new))
    return Difference(a, b, tuple(changes), tuple(_durations(a, b)))


def _flat(run: Evidence, *, definitions: bool) -> Iterator[tuple[Key, Any]]:
    """Every value of a run that is worth comparing, by phase, gate, what it is and its name."""
    yield from _values(None, None, status=run.status.value, **_why(run), plan=run.plan_digest)
    yield from (((None, None, "option", name), value) for name, value in run.options.items())
    yield from (((None, None, "attribute", name), value) for name, value in run.attributes.items())
    yield from (((None, None, "condition", done.condition), done.met) for done in run.definition_of_done)
    for span in run.spans:
        at, definition = span.span_id, span.fingerprint if definitions else None
        yield from _values(at, None, phase=span.phase, status=span.status.value, **_why(span), reused=span.reused)
        yield from _values(at, None, test=span.nodeid, definition=definition)
        for gate in span.gates:
            yield from _values(at, gate.gate_id, gate=gate.purpose, result=gate.result.value, kind=gate.kind.value)
            yield from _values(at, gate.gate_id, reason=gate.reason, next_action=gate.next_action, waived=gate.waived)
            items = [f"{item.type}: {item.ref}" for item in gate.evidence]
            yield from (((at, gate.gate_id, "evidence", item), item) for item in items)
        yield from (((at, None, "attribute", name), value) for name, value in span.attributes.items())
        yield from (((at, None, "input", _inside(file.path, run.workspace)), file.sha256) for file in span.inputs)
        yield from (((at, None, "handoff", f"{each.direction} {each.name}"), each.digest) for each in span.handoffs)


def _values(phase: str | None, gate: str | None, /, **values: object) -> Iterator[tuple[Key, Any]]:
    yield from (((phase, gate, what, None), value) for what, value in values.items())


def _why(run: Evidence | SpanEvidence) -> dict[str, str | None]:
    return {"reason": run.blocked_reason, "blocked_on": run.blocked_on_span_id, "next_action": run.next_action}


def _inside(path: str, workspace: str | None) -> str:
    """A path inside the workspace without the workspace's own, which may differ between the runs.

    Recorded paths are relative to the rootdir where they lie below it: ``out/workspace/a`` in ``/repo/out/workspace``.
    """
    parts, of_workspace = PurePath(path).parts, PurePath(workspace or "").parts
    for count in range(min(len(parts), len(of_workspace)), 0, -1):
        if parts[:count] == of_workspace[-count:]:
            return "/".join(parts[count:]) or path
    return path


def _durations(a: Evidence, b: Evidence) -> Iterator[Duration]:
    spans = {span.span_id: span for span in a.spans}
    runs: list[tuple[str | None, Evidence | SpanEvidence, Evidence | SpanEvidence]] = [(None, a, b)]
    for span in b.spans:
        earlier = spans.get(span.span_id)
        if earlier is not None and not (earlier.reused or span.reused):
            runs.append((span.span_id, earlier, span))
    for phase, before, after in runs:
        times = [(run.ended_at - run.started_at) / 1e9 for run in (before, after) if run.started_at and run.ended_at]
        if len(times) == 2 and abs(times[1] - times[0]) > max(NOISE_SECONDS, NOISE_SHARE * max(times)):
            yield Duration(phase, *(round(time, 3) for time in times))


# --- for people ------------------------------------------------------------------------------------------------------


def lines(found: Difference) -> Iterator[str]:
    """The difference, a line each, by phase; without what only follows from something else."""
    trace_id, status = found.a.trace_id, [run.status.value for run in (found.a, found.b)]
    told = [*_by_phase(found)] or ["only values that follow from others changed; --format json lists them"]
    yield f"{trace_id}: {_arrow(*status) if found.changes else f'nothing changed ({status[1]})'}"
    yield from told if found.changes else []
    for phase, old, new in found.durations:
        yield f"time: {short_id(phase, trace_id) if phase else 'in all'} {shown_seconds(old)} → {shown_seconds(new)}"


def _by_phase(found: Difference) -> Iterator[str]:
    runs = [{span.span_id: span for span in run.spans} for run in (found.a, found.b)]
    changes: dict[str | None, list[Change]] = {ident: [] for ident in (None, *runs[1], *runs[0])}
    explained = {each.phase for each in found.changes if each.gate or each.what == "blocked_on"}
    explained |= {None} if found.a.blocked_on_span_id or found.b.blocked_on_span_id else set()
    seen: set[tuple[str, ...]] = set()
    for change in found.changes:
        value = (change.what, (change.name or "").rpartition(" ")[2], repr(change.old), repr(change.new))
        if _is_cause(change, explained) and not (change.what in _REPEATED and value in seen):
            changes[change.phase].append(change)
            seen.add(value)
    for ident, told in changes.items():
        spans = [run.get(ident or "") for run in runs]
        status = [span.status.value if span else None for span in spans]
        if ident and (told or status[0] != status[1]):
            name = next(span.phase for span in reversed(spans) if span)
            yield f"{short_id(ident, found.a.trace_id)} {name}{f': {_arrow(*status)}' if len({*status}) > 1 else ''}"
        if ident is None or all(span and span.status is not Status.NOT_STARTED for span in spans):
            yield from _lines(told)


def _is_cause(change: Change, explained: Collection[str | None]) -> bool:
    """Whether a change does not follow from another one that is told.

    ``explained``: the reason of these phases, and of the trace (None), is told by a gate or by the phase that blocks.
    """
    if change.what in ("status", "phase", "gate", "next_action"):
        return False
    if change.gate is None and change.what == "reason":
        return change.phase not in explained
    return change.phase is not None or change.what in ("option", "condition", "plan")


def _lines(changes: Sequence[Change]) -> Iterator[str]:
    gate = None
    for change in sorted(changes, key=lambda one: one.what in _REPEATED):
        if change.gate != gate and change.gate is not None:
            yield f"  {short_id(change.gate, change.phase or '')}"
        gate = change.gate
        label = " ".join(filter(None, (change.what.replace("_", " "), change.name)))
        yield f"{'    ' if gate else '  '}{label}: {_arrow(change.old, change.new)}"


def _arrow(old: object, new: object) -> str:
    return _shown(new) if (type(old), old) == (type(new), new) else f"{_shown(old)} → {_shown(new)}"


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
        "durations": [duration._asdict() for duration in found.durations],
    }
