"""What a worker tells the controller, as JSON texts: a usage error raised in a worker would be an internal error."""

from __future__ import annotations

import json
from typing import NamedTuple

CHANNEL = "contextcore_channel"
"""Key in xdist's ``workerinput`` of the channel on which messages travel."""


class PlanFound(NamedTuple):
    """A worker collected a plan: its file, the tests that are to run in order, and its evidence before that."""

    path: str
    nodeids: list[str]
    evidence: str


class PlanEnded(NamedTuple):
    """A worker ran a plan: its evidence, and lines for the terminal."""

    evidence: str
    problems: list[str]


class GateDecided(NamedTuple):
    """A gate was decided; see `pytest_contextcore.report.progress.GateLine`."""

    gate_id: str
    result: str
    reason: str


class CannotRun(NamedTuple):
    """The session cannot run, since a plan is wrong: a usage error."""

    reason: str


Message = PlanFound | PlanEnded | GateDecided | CannotRun
_KINDS: dict[str, type[Message]] = {kind.__name__: kind for kind in (PlanFound, PlanEnded, GateDecided, CannotRun)}


def to_text(message: Message) -> str:
    """The message as JSON."""
    return json.dumps([type(message).__name__, *message])


def from_text(text: str) -> Message:
    """The message that `to_text` was given."""
    kind, *values = json.loads(text)
    return _KINDS[kind](*values)
