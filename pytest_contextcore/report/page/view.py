"""A trace as its page shows it: anchors, marks, and places on the axis of time, beside what its verdict says. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from ...ids import named, short_id
from ...plan.model import Kind
from ...trace.evidence import Evidence, GateEvidence, Result, SpanEvidence, Status
from ...trace.rules import DESELECTED
from ..verdict import Cause, Phase, Verdict, lasted

Timed = Evidence | SpanEvidence | GateEvidence


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
_RESULTS = {
    Result.PASS: Look("check", "good", "passed"),
    Result.FAIL: Look("cross", "bad", "failed"),
    Result.WAIVED: Look("diamond", "warn", "waived"),
    Result.NOT_APPLICABLE: Look("dash", "muted", "not applicable"),
    Result.NOT_CHECKED: Look("open", "muted", "not checked"),
}
_WARNING = Look("caution", "warn", "warning")
_DESELECTED = Look("open", "muted", "not selected")


class Bar(NamedTuple):
    """Where a span stands on the axis, in percent, and what its tooltip says in nanoseconds."""

    left: float
    right: float
    after: int
    lasted: int | None


@dataclass(frozen=True, slots=True)
class GateView:
    """A gate as the page shows it; ``cause`` is what the verdict says of one that did not pass."""

    record: GateEvidence
    anchor: str
    name: str
    look: Look
    bar: Bar | None
    cause: Cause | None


@dataclass(frozen=True, slots=True)
class PhaseView:
    """A phase as the page shows it; ``told`` is what the verdict says of it."""

    told: Phase
    record: SpanEvidence
    anchor: str
    name: str
    number: int
    look: Look
    bar: Bar | None
    gates: list[GateView]

    @property
    def failed(self) -> list[GateView]:
        """The gates that stopped it, integrity gates first."""
        return [gate for cause in self.told.causes for gate in self.gates if gate.cause is cause]


@dataclass(frozen=True, slots=True)
class TraceView:
    """A trace as the page shows it; ``told`` is what the verdict says of it."""

    told: Verdict
    record: Evidence
    anchor: str
    look: Look
    bar: Bar | None
    ticks: list[int]
    phases: list[PhaseView]
    by_id: dict[str | None, PhaseView]

    @property
    def stopped(self) -> list[PhaseView]:
        """The blocked and failed phases, the one that the trace names as the cause first."""
        found = [phase for phase in self.phases if phase.told.causes]
        return sorted(found, key=lambda phase: phase.record.span_id != self.record.blocked_on_span_id)

    def remarks(self, *, waived: bool) -> list[tuple[PhaseView, GateView]]:
        """Gates that stop nothing and have something to say: waived ones, or warnings."""
        look = _RESULTS[Result.WAIVED] if waived else _WARNING
        return [(phase, gate) for phase in self.phases for gate in phase.gates if gate.look is look]

    @property
    def not_run(self) -> dict[str | None, list[PhaseView]]:
        """The phases that did not start, by the id of the phase because of which they did not, or the reason."""
        groups: dict[str | None, list[PhaseView]] = {}
        for phase in self.phases:
            if phase.record.status is Status.NOT_STARTED:
                groups.setdefault(phase.record.blocked_on_span_id or phase.record.blocked_reason, []).append(phase)
        return groups


def trace_view(verdict: Verdict, number: int, taken: set[str], now: int | None = None) -> TraceView:
    """The view of a trace; ``taken`` holds the anchors that the page has already, and gets those of this trace.

    ``now``: the run goes on, so that what is open reaches up to this moment.
    """
    evidence = verdict.evidence
    axis = Axis(evidence, now)
    anchor = _anchor(evidence.trace_id, f"t{number}", taken)
    phases = [_phase_view(phase, f"t{number}p{at}", at, axis, taken) for at, phase in enumerate(verdict.phases, 1)]
    by_id: dict[str | None, PhaseView] = {phase.record.span_id: phase for phase in reversed(phases)}
    look, bar = LOOKS[evidence.status], axis.bar(evidence)
    return TraceView(verdict, evidence, anchor, look, bar, axis.ticks, phases, by_id)


def _phase_view(phase: Phase, place: str, number: int, axis: Axis, taken: set[str]) -> PhaseView:
    span = phase.span
    deselected = span.blocked_reason == DESELECTED and span.status is Status.NOT_STARTED
    look = _DESELECTED if deselected else LOOKS[span.status]
    anchor = _anchor(span.span_id, place, taken)
    causes = {id(cause.gate): cause for cause in (*phase.causes, *phase.remarks)}
    gates = [
        GateView(
            gate,
            _anchor(gate.gate_id, f"{place}g{nth}", taken),
            short_id(gate.gate_id, span.span_id),
            _gate_look(gate),
            None if span.reused else axis.bar(gate),
            causes.get(id(gate)),
        )
        for nth, gate in enumerate(span.gates)
    ]
    bar = None if span.reused else axis.bar(span)
    return PhaseView(phase, span, anchor, named(phase.id, span.phase), number, look, bar, gates)


def _gate_look(gate: GateEvidence) -> Look:
    if gate.started_at is not None and gate.ended_at is None:
        return LOOKS[Status.IN_PROGRESS]
    return _WARNING if gate.result is Result.FAIL and gate.kind is Kind.ADVISORY else _RESULTS[gate.result]


_WORD = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,199}")


def _anchor(wanted: str, otherwise: str, taken: set[str]) -> str:
    """The id itself, unless it is no plain word or was given already; the page's own ids are no plain words."""
    found = wanted if _WORD.fullmatch(wanted) and wanted not in taken else f"-{otherwise}"
    taken.add(found)
    return found


_S = 1_000_000_000
_HOUR = 3600 * _S
_STEPS = [part * 10.0**power for power in range(3, 10) for part in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8)]  # from 1 µs to 8 s
_STEPS += [1.0 * seconds * _S for seconds in (10, 15, 20, 25, 30, 60, 90, 120, 180, 300, 450, 600, 900, 1800, 3600)]
TICKS = 4
"""Parts of the axis; the grid behind the bars in ``page.css`` has as many."""


class Axis:
    """The axis of time of a trace: in four even parts, as long as a person would choose; without what it reused."""

    def __init__(self, evidence: Evidence, now: int | None = None) -> None:
        spans = [span for span in evidence.spans if not span.reused]
        records: list[Timed] = [evidence, *spans, *(gate for span in spans for gate in span.gates)]
        known = [at for record in records for at in (record.started_at, record.ended_at) if at is not None]
        if now is not None and evidence.ended_at is None:
            known.append(now)
        self.start = min(known, default=0)
        self.end = max(known, default=0)
        least = (self.end - self.start) / TICKS
        self.step = next((step for step in _STEPS if step >= least), -(-least // _HOUR) * _HOUR)
        self.ticks = [round(self.step * part) for part in range(TICKS)]

    def percent(self, moment: int) -> float:
        """Where a moment stands on the axis."""
        return round(min(max((moment - self.start) / (self.step * TICKS) * 100, 0), 100), 3)

    def bar(self, record: Timed) -> Bar | None:
        """The bar of a span, if it has begun."""
        start, end = record.started_at, record.ended_at
        if start is None:
            return None
        return Bar(self.percent(start), self.percent(end or self.end), start - self.start, lasted(record))
