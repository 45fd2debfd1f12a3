"""The handoffs of one running phase: what it hands on and what it takes over, recorded and checked twice."""

from __future__ import annotations

from pathlib import Path

from ..errors import HandoffRefused
from ..redact import redact
from ..span import ErrorType
from ..trace.evidence import Attributes
from ..trace.recorder import TraceRecorder
from ..trace.rules import Trouble
from .contract import read_contract
from .handoff import Emitted, H, Handoff, accept, emit
from .handoff_store import HandoffStore


class Exchange:
    """Emits and receives for a phase.

    Args:
        root: rooted paths in handoffs count from here.
        command: runs the plan whole: the next action where a handoff is refused.
    """

    def __init__(
        self, recorder: TraceRecorder, phase_id: str, store: HandoffStore, *, root: Path, command: str
    ) -> None:
        self._recorder, self._phase_id, self._store, self._root = recorder, phase_id, store, root
        self._command = command
        self._received: list[tuple[type[Handoff], Emitted]] = []

    def emit(self, handoff: Handoff, name: str | None) -> None:
        """Hand on.

        Raises:
            TypeError: it is no handoff.
            HandoffRefused: its payload is malformed; the phase is blocked.
        """
        if not issubclass(given := type(handoff), Handoff):
            raise TypeError(
                f"phase.handoff takes a Handoff, not a value of type {given.__name__}; declare what it holds, such as "
                "class Rows(Handoff): count: int, and write phase.handoff(Rows(count=3))"
            )
        try:
            emitted = emit(handoff, self._recorder.plan.span_id(self._phase_id), self._root, name)
        except HandoffRefused as refused:
            self._refuse(given.__name__, name, refused, "outbound")
            raise
        self._store.put(emitted)
        self._recorder.add_handoff(self._phase_id, "emitted", redact(emitted.name), emitted.digest)

    def receive(self, kind: type[H], name: str | None, file: Path | None = None) -> H:
        """Take over, from an earlier phase or from a file with the HandoffContract of another run.

        Raises:
            HandoffRefused: it was not emitted, could be one of several, is malformed, or no longer holds; the phase is
                blocked.
        """
        try:
            emitted = self._store.get(kind.__name__, name) if file is None else read_contract(file, kind.__name__, name)
            handoff = accept(kind, emitted, self._root)
        except HandoffRefused as refused:
            self._refuse(kind.__name__, name, refused, "inbound")
            raise
        if (kind, emitted) not in self._received:
            self._received.append((kind, emitted))
            self._recorder.add_handoff(self._phase_id, "validated", redact(emitted.name), emitted.digest)
        return handoff

    def check_again(self) -> None:
        """Validate what was received once more, now that the phase's test is over."""
        for kind, emitted in self._received:
            try:
                accept(kind, emitted, self._root)
            except HandoffRefused as refused:
                self._refuse(kind.__name__, emitted.name, refused, "inbound")

    def _refuse(self, kind: str, name: str | None, refused: HandoffRefused, direction: str) -> None:
        if refused.faults:
            said: Attributes = {
                "contract_name": refused.contract,
                "direction": direction,
                "error_count": refused.faults,
            }
            self._recorder.add_event(self._phase_id, f"handoff.validation.{direction}.failed", said)
        ours = {span.span_id for span in self._recorder.evidence.spans}
        reason, blamed = redact(refused.reason), refused.span_id if refused.span_id in ours else None
        self._recorder.add_handoff(self._phase_id, "rejected", redact(name or kind), refused.digest, reason)
        follow = f"{refused.next_action}: {self._command}" if blamed else refused.next_action
        trouble = Trouble(reason, redact(follow), ErrorType.HANDOFF_REFUSED, blocks=True, blocked_on=blamed)
        self._recorder.add_trouble(self._phase_id, trouble)
