"""A trace as its page shows it: names, anchors, marks, places on the axis of time. Pure.

The templates beside this module say everything else; they show the records of the evidence as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ...plan.model import Kind
from ...trace.evidence import Evidence, GateEvidence, Result, SpanEvidence, Status
from ...trace.rules import CHECKED, DESELECTED, GOOD, blocking_gates
from ..verdict import Cause, causes, files, of_gate
from .text import duration, plural


class Look(NamedTuple):
    """A mark (a shape of ``macros.html.jinja``), a tone (a colour of ``page.css``) and the word that says the same."""

    mark: str
    tone: str
    word: str


LOOKS = {
    Status.COMPLETED: Look("check", "good", "completed"),
    Status.BLOCKED: Look("cross", "bad", "blocked"),
    Status.FAILED: Look("alert", "bad", "failed"),
    Status.IN_PROGRESS: Look("dots", "active", "in progress"),
    Status.NOT_STARTED: Look("open", "muted", "not started"),
}
_GATES = {
    Result.PASS: Look("check", "good", "passed"),
    Result.FAIL: Look("cross", "bad", "failed"),
    Result.WAIVED: Look("diamond", "warn", "waived"),
    Result.NOT_APPLICABLE: Look("dash", "muted", "not applicable"),
    Result.NOT_CHECKED: Look("open", "muted", "not checked"),
}
_WARNING = Look("caution", "warn", "warning")
_DESELECTED = Look("open", "muted", "not selected")
_STOPPED = (Status.BLOCKED, Status.FAILED)


class Bar(NamedTuple):
    """Where a span stands on the axis, in percent, and what its tooltip says in nanoseconds."""

    left: float
    right: float
    after: int
    lasted: int | None


@dataclass(frozen=True, slots=True)
class GateView:
    """A gate as the page shows it."""

    record: GateEvidence
    anchor: str
    name: str
    look: Look
    bar: Bar | None

    title: str = ""
    files: list[str] = field(default_factory=list)

    @property
    def plain(self) -> bool:
        """Whether its line in the table says enough on paper."""
        return self.look.tone in ("good", "muted")


@dataclass(frozen=True, slots=True)
class PhaseView:
    """A phase as the page shows it."""

    record: SpanEvidence
    anchor: str
    number: int
    id: str
    look: Look
    bar: Bar | None
    gates: list[GateView]
    causes: list[Cause] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    @property
    def found(self) -> dict[str, dict[str, None]]:
        """What the first of its failed gates found, by type."""
        groups: dict[str, dict[str, None]] = {}
        for gate in self.failed[:3]:
            for item in gate.record.evidence:
                groups.setdefault(item.type, {})[item.ref] = None
        return groups

    @property
    def name(self) -> str:
        """``S3 CONTRACT_INTEGRITY``."""
        return f"{self.id} {self.record.phase}"

    @property
    def good(self) -> int:
        """How many of its gates are as they should be."""
        return sum(gate.record.result in GOOD for gate in self.gates)

    @property
    def stopped(self) -> bool:
        """Whether it is blocked or failed."""
        return self.record.status in _STOPPED

    @property
    def failed(self) -> list[GateView]:
        """The gates that block it, integrity gates first."""
        views = {view.record.gate_id: view for view in self.gates}
        return [views[gate.gate_id] for gate in blocking_gates(self.record)]

    @property
    def dots(self) -> list[GateView] | None:
        """The gates drawn as marks beside it: all where there are few, else those that are not as they should be."""
        if not self.gates or (self.record.status is Status.NOT_STARTED and not self.record.reused):
            return None
        few = len(self.gates) <= 6
        return [gate for gate in self.gates if few or gate.record.result not in GOOD][:6]

    @property
    def classes(self) -> str:
        """Whether its gates are shown at first, and whether there is anything left to look into."""
        telling = any(gate.record.result in (Result.FAIL, Result.WAIVED) for gate in self.gates)
        active = self.stopped or self.record.status is Status.IN_PROGRESS
        settled = self.record.status is Status.COMPLETED and all(gate.plain for gate in self.gates)
        return f"group{'' if active or telling else ' folded'}{' settled' if settled else ''}"


@dataclass(frozen=True, slots=True)
class TraceView:
    """A trace as the page shows it."""

    record: Evidence
    anchor: str
    look: Look
    bar: Bar | None
    ticks: list[int]
    phases: list[PhaseView]
    _by_id: dict[str, PhaseView] = field(repr=False)

    def find(self, span_id: str | None) -> PhaseView | None:
        """The phase with this full id, if there is one."""
        return None if span_id is None else self._by_id.get(span_id)

    @property
    def stopped(self) -> list[PhaseView]:
        """The blocked and failed phases, the one that the trace names as the cause first."""
        found = [phase for phase in self.phases if phase.stopped]
        return sorted(found, key=lambda phase: phase.record.span_id != self.record.blocked_on_span_id)

    @property
    def remarks(self) -> list[tuple[PhaseView, GateView]]:
        """Gates that stop nothing and have something to say: waived ones, and warnings."""
        return [(phase, gate) for phase in self.phases for gate in phase.gates if gate.look.tone == "warn"]

    @property
    def waived(self) -> list[tuple[PhaseView, GateView]]:
        return [pair for pair in self.remarks if pair[1].record.result is Result.WAIVED]

    @property
    def warnings(self) -> list[tuple[PhaseView, GateView]]:
        return [pair for pair in self.remarks if pair[1].record.result is not Result.WAIVED]

    @property
    def not_run(self) -> dict[str | None, list[PhaseView]]:
        """The phases that did not start, by the id of the phase because of which they did not, or the reason."""
        groups: dict[str | None, list[PhaseView]] = {}
        for phase in self.phases:
            if phase.record.status is Status.NOT_STARTED:
                groups.setdefault(phase.record.blocked_on_span_id or phase.record.blocked_reason, []).append(phase)
        return groups

    @property
    def not_checked(self) -> list[str]:
        """Names of the gates that were not reached in a phase that did start."""
        return [
            f"{phase.id}-{gate.name}"
            for phase in self.phases
            if phase.stopped or phase.record.status is Status.IN_PROGRESS
            for gate in phase.gates
            if gate.record.result not in CHECKED and gate.record.kind is not Kind.ADVISORY
        ]

    @property
    def tone(self) -> str:
        """The colour of the result's box."""
        return "warn" if self.record.status is Status.COMPLETED and self.remarks else self.look.tone

    @property
    def headline(self) -> str:
        """The result in one line."""
        status = self.record.status
        if status in _STOPPED:
            where = f" at {self.stopped[0].name}" if self.stopped else ": the definition of done is not met"
            return f"{status.value.capitalize()}{where}"
        if status is Status.COMPLETED:
            waived = sum(gate.record.result is Result.WAIVED for _, gate in self.remarks)
            warnings = len(self.remarks) - waived
            said = [plural(waived, "waived gate")] if waived else []
            said += [plural(warnings, "warning")] if warnings else []
            return f"Completed with {' and '.join(said)}" if said else "Completed"
        if status is Status.NOT_STARTED:
            return "Not started"
        if any(phase.look is _DESELECTED for phase in self.phases):
            return "Not complete: only a part of the plan was selected"
        return "In progress: not finished when this was written"

    @property
    def counts(self) -> list[str]:
        """How many phases and gates did what, and how long it took."""
        phases, gates = self.record.summary.phases, self.record.summary.gates
        warnings = sum(gate.look is _WARNING for phase in self.phases for gate in phase.gates)
        beside = {
            "failed": gates[Result.FAIL] - warnings,
            "waived": gates[Result.WAIVED],
            "not applicable": gates[Result.NOT_APPLICABLE],
        }
        reused = sum(phase.record.reused for phase in self.phases)
        took = duration(lasted(self.record))
        return [
            f"{phases[Status.COMPLETED]:,} of {plural(len(self.phases), 'phase')} completed",
            f"{gates[Result.PASS]:,} of {plural(sum(gates.values()), 'gate')} passed",
            *(f"{count:,} {word}" for word, count in beside.items() if count > 0),
            *([plural(warnings, "warning")] if warnings else []),
            *([f"{plural(reused, 'phase')} reused"] if reused else []),
            *([took] if took else []),
        ]


def trace_view(evidence: Evidence, number: int, taken: set[str]) -> TraceView:
    """The view of a trace; ``taken`` holds the anchors that the page has already, and gets those of this trace."""
    axis = Axis.of(evidence)
    anchor = _anchor(evidence.trace_id, f"t{number}", taken)
    phases = []
    for at, span in enumerate(evidence.spans):
        place = _anchor(span.span_id, f"t{number}p{at}", taken)
        gates = [
            GateView(
                gate,
                _anchor(gate.gate_id, f"t{number}p{at}g{nth}", taken),
                gate.gate_id.removeprefix(f"{span.span_id}-") or gate.gate_id,
                _WARNING if gate.result is Result.FAIL and gate.kind is Kind.ADVISORY else _GATES[gate.result],
                None if span.reused else axis.bar(gate),
                of_gate(span, gate).name, of_gate(span, gate).files,
            )
            for nth, gate in enumerate(span.gates)
        ]
        deselected = span.blocked_reason == DESELECTED and span.status is Status.NOT_STARTED
        look = _DESELECTED if deselected else LOOKS[span.status]
        name = span.span_id.removeprefix(f"{evidence.trace_id}-") or span.span_id
        phases.append(PhaseView(span, place, at + 1, name, look, None if span.reused else axis.bar(span), gates, causes(span), files(span)))
    by_id = {phase.record.span_id: phase for phase in reversed(phases)}
    return TraceView(evidence, anchor, LOOKS[evidence.status], axis.bar(evidence), axis.ticks(), phases, by_id)


def lasted(record: Evidence | SpanEvidence | GateEvidence) -> int | None:
    """How long a span took in nanoseconds, if both its ends are known."""
    return None if record.started_at is None or record.ended_at is None else record.ended_at - record.started_at


_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,199}")


def _anchor(wanted: str, otherwise: str, taken: set[str]) -> str:
    """The id itself, so that a link can be written by hand, unless it is no plain word or was given already.

    Other ids of the page hold a colon, or begin with a dash: no plain word can be one of them.
    """
    found = wanted if _PLAIN.fullmatch(wanted) and wanted not in taken else f"-{otherwise}"
    taken.add(found)
    return found


_NICE = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
_CLOCK = (60, 90, 120, 180, 300, 450, 600, 900, 1200, 1800, 2700, 3600)
_S = 1_000_000_000
TICKS = 4
"""Parts of the axis; the grid behind the bars in ``page.css`` has as many."""


class Axis:
    """The axis of time that all bars of a trace share: from its start, in nanoseconds, in four even parts."""

    def __init__(self, start: int, end: int) -> None:
        self.start = start
        self.step = _nice((max(end, start) - start) / TICKS)

    @classmethod
    def of(cls, evidence: Evidence) -> Axis:
        """The axis for everything that this run did; what it reused is older and has no place on it."""
        known = [moment for moment in _moments(evidence) if moment is not None]
        return cls(min(known, default=0), max(known, default=0))

    def percent(self, moment: int) -> float:
        """Where a moment stands on the axis."""
        return round(min(max((moment - self.start) / (self.step * TICKS) * 100, 0), 100), 3)

    def bar(self, record: Evidence | SpanEvidence | GateEvidence) -> Bar | None:
        """The bar of a span that has begun."""
        start, end = record.started_at, record.ended_at
        if start is None:
            return None
        right = 100.0 if end is None else self.percent(end)
        return Bar(self.percent(start), right, start - self.start, lasted(record))

    def ticks(self) -> list[int]:
        """The beginnings of the parts, in nanoseconds since the start."""
        return [round(self.step * part) for part in range(TICKS)]


def _moments(evidence: Evidence) -> Iterator[int | None]:
    yield from (evidence.started_at, evidence.ended_at)
    for span in evidence.spans:
        if not span.reused:
            for record in (span, *span.gates):
                yield from (record.started_at, record.ended_at)


def _nice(least: float) -> float:
    """The next step (nanoseconds) that a person counts in."""
    if least > 60 * _S:
        seconds = least / _S
        fitting = next((step for step in _CLOCK if step >= seconds), None)
        return (fitting or -(-seconds // 3600) * 3600) * _S
    scale = 1_000.0  # no axis is finer than a microsecond a part
    while scale * 10 < least:
        scale *= 10
    return next(scale * step for step in _NICE if scale * step >= least)
