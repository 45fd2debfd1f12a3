"""What a worker tells the controller, as JSON texts: a usage error raised in a worker would be an internal error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..session.run import PlanRun
    from ..trace.evidence import Evidence

CHANNEL = "contextcore_channel"
"""Key in xdist's ``workerinput`` of the channel on which messages travel."""


class PlanFound(NamedTuple):
    """A worker collected a plan; ``nodeids`` are the tests of its phases that are to run, in order."""

    path: str
    nodeids: list[str]
    evidence: str

    @classmethod
    def of(cls, run: PlanRun, nodeids: list[str]) -> PlanFound:
        """What is told of a plan before it runs."""
        return cls(str(run.plan.path), nodeids, _dumped(run.recorder.evidence))


class PlanEnded(NamedTuple):
    """A worker ran a plan; ``problems`` are lines for the terminal."""

    evidence: str
    problems: list[str]

    @classmethod
    def of(cls, run: PlanRun, lost: list[str]) -> PlanEnded:
        """What is told of a plan when its worker ends."""
        return cls(_dumped(run.recorder.evidence), [*run.problems(), *lost])


class GateDecided(NamedTuple):
    """A gate was decided; see `pytest_contextcore.report.progress.GateLine`."""

    gate_id: str
    result: str
    reason: str | None


class CannotRun(NamedTuple):
    """The session cannot run, since a plan is wrong: a usage error."""

    message: str


Message = PlanFound | PlanEnded | GateDecided | CannotRun
_KINDS: dict[str, type[Message]] = {kind.__name__: kind for kind in (PlanFound, PlanEnded, GateDecided, CannotRun)}


def to_text(message: Message) -> str:
    """The message as JSON."""
    return json.dumps([type(message).__name__, *message])


def from_text(text: str) -> Message:
    """The message that `to_text` was given."""
    kind, *values = json.loads(text)
    return _KINDS[kind](*values)


def _dumped(evidence: Evidence) -> str:
    from ..trace.file import dump  # noqa: PLC0415  (only with a plan)

    return dump(evidence).decode()
