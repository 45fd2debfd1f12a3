"""``contextcore contract a2a-pilot``: in this process, and from an installed package outside any checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

from pytest_contextcore.commands.cli import main

from .conftest import ROOT


class Said(NamedTuple):
    """What a run of the command came to."""

    code: int
    out: str
    err: str


class Pilot:
    """The command, run in this process in a folder of its own."""

    def __init__(self, folder: Path, captured: pytest.CaptureFixture[str]) -> None:
        self.folder, self._captured = folder, captured

    def run(self, *arguments: str) -> Said:
        """Run it, and forget the modules of its suite."""
        modules, path = {name: sys.modules.get(name) for name in ("conftest", "test_pilot")}, list(sys.path)
        self._captured.readouterr()
        try:
            code = main(["contract", "a2a-pilot", *arguments])
        finally:
            for name, module in modules.items():
                sys.modules.pop(name, None)
                if module is not None:
                    sys.modules[name] = module
            sys.path[:] = path
        return Said(code, *self._captured.readouterr())


@pytest.fixture
def pilot(imported: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Pilot:
    """The command, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Pilot(tmp_path, capsys)


def evidence(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "out/PI-101-002.json").read_text(encoding="utf-8"))
    return found


def test_a_fault_blocks_and_the_evidence_is_printed_and_written(pilot: Pilot) -> None:
    done = pilot.run("--review-blockers", "1", "--fail-on-block", "--format", "json", "--output", "copy.json")
    assert (done.code, done.err) == (1, "")
    found = json.loads(done.out)
    assert (found["status"], found["blocked_on_span_id"]) == ("blocked", "PI-101-002-S9")
    assert json.loads((pilot.folder / "copy.json").read_text(encoding="utf-8")) == found


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--drop-feature", "gap-nope"], "--drop-feature: there is no gap 'gap-nope'; the gaps are: gap-error-budget"),
        (["--test-failures", "-1"], "'-1' is not a whole number of 0 or more"),
        (["--source-checksum", ""], "--source-checksum: the value is empty"),
        (["--workspace", "nowhere"], "--workspace: there is no folder"),
        (["--nonsense"], "No such option '--nonsense'"),
        (["--output", ""], "--output: the value is empty"),
        (["--contextcore-out", ""], "--contextcore-out: the value is empty"),
        (["--contextcore-out", "/dev/null"], "--contextcore-out: /dev/null is not a folder"),
        (["--contextcore-out", "x" * 300], "File name too long"),
    ],
)
def test_a_bad_command_line_is_exit_2_with_one_line(pilot: Pilot, arguments: list[str], message: str) -> None:
    done = pilot.run(*arguments)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.out + done.err


def test_a_blocked_run_is_resumed_and_old_evidence_is_not_taken_for_an_answer(pilot: Pilot) -> None:
    assert pilot.run("--test-failures", "1").code == 1
    done = pilot.run("--contextcore-resume")
    assert (done.code, done.err) == (0, "")
    spans = evidence(pilot.folder)["spans"]
    assert isinstance(spans, list)
    assert [span["reused"] for span in spans] == [True] * 6 + [False] * 4
    done = pilot.run("--drop-feature", "gap-nope", "--format", "json")
    assert (done.code, done.out) == (2, "")


def test_what_the_caller_configured_or_types_changes_nothing(pilot: Pilot, monkeypatch: pytest.MonkeyPatch) -> None:
    (pilot.folder / "pytest.ini").write_text("[pytest]\naddopts = --collect-only -k nothing\n", encoding="utf-8")
    (pilot.folder / "conftest.py").write_text("raise SystemExit('taken')\n", encoding="utf-8")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only")
    typed = os.fstat(0)
    assert "10 completed" in pilot.run().out
    assert os.environ["PYTEST_ADDOPTS"] == "--collect-only"
    assert os.path.samestat(os.fstat(0), typed)


def test_evidence_that_cannot_be_written_where_asked_is_said(pilot: Pilot) -> None:
    done = pilot.run("--output", ".")
    assert done.code == 2
    assert "--output: " in done.err
    assert "cannot be written" in done.err


# -- installed -------------------------------------------------------------------------------------------------------
def test_it_runs_from_the_installed_package_in_the_callers_folder(tmp_path: Path) -> None:
    """The package lies in the caller's folder, as a virtual environment may: a conftest above it is not the suite's."""
    package, folder = tmp_path / "venv" / "site", tmp_path
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]
    for name in build["wheel"]["packages"]:
        shutil.copytree(ROOT / name, package / name)
    for source, target in build["wheel"]["force-include"].items():
        shutil.copytree(ROOT / source, package / target)
    (folder / "conftest.py").write_text("raise SystemExit('taken')\n", encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "pytest_contextcore", "contract", "a2a-pilot"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(package)},
        input="typed",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "warning" not in done.stdout
    assert "PI-101-002 completed: 10 completed" in done.stdout
    assert sorted(path.name for path in folder.iterdir()) == ["conftest.py", "out", "venv"]
    assert not list(package.rglob("out"))
