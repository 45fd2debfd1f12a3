"""What a recorder tells those who listen to it."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from .evidence import GateEvidence, SpanEvidence


class Change(Enum):
    """What a listener hears: the trace or a phase moved on, or a gate was decided.

    ``NOTED``: something else of a phase stands in the record now, such as a gate or a program that began.
    """

    TRACE_STARTED = auto()
    PHASE_STARTED = auto()
    NOTED = auto()
    GATE_ENDED = auto()
    PHASE_ENDED = auto()
    TRACE_ENDED = auto()


Listener = Callable[[Change, SpanEvidence | None, GateEvidence | None], None]
"""Hears of a change, and which phase and which gate it was, if it was one of theirs."""


class Listeners:
    """Those who hear of a recorder's changes, in the order in which they subscribed."""

    def __init__(self) -> None:
        self._all: list[Listener] = []

    def add(self, listener: Listener) -> None:
        """One more, after those that are there."""
        self._all.append(listener)

    def tell(self, change: Change, span: SpanEvidence | None = None, gate: GateEvidence | None = None) -> None:
        """Something changed."""
        for listener in self._all:
            listener(change, span, gate)
