"""The documents' commands, files and outputs, executed in the order in which a reader meets them."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<body>.*?)^```$", re.M | re.S)
VARYING = (
    (re.compile(r"\d+\.\d+ ?s\b"), "0.01 s"),
    (re.compile(r" +0\.01 s"), " 0.01 s"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<trace>"),
    (re.compile(r"[=_]{4,}"), "===="),
    (re.compile(r" +$", re.M), ""),
)
LEFT_OUT = re.compile(r"^(platform|rootdir|configfile|plugins|Using --randomly|hypothesis|cachedir|====$|FAILED )")


@dataclass(frozen=True)
class Block:
    language: str
    title: str | None
    body: str


def blocks(path: Path) -> list[Block]:
    return [Block(m["language"], m["title"], m["body"]) for m in FENCE.finditer(path.read_text(encoding="utf-8"))]


def test_the_readme_starts_with_the_two_commands_that_ci_runs() -> None:
    commands = next(block.body for block in blocks(ROOT / "README.md") if block.language == "bash").splitlines()
    assert [commands[0], commands[2]] == ["# the pilot", "# the tests"]
    assert commands[1].endswith("pytest pilot_tests/")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert 'command_of "the pilot"' in script
    assert 'command_of "the tests"' in script


def settled(text: str) -> list[str]:
    """The lines of an output without what differs from run to run, and without what tells of the machine."""
    for pattern, replacement in VARYING:
        text = pattern.sub(replacement, text)
    lines = [line for line in text.splitlines() if line.strip() and not LEFT_OUT.match(line.strip())]
    return [line for line in lines if "short test summary" not in line]


def run(command: str, folder: Path) -> str:
    program, *arguments = shlex.split(command)
    module = {"pytest": "pytest", "contextcore": "pytest_contextcore"}[program]
    quiet = ["-p", "no:randomly", "-p", "no:hypothesispytest"] if module == "pytest" else []
    done = subprocess.run(
        [sys.executable, "-m", module, *quiet, *arguments],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False, env={**_environ(), "COLUMNS": "80"},
    )  # fmt: skip
    return done.stdout + done.stderr


def _environ() -> dict[str, str]:
    import os

    other = (
        "PYTEST_",
        "OTEL_",
        "CI",
        "BUILD_NUMBER",
        "GITHUB_",
    )  # with CI pytest repeats whole messages in its summary
    return {name: value for name, value in os.environ.items() if not name.startswith(other)}


PLAYED = ["README.md", "docs/writing-a-plan.md", "docs/tasks.md", "docs/resume.md", "docs/how-to.md"]


@pytest.mark.parametrize("name", PLAYED)
def test_what_a_page_shows_is_what_happens(name: str, tmp_path: Path) -> None:
    if name in ("README.md", "docs/resume.md"):
        shutil.copytree(ROOT / "pilot_tests", tmp_path / "pilot_tests", ignore=shutil.ignore_patterns("__pycache__"))
    commands = 0
    for block in blocks(ROOT / name):
        if block.title is not None:
            (tmp_path / block.title).parent.mkdir(exist_ok=True)
            (tmp_path / block.title).write_text(block.body, encoding="utf-8")
        elif block.language == "console":
            command, _, expected = block.body.removeprefix("$ ").partition("\n")
            assert settled(run(command, tmp_path)) == settled(expected)
            commands += 1
    assert commands > 0
