"""``contextcore plan check``: a plan's order, gates and kinds, and which of its tests were found or are missing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from .collection import CollectionError, PhaseTest, assign, find_plan
from .plan import PLAN_FILE, Plan, PlanError, load_plan


def command(arguments: list[str]) -> int:
    """The command line: exit code 0 if plan and tests fit, 1 if they do not, 2 for a bad plan or usage."""
    parser = argparse.ArgumentParser(prog="contextcore plan", description="Look at a plan without running it.")
    parser.add_argument("action", choices=["check"])
    parser.add_argument(
        "file", nargs="?", type=Path, help=f"the plan (default: {PLAN_FILE} here, above, or in a folder)"
    )
    options = parser.parse_args(arguments)
    path = options.file or _default_plan(Path.cwd())
    if path is None:
        print(f"contextcore plan check: there is no {PLAN_FILE} in this folder, above, or one below", file=sys.stderr)
        return 2
    path = path / PLAN_FILE if path.is_dir() else path
    try:
        plan = load_plan(path)
    except PlanError as error:
        print(f"contextcore plan check: {error}", file=sys.stderr)
        return 2
    try:
        found = {plan.short_phase_id(test.phase): test.nodeid for test in _checked_tests(plan)}
    except CollectionError as error:
        print("\n".join(describe(plan, {})))
        print(f"contextcore plan check: {error}", file=sys.stderr)
        return 1
    print("\n".join(describe(plan, found)))
    return 0 if len(found) == len(plan.phases) else 1


def _default_plan(here: Path) -> Path | None:
    below = sorted(here.glob(f"*/{PLAN_FILE}"))
    return find_plan(here) or (below[0] if len(below) == 1 else None)


def _checked_tests(plan: Plan) -> Sequence[PhaseTest]:
    collector = _Collector()
    arguments = ["--collect-only", "-qqq", "-p", "no:terminal", "-p", "no:contextcore-listener", str(plan.path.parent)]
    code = pytest.main(arguments, plugins=[collector])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        problem = "; ".join(collector.errors) or f"pytest --collect-only ended with exit code {int(code)}"
        raise CollectionError(f"the tests of {plan.path.parent} cannot be collected: {problem}")
    assign(plan, collector.tests, whole=False)
    return collector.tests


class _Collector:
    """A pytest plugin that keeps the phase tests it sees and what could not be collected."""

    def __init__(self) -> None:
        self.tests: list[PhaseTest] = []
        self.errors: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            last = report.longreprtext.strip().splitlines() or [""]
            self.errors.append(f"{report.nodeid}: {last[-1].removeprefix('E').strip()}")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            marker = item.get_closest_marker("phase")
            if marker is not None and marker.args and isinstance(marker.args[0], str):
                self.tests.append(PhaseTest(item.nodeid, marker.args[0]))


def describe(plan: Plan, found: dict[str, str]) -> list[str]:
    """The plan as lines: a block a phase, its gates and its test."""
    lines = [f"{plan.trace.id}  {plan.trace.title}  ({plan.path})"]
    for position, phase in enumerate(plan.phases, start=1):
        upstream = ", ".join(plan.upstream[phase.id]) or "nothing"
        lines.append(f"{position:>3}. {phase.id} {phase.name}  (after {upstream})")
        lines += [f"       {gate.id:<4} {gate.kind.value:<9} {gate.purpose}" for gate in phase.gates]
        lines.append(
            f"       test {found.get(phase.id) or 'MISSING: mark one with @pytest.mark.phase(' + repr(phase.id) + ')'}"
        )
    missing = [phase.id for phase in plan.phases if phase.id not in found]
    gates = sum(len(phase.gates) for phase in plan.phases)
    state = f"tests missing for {', '.join(missing)}" if missing else "every phase has its test"
    lines.append(f"{len(plan.phases)} phases, {gates} gates; {state}")
    return lines
