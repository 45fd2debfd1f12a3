"""The worker's side of xdist: what it tells the controller."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from ..ids import short_id
from ..session.items import phase_of
from ..session.shared import SERVICES

if TYPE_CHECKING:
    from ..phase.output import Hear
    from ..session.run import PlanRun
    from ..trace.evidence import GateEvidence, SpanEvidence
    from ..trace.recorder import Change, Listener

CHANNEL = "contextcore_channel"
"""Key in xdist's ``workerinput`` of the channel on which a worker speaks: JSON, a list of what it is and its values."""


class PlanFound(NamedTuple):
    """A plan as a worker collected it: its file, its phases' tests, its evidence before any phase ran.

    ``partial``: phases were deselected; ``awaited``: some are to run.
    """

    path: str
    nodeids: list[str]
    evidence: str
    partial: bool
    awaited: bool


_LINK = pytest.StashKey["Link"]()


class Link:
    """The way from a worker to its controller, and a pytest plugin object."""

    def __init__(self, config: pytest.Config, channel: Any) -> None:
        self._config, self._channel = config, channel

    @classmethod
    def of(cls, config: pytest.Config) -> Link:
        """The link of this process, which is an xdist worker."""
        if _LINK not in config.stash:
            config.stash[_LINK] = link = cls(config, config.workerinput[CHANNEL])  # type: ignore[attr-defined]
            config.pluginmanager.register(link, "contextcore-link")
        return config.stash[_LINK]

    def refuse(self, reason: str) -> None:
        """This session cannot run: a usage error."""
        self._tell("cannot run", reason)

    @property
    def listeners(self) -> list[Listener]:
        """Who is to hear of a recorder's changes."""
        return [self._tell_of_gate]

    def _tell_of_gate(self, change: Change, span: SpanEvidence | None, gate: GateEvidence | None) -> None:
        """A listener of the recorder: gates are shown when they are decided, not when their test is over."""
        del span
        if change.name == "GATE_ENDED" and gate is not None and self._config.get_verbosity() > 0:
            from ..report.progress import GateLine  # noqa: PLC0415  (only with a plan)

            self._tell("gate decided", *GateLine.of(gate))

    @property
    def hear(self) -> Hear | None:
        """Hears what programs print, where that is shown: like gates when their test is over."""
        from ..report.output import wants_output  # noqa: PLC0415  (only with a plan)

        return self._tell_of_output if wants_output(self._config) else None

    def _tell_of_output(self, span: SpanEvidence, lines: list[str], state: str) -> None:
        del state
        self._tell("printed", short_id(span.span_id, span.parent_id), lines)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """After every reordering, before xdist tells the controller that collection is over: the plans."""
        if SERVICES not in self._config.stash:
            return
        for run in self._config.stash[SERVICES].runs:
            phases = ((item.nodeid, phase_of(item)) for item in session.items)
            nodeids = [nodeid for nodeid, phase in phases if phase is not None and phase.run is run]
            found = PlanFound(str(run.plan.path), nodeids, _evidence(run), run.recorder.partial, bool(run.awaited))
            self._tell("plan found", *found)

    def report(self, runs: list[PlanRun], lost: list[str]) -> None:
        """The session is over in this worker: the evidence of what it ran, and what could not be written."""
        for run in runs:
            if run.started:
                self._tell("plan ended", _evidence(run), [*run.problems(), *lost])

    def _tell(self, *message: str | bool | list[str]) -> None:
        self._channel.send(json.dumps(message))


def _evidence(run: PlanRun) -> str:
    from ..trace.file import dump  # noqa: PLC0415  (only with a plan)

    return dump(run.recorder.evidence).decode()
