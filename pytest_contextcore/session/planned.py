"""From collected tests to running plans: checks, order, markers, what a deselection leaves out, who listens."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import pytest

from ..errors import CollectionError, PlanError
from ..options import KEY, asserts_are_disabled
from ..plan.assign import CollectedPlan, PhaseTest, assign, in_plan_order, source_of
from ..plan.model import Plan, load_plan
from ..plan.waivers import Waivers, load_waivers
from ..report.progress import open_progress
from ..trace.blank import fresh_evidence, keep_failures
from ..trace.evidence import OptionValue
from . import branches
from .close import close_plans, open_page
from .collect import PlannedPhase
from .dependency import mark_phase
from .discovery import Found, collected_whole
from .items import ReusedWords, make_phase, phase_of
from .lock import hold
from .logged import LoggedReports
from .run import PlanRun
from .secrets import SecretsInReports
from .selection import Preview, failed_before, fingerprints_of, select
from .shared import Services, services
from .traced import Link, Runner, start


def begin(
    session: pytest.Session,
    items: list[pytest.Item],
    found: list[Found],
    deselected: Collection[pytest.Item],
    *,
    link: Link | None,
    hooks: Callable[[pytest.PytestPluginManager, LoggedReports], Runner],
) -> None:
    """Tests were collected and a plan is among them. ``deselected``: those of which pytest was told so.

    ``hooks`` makes the runner of phases.

    Raises:
        pytest.UsageError: a bad plan, or tests that do not fit it.
    """
    config = session.config
    if session.testsfailed and not config.option.continue_on_collection_errors:
        return  # pytest stops before any test; what could not be collected is no mistake in the plan
    shared = services(config)
    shared.runs = build_runs(session, items, found, shared)
    selected = arrange(config, items, shared.runs, dropped(items, found, deselected))
    if config.stash[KEY].resume and link is None:
        config.pluginmanager.register(Preview(shared.runs), "contextcore-preview")
    if config.option.collectonly or config.getoption("setuponly", False):
        return
    if link is None:
        phases = [phase for item in items if (phase := phase_of(item)) is not None]
        for trace_id, phase in {phase.run.plan.trace.id: phase for phase in phases}.items():
            hold(config, shared.context.out, trace_id, joined=phase.run.recorder.evidence.joined)
        if config.stash[KEY].resume:
            config.pluginmanager.register(ReusedWords(), "contextcore-reused-words")
        open_page(config, shared, [run.plan.trace.id for run in shared.runs])
    config.pluginmanager.register(SecretsInReports(), "contextcore-secrets")
    shown = link or open_progress(config)
    for run in shared.runs:
        run.hear = shown.hear
        for listener in shown.listeners:
            run.recorder.subscribe(listener)
    traced = start(config, link)
    branches.start(config, items)
    reports = LoggedReports(
        {nodeid: run.logged[phase_id] for run in shared.runs for phase_id, nodeid in run.collected.nodeids.items()}
    )
    config.pluginmanager.register(reports, "contextcore-reports")
    traced.around.phases = hooks(config.pluginmanager, reports)
    traced.close = close_plans
    for run in shared.runs:
        run.awaited = frozenset(selected[run.plan.trace.id])


def build_runs(
    session: pytest.Session, items: list[pytest.Item], found: list[Found], shared: Services
) -> list[PlanRun]:
    """A run for each plan, before anything of it is selected.

    Raises:
        pytest.UsageError: a bad plan, or tests that do not fit it.
    """
    runs: dict[str, PlanRun] = {}
    for one in found:
        try:
            plan = load_plan(one.path)
            waivers = load_waivers(plan)
            _prefer_python(plan, one, items)
            tests = [_phase_test(item, name) for item, name in one.tests]
            collected = assign(plan, tests, whole=collected_whole(session, one))
        except (PlanError, CollectionError) as error:
            raise pytest.UsageError(str(error)) from error
        if plan.trace.id in runs:
            other = runs[plan.trace.id].plan.path
            raise pytest.UsageError(f"{other} and {one.path} both declare the trace {plan.trace.id}; ids must differ")
        runs[plan.trace.id] = run = _build_run(session.config, collected, shared, waivers)
        for item, name in one.tests:
            make_phase(item, run, plan.short_phase_id(name))
    return list(runs.values())


def _prefer_python(plan: Plan, one: Found, items: list[pytest.Item]) -> None:
    """Leave a phase to its test in Python, if it has one; its checks are evaluated after that.

    Raises:
        pytest.UsageError: asserts are disabled.
    """
    in_python = {plan.short_phase_id(name) for item, name in one.tests if not isinstance(item, PlannedPhase)}
    if (in_python or any(phase.needs_test for phase in plan.phases)) and (reason := asserts_are_disabled()):
        raise pytest.UsageError(f"plan {plan.path}: {reason}")
    doubles = {item for item, name in one.tests if isinstance(item, PlannedPhase) and name in in_python}
    if doubles:
        items[:] = [item for item in items if item not in doubles]
        one.tests[:] = [pair for pair in one.tests if pair[0] not in doubles]


def _phase_test(item: pytest.Item, name: str) -> PhaseTest:
    source = source_of(item.config.rootpath, item.nodeid) or ""
    return PhaseTest(item.nodeid, name, source, isinstance(item, PlannedPhase))


def _build_run(config: pytest.Config, collected: CollectedPlan, shared: Services, waivers: Waivers) -> PlanRun:
    plan = collected.plan
    folder = config.hook.pytest_contextcore_workspace(config=config, plan=plan)
    workspace = str(folder) if folder else None
    options, context, trace_id = _options(config, plan), shared.context, plan.trace.id
    evidence = fresh_evidence(plan)
    evidence.otel_trace_id, evidence.otel_span_id = context.otel_trace_id(trace_id), context.otel_span_id(trace_id)
    evidence.otel_parent_span_id = context.remote.span_id if context.remote else None
    evidence.workspace, evidence.options = workspace, options
    evidence.runs, evidence.in_ci = [context.run_id], shared.outbox.in_ci
    prints = fingerprints_of(plan, collected.nodeids, context.root, options, workspace)
    for phase_id, span in zip(plan.by_id, evidence.spans, strict=True):
        span.nodeid, span.fingerprint = collected.nodeids.get(phase_id), prints.get(phase_id, {})
    if not context.replacement and (last := failed_before(context.out, plan)) is not None:
        keep_failures(evidence, last)
    return PlanRun(collected, context, shared.outbox, evidence, waivers)


def _options(config: pytest.Config, plan: Plan) -> dict[str, OptionValue]:
    """The values of the options that the plan's phases say they read."""
    names = dict.fromkeys(name for phase in plan.phases for name in phase.options)
    return {name: _plain(config.getoption(name, None)) for name in names}


def _plain(value: object) -> OptionValue:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return [str(part) for part in value] if isinstance(value, list | tuple) else str(value)


def dropped(items: list[pytest.Item], found: list[Found], deselected: Collection[pytest.Item]) -> dict[str, set[str]]:
    """Phases whose tests a hook took out without saying that they are deselected: short ids, by trace id."""
    left = {id(phase) for item in items if (phase := phase_of(item)) is not None}
    told = {id(item) for item in deselected}
    missing: dict[str, set[str]] = {}
    for item in (item for one in found for item, _ in one.tests if id(item) not in told):
        if (phase := phase_of(item)) is not None and id(phase) not in left:
            missing.setdefault(phase.run.plan.trace.id, set()).add(phase.phase_id)
    return missing


def arrange(
    config: pytest.Config, items: list[pytest.Item], runs: list[PlanRun], dropped: Mapping[str, set[str]]
) -> dict[str, set[str]]:
    """Bring the selected tests into the plans' order and mark who depends on whom.

    Returns the short ids of the phases that are to run or to be reused, by trace id: the ``dropped`` ones too.

    Raises:
        pytest.UsageError: see :func:`select`.
    """
    position = {(run.plan.trace.id, phase.id): index for run in runs for index, phase in enumerate(run.plan.phases)}

    def rank(item: pytest.Item) -> tuple[str, int] | None:
        if (phase := phase_of(item)) is None:
            return None
        trace_id = phase.run.plan.trace.id
        return trace_id, position[trace_id, phase.phase_id]

    items[:] = in_plan_order(items, rank)
    known = [(item, phase) for item in items if (phase := phase_of(item)) is not None]
    found: dict[str, set[str]] = {}
    for run in runs:
        phases = [(item, phase) for item, phase in known if phase.run is run]
        selected = {phase.phase_id for _, phase in phases} | dropped.get(run.plan.trace.id, set())
        found[run.plan.trace.id] = selected
        reused: set[str] = set()
        if selected and not run.context.replacement:
            reused = select(run, selected, _whole_command(config, run.plan), resume=config.stash[KEY].resume)
        left_out = set(run.plan.by_id) - selected | reused
        for item, phase in phases:
            mark_phase(item, run.plan, phase.phase_id, left_out=left_out)
            if phase.phase_id in reused and isinstance(item, pytest.Function):
                phase.kept = True
                item.fixturenames = []
            elif isinstance(item, pytest.Function) and "phase" not in item.fixturenames:
                item.fixturenames.append("phase")  # which refuses to be run past pytest_runtest_protocol
    return found


_SELECTING = ("-k", "-m", "--deselect", "--lf", "--last-failed", "--ff", "--failed-first", "--sw", "--stepwise")


def _whole_command(config: pytest.Config, plan: Plan) -> str:
    """The command that this run was started with, without what selects tests."""
    kept: list[str] = []
    named = {*config.args, *config.known_args_namespace.file_or_dir}  # the former are what the latter stand for
    arguments = iter(config.invocation_params.args)
    for argument in map(str, arguments):
        if argument in ("-k", "-m", "--deselect"):
            next(arguments, None)
        elif not argument.startswith(_SELECTING) and argument not in named:
            kept.append(argument)
    here, folder = Path.cwd(), plan.path.parent
    shown = folder.relative_to(here) if folder.is_relative_to(here) else folder
    return shlex.join(["pytest", f"{shown}/", *kept])
