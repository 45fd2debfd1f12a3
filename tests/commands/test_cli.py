"""The console script: its commands are found by entry points, and their exit codes can be trusted."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_contextcore.commands import cli, install
from pytest_contextcore.commands.cli import main
from pytest_contextcore.commands.plan_check import describe

from ..support.plans import PASSING, WAREHOUSE, warehouse

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The warehouse plan with its tests."""
    warehouse(tmp_path)
    (tmp_path / "test_load.py").write_text(PASSING, encoding="utf-8")
    return tmp_path


def test_install_init_prepares_and_verifies_and_may_be_repeated(tmp_path: Path, capsys: Captured) -> None:
    for _ in range(2):
        assert main(["install", "init", "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out").is_dir()
    assert not list((tmp_path / "out").iterdir())
    assert "ok    pytest " in capsys.readouterr().out


def test_install_init_says_what_is_wrong_with_the_folder(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "out").write_text("a file")
    assert main(["install", "init", "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().out
    assert "FAIL  evidence" in said
    assert "name another with --contextcore-out DIR" in said


def test_a_missing_package_and_an_old_pytest_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def version(name: str) -> str:
        if name == "pydantic":
            raise metadata.PackageNotFoundError(name)
        return "8.4.1" if name == "pytest" else "1.0"

    monkeypatch.setattr(metadata, "version", version)
    wrong = {check.name: check.problem for check in install.check_installation(tmp_path) if not check.ok}
    assert wrong == {"pydantic": "is missing", "pytest": "older than 9"}


def test_plan_check_prints_order_gates_kinds_and_tests(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(folder)
    assert main(["plan", "check", "plan.toml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  2. T TRANSFORM  (after E)" in lines
    assert "       C1   integrity No row lost" in lines
    assert "       test test_load.py::test_transform" in lines
    assert lines[-1] == "3 phases, 5 gates; every phase has its test"


def test_plan_check_takes_a_folder_and_finds_the_plan_by_itself(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    assert main(["plan", "check", str(folder)]) == 0
    monkeypatch.chdir(folder.parent)
    assert main(["plan", "check", folder.name]) == 0
    monkeypatch.chdir(folder)
    assert main(["plan", "check"]) == 0
    assert capsys.readouterr().out.count("every phase has its test") == 3


def test_plan_check_names_missing_tests(folder: Path, capsys: Captured) -> None:
    (folder / "test_load.py").write_text(PASSING.partition('@pytest.mark.phase("P")')[0], encoding="utf-8")
    assert main(["plan", "check", str(folder)]) == 1
    assert "tests missing for P" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('phase("P")', 'phase("X")', "declares only: E, T, P"),
        ('phase("P")', 'phase("T")', "has two tests"),
        ('phase.gate("C2")', 'phase.gate("C9")', "gate 'C9'"),
        ("import pytest", "import pytest\nimport nowhere_to_be_found", "nowhere_to_be_found"),
    ],
)
def test_plan_check_finds_tests_that_do_not_fit(folder: Path, capsys: Captured, old: str, new: str, said: str) -> None:
    (folder / "test_load.py").write_text(PASSING.replace(old, new, 1), encoding="utf-8")
    assert main(["plan", "check", str(folder)]) == 1
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err


def test_plan_check_refuses_a_bad_plan(folder: Path, capsys: Captured) -> None:
    (folder / "plan.toml").write_text(WAREHOUSE.replace('id = "T"', 'id = "E"'), encoding="utf-8")
    assert main(["plan", "check", str(folder)]) == 2
    assert "E is declared twice" in capsys.readouterr().err


def test_plan_check_says_when_there_is_no_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plan", "check"]) == 2
    assert "there is no plan.toml" in capsys.readouterr().err


def test_a_plan_is_described_without_tests(tmp_path: Path) -> None:
    assert describe(warehouse(tmp_path), {})[-1] == "3 phases, 5 gates; tests missing for E, T, P"


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["--help"], 0), (["nonsense"], 2)])
def test_the_commands_are_listed(arguments: list[str], code: int, capsys: Captured) -> None:
    assert main(arguments) == code
    captured = capsys.readouterr()
    expected = "commands: contract, diff, install, plan, queries, replay, show, task, traceparent"
    assert expected in captured.out + captured.err


def test_python_dash_m_is_the_same_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest_contextcore", "--help"], capture_output=True, text=True, check=True
    )
    assert "usage: contextcore COMMAND" in done.stdout


def test_replay_refuses_what_it_cannot_do(tmp_path: Path, capsys: Captured) -> None:
    assert main(["replay", str(tmp_path / "absent")]) == 2
    (tmp_path / "a.otlp").touch()
    assert main(["replay", str(tmp_path / "a.otlp")]) == 2
    said = capsys.readouterr().err
    assert "there is no file" in said
    assert "no endpoint is configured" in said


@pytest.mark.parametrize("arguments", [["replay", "--endpoint", "http://127.0.0.1:9"], ["plan", "check"]], ids=" ".join)
def test_a_name_that_no_file_system_takes_is_one_line(arguments: list[str], capsys: Captured) -> None:
    assert main([*arguments, "x" * 300]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "x" * 300 in line


@pytest.mark.parametrize(
    ("error", "said"),
    [(ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "refused"), (TimeoutError("slow"), "slow")],
)
def test_what_is_not_the_outputs_fault_is_not_said_of_it(
    error: OSError, said: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def command(arguments: list[str]) -> int:
        raise error

    entry = SimpleNamespace(name="odd", load=lambda: command)
    monkeypatch.setattr(cli, "entry_points", lambda group: [entry])
    assert main(["odd"]) == 1
    assert capsys.readouterr().err == f"contextcore odd: {said}\n"


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this system has no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_finds_no_room_is_one_line_and_no_success(tmp_path: Path, unbuffered: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pytest_contextcore", "task", "list"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "contextcore task: its output cannot be written: No space left on device\n"
