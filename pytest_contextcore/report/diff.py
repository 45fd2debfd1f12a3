"""What changed between two runs of a trace, as data; ``difftext`` says it to people. Pure.

Ids, moments and the workspace's place differ from run to run and are not compared. Times are noise below a threshold,
and no difference by themselves: the same files checked on a slower machine are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePath

from ..trace.evidence import Evidence, EvidenceItem, GateEvidence, SpanEvidence, format_time

NOISE_SECONDS = 0.5
NOISE_SHARE = 0.25
"""A duration has changed if it differs by more than both: this many seconds, and this share of the longer one."""

Value = object


@dataclass(frozen=True, slots=True)
class Change:
    """One value that differs.

    Attributes:
        phase: the phase's full id; None for the trace itself.
        gate: the gate's full id, or None.
        what: ``phase`` or ``gate`` (it exists in one run only), ``status``, ``result``, ``reason``, ``blocked_on``,
            ``next_action``, ``kind``, ``waived``, ``evidence``, ``attribute``, ``input``, ``handoff``, ``reused``,
            ``test`` (its node id), ``definition`` (fingerprint of test and plan entry, compared where options and
            workspace are the same); of the trace ``plan`` (its digest), ``option``, ``condition`` (is it met).
        name: which attribute, input, …; None where there is one only.
        old: the value in A; None where it has none.
        new: the value in B.
    """

    phase: str | None
    gate: str | None
    what: str
    name: str | None
    old: Value
    new: Value


@dataclass(frozen=True, slots=True)
class Duration:
    """A phase (or the trace: None) that took noticeably longer or shorter, in seconds."""

    phase: str | None
    old: float
    new: float


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed from A to B, in the plan's order."""

    a: Evidence
    b: Evidence
    changes: tuple[Change, ...]
    durations: tuple[Duration, ...]

    @property
    def same(self) -> bool:
        """Whether nothing but times differs."""
        return not self.changes


def compare(a: Evidence, b: Evidence) -> Difference:
    """Compare two runs.

    Raises:
        ValueError: they are not runs of the same trace.
    """
    if a.trace_id != b.trace_id:
        raise ValueError(f"A is a run of trace {a.trace_id}, B of {b.trace_id}: only runs of one trace can be compared")
    return Difference(a, b, tuple(_changes(a, b)), tuple(_durations(a, b)))


def _changes(a: Evidence, b: Evidence) -> Iterator[Change]:
    yield from _trace(a, b)
    spans_a, spans_b = ({span.span_id: span for span in run.spans} for run in (a, b))
    for span_id in _all(spans_a, spans_b):
        old, new = spans_a.get(span_id), spans_b.get(span_id)
        if old is None or new is None:
            yield Change(span_id, None, "phase", None, old and old.phase, new and new.phase)
        else:
            comparable = (a.workspace, a.options) == (b.workspace, b.options)
            yield from _phase(old, new, (a.workspace, b.workspace), definitions=comparable)


def _trace(a: Evidence, b: Evidence) -> Iterator[Change]:
    pairs = {
        "status": (a.status.value, b.status.value),
        "reason": (a.blocked_reason, b.blocked_reason),
        "blocked_on": (a.blocked_on_span_id, b.blocked_on_span_id),
        "next_action": (a.next_action, b.next_action),
        "plan": (a.plan_digest, b.plan_digest),
    }
    yield from _values(None, None, pairs)
    yield from _named(None, None, "option", a.options, b.options)
    yield from _named(None, None, "attribute", a.attributes, b.attributes)
    met_a, met_b = ({found.condition: found.met for found in run.definition_of_done} for run in (a, b))
    yield from _named(None, None, "condition", met_a, met_b)


def _phase(
    a: SpanEvidence, b: SpanEvidence, workspaces: tuple[str | None, str | None], *, definitions: bool
) -> Iterator[Change]:
    pairs: dict[str, tuple[Value, Value]] = {
        "status": (a.status.value, b.status.value),
        "reason": (a.blocked_reason, b.blocked_reason),
        "blocked_on": (a.blocked_on_span_id, b.blocked_on_span_id),
        "next_action": (a.next_action, b.next_action),
        "reused": (a.reused, b.reused),
        "test": (a.nodeid, b.nodeid),
    }
    if definitions and a.fingerprint and b.fingerprint:
        pairs["definition"] = (a.fingerprint, b.fingerprint)
    yield from _values(a.span_id, None, pairs)
    gates_a, gates_b = ({gate.gate_id: gate for gate in span.gates} for span in (a, b))
    for gate_id in _all(gates_a, gates_b):
        old, new = gates_a.get(gate_id), gates_b.get(gate_id)
        if old is None or new is None:
            yield Change(a.span_id, gate_id, "gate", None, old and old.purpose, new and new.purpose)
        else:
            yield from _gate(a.span_id, old, new)
    yield from _named(a.span_id, None, "attribute", a.attributes, b.attributes)
    inputs_a, inputs_b = (
        {_inside(item.path, workspace): item.sha256 for item in span.inputs}
        for span, workspace in zip((a, b), workspaces, strict=True)
    )
    yield from _named(a.span_id, None, "input", inputs_a, inputs_b)
    handoffs_a, handoffs_b = (_handoffs(span) for span in (a, b))
    yield from _named(a.span_id, None, "handoff", handoffs_a, handoffs_b)


def _gate(span_id: str, a: GateEvidence, b: GateEvidence) -> Iterator[Change]:
    pairs = {
        "result": (a.result.value, b.result.value),
        "kind": (a.kind.value, b.kind.value),
        "reason": (a.reason, b.reason),
        "next_action": (a.next_action, b.next_action),
        "waived": (a.waived, b.waived),
    }
    yield from _values(span_id, a.gate_id, pairs)
    old, new = [_item(item) for item in a.evidence], [_item(item) for item in b.evidence]
    for item in dict.fromkeys([*old, *new]):
        if (item in old) != (item in new):
            yield Change(span_id, a.gate_id, "evidence", None, *((item, None) if item in old else (None, item)))


def _inside(path: str, workspace: str | None) -> str:
    """A path inside the workspace without the workspace's own, which may differ between the runs.

    Recorded paths are relative to the rootdir where they lie below it: ``out/workspace/a`` in ``/repo/out/workspace``.
    """
    parts, of_workspace = PurePath(path).parts, PurePath(workspace or "").parts
    for count in range(min(len(parts), len(of_workspace)), 0, -1):
        if parts[:count] == of_workspace[-count:]:
            return "/".join(parts[count:]) or path
    return path


def _item(item: EvidenceItem) -> str:
    return f"{item.type}: {item.ref}"


def _handoffs(span: SpanEvidence) -> dict[str, str]:
    """Digests by direction and name; where one is repeated, by its number too."""
    found: dict[str, str] = {}
    for record in span.handoffs:
        name, count = f"{record.direction} {record.name}", 1
        while name in found:
            count += 1
            name = f"{record.direction} {record.name} ({count})"
        found[name] = record.digest
    return found


def _values(phase: str | None, gate: str | None, pairs: Mapping[str, tuple[Value, Value]]) -> Iterator[Change]:
    for what, (old, new) in pairs.items():
        if old != new:
            yield Change(phase, gate, what, None, old, new)


def _named(
    phase: str | None, gate: str | None, what: str, a: Mapping[str, Value], b: Mapping[str, Value]
) -> Iterator[Change]:
    for name in _all(a, b):
        old, new = a.get(name), b.get(name)
        if old != new or type(old) is not type(new):
            yield Change(phase, gate, what, name, old, new)


def _all(a: Mapping[str, object], b: Mapping[str, object]) -> list[str]:
    """The keys of both, those of B where it has them in their place."""
    return list(dict.fromkeys([*b, *a]))


def _durations(a: Evidence, b: Evidence) -> Iterator[Duration]:
    if (found := _slower(None, _seconds(a.started_at, a.ended_at), _seconds(b.started_at, b.ended_at))) is not None:
        yield found
    old = {span.span_id: span for span in a.spans}
    for span in b.spans:
        before = old.get(span.span_id)
        if before is not None and not before.reused and not span.reused:
            times = (_seconds(run.started_at, run.ended_at) for run in (before, span))
            if (found := _slower(span.span_id, *times)) is not None:
                yield found


def _slower(phase: str | None, old: float | None, new: float | None) -> Duration | None:
    if old is None or new is None or abs(new - old) <= max(NOISE_SECONDS, NOISE_SHARE * max(old, new)):
        return None
    return Duration(phase, round(old, 3), round(new, 3))


def _seconds(start: int | None, end: int | None) -> float | None:
    return None if start is None or end is None else (end - start) / 1e9


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
        "same": found.same,
        "changes": [asdict(change) for change in found.changes],
        "durations": [asdict(duration) for duration in found.durations],
    }
