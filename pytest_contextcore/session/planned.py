"""The beginning of a session that has a plan: who runs, who listens, who else is kept out."""

from __future__ import annotations

import sys

import pytest

from ..options import KEY
from ..report.progress import open_progress
from .close import PlanReports
from .collect import arrange, build_runs
from .discovery import Found
from .items import ReusedWords, phase_of
from .lock import hold
from .phase_hooks import PhaseHooks
from .shared import Services, services
from .traced import Link, start


def begin(session: pytest.Session, items: list[pytest.Item], found: list[Found], link: Link | None) -> None:
    """Tests were collected and a plan is among them.

    Raises:
        pytest.UsageError: a bad plan, or tests that do not fit it.
    """
    config = session.config
    if session.testsfailed and not config.option.continue_on_collection_errors:
        return  # pytest stops before any test; what could not be collected is no mistake in the plan
    shared = services(config)
    shared.runs = build_runs(session, found, shared)
    arrange(config, items, shared.runs)
    if config.option.collectonly or config.getoption("setuponly", False):
        return
    if link is None:
        phases = [phase for item in items if (phase := phase_of(item)) is not None]
        for trace_id, phase in {phase.run.plan.trace.id: phase for phase in phases}.items():
            hold(config, shared.context.out, trace_id, joined=phase.run.recorder.evidence.joined)
        if config.stash[KEY].resume:
            config.pluginmanager.register(ReusedWords(), "contextcore-reused-words")
    listeners = open_progress(config).listeners if link is None else [link.tell_of_gate]
    for run in shared.runs:
        for listener in listeners:
            run.recorder.subscribe(listener)
    traced = start(config, link)
    traced.around.phases = PhaseHooks(config.pluginmanager, lambda reason: _leave(config, shared, reason))
    traced.reports = PlanReports(config, shared)


def _leave(config: pytest.Config, shared: Services, reason: str) -> None:
    """The process is about to end in a test: what is known goes to disk, and the reason to the terminal."""
    for run in shared.runs:
        run.finish()
    if (capture := config.pluginmanager.get_plugin("capturemanager")) is not None:
        capture.suspend_global_capture(in_=True)
    evidence = " ".join(str(run.file.path) for run in shared.runs if run.started)
    sys.stderr.write(f"\ncontextcore: {reason}\nevidence: {evidence}\n")
    sys.stderr.flush()
