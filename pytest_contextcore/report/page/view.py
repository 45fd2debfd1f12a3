"""One trace as the page needs it: short names, anchors that are unique on the page, the axis of time. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...plan.model import Kind
from ...trace.evidence import Evidence, GateEvidence, Result, SpanEvidence, Status
from ...trace.rules import blocking_gates
from .elements import Html, element

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,199}")


class View:
    """A trace and what is derived from it once.

    Attributes:
        evidence: the trace.
        anchor: where the trace's own details stand on the page.
        phase_anchors: the same for each phase, in the plan's order.
        gate_anchors: the same for each phase's gates.
    """

    def __init__(self, evidence: Evidence, number: int, taken: set[str]) -> None:
        self.evidence = evidence
        self.anchor = _anchor(evidence.trace_id, f"t{number}", taken)
        self.phase_anchors: list[str] = []
        self.gate_anchors: list[list[str]] = []
        for at, span in enumerate(evidence.spans):
            self.phase_anchors.append(_anchor(span.span_id, f"t{number}p{at}", taken))
            self.gate_anchors.append(
                [_anchor(gate.gate_id, f"t{number}p{at}g{nth}", taken) for nth, gate in enumerate(span.gates)]
            )
        self._at: dict[str, int] = {}
        for at, span in enumerate(evidence.spans):
            self._at.setdefault(span.span_id, at)
        self.axis = Axis.of(evidence)

    def find(self, span_id: str | None) -> int | None:
        """The position of the phase with this full id, if there is one."""
        return None if span_id is None else self._at.get(span_id)

    def short(self, span_id: str) -> str:
        """A phase's id without the trace's."""
        return span_id.removeprefix(f"{self.evidence.trace_id}-") or span_id

    def phase_name(self, at: int) -> str:
        """``S3 CONTRACT_INTEGRITY``."""
        span = self.evidence.spans[at]
        return f"{self.short(span.span_id)} {span.phase}"

    def gate_name(self, span: SpanEvidence, gate: GateEvidence) -> str:
        """A gate's id without its phase's."""
        return gate.gate_id.removeprefix(f"{span.span_id}-") or gate.gate_id

    def phase_link(self, at: int) -> Html:
        """A link to a phase's details."""
        return element("a", self.phase_name(at), href=f"#{self.phase_anchors[at]}")

    def phase_reference(self, span_id: str) -> Html | str:
        """A link to the phase with this full id, or the id where there is none."""
        at = self.find(span_id)
        return span_id if at is None else self.phase_link(at)

    def stopped(self) -> list[int]:
        """The blocked and failed phases, the one that the trace names as the cause first."""
        found = [at for at, span in enumerate(self.evidence.spans) if span.status in (Status.BLOCKED, Status.FAILED)]
        return sorted(found, key=lambda at: self.evidence.spans[at].span_id != self.evidence.blocked_on_span_id)

    def remarks(self) -> Iterator[tuple[int, int]]:
        """Positions of the gates that a completed trace still has something to say about: waived ones, warnings."""
        for at, span in enumerate(self.evidence.spans):
            for nth, gate in enumerate(span.gates):
                if gate.result is Result.WAIVED or (gate.result is Result.FAIL and gate.kind is Kind.ADVISORY):
                    yield at, nth


def failed_positions(span: SpanEvidence) -> list[int]:
    """Positions of the gates that block a phase, integrity gates first."""
    blocking = {id(gate): rank for rank, gate in enumerate(blocking_gates(span))}
    found = [nth for nth, gate in enumerate(span.gates) if id(gate) in blocking]
    return sorted(found, key=lambda nth: blocking[id(span.gates[nth])])


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
        """The axis on which everything that this run did has its place; what it reused is older and has none."""
        moments = [evidence.started_at, evidence.ended_at]
        for span in evidence.spans:
            if not span.reused:
                moments += [span.started_at, span.ended_at]
                moments += [moment for gate in span.gates for moment in (gate.started_at, gate.ended_at)]
        known = [moment for moment in moments if moment is not None]
        return cls(min(known, default=0), max(known, default=0))

    def percent(self, moment: int) -> float:
        """Where a moment stands on the axis."""
        return round(min(max((moment - self.start) / (self.step * TICKS) * 100, 0), 100), 3)

    def ticks(self) -> list[int]:
        """The beginnings of the parts, in nanoseconds since the start."""
        return [round(self.step * part) for part in range(TICKS)]


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
