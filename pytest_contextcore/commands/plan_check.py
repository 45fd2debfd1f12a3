"""``contextcore plan check``: a plan's order, gates and kinds, and which of its tests were found or are missing."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from ..errors import CollectionError, PlanError
from ..ids import PLAN_FILE
from ..plan.assign import PhaseTest, assign, find_plan
from ..plan.model import Plan, load_plan
from ..text import plain
from .collector import TARGET


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
    path = path / PLAN_FILE if os.path.isdir(path) else path  # noqa: PTH112  (never raises)
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


def _checked_tests(plan: Plan) -> list[PhaseTest]:
    """The plan's tests, collected by pytest in a process of its own, as ``pytest FOLDER`` would collect them."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "collected.json"
        arguments = ["--collect-only", "-p", "pytest_contextcore.commands.collector", "-p", "no:contextcore-listener"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *arguments, str(plan.path.parent)],
            env={**os.environ, TARGET: str(target)},
            capture_output=True,
            text=True,
            check=False,
        )
        collected = json.loads(target.read_text(encoding="utf-8")) if target.exists() else {}
    if done.returncode not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        said = "; ".join(collected.get("errors", [])) or (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise CollectionError(f"pytest cannot collect {plan.path.parent} (exit code {done.returncode}): {said}")
    tests = [PhaseTest(**test) for test in collected["tests"]]
    assign(plan, tests, whole=False)
    return tests


def describe(plan: Plan, found: dict[str, str]) -> list[str]:
    """The plan as lines: a block a phase, its gates and its test."""
    lines = [f"{plan.trace.id}  {plan.trace.title}  ({plan.path})"]
    for position, phase in enumerate(plan.phases, start=1):
        upstream = ", ".join(plan.upstream[phase.id]) or "nothing"
        lines.append(f"{position:>3}. {phase.id} {phase.name}  (after {upstream})")
        lines += [f"       {gate.id:<4} {gate.kind.value:<9} {plain(gate.purpose)}" for gate in phase.gates]
        lines.append(
            f"       test {found.get(phase.id) or 'MISSING: mark one with @pytest.mark.phase(' + repr(phase.id) + ')'}"
        )
    missing = [phase.id for phase in plan.phases if phase.id not in found]
    gates = sum(len(phase.gates) for phase in plan.phases)
    state = f"tests missing for {', '.join(missing)}" if missing else "every phase has its test"
    lines.append(f"{len(plan.phases)} phases, {gates} gates; {state}")
    return lines
