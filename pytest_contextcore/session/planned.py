"""The beginning of a session that has a plan: who runs, who listens, who else is kept out."""

from __future__ import annotations

import sys

import pytest

from ..errors import RunInUse
from ..options import KEY
from ..plan.model import Plan
from ..recovery.end import end_before_another_run
from ..report.progress import open_progress
from ..trace.changes import all_of
from .collect import arrange, build_runs
from .discovery import Found
from .lock import RunLock
from .phase_hooks import PhaseRunner, PlanHooks
from .reused import KeptPhases, KeptWords
from .run import PlanRun
from .shared import PHASE_OF, Services, services
from .timeout import Deadlines
from .traced import link_of, start


def begin(session: pytest.Session, items: list[pytest.Item], found: list[Found]) -> None:
    """Tests were collected and a plan is among them.

    Raises:
        pytest.UsageError: a bad plan, or tests that do not fit it; in an xdist worker the controller is told instead.
    """
    config = session.config
    if session.testsfailed and not config.option.continue_on_collection_errors:
        return  # pytest stops before any test; what could not be collected is no mistake in the plan
    shared = services(config)
    runs = build_runs(session, found, shared)
    arrange(config, items, runs)
    shared.runs = runs
    link = link_of(config)
    if config.option.collectonly or config.getoption("setuponly", False):
        return
    if link is None:
        reached = {item.stash[PHASE_OF][0].plan.trace.id for item in items if PHASE_OF in item.stash}
        for run in runs:
            if run.plan.trace.id in reached:  # else nothing is written for it
                hold(config, shared, run.plan, joined=run.recorder.evidence.joined)
    around = start(config)
    of_phases: dict[str, object] = {}
    if config.stash[KEY].resume:
        of_phases["contextcore-kept"] = KeptPhases()
        if link is None:
            config.pluginmanager.register(KeptWords(), "contextcore-kept-words")
    of_phases["contextcore-plans"] = PlanHooks(runs)
    listeners = open_progress(config).listeners if link is None else [link.tell_of_gate]
    for run in runs:
        run.recorder.listener = all_of(run.recorder.listener, *listeners)
    if timed := [run for run in runs if any(phase.timeout for phase in run.plan.phases)]:
        of_phases["contextcore-deadlines"] = _watch_deadlines(config, shared, timed)
    around.phases = runner = PhaseRunner(config.pluginmanager, of_phases)
    config.pluginmanager.register(runner, "contextcore-phases")


def hold(config: pytest.Config, shared: Services, plan: Plan, *, joined: bool) -> None:
    """Keep other runs from writing this plan's evidence into the same folder until this session is over.

    What a killed run left open there is ended first. ``joined``: this run goes on with the trace of the last one.

    Raises:
        pytest.UsageError: another run is doing that now.
    """
    out = shared.context.out
    try:
        lock = RunLock.take(out, plan.trace.id)
    except RunInUse as error:
        raise pytest.UsageError(
            f"{error} is running the trace {plan.trace.id} with its evidence in {out}; "
            "wait until it has ended, or name another folder with --contextcore-out"
        ) from None
    if lock is not None:
        config.add_cleanup(lock.close)
        end_before_another_run(out, plan.trace.id, joined=joined)


def _watch_deadlines(config: pytest.Config, shared: Services, runs: list[PlanRun]) -> Deadlines:
    def leave(reason: str) -> None:
        """The process is about to end: what is known goes to disk, and the reason to the terminal."""
        for run in shared.runs:
            run.finish()
        if (capture := config.pluginmanager.get_plugin("capturemanager")) is not None:
            capture.suspend_global_capture(in_=True)
        evidence = " ".join(str(run.file.path) for run in shared.runs if run.started)
        sys.stderr.write(f"\ncontextcore: {reason}\nevidence: {evidence}\n")
        sys.stderr.flush()

    deadlines = Deadlines(leave)
    for run in runs:
        run.recorder.listener = all_of(deadlines.listener(run), run.recorder.listener)
    return deadlines
