"""What a recorder tells those who listen to it."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from .evidence import GateEvidence, SpanEvidence


class Change(Enum):
    """What a listener hears: the trace or a phase moved on, a gate was decided, or a span within a phase ended.

    ``NOTED``: something else of a phase stands in the record now, such as a gate or a program that began.
    """

    TRACE_STARTED = auto()
    PHASE_STARTED = auto()
    NOTED = auto()
    GATE_ENDED = auto()
    CHILD_ENDED = auto()
    PHASE_ENDED = auto()
    TRACE_ENDED = auto()


Listener = Callable[[Change, SpanEvidence | None, GateEvidence | None], None]


def all_of(*listeners: Listener) -> Listener:
    """One listener that tells several."""

    def tell(change: Change, span: SpanEvidence | None, gate: GateEvidence | None) -> None:
        for listener in listeners:
            listener(change, span, gate)

    return tell
