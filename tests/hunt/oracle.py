"""Runs a random session and says what is wrong with it: a few lines decide, and they know nothing of our code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from .sessions import Session, plan_text, tests_text

_COUNT = re.compile(r"(\d+) (failed|errors?)\b")
_SECONDS = 120
_MEANT = ("in", "Failed", "Skipped", "UnknownGate", "UsageError")
"""What we raise for people to read, and frames on the way to an error of somebody else."""


def run(session: Session, folder: Path) -> str | None:
    """Run a session in an empty folder; what is wrong with it, in a line, or None."""
    (folder / "plan.toml").write_text(plan_text(session.phases), encoding="utf-8")
    (folder / "test_hunted.py").write_text(tests_text(session.phases), encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    journal = folder / "journal.txt"
    journal.write_text("", encoding="utf-8")
    if session.before:
        pytest_in(folder, ())
        journal.write_text("", encoding="utf-8")
    if session.conftest:
        (folder / "conftest.py").write_text(session.conftest, encoding="utf-8")
    try:
        code, output = pytest_in(folder, session.arguments)
    except subprocess.TimeoutExpired:
        return "it hung"
    if wrong := _traceback_of_ours(output):
        return wrong
    if code == 0 and (wrong := false_green(session, journal.read_text(encoding="utf-8"))):
        return f"false green: {wrong}"
    return _junit_is_short(folder, output)


def pytest_in(folder: Path, arguments: tuple[str, ...]) -> tuple[int, str]:
    """Run pytest in a folder: its exit code and all that it printed."""
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTEST_", "GITHUB_"))
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--junitxml=junit.xml",
        "-p",
        "no:hypothesispytest",
        "-p",
        "no:cacheprovider",
    ]
    if {"--ff", "--lf"} & set(arguments):
        command = command[:-2]
    done = subprocess.run(
        [*command, *arguments], cwd=folder, env=environ, capture_output=True, timeout=_SECONDS, check=False
    )
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")


def false_green(session: Session, journal: str) -> str | None:
    """Why exit code 0 is not true, by what the tests themselves wrote down; None if it is."""
    lines = [line.split() for line in journal.splitlines()]
    for phase in session.phases:
        if phase.id in session.deselected:
            continue
        attempts: list[list[list[str]]] = []
        for name, *words in lines:
            if name == phase.id and words == ["begin"]:
                attempts.append([])
            elif name == phase.id and attempts:
                attempts[-1].append(words)
        if not attempts:
            return f"{phase.id} was never called"
        if ["end"] not in attempts[-1]:
            return f"{phase.id} did not come to its end"
        for gate in phase.gates:
            if gate.kind == "integrity" and any([gate.id, "broke"] in attempt for attempt in attempts):
                return f"integrity gate {phase.id}-{gate.id} broke"
            if gate.kind == "required" and [gate.id, "held"] not in attempts[-1]:
                return f"required gate {phase.id}-{gate.id} did not hold"
    return None


def _traceback_of_ours(output: str) -> str | None:
    """An error inside pytest or a warning whose innermost frame is a file of ours."""
    frames = re.findall(r'^INTERNALERROR>\s+File "([^"]+)", line (\d+)', output, re.MULTILINE)
    if frames and "/pytest_contextcore/" in frames[-1][0]:
        last = [line for line in output.splitlines() if line.startswith("INTERNALERROR>")][-1]
        return f"traceback of ours at {Path(frames[-1][0]).name}:{frames[-1][1]}: {last[:200]}"
    if "KeyError: 'phase'" in output:
        return None  # a hook that runs a test's call without its setup, which has no fixtures then
    for place, name in re.findall(r"^(/\S*/pytest_contextcore/\S+\.py:\d+): (\w+)", output, re.MULTILINE):
        if name not in _MEANT:
            return f"traceback of ours at {place}: {name}"
    return None


def _junit_is_short(folder: Path, output: str) -> str | None:
    """JUnit never shows fewer failures than pytest counted."""
    path = folder / "junit.xml"
    if not path.is_file() or "INTERNALERROR" in output:
        return None
    counted = sum(int(number) for number, _ in _COUNT.findall(output.rstrip().rpartition("\n")[2]))
    suite = ET.parse(path).getroot().find("testsuite")
    written = int(suite.get("failures", 0)) + int(suite.get("errors", 0)) if suite is not None else 0
    return f"JUnit has {written} failures, and pytest counted {counted}" if written < counted else None
