"""From collected tests to running plans (contract 2): checks, order, markers, and what a deselection leaves out."""

from __future__ import annotations

import shlex
import unittest
from pathlib import Path

import pytest

from ..errors import CollectionError, PlanError
from ..options import KEY, asserts_are_disabled
from ..plan.assign import CollectedPlan, PhaseTest, assign, in_plan_order
from ..plan.model import Plan, load_plan
from ..plan.waivers import Waivers, load_waivers
from .dependency import mark_phase
from .discovery import Found, collected_whole
from .reused import keep
from .run import OptionValue, PlanRun
from .selection import fingerprints_of, select
from .shared import PHASE_OF, Services
from .sources import source_of


def build_runs(session: pytest.Session, found: list[Found], shared: Services) -> list[PlanRun]:
    """A run for each plan, before anything of it is selected.

    Raises:
        pytest.UsageError: a bad plan, or tests that do not fit it.
    """
    if reason := asserts_are_disabled():
        raise pytest.UsageError(f"plan {found[0].path}: {reason}")
    runs: dict[str, PlanRun] = {}
    for one in found:
        try:
            plan = load_plan(one.path)
            waivers = load_waivers(plan)
            tests = [_phase_test(item, name) for item, name in one.tests]
            collected = assign(plan, tests, whole=collected_whole(session, one))
        except (PlanError, CollectionError) as error:
            raise pytest.UsageError(str(error)) from error
        if plan.trace.id in runs:
            other = runs[plan.trace.id].plan.path
            raise pytest.UsageError(f"{other} and {one.path} both declare the trace {plan.trace.id}; ids must differ")
        runs[plan.trace.id] = run = _build_run(session.config, collected, shared, waivers)
        for item, name in one.tests:
            item.stash[PHASE_OF] = (run, plan.short_phase_id(name))
    return list(runs.values())


def _phase_test(item: pytest.Item, name: str) -> PhaseTest:
    if not isinstance(item, pytest.Function):
        raise pytest.UsageError(f"{item.nodeid} is marked as a phase, but only a test function can be one")
    if item.cls is not None and issubclass(item.cls, unittest.TestCase):
        raise pytest.UsageError(f"{item.nodeid} is marked as a phase, but a method of unittest.TestCase cannot be one")
    return PhaseTest(item.nodeid, name, source_of(item.config.rootpath, item.nodeid) or "")


def _build_run(config: pytest.Config, collected: CollectedPlan, shared: Services, waivers: Waivers) -> PlanRun:
    plan = collected.plan
    workspace = config.hook.pytest_contextcore_workspace(config=config, plan=plan)
    options = _options(config, plan)
    return PlanRun(
        collected,
        shared.context,
        shared.outbox,
        options=options,
        workspace=workspace,
        fingerprints=fingerprints_of(
            plan, collected.nodeids, shared.context, options, str(workspace) if workspace else None
        ),
        waivers=waivers,
    )


def _options(config: pytest.Config, plan: Plan) -> dict[str, OptionValue]:
    """The values of the options that the plan's phases say they read."""
    names = dict.fromkeys(name for phase in plan.phases for name in phase.options)
    return {name: _plain(config.getoption(name, None)) for name in names}


def _plain(value: object) -> OptionValue:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return [str(part) for part in value] if isinstance(value, list | tuple) else str(value)


_SELECTING = ("-k", "-m", "--deselect", "--lf", "--last-failed", "--ff", "--failed-first", "--sw", "--stepwise")


def _whole_command(config: pytest.Config, plan: Plan) -> str:
    """The command that this run was started with, without what selects tests."""
    kept: list[str] = []
    arguments = iter(config.invocation_params.args)
    for argument in map(str, arguments):
        if argument in ("-k", "-m", "--deselect"):
            next(arguments, None)
        elif not argument.startswith(_SELECTING) and argument not in config.args:
            kept.append(argument)
    return shlex.join(["pytest", _shown(plan.path.parent), *kept])


def _shown(path: Path) -> str:
    """A path as a user would type it."""
    here = Path.cwd()
    return f"{path.relative_to(here) if path.is_relative_to(here) else path}/"


def arrange(config: pytest.Config, items: list[pytest.Item], runs: list[PlanRun]) -> None:
    """Bring the selected tests into the plans' order and mark who depends on whom.

    Raises:
        pytest.UsageError: see :func:`select`.
    """
    position = {(run.plan.trace.id, phase.id): index for run in runs for index, phase in enumerate(run.plan.phases)}

    def rank(item: pytest.Item) -> tuple[str, int] | None:
        if (found := item.stash.get(PHASE_OF, None)) is None:
            return None
        trace_id = found[0].plan.trace.id
        return trace_id, position[trace_id, found[1]]

    items[:] = in_plan_order(items, rank)
    for run in runs:
        phases = [(item, item.stash[PHASE_OF][1]) for item in items if item.stash.get(PHASE_OF, (None,))[0] is run]
        selected = {phase_id for _, phase_id in phases}
        reused: set[str] = set()
        if selected and not run.context.replacement:
            reused = select(run, selected, _whole_command(config, run.plan), resume=config.stash[KEY].resume)
        for item, phase_id in phases:
            mark_phase(item, run.plan, phase_id, left_out=set(run.plan.by_id) - selected | reused)
            if phase_id in reused:
                keep(item)
