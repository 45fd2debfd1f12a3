"""``contextcore plan check``: a plan's order, gates and kinds, and which of its tests were found or are missing.

And ``contextcore plan schema``, for editors.
"""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import click
import pytest

from ..errors import CollectionError, PlanError
from ..ids import PLAN_FILE
from ..plan.assign import CollectedPlan, PhaseTest, assign, find_plan, source_of
from ..plan.defaults import program
from ..plan.model import PhasePlan, Plan, load_plan
from ..schemas import schema
from ..text import plain
from .cli import refuse


@click.group("plan", no_args_is_help=False)
def command() -> None:
    """Look at a plan without running it."""


@command.command("check")
@click.argument("file", required=False, type=click.Path(path_type=Path))
def _check(file: Path | None) -> int:
    """Print a plan's order and gates, and which tests were found.

    FILE is the plan or its folder; without it, plan.toml here, above, or in the only folder that has one. Exit code 1:
    tests do not fit the plan, or are missing. 2: the plan has mistakes.
    """
    path = locate(file)
    if path is None:
        return refuse(f"there is no {PLAN_FILE} in this folder, above, or one below")
    try:
        plan = load_plan(path)
    except PlanError as error:
        print(f"contextcore plan check: {error}", file=sys.stderr)  # a line for each mistake
        return 2
    found = CollectedPlan(plan, {})
    try:
        found = _tests(plan)
    except CollectionError as error:
        refuse(str(error))
    print("\n".join(describe(found)))
    return 1 if found.missing() else 0


@command.command("schema")
def _schema() -> None:
    """Print the JSON Schema of plans.

    An editor that reads #:schema ./plan.schema.json in a plan's first line completes and checks its keys by that file.
    """
    print(json.dumps(schema("plan"), indent=2, ensure_ascii=False))


def locate(file: Path | None) -> Path | None:
    """The plan that a command means: a file or its folder, else plan.toml here, above, or in the only folder below."""
    below = sorted(Path.cwd().glob(f"*/{PLAN_FILE}"))
    path = file or find_plan(Path.cwd()) or (below[0] if len(below) == 1 else None)
    if path is None:
        return None
    return path / PLAN_FILE if os.path.isdir(path) else path  # noqa: PTH112  (a name too long is no folder, not an error)


class _Collector:
    """A pytest plugin that keeps the phase tests and the errors of a collection."""

    def __init__(self) -> None:
        self.tests: list[PhaseTest] = []
        self.errors: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            last = (report.longreprtext.strip().splitlines() or [""])[-1]
            self.errors.append(f"{report.nodeid}: {last.removeprefix('E').strip()}")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            marker = item.get_closest_marker("phase")
            if marker is not None and marker.args and isinstance(item, pytest.Function):
                source = source_of(item.config.rootpath, item.nodeid) or ""
                self.tests.append(PhaseTest(item.nodeid, str(marker.args[0]), source))


def _tests(plan: Plan) -> CollectedPlan:
    """The plan with its tests, as ``python -m pytest FOLDER`` would collect them, or a ``CollectionError``."""
    collector, said = _Collector(), io.StringIO()
    sys.path.insert(0, str(Path.cwd()))
    arguments = ["--collect-only", "-p", "no:contextcore-listener", str(plan.path.parent)]
    try:
        with redirect_stdout(said), redirect_stderr(said):
            code = pytest.main(arguments, plugins=[collector])
    except SystemExit as error:
        raise CollectionError(f"pytest cannot collect {plan.path.parent}: exit code {error.code}") from None
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        why = "; ".join(collector.errors) or (said.getvalue().strip().splitlines() or ["no message"])[-1]
        raise CollectionError(f"pytest cannot collect {plan.path.parent} (exit code {int(code)}): {why}")
    return assign(plan, collector.tests, whole=False)


def describe(collected: CollectedPlan) -> list[str]:
    """A plan as lines: a block for each phase with its gates, and its test or its program."""
    plan = collected.plan
    lines = [f"{plan.trace.id}  {plan.trace.title}  ({plan.path})"]
    for position, phase in enumerate(plan.phases, start=1):
        upstream = ", ".join(plan.upstream[phase.id]) or "nothing"
        lines.append(f"{position:>3}. {phase.id} {phase.name}  (after {upstream})")
        lines += [f"       {gate.id:<4} {gate.kind.value:<9} {plain(gate.purpose)}" for gate in phase.gates]
        lines.append(f"       {_by(phase, collected.nodeids.get(phase.id))}")
    missing = ", ".join(collected.missing())
    gates = sum(len(phase.gates) for phase in plan.phases)
    state = f"tests missing for {missing}" if missing else "every phase has its test"
    return [*lines, f"{len(plan.phases)} phases, {gates} gates; {state}"]


def _by(phase: PhasePlan, nodeid: str | None) -> str:
    """What decides a phase: its test, its program, or its checks alone."""
    if phase.run is not None:
        return f"run  {program(phase.run)}"
    if nodeid is not None or phase.needs_test:
        return f"test {nodeid or f'MISSING: mark one with @pytest.mark.phase({phase.id!r})'}"
    return "decided by its checks"
