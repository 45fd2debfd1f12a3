"""The pilot's whole run, and what of it is the interpreter, pytest, and imports."""

from __future__ import annotations

import re
import statistics
import subprocess
from pathlib import Path
from typing import Any

from .environments import Environment, clean_environ
from .runs import run
from .suites import pilot_suite, tidy, write_suite

TARGET = 1.5
_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")
_GROUPS = {
    "pytest and what it needs": ("_pytest", "pytest", "pluggy", "iniconfig", "packaging", "pygments"),
    "this plugin": ("pytest_contextcore",),
    "pydantic": ("pydantic", "pydantic_core", "annotated_types", "typing_inspection", "typing_extensions"),
    "OpenTelemetry": ("opentelemetry", "google", "grpc"),
    "other packages": ("yaml", "promql_parser", "pytest_dependency"),
}
_PILOT = "the pilot"


def measure(ours: Environment, bare: Environment, folder: Path, runs: int) -> dict[str, Any]:
    """Rounds of: an empty interpreter, bare pytest on one test, the pilot. And one run whose imports are timed."""
    suite, one = pilot_suite(folder), write_suite(folder, "plain", 1)
    pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider"]
    commands = {
        "interpreter": ([str(ours.python), "-c", "pass"], folder),
        "pytest": ([str(bare.python), *pytest], one),
        "pilot": ([str(ours.python), *pytest, "pilot_tests"], suite),
    }
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in commands}
    for number in range(runs + 1):
        for name, (command, home) in commands.items():
            tidy(suite)
            result = run(command, home, clean_environ())
            if number:  # the first one writes bytecode
                found[name].append(result.as_json())
    imports = _imports(commands["pilot"][0], suite)
    tidy(suite)
    middle = {name: statistics.median(one["wall"] for one in those) for name, those in found.items()}
    cpu = statistics.median(one["cpu"] for one in found["pilot"])
    return {
        "runs": found,
        "imports": imports,
        "row": [
            "the pilot's whole run",
            f"≤ {TARGET} s",
            f"**{middle['pilot']:.2f}** s ({cpu:.2f} s CPU)",
            "yes" if middle["pilot"] <= TARGET else "**no**",
            "",
            "",
            "",
        ],
        "markdown": _markdown(middle, cpu, imports),
    }


def _imports(command: list[str], home: Path) -> dict[str, float]:
    """Milliseconds spent in importing modules, by whose they are; they include what timing them costs."""
    python, *rest = command
    done = subprocess.run(
        [python, "-X", "importtime", *rest, "-s"],  # captured, what is imported during collection would not be seen
        cwd=home,
        env=clean_environ(),
        check=True,
        capture_output=True,
        text=True,
    )
    sums: dict[str, float] = dict.fromkeys([*_GROUPS, _PILOT, "the standard library"], 0.0)
    for match in _LINE.finditer(done.stderr):
        sums[_group(match[2])] += int(match[1]) / 1000
    return sums


def _group(module: str) -> str:
    if module.startswith(("pytest_contextcore.pilot", "test_pilot")):
        return _PILOT
    top = module.partition(".")[0]
    return next((group for group, names in _GROUPS.items() if top in names), "the standard library")


def _markdown(middle: dict[str, float], cpu: float, imports: dict[str, float]) -> str:
    rows = [
        f"| the whole run, by the clock | {middle['pilot'] * 1000:.0f} ms (CPU {cpu * 1000:.0f} ms) |",
        f"| an interpreter that does nothing | {middle['interpreter'] * 1000:.0f} ms |",
        f"| bare pytest with one test, the interpreter included | {middle['pytest'] * 1000:.0f} ms |",
        *(f"| imports: {name} | {value:.0f} ms |" for name, value in imports.items()),
    ]
    return (
        "#### the pilot's whole run\n\n| | |\n|---|---|\n"
        + "\n".join(rows)
        + "\n\nImports are those of one run under `-X importtime`, which makes them look dearer than they are."
    )
