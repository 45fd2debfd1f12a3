"""A pytest plugin for sessions of ``contextcore prove``, on a copy: keeps files, leaves phases out, applies a mutation.

Loaded with ``-p`` by that command only. What it shall do stands in the file of ``--contextcore-proving``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ..errors import ProofRefused
from ..plan.proving import MutationPlan
from ..proof.mutate import mutate
from ..proof.sessions import Job
from ..proof.snapshots import Snapshots
from ..trace.evidence import GateEvidence, SpanEvidence
from ..trace.recorder import Change
from .items import phase_of
from .run import PlanRun
from .shared import SERVICES


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option that names the file."""
    parser.getgroup("contextcore").addoption("--contextcore-proving", metavar="FILE", help="for contextcore prove")


def pytest_configure(config: pytest.Config) -> None:
    """Read what to do."""
    file = Path(config.getoption("contextcore_proving"))
    job = Job(**json.loads(file.read_text(encoding="utf-8")))
    config.pluginmanager.register(_Proving(job), "contextcore-proving")


class _Proving:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._snapshots = Snapshots(Path(job.store))
        self._mutation = MutationPlan.model_validate(job.mutation) if job.mutation else None
        self._runs: list[PlanRun] = []
        self._applied: tuple[int, int] | None = None
        self._said: dict[str, Any] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out the phases that this session is not about, as a deselection by name does."""
        out = [item for item in items if self._leaves_out(item)]
        items[:] = [item for item in items if item not in out]
        if out:
            config.hook.pytest_deselected(items=out)

    def _leaves_out(self, item: pytest.Item) -> bool:
        marker = item.get_closest_marker("phase")
        return marker is not None and str(marker.args[0]) in self._job.leave_out

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Listen to the plan's record."""
        shared = session.config.stash.get(SERVICES, None)
        self._runs = [run for run in (shared.runs if shared else ()) if run.plan.trace.id == self._job.trace_id]
        self._said = {"root": str(session.config.rootpath), "workspace": None, "problem": None}
        for run in self._runs:
            self._said["workspace"] = run.recorder.evidence.workspace
            run.recorder.subscribe(self._hear)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        """Apply the mutation before the phase's setup, if that is asked for."""
        phase = phase_of(item)
        if phase is not None and self._job.when == "start" and phase.phase_id == self._job.phase:
            self._mutate()

    def _hear(self, change: Change, span: SpanEvidence | None, gate: GateEvidence | None) -> None:
        """A phase's gates begin: keep its files, or change one of them."""
        if change is not Change.NOTED or span is None or gate is not None or not _gates_began(span.gates):
            return
        phase_id = self._runs[0].plan.short_phase_id(span.span_id)
        if self._mutation is None:
            if not self._job.phase and not self._snapshots.has(f"phase-{phase_id}"):
                self._snapshots.take(f"phase-{phase_id}", Path(self._job.tree))
        elif phase_id == self._job.phase:
            self._mutate()

    def _mutate(self) -> None:
        """Apply the mutation; once more if somebody has written the file again."""
        if self._mutation is None or self._mutation.file is None or self._said["problem"]:
            return
        run = self._runs[0]
        folder = run.recorder.evidence.workspace or run.plan.path.parent
        path = Path(folder) / self._mutation.file
        if not path.resolve().is_relative_to(Path(self._job.tree).resolve()):
            self._said["problem"] = f"{path} is not inside the copy"
        elif self._applied is None or (path.exists() and _state(path) != self._applied):
            try:
                mutate(self._mutation, path)
            except ProofRefused as error:
                self._said["problem"] = str(error)
            self._applied = _state(path) if path.exists() else (0, 0)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Tell the command what was done."""
        Path(self._job.answer).write_text(json.dumps(self._said), encoding="utf-8")


def _gates_began(gates: Sequence[GateEvidence]) -> bool:
    return any(gate.started_at is not None for gate in gates)


def _state(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_mtime_ns, state.st_size
