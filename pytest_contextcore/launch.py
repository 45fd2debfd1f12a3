"""From collected tests to running plans (contract 2): checks, order, markers, and what a deselection leaves out."""

from __future__ import annotations

import os
import shlex
import unittest
from collections.abc import Mapping
from pathlib import Path

import pytest

from . import joining
from .collection import CollectedPlan, CollectionError, PhaseTest, assign, in_plan_order, unproven_upstreams
from .dependency import mark_phase
from .discovery import Found, collected_whole
from .evidence_file import evidence_path
from .places import portable
from .plan import Plan, PlanError, load_plan
from .reuse import EvidenceError, Proof, fingerprint, load_evidence, not_reusable
from .run import OptionValue, PlanRun, asserts_are_disabled
from .run_context import RunContext
from .services import PHASE_OF, Services
from .sources import source_of
from .store import digest_file
from .waivers import Waivers, load_waivers


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


def fingerprints_of(
    plan: Plan,
    nodeids: Mapping[str, str],
    context: RunContext,
    options: Mapping[str, object],
    workspace: str | None,
) -> dict[str, str]:
    """The fingerprint of each phase whose test's source can be read; paths inside the rootdir count from there."""
    here = {name: portable(value, context.root) for name, value in options.items()}
    place = str(portable(workspace, context.root)) if workspace else None
    found = {}
    for phase_id, nodeid in nodeids.items():
        source = source_of(context.root, nodeid)
        if source is not None:
            found[phase_id] = fingerprint(plan, phase_id, source=source, options=here, workspace=place)
    return found


def select(run: PlanRun, selected: set[str], whole: str) -> None:
    """Take over the phases that a deselection left out and that the last evidence proves; join its trace if asked to.

    ``whole`` is the command that runs the plan whole, for the message.

    Raises:
        pytest.UsageError: a selected phase needs one that was deselected and that nothing proves, or the trace that
            ``TRACEPARENT`` names cannot be joined.
    """
    proof = prove(run, selected)
    needed = unproven_upstreams(run.plan, selected, proof.proven)
    if needed:
        upstream, phase_id = next(iter(needed.items()))
        raise pytest.UsageError(
            f"phase {phase_id} is selected but needs {upstream}, which is deselected and not proven by the last "
            f"evidence: {proof.refused[upstream]}; run the plan whole: {whole}"
        )
    joined = _join(run, proof)
    left_out = set(run.plan.by_id) - selected
    run.recorder.partial = bool(left_out - set(proof.proven) if joined else left_out)
    for phase_id in run.plan.by_id:
        if phase_id in proof.proven:
            run.recorder.adopt(phase_id, proof.proven[phase_id])
        elif phase_id in left_out:
            run.recorder.leave_out(phase_id)
    run.handoffs.take_back(proof.proven.values())


def prove(run: PlanRun, running: set[str]) -> Proof:
    """What the last evidence proves where ``running`` are the phases that are to run (the rule of resume)."""
    plan, context = run.plan, run.context
    if len(running) == len(plan.phases) and context.remote is None:
        return Proof(None, {}, {})  # nothing to take over, and no trace to join
    try:
        last = load_evidence(evidence_path(context.out, plan.trace.id), unaltered=True)
    except EvidenceError as error:
        return Proof(None, {}, dict.fromkeys(plan.by_id, str(error)))
    spans = {plan.short_phase_id(span.span_id): span for span in last.spans}
    recorded = run.recorder.evidence
    nodeids = {
        **{phase_id: span.nodeid for phase_id, span in spans.items() if span.nodeid},
        **run.collected.nodeids,
    }
    fingerprints = fingerprints_of(plan, nodeids, context, recorded.options, recorded.workspace)
    refused = not_reusable(plan, last, running, fingerprints, lambda path: _digest(context.root / path))
    return Proof(last, {phase_id: spans[phase_id] for phase_id in plan.by_id if phase_id not in refused}, refused)


def _join(run: PlanRun, proof: Proof) -> bool:
    """Go on with the trace of the last evidence, if ``TRACEPARENT`` says so."""
    try:
        joined = joining.joins(run.plan, proof, os.environ.get("TRACEPARENT"), run.context.remote)
    except joining.JoinRefused as error:
        raise pytest.UsageError(str(error)) from error
    if proof.last is None:
        return False
    if joined:
        run.recorder.join(proof.last)
    elif proof.proven and joining.is_open(proof.last):
        run.remarks.append(
            f"note: a trace of its own; that of the last evidence ({proof.last.otel_trace_id}) is not finished by it"
        )
    return joined


def _digest(path: Path) -> str | None:
    try:
        return digest_file(path)
    except OSError:
        return None


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
        if selected and not run.context.replacement:
            select(run, selected, _whole_command(config, run.plan))
        for item, phase_id in phases:
            mark_phase(item, run.plan, phase_id, left_out=set(run.plan.by_id) - selected)
