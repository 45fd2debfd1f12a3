"""The worker's side of xdist: what it tells the controller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ..session.items import phase_of
from ..session.shared import SERVICES, WORKER_INPUT
from .messages import CHANNEL, CannotRun, GateDecided, PlanEnded, PlanFound, to_text

if TYPE_CHECKING:
    from ..session.run import PlanRun
    from ..trace.evidence import GateEvidence, SpanEvidence
    from ..trace.recorder import Change

_LINK = pytest.StashKey["Link"]()


class Link:
    """The way from a worker to its controller, and a pytest plugin object."""

    def __init__(self, config: pytest.Config, channel: Any) -> None:
        self._config, self._channel = config, channel

    @classmethod
    def of(cls, config: pytest.Config) -> Link | None:
        """The link of this process; None where it is no xdist worker."""
        if not hasattr(config, "workerinput"):
            return None
        if _LINK not in config.stash:
            config.stash[_LINK] = link = cls(config, config.workerinput[CHANNEL])
            config.pluginmanager.register(link, "contextcore-link")
        return config.stash[_LINK]

    @classmethod
    def tell_controller(cls, config: pytest.Config, message: str) -> None:
        """This session cannot run: a usage error."""
        if (link := cls.of(config)) is not None:
            link._channel.send(to_text(CannotRun(message)))

    def tell_of_gate(self, change: Change, span: SpanEvidence | None, gate: GateEvidence | None) -> None:
        """A listener of the recorder: gates are shown when they are decided, not when their test is over."""
        del span
        if change.name == "GATE_ENDED" and gate is not None and self._config.get_verbosity() > 0:
            from ..report.progress import GateLine  # noqa: PLC0415  (only with a plan)

            line = GateLine.of(gate)
            self._channel.send(to_text(GateDecided(line.gate_id, line.result.value, line.reason)))

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """After every reordering, before xdist tells the controller that collection is over: the plans."""
        if SERVICES not in self._config.stash:
            return
        for run in self._config.stash[SERVICES].runs:
            phases = ((item.nodeid, phase_of(item)) for item in session.items)
            nodeids = [nodeid for nodeid, phase in phases if phase is not None and phase.run is run]
            self._channel.send(to_text(PlanFound(str(run.plan.path), nodeids, _evidence(run))))

    def report(self, runs: list[PlanRun], lost: list[str]) -> None:
        """The session is over in this worker: the evidence of what it ran, and what could not be written."""
        done = [to_text(PlanEnded(_evidence(run), [*run.problems(), *lost])) for run in runs if run.started]
        self._config.workeroutput[WORKER_INPUT] = done  # type: ignore[attr-defined]  # set by xdist


def _evidence(run: PlanRun) -> str:
    from ..trace.file import dump  # noqa: PLC0415  (only with a plan)

    return dump(run.recorder.evidence).decode()
