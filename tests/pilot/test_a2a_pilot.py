"""``contextcore contract a2a-pilot``: the seed's lines, from an installed package outside any checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as the wheel lays it out: by its build settings, without the checkout around it."""
    place = tmp_path_factory.mktemp("site")
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]
    unwanted = shutil.ignore_patterns("__pycache__")
    for package in build["wheel"]["packages"]:
        shutil.copytree(ROOT / package, place / package, ignore=unwanted)
    for source, target in build["wheel"]["force-include"].items():
        shutil.copytree(ROOT / source, place / target, ignore=unwanted)
    return place


class Pilot:
    """Runs the command in a folder of its own."""

    def __init__(self, package: Path, folder: Path) -> None:
        self.package, self.folder = package, folder

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it as a user would, with the installed package first on the path."""
        return subprocess.run(
            [sys.executable, "-m", "pytest_contextcore", "contract", "a2a-pilot", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.package)},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def pilot(installed: Path, tmp_path: Path) -> Pilot:
    """The command, in an empty folder."""
    return Pilot(installed, tmp_path)


def test_it_runs_from_the_installed_package_and_writes_into_the_callers_folder(pilot: Pilot) -> None:
    done = pilot.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert "PI-101-002 completed: 10 completed" in done.stdout
    evidence = json.loads((pilot.folder / "out/PI-101-002.json").read_text(encoding="utf-8"))
    assert evidence["status"] == "completed"
    assert sorted(path.name for path in pilot.folder.iterdir()) == ["out"]
    assert not list(pilot.package.rglob("out"))


@pytest.mark.parametrize(
    ("line", "phase"),
    [
        ("--source-checksum sha256:STALE", "S3"),
        ("--drop-feature gap-latency-panel", "S4"),
        ("--test-failures 2", "S8"),
        ("--review-blockers 1 --fail-on-block", "S9"),
    ],
)
def test_the_seeds_lines_block_where_they_say(pilot: Pilot, line: str, phase: str) -> None:
    done = pilot.run(*line.split(), "--format", "json", "--output", "copy.json")
    assert (done.returncode, done.stderr) == (1, "")
    evidence = json.loads(done.stdout)
    assert (evidence["status"], evidence["blocked_on_span_id"]) == ("blocked", f"PI-101-002-{phase}")
    assert json.loads((pilot.folder / "copy.json").read_text(encoding="utf-8")) == evidence


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--drop-feature", "gap-nope"], "--drop-feature: there is no gap 'gap-nope'; the gaps are: gap-error-budget"),
        (["--test-failures", "-1"], "'-1' is not a whole number of 0 or more"),
        (["--source-checksum", ""], "--source-checksum: the value is empty"),
        (["--workspace", "nowhere"], "--workspace: there is no folder"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["--output", ""], "--output: the value is empty"),
        (["--contextcore-out", ""], "--contextcore-out: the value is empty"),
        (["--contextcore-out", "/dev/null"], "--contextcore-out: /dev/null is not a folder"),
        (["--contextcore-out", "x" * 300], "File name too long"),
    ],
)
def test_a_bad_command_line_is_exit_2_with_one_line(pilot: Pilot, arguments: list[str], message: str) -> None:
    done = pilot.run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_old_evidence_is_not_taken_for_an_answer(pilot: Pilot) -> None:
    pilot.run()
    done = pilot.run("--drop-feature", "gap-nope", "--format", "json")
    assert (done.returncode, done.stdout) == (2, "")


def test_the_callers_configuration_changes_nothing(pilot: Pilot) -> None:
    (pilot.folder / "pytest.ini").write_text("[pytest]\naddopts = --collect-only -k nothing\n", encoding="utf-8")
    (pilot.folder / "conftest.py").write_text("raise SystemExit('taken')\n", encoding="utf-8")
    assert "10 completed" in pilot.run().stdout


def test_evidence_that_cannot_be_written_where_asked_is_said(pilot: Pilot) -> None:
    done = pilot.run("--output", ".")
    assert done.returncode == 2
    assert "--output: " in done.stderr
    assert "cannot be written" in done.stderr


def test_it_resumes_from_the_installed_package(pilot: Pilot) -> None:
    assert pilot.run("--test-failures", "1").returncode == 1
    done = pilot.run("--contextcore-resume")
    assert (done.returncode, done.stderr) == (0, "")
    evidence = json.loads((pilot.folder / "out/PI-101-002.json").read_text(encoding="utf-8"))
    assert [span["reused"] for span in evidence["spans"]] == [True] * 6 + [False] * 4
