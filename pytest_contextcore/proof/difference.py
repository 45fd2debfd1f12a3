"""What verification finds: one thing that is not as the evidence says, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

AGAIN = "find out what changed it and restore it, or run the plan whole, so that the evidence is of what is there"
EDITED = "restore the evidence as the run wrote it, or run the plan whole"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as the evidence says: what it is about, observed, expected, next action."""

    what: str
    observed: str
    expected: str
    next_action: str

    def lines(self) -> Iterator[str]:
        """For people, on a line each."""
        yield f"differs: {self.what}"
        yield f"  observed: {self.observed}"
        yield f"  expected: {self.expected}"
        yield f"  next:     {self.next_action}"


def compared(what: str, observed: object, expected: object, next_action: str = EDITED) -> Iterator[Difference]:
    """A difference if two values are not the same."""
    if observed != expected:
        yield Difference(what, said(observed), said(expected), next_action)


def said(value: object) -> str:
    """A value in a line for people."""
    return "nothing" if value is None else str(value)
