"""Decisions: what a phase's outcome is, who blocks whom, what the parent's status is.

Functions of the plan and the evidence; nothing here reads a clock, a file or pytest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

from ..ids import named, short_id
from ..plan.model import DonePlan, Kind, Plan, fill
from ..span import ErrorType
from .evidence import (
    Attributes,
    Condition,
    Evidence,
    EvidenceItem,
    GateEvidence,
    Result,
    SpanEvidence,
    Status,
    is_integrity_failure,
)
from .times import MICROSECOND

DESELECTED = "deselected in this run"
"""The reason of a phase that was not selected and that cannot be reused."""

_SHOWN = 20  # assumptions that stand in a condition's text
CHECKED = frozenset({Result.PASS, Result.FAIL, Result.WAIVED, Result.NOT_APPLICABLE})
_STOPPED = (Status.BLOCKED, Status.FAILED)
_MOST_PHASES = 8
"""So many phases that are not completed yet are named for a condition: a plan may have thousands."""
GOOD = (Result.PASS, Result.WAIVED, Result.NOT_APPLICABLE)
"""Results of a gate that is as it should be: these are counted in reports."""


class Trouble(NamedTuple):
    """Something that stops a phase and is no gate's verdict: an exception, a refused handoff, a skip.

    ``error_type`` is the full name of an exception's class or an `ErrorType`. ``blocks`` is true for a refused handoff
    and for a file that changed, which block the phase; everything else makes it failed. ``blocked_on`` is the full id
    of another phase that is to blame.
    """

    reason: str
    next_action: str
    error_type: str
    blocks: bool = False
    blocked_on: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a phase or a trace ended, and why if it is not completed."""

    status: Status
    reason: str | None = None
    next_action: str | None = None
    blocked_on: str | None = None
    error_type: str | None = None

    def __post_init__(self) -> None:
        if self.status in _STOPPED and not self.error_type:
            raise ValueError("a blocked or failed span needs the type of its error")
        if self.status is Status.BLOCKED and not (self.reason and self.next_action):
            raise ValueError("a blocked span needs a reason and a next action")

    def as_trouble(self) -> Trouble:
        """What stops a phase, if this is no gate's verdict."""
        return Trouble(self.reason or "", self.next_action or "", self.error_type or ErrorType.OTHER)


def settle(record: SpanEvidence | Evidence, outcome: Outcome) -> None:
    """Write into the record of a phase or a trace how it stands."""
    record.status, record.blocked_reason, record.error_type = outcome.status, outcome.reason, outcome.error_type
    record.blocked_on_span_id, record.next_action = outcome.blocked_on, outcome.next_action


CUT_OFF = Trouble("interrupted before its end", "run the phase again", ErrorType.INTERRUPTED)
"""Why a phase failed that runs when the session ends."""

NEVER_REACHED = Outcome(Status.NOT_STARTED, "the session ended before this phase", "run the suite again")
NEVER_RUN = Outcome(
    Status.NOT_STARTED,
    "its test was selected but never run: a plugin or conftest.py dropped it, or ran it elsewhere",
    "look for the plugin or conftest.py that changes which tests run, then run the suite again",
)


def blocking_gates(span: SpanEvidence) -> list[GateEvidence]:
    """The failed gates that block the phase, integrity gates first."""
    return sorted((gate for gate in span.gates if gate.blocks), key=lambda gate: gate.kind is not Kind.INTEGRITY)


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
    return any(map(is_integrity_failure, span.gates))


def standing_failure(plan: Plan, evidence: Evidence, selected: Collection[str]) -> tuple[str, str] | None:
    """A phase that is not ``selected`` and whose integrity gate failed in an earlier run, and a selected one after it.

    None if there are none: then nothing stands in the way of this selection. Both are short ids.
    """
    failed: str | None = None
    for phase, span in zip(plan.phases, evidence.spans, strict=True):
        if failed is not None and phase.id in selected:
            return failed, phase.id
        if failed is None and phase.id not in selected and is_final(span):
            failed = phase.id
    return None


def phase_outcome(span: SpanEvidence, troubles: Sequence[Trouble]) -> Outcome:
    """How a phase ended. A failed integrity or required gate wins over whatever was raised after it."""
    failed = blocking_gates(span)
    refused = next((trouble for trouble in troubles if trouble.blocks), None)
    if failed:
        beside = refused or next((trouble for trouble in troubles if trouble.error_type == ErrorType.EXIT_CODE), None)
        gate, besides = failed[0], f"; {beside.reason}" if beside else ""
        reason = f"{_short(span, gate)}: {headline(gate)}{also_failed(span)}{besides}"
        return Outcome(Status.BLOCKED, reason, gate.next_action, error_type=ErrorType.GATE_FAILED)
    trouble = refused or next(iter(troubles), None)
    if trouble is not None:
        status = Status.BLOCKED if trouble.blocks else Status.FAILED
        return Outcome(status, trouble.reason, trouble.next_action, trouble.blocked_on, trouble.error_type)
    unchecked = [_short(span, gate) for gate in span.gates if gate.result not in CHECKED]
    if unchecked:
        one = len(unchecked) == 1
        return Outcome(
            Status.FAILED,
            f"declared {'gate' if one else 'gates'} {', '.join(unchecked)} {'was' if one else 'were'} never checked",
            f"check {'it' if one else 'them'} in {span.nodeid} with phase.gate(…), "
            f"or remove {'it' if one else 'them'} from the plan",
            error_type=ErrorType.NOT_CHECKED,
        )
    return Outcome(Status.COMPLETED)


def upstream_block(plan: Plan, evidence: Evidence, phase_id: str) -> Outcome | None:
    """Why a phase may not start, or None if it may.

    A failed integrity gate stops every later phase, whatever the dependencies say. Otherwise the first upstream in the
    plan's order that is not completed is to blame.
    """
    unfinished = {
        name: span
        for name, span in zip(takewhile(phase_id.__ne__, plan.by_id), evidence.spans, strict=False)
        if span.status is not Status.COMPLETED
    }
    final = (span for span in unfinished.values() if span.status is Status.BLOCKED and is_final(span))
    upstreams = all_upstreams(plan, phase_id) if unfinished else set()
    root = next(final, None) or next((span for name, span in unfinished.items() if name in upstreams), None)
    if root is None:
        return None
    name = named(root.span_id, root.phase)
    if root.status in _STOPPED:
        reason = f"{name} is {root.status}: {root.blocked_reason}"
    elif root.status is Status.NOT_STARTED and root.blocked_reason is None:
        reason = f"{name} had not run before it: a plugin or conftest.py changes the order of tests"
    else:
        reason = f"{name} is not completed ({root.status})"
    return Outcome(Status.NOT_STARTED, reason, root.next_action or f"run {name} first", root.span_id)


def all_upstreams(plan: Plan, phase_id: str) -> set[str]:
    """The phases that a phase depends on, directly or not, by their short ids."""
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
        span = next(span for span in evidence.spans if span.status in _STOPPED)
        error_type = span.error_type or ErrorType.OTHER  # evidence of another version may have none
        return Outcome(span.status, span.blocked_reason, span.next_action, span.span_id, error_type)
    if not finished or counted[Status.COMPLETED] < len(evidence.spans):
        return Outcome(Status.IN_PROGRESS)
    states = zip(plan.trace.definition_of_done, evidence.definition_of_done, strict=True)
    unmet = [(done, state) for done, state in states if not state.met]
    if not unmet:
        return Outcome(Status.COMPLETED)
    said = "; ".join(f"{state.condition} ({', '.join(state.missing)})" for _, state in unmet)
    reason, error_type = f"definition of done not met: {said}", ErrorType.NOT_DONE
    return Outcome(Status.BLOCKED, reason, unmet[0][0].next_action, error_type=error_type)


def trace_end(evidence: Evidence, otherwise: int) -> int:
    """When a trace ends: with its last phase, and a microsecond later for each phase that did not start."""
    ends = [span.ended_at for span in evidence.spans if span.ended_at]
    waiting = sum(span.status is Status.NOT_STARTED for span in evidence.spans)
    return max([evidence.started_at or otherwise, *ends]) + waiting * MICROSECOND


def conditions(
    plan: Plan, spans: Sequence[SpanEvidence], gates: Mapping[str, GateEvidence], values: Attributes
) -> list[Condition]:
    """The definition of done, condition by condition, with what is missing; gates by their full ids.

    Gates that passed prove nothing where their phase was stopped after them. What a gate took for granted, its evidence
    of the type ``assumed``, stands in the condition's text.
    """
    phases = dict(zip(plan.by_id, spans, strict=True))
    return [
        _condition(done, {name: gates[f"{plan.trace.id}-{name}"] for name in done.gates}, phases, values)
        for done in plan.trace.definition_of_done
    ]


def _condition(
    done: DonePlan, gates: Mapping[str, GateEvidence], phases: Mapping[str, SpanEvidence], values: Attributes
) -> Condition:
    broken = [f"gate {name} failed" for name, gate in gates.items() if gate.result is Result.FAIL]
    open_ = [f"gate {name} was not checked" for name, gate in gates.items() if gate.result is Result.NOT_CHECKED]
    proving = () if broken or open_ else (name.rpartition("-")[0] for name in gates)
    waited = [name for name in done.phases if phases[name].status is not Status.COMPLETED]
    halted = [name for name in dict.fromkeys((*proving, *waited)) if phases[name].status in _STOPPED]
    broken += [f"phase {name}: {phases[name].status}" for name in halted]
    pending = [name for name in waited if name not in halted][:_MOST_PHASES]
    open_ += [f"phase {name}: {phases[name].status.replace('_', ' ')}" for name in pending]
    for name, expected in done.attributes.items():
        if name not in values:
            open_.append(f"{name}: observed nothing, expected {expected!r}")
        elif values[name] != expected:
            broken.append(f"{name}: observed {values[name]!r}, expected {expected!r}")
    assumed = [item.ref for gate in gates.values() for item in gate.evidence if item.type == "assumed"]
    more = f", and {len(assumed) - _SHOWN} more" if len(assumed) > _SHOWN else ""
    text = f"{done.condition} (assumed: {', '.join(assumed[:_SHOWN])}{more})" if assumed else done.condition
    return Condition(condition=text, met=not (broken or open_), missing=[*broken, *open_], broken=broken)


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


def drift(plan: Plan, evidence: Evidence, phase_id: str, values: Attributes) -> Iterator[Attributes]:
    """The attributes of an event for each ``input.…`` value of a phase that its closest upstream observed otherwise.

    What a trace was given is the same in all of its phases; what came of it (``quality.…``, ``output.…``) need not be.
    """
    given = given_values(values)
    if not given:
        return
    before, own = values_before(plan, evidence, phase_id), evidence.spans[list(plan.by_id).index(phase_id)].attributes
    for name, after in given.items():
        if name in before and after not in (before[name], own.get(name)):
            yield {"drift.attribute": name, "drift.before": str(before[name]), "drift.after": str(after)}


def given_values(values: Attributes) -> Attributes:
    """The values that a trace was given, among those that a phase recorded."""
    return {name: value for name, value in values.items() if name.startswith("input.")}


def values_before(plan: Plan, evidence: Evidence, phase_id: str) -> Attributes:
    """Every value that a phase's upstreams recorded, as the closest one observed it."""
    upstreams = all_upstreams(plan, phase_id)
    return last_values(span for name, span in zip(plan.by_id, evidence.spans, strict=True) if name in upstreams)


def last_values(spans: Iterable[SpanEvidence]) -> Attributes:
    """Every recorded value as the last of these phases that knew it observed it."""
    values: Attributes = {}
    for span in spans:
        values.update(span.attributes)
    return values


def _short(span: SpanEvidence, gate: GateEvidence) -> str:
    return short_id(gate.gate_id, span.span_id)
