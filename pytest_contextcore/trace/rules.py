"""Decisions: what a phase's outcome is, who blocks whom, what the parent's status is.

Pure functions of the plan and the evidence; nothing here reads a clock, a file or pytest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

from ..ids import short_id
from ..plan.model import Kind, Plan, fill
from .evidence import Attributes, Condition, Evidence, EvidenceItem, GateEvidence, Result, SpanEvidence, Status

DESELECTED = "deselected in this run"
"""The reason of a phase that was not selected and that nothing proves."""

CHECKED = frozenset({Result.PASS, Result.FAIL, Result.WAIVED, Result.NOT_APPLICABLE})
_STOPPED = (Status.BLOCKED, Status.FAILED)
_MOST_PHASES = 8
"""So many phases that are not completed yet are named for a condition: a plan may have thousands."""
GOOD = (Result.PASS, Result.WAIVED, Result.NOT_APPLICABLE)
"""Results of a gate that is as it should be: these are counted in reports."""


class Trouble(NamedTuple):
    """Something that stops a phase and is no gate's verdict: an exception, a refused handoff, a skip.

    ``blocks`` is true for a refused handoff, which blocks the phase; everything else makes it failed.
    """

    reason: str
    next_action: str
    blocks: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a phase ended, and why if it is not completed."""

    status: Status
    reason: str | None = None
    next_action: str | None = None
    blocked_on: str | None = None

    def __post_init__(self) -> None:
        if self.status is Status.BLOCKED and not (self.reason and self.next_action):
            raise ValueError("a blocked span needs a reason and a next action")


def good_gates(span: SpanEvidence) -> int:
    """How many gates of a phase are as they should be."""
    return sum(gate.result in GOOD for gate in span.gates)


def blocking_gates(span: SpanEvidence) -> list[GateEvidence]:
    """The failed gates that block the phase, integrity gates first."""
    failed = [gate for gate in span.gates if gate.result is Result.FAIL and gate.kind is not Kind.ADVISORY]
    return sorted(failed, key=lambda gate: gate.kind is not Kind.INTEGRITY)


def headline(gate: GateEvidence) -> str:
    """A failed gate's reason, and its first finding where that is another sentence."""
    reason = gate.reason or ""
    first = next((item for item in gate.evidence if item.file and item.description), None)
    if first is None:
        return reason
    return first.text if reason in (first.text, first.description) else f"{reason}; first: {first.text}"


def also_failed(span: SpanEvidence) -> str:
    """The gates that block a phase beside the first one, by their short ids, in brackets; empty where there are none.

    It stands behind what is said of the first one.
    """
    names = [_short(span, gate) for gate in blocking_gates(span)[1:]]
    return f" (also failed: {', '.join(names)})" if names else ""


def is_final(span: SpanEvidence) -> bool:
    """Whether an integrity gate of the phase has failed: no plugin may run it again."""
    return any(gate.kind is Kind.INTEGRITY and gate.result is Result.FAIL for gate in span.gates)


def phase_outcome(span: SpanEvidence, troubles: Sequence[Trouble]) -> Outcome:
    """How a phase ended. A failed integrity or required gate wins over whatever was raised after it."""
    failed = blocking_gates(span)
    if failed:
        gate = failed[0]
        return Outcome(Status.BLOCKED, f"{_short(span, gate)}: {headline(gate)}{also_failed(span)}", gate.next_action)
    for trouble in troubles:
        if trouble.blocks:
            return Outcome(Status.BLOCKED, trouble.reason, trouble.next_action)
    if troubles:
        return Outcome(Status.FAILED, troubles[0].reason, troubles[0].next_action)
    unchecked = [_short(span, gate) for gate in span.gates if gate.result not in CHECKED]
    if unchecked:
        one = len(unchecked) == 1
        return Outcome(
            Status.FAILED,
            f"declared {'gate' if one else 'gates'} {', '.join(unchecked)} {'was' if one else 'were'} never checked",
            f"check {'it' if one else 'them'} in {span.nodeid} with phase.gate(…), "
            f"or remove {'it' if one else 'them'} from the plan",
        )
    return Outcome(Status.COMPLETED)


def upstream_block(plan: Plan, evidence: Evidence, phase_id: str) -> Outcome | None:
    """Why a phase may not start, or None if it may.

    A failed integrity gate stops every later phase, whatever the dependencies say.
    """
    pairs = zip((phase.id for phase in plan.phases), evidence.spans, strict=True)
    earlier = list(takewhile(lambda pair: pair[0] != phase_id, pairs))
    root = _stopping_integrity(earlier) or _root_cause(plan, earlier, phase_id)
    if root is None:
        return None
    name = f"{root.span_id} {root.phase}"
    if root.status in (Status.BLOCKED, Status.FAILED):
        reason = f"{name} is {root.status}: {root.blocked_reason}"
    else:
        reason = f"{name} is not completed ({root.status})"
    return Outcome(Status.NOT_STARTED, reason, root.next_action or f"run {name} first", root.span_id)


def _stopping_integrity(earlier: Sequence[tuple[str, SpanEvidence]]) -> SpanEvidence | None:
    return next((span for _, span in earlier if span.status is Status.BLOCKED and is_final(span)), None)


def _root_cause(plan: Plan, earlier: Sequence[tuple[str, SpanEvidence]], phase_id: str) -> SpanEvidence | None:
    """The phase that is to blame, the first in the plan's order among all upstreams that are not completed."""
    unfinished = [pair for pair in earlier if pair[1].status is not Status.COMPLETED]
    upstreams = _all_upstreams(plan, phase_id) if unfinished else set()
    return next((span for name, span in unfinished if name in upstreams), None)


def _all_upstreams(plan: Plan, phase_id: str) -> set[str]:
    found: set[str] = set()
    todo = list(plan.upstream[phase_id])
    while todo:
        current = todo.pop()
        if current not in found:
            found.add(current)
            todo.extend(plan.upstream[current])
    return found


def parent_outcome(plan: Plan, evidence: Evidence, *, finished: bool) -> Outcome:
    """The parent's status, by the counts and conditions that stand in its evidence.

    Never completed with a phase missing or a condition of the definition of done unmet.
    """
    counted = evidence.summary.phases
    if counted[Status.BLOCKED] or counted[Status.FAILED]:
        span = next(span for span in evidence.spans if span.status in (Status.BLOCKED, Status.FAILED))
        return Outcome(span.status, span.blocked_reason, span.next_action, span.span_id)
    if not finished or counted[Status.COMPLETED] < len(evidence.spans):
        return Outcome(Status.IN_PROGRESS)
    states = zip(plan.trace.definition_of_done, evidence.definition_of_done, strict=True)
    unmet = [(done, state) for done, state in states if not state.met]
    if not unmet:
        return Outcome(Status.COMPLETED)
    said = "; ".join(f"{state.condition} ({', '.join(state.missing)})" for _, state in unmet)
    return Outcome(Status.BLOCKED, f"definition of done not met: {said}", unmet[0][0].next_action)


def conditions(
    plan: Plan, gates: Mapping[str, GateEvidence], values: Attributes, spans: Sequence[SpanEvidence]
) -> list[Condition]:
    """The definition of done, condition by condition, with what is missing; gates by their full ids."""
    named = any(done.phases for done in plan.trace.definition_of_done)
    phases = {phase.id: span.status for phase, span in zip(plan.phases, spans, strict=True)} if named else {}
    found = []
    for done in plan.trace.definition_of_done:
        results = {name: gates[f"{plan.trace.id}-{name}"].result for name in done.gates}
        ended = [(name, phases[name]) for name in done.phases if phases[name] is not Status.COMPLETED]
        failed = [f"gate {name}: {result}" for name, result in results.items() if result is Result.FAIL]
        failed += [f"phase {name}: {status}" for name, status in ended if status in _STOPPED]
        unchecked = [f"gate {name}: {result}" for name, result in results.items() if result is Result.NOT_CHECKED]
        unchecked += [f"phase {name}: {status}" for name, status in ended if status not in _STOPPED][:_MOST_PHASES]
        expected = done.attributes.items()
        wrong = [(name, value) for name, value in expected if name in values and values[name] != value]
        broken = [*failed, *(f"{name}: observed {values[name]!r}, expected {value!r}" for name, value in wrong)]
        unknown = [(name, value) for name, value in expected if name not in values]
        open_ = [*unchecked, *(f"{name}: observed nothing, expected {value!r}" for name, value in unknown)]
        found.append(
            Condition(condition=done.condition, met=not (broken or open_), missing=[*broken, *open_], broken=broken)
        )
    return found


def next_action(plan: Plan, phase_id: str, gate_id: str, evidence: Iterable[EvidenceItem]) -> str:
    """What the plan says to do about a gate that failed, with its findings put in.

    Raises:
        KeyError: the plan has no such gate.
    """
    planned = plan.by_id[phase_id].gate(gate_id)
    if planned is None:
        raise KeyError(gate_id)
    refs: dict[str, list[str]] = {}
    for item in evidence:
        refs.setdefault(item.type, []).append(item.ref)
    return fill(planned.next_action, refs)


def last_values(evidence: Evidence) -> Attributes:
    """Every recorded value as the last phase that knew it observed it."""
    values: Attributes = {}
    for span in evidence.spans:
        values.update(span.attributes)
    return values


def _short(span: SpanEvidence, gate: GateEvidence) -> str:
    return short_id(gate.gate_id, span.span_id)
