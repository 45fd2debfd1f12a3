"""Every exception of this package, in one tree.

::

    ContextcoreError
    ├── PlanError           a plan file that cannot be used
    ├── CollectionError     tests that do not fit their plan
    ├── EvidenceError       an evidence file that cannot be used
    ├── AttestationRefused  an attestation or a key that cannot be used
    ├── JoinRefused         an evidence file that does not belong to the trace in ``TRACEPARENT``
    ├── CommandRefused      a command that cannot do what it was asked for
    ├── RunInUse            another process runs the same trace in the same folder
    ├── Malformed           bytes that are no document of their kind (a ``ValueError``, too)
    ├── FileRefused         a file that is no regular file, or is too large (an ``OSError``, too)
    ├── UnknownGate         a test that asks for a gate that its phase does not declare (a ``LookupError``, too)
    ├── AttributeRefused    a value that no declared attribute takes (a ``ValueError``, too)
    ├── HandoffRefused      a handoff that a phase cannot accept
    ├── PhaseStopped        a phase whose program, inputs or outputs are not as its plan says
    ├── ProofRefused        a plan whose gates cannot be proven, or a mutation that changes nothing
    ├── TaskRefused         a task command that is not allowed now
    └── TaskStateError      the file of open tasks cannot be used

A message names the file or option, what was observed, and what to do. ``PhaseTimeout`` (``session.timeout``) stands
outside: like ``KeyboardInterrupt`` it has to pass every ``except Exception`` of a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MISSING = "no such key"
UNKNOWN_KEY = "an unknown key"
_MAX_SHOWN = 80


def shown(value: object) -> str:
    """A value as a message shows it: on one line, and not too long."""
    if isinstance(value, dict):
        return f"an object with {len(value)} keys"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a file.

    ``path`` is its place, by id in plans and waivers (``phase S3, gate C2: kind``), by position in other documents
    (``spans[3].gates[0].result``); empty for the whole file.
    """

    path: str
    observed: str
    expected: str
    next_action: str

    def __str__(self) -> str:
        if self.observed == MISSING:
            return f"{self.path} is missing"
        if self.observed == UNKNOWN_KEY:
            others = f", or use {self.expected}" if self.next_action == "remove it" else ""
            return f"{self.path} is an unknown key: {self.next_action}{others}"
        return f"{self.path} must be {self.expected}, not {self.observed}"


class ContextcoreError(Exception):
    """Base of every exception that this package raises."""


class PlanError(ContextcoreError):
    """A plan or a waivers file that cannot be used: its ``faults``, or none if it cannot be read at all.

    The message names the file once, and every mistake in it.
    """

    def __init__(self, message: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(message)
        self.faults = tuple(faults)


class CollectionError(ContextcoreError):
    """The collected tests do not fit the plan; the message names the culprit."""


class EvidenceError(ContextcoreError):
    """An evidence file that cannot be used; the message names file and problem."""


class AttestationRefused(ContextcoreError):
    """An attestation that is not what it has to be, or a key that cannot be used; the message is one line."""


class JoinRefused(ContextcoreError):
    """The last evidence does not belong to the trace that ``TRACEPARENT`` names."""


class CommandRefused(ContextcoreError):
    """A command cannot do what it was asked for; the message is one line."""


class RunInUse(ContextcoreError):
    """Another run holds the lock of this trace; the message says which process."""


class FileRefused(ContextcoreError, OSError):
    """A file that is not taken as an input: not a regular file, or a link in an untrusted workspace."""


class Malformed(ContextcoreError, ValueError):
    """Bytes that are not a document of their kind: ``message``, ``observed``, ``expected``."""

    def __init__(self, message: str, observed: str, expected: str) -> None:
        super().__init__(message)
        self.message, self.observed, self.expected = message, observed, expected


class UnknownGate(ContextcoreError, LookupError):
    """A test asked for a gate that its phase does not declare, or checked one at the wrong time."""


class AttributeRefused(ContextcoreError, ValueError):
    """A value that was to be recorded under a name that is not declared, or of another type."""


class HandoffRefused(ContextcoreError):
    """A handoff that a phase cannot accept or hand on: it was never emitted, is malformed, or no longer holds.

    ``digest`` is the SHA-256 (hex) of its payload, ``span_id`` the full id of the phase that emitted it; both are empty
    if there is none. ``faults``: how many things in it are not valid by ``contract``, its class or ``HandoffContract``.
    """

    def __init__(
        self, reason: str, next_action: str, digest: str = "", span_id: str = "", *, contract: str = "", faults: int = 0
    ) -> None:
        super().__init__(reason)
        self.reason, self.next_action, self.digest, self.span_id = reason, next_action, digest, span_id
        self.contract, self.faults = contract, faults


class PhaseStopped(ContextcoreError):
    """A phase whose program, inputs or outputs are not as its plan says.

    It is failed, or blocked if ``blocks``. ``decidable``: its program came to an end, so that its gates can be checked.
    """

    def __init__(
        self, reason: str, next_action: str, error_type: str, *, blocks: bool = False, decidable: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason, self.next_action, self.error_type = reason, next_action, error_type
        self.blocks, self.decidable = blocks, decidable


class ProofRefused(ContextcoreError):
    """A plan whose gates cannot be proven, or a mutation that cannot be applied or changes nothing."""


class TaskRefused(ContextcoreError):
    """A task command that must not be followed; nothing was changed. The message is one line."""

    def __init__(self, what: str, observed: str, expected: str, next_action: str) -> None:
        super().__init__(f"{what} (observed: {observed}, expected: {expected}); next: {next_action}")


class TaskStateError(ContextcoreError):
    """The file of open tasks cannot be read or written; the message is one line and says what to do."""
