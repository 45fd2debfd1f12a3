"""``contextcore plan check``: a plan's order, gates and kinds, and which of its tests were found or are missing."""

from __future__ import annotations

import io
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import click
import pytest

from ..errors import CollectionError, PlanError
from ..ids import PLAN_FILE, named
from ..plan.assign import CollectedPlan, PhaseTest, assign, source_of
from ..plan.checks import output_plan
from ..plan.defaults import program
from ..plan.model import GatePlan, PhasePlan, Plan, load_plan
from ..session.collect import find_plan
from ..session.discovery import phase_id
from ..text import plain, plural
from .cli import FILE, print_lines, refuse, refusing


@click.command("check")
@click.argument("file", required=False, type=FILE)
@refusing(2)
def check(file: Path | None) -> int:
    """Print a plan's order and gates, with all defaults, and which tests were found.

    FILE is the plan or its folder; without it, plan.toml here, above, or in the only folder that has one. Exit code 1:
    tests do not fit the plan, or are missing. 2: the plan has mistakes.
    """
    plan = load_plan(locate(file))
    try:
        found = assign(plan, collected_tests(plan.path.parent), whole=False)
    except CollectionError as error:
        print_lines(describe(plan, None))
        return refuse(str(error), 1)
    print_lines(describe(plan, found))
    return 1 if found.missing() else 0


def locate(file: Path | None) -> Path:
    """The plan that a command means: a file or its folder, else plan.toml here, above, or in the only folder below.

    Raises:
        PlanError: there is no such file.
    """
    below = sorted(Path.cwd().glob(f"*/{PLAN_FILE}"))
    path = file or find_plan(Path.cwd()) or (below[0] if len(below) == 1 else None)
    if path is None:
        where = "here, above, or in just one folder below"
        raise PlanError(f"there is no {PLAN_FILE} {where}; name one, or begin: contextcore plan init")
    path = path / PLAN_FILE if os.path.isdir(path) else path  # noqa: PTH112  (never raises)
    if not os.path.isfile(path):  # noqa: PTH113  (never raises)
        raise PlanError(f"there is no file {path}; contextcore plan init writes a plan to start from")
    return path


class _Collector:
    """A pytest plugin that keeps the errors of a collection, and a folder's phase tests but those of plans below."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.tests: list[PhaseTest] = []
        self.errors: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            last = (report.longreprtext.strip().splitlines() or [""])[-1]
            self.errors.append(f"{report.nodeid}: {last.removeprefix('E').strip()}")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """In the order of the source, whoever shuffles the tests."""
        for item in sorted(items, key=lambda item: (item.path, item.location[1] or 0)):
            name, plan = phase_id(item), find_plan(item.path.parent)
            if name is not None and (plan is None or self._folder.is_relative_to(plan.parent.resolve())):
                self.tests.append(PhaseTest(item.nodeid, name, source_of(item.config.rootpath, item.nodeid) or ""))


def collected_tests(start: Path) -> list[PhaseTest]:
    """The phase tests in a folder or file, as ``python -m pytest START`` would collect them, or `CollectionError`."""
    collector, said = _Collector((start if start.is_dir() else start.parent).resolve()), io.StringIO()
    sys.path.insert(0, str(Path.cwd()))
    arguments = ["--collect-only", "-p", "no:contextcore-listener", str(start)]
    try:
        with redirect_stdout(said), redirect_stderr(said):
            code = pytest.main(arguments, plugins=[collector])
    except SystemExit as error:
        raise CollectionError(f"pytest cannot collect {start}: exit code {error.code}") from None
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        why = "; ".join(collector.errors) or (said.getvalue().strip().splitlines() or ["no message"])[-1]
        raise CollectionError(f"pytest cannot collect {start} (exit code {int(code)}): {why}")
    return collector.tests


def describe(plan: Plan, found: CollectedPlan | None) -> list[str]:
    """A plan as lines: a block for each phase with its gates, and its test or its program; None: tests do not fit."""
    lines = [f"{named(plan.trace.id, plan.trace.title)}  ({plan.path})"]
    for position, phase in enumerate(plan.phases, start=1):
        upstream = ", ".join(plan.upstream[phase.id]) or "nothing"
        lines.append(f"{position:>3}. {named(phase.id, phase.name)}  (after {upstream})")
        lines.append(f"       goal {plain(phase.goal)}")
        for criterion in dict.fromkeys((*phase.exit_criteria, *(gate.criterion for gate in phase.gates))):
            lines.append(f"       exit {plain(criterion)}")
            lines += [line for gate in phase.gates if gate.criterion == criterion for line in _of_gate(gate)]
        lines.append(f"       {_by(phase, found)}")
        lines += [f"       {word:<4} {', '.join(files)}" for word, files in _files(phase) if files]
    gates = sum(len(phase.gates) for phase in plan.phases)
    done = [f"done {plain(done.condition)}" for done in plan.trace.definition_of_done]
    if found is None:
        state = "the tests do not fit"
    elif missing := ", ".join(found.missing()):
        state = f"tests missing for {missing}"
    else:
        state = "every phase has its test, program or checks"
    return [*lines, *done, f"{plural(len(plan.phases), 'phase')}, {plural(gates, 'gate')}; {state}"]


def _of_gate(gate: GatePlan) -> list[str]:
    head = f"         {gate.id:<4} {gate.kind.value:<9} {plain(gate.purpose)}"
    return [head, f"                        next: {plain(gate.next_action)}"]


def _files(phase: PhasePlan) -> list[tuple[str, list[str]]]:
    """The files that a phase reads and makes, as its plan names them."""
    outputs = [output_plan(output).path for output in phase.outputs]
    return [("in", list(phase.inputs)), ("out", outputs)]


def _by(phase: PhasePlan, found: CollectedPlan | None) -> str:
    """What decides a phase: its test, its program, or its checks alone."""
    if phase.run is not None:
        return f"run  {program(phase.run)}"
    if found is None and phase.needs_test:
        return "decided by a test"
    nodeid = found.nodeids.get(phase.id) if found is not None else None
    if nodeid is not None or phase.needs_test:
        return f"test {nodeid or f'MISSING: mark one with @pytest.mark.phase({phase.id!r})'}"
    return "decided by its checks"
