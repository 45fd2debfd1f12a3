"""What a phase costs in plans of growing length: CPU seconds, and milliseconds a phase.

Run it from the repository: ``python -m benchmarks.plans`` (or with other numbers of phases: ``… 100 2000``). Each plan
is run once, in a process of its own, in a folder that is removed afterwards; ten gates a phase, nothing exported.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

SIZES = (100, 200, 400, 1000, 2000)
GATES = 10

HEAD = """
[trace]
id = "LONG"
project_id = "benchmarks"
title = "A plan of many phases"
[[trace.definition_of_done]]
condition = "the first gate of the last phase holds"
gates = ["P{last}-G0"]
next_action = "Look at the last phase."
"""


def write(folder: Path, phases: int) -> None:
    """A plan and its tests, each phase after the one before; every tenth hands something on."""
    plan, tests = [HEAD.format(last=phases - 1)], ["import pytest", "from pytest_contextcore import Handoff", ""]
    for number in range(phases):
        gates = "\n".join(
            f'  {{ id = "G{gate}", purpose = "Gate {gate}", criterion = "all is well", next_action = "Look." }},'
            for gate in range(GATES)
        )
        plan.append(
            f'[[phases]]\nid = "P{number}"\nname = "PHASE_{number}"\ngoal = "Goal {number}"\n'
            f'exit_criteria = ["all is well"]\ngates = [\n{gates}\n]\n'
        )
        tests += [f"class Handed{number}(Handoff):", "    count: int", ""] if number % 10 == 0 else []
        tests += [f'@pytest.mark.phase("P{number}")', f"def test_phase_{number}(phase):"]
        tests += [f"    for gate in range({GATES}):", '        with phase.gate(f"G{gate}"):', "            pass"]
        tests += [f"    phase.handoff(Handed{number}(count=1))"] if number % 10 == 0 else []
        tests.append("")
    (folder / "plan.toml").write_text("\n".join(plan), encoding="utf-8")
    (folder / "test_long.py").write_text("\n".join(tests), encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")


def cpu_seconds(phases: int) -> float:
    """User and system time of one run.

    Raises:
        RuntimeError: the run did not complete.
    """
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), phases)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTEST_"))}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "--no-header", "--no-summary"]
        done = subprocess.run(command, cwd=name, env=environ, capture_output=True, text=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode != 0 or f"{phases} passed" not in done.stdout:
            said = f"{done.stdout[-2000:]}{done.stderr[-500:]}"
            raise RuntimeError(f"{phases} phases: exit code {done.returncode}\n{said}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(arguments: list[str]) -> None:
    """Print a line for each size."""
    start = cpu_seconds(1)
    print(f"{1:>5} phases  {start:7.2f} s  (the start of a session)")
    for phases in map(int, arguments or SIZES):
        seconds = cpu_seconds(phases)
        print(f"{phases:>5} phases  {seconds:7.2f} s  {(seconds - start) / phases * 1000:6.1f} ms a phase", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
