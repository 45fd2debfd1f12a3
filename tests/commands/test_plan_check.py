"""``contextcore plan check``: what a plan says, and whether its tests fit, without a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_contextcore.commands.cli import main

from ..support.plans import PASSING, WAREHOUSE, Suite, warehouse

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(suite: Suite) -> Path:
    """The warehouse plan with its tests, in the current folder."""
    return suite.pytester.path


@pytest.mark.parametrize("arguments", [["plan.toml"], ["."], []], ids=str)
def test_it_prints_order_gates_kinds_and_tests(folder: Path, arguments: list[str], capsys: Captured) -> None:
    assert main(["plan", "check", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  2. T TRANSFORM  (after E)" in lines
    assert lines[lines.index("       exit no row lost") + 1] == "         C1   integrity No row lost"
    assert "       goal Bring them into the warehouse's shape" in lines
    assert "done every row arrived" in lines
    assert "       test test_load.py::test_transform" in lines
    assert lines[-1] == "3 phases, 5 gates; every phase has its test, program or checks"


def test_it_finds_the_plan_of_a_folder_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    (tmp_path / "load").mkdir()
    warehouse(tmp_path / "load")
    monkeypatch.chdir(tmp_path)
    assert main(["plan", "check"]) == 1
    assert "tests missing for E, T, P" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (PASSING[PASSING.index('@pytest.mark.phase("P")') :], "", "3 phases, 5 gates; tests missing for P"),
        ('phase("P")', 'phase("X")', "declares only: E, T, P"),
        ('phase("P")', 'phase("T")', "has two tests"),
        ('phase.gate("C2")', 'phase.gate("C9")', "gate 'C9'"),
        ("import pytest", "import pytest\nimport nowhere_to_be_found", "nowhere_to_be_found"),
        ('phase("P")', "phase", "the marker needs the phase's id"),
    ],
)
def test_it_finds_tests_that_do_not_fit(folder: Path, capsys: Captured, old: str, new: str, said: str) -> None:
    (folder / "test_load.py").write_text(PASSING.replace(old, new, 1), encoding="utf-8")
    assert main(["plan", "check"]) == 1
    captured = capsys.readouterr()
    assert said in captured.out + captured.err
    assert ("MISSING" in captured.out) is (new == "")  # nothing is said of tests that nobody could look up
    assert "Traceback" not in captured.err


def test_it_finds_the_tests_that_a_run_finds_and_leaves_those_of_a_plan_below_to_it(
    folder: Path, capsys: Captured
) -> None:
    source = PASSING.replace('phase("P")', 'phase(id="P")')
    (folder / "test_load.py").write_text(source, encoding="utf-8")
    (folder / "below").mkdir()
    (folder / "below" / "plan.toml").write_text('[trace]\nid = "B"\n[[phases]]\nid = "X"\n', encoding="utf-8")
    (folder / "below" / "test_x.py").write_text(
        'import pytest\n\n@pytest.mark.phase("X")\ndef test_x():\n    pass\n', encoding="utf-8"
    )
    assert main(["plan", "check"]) == 0
    assert main(["plan", "check", "below"]) == 0
    (folder / "plan.toml").unlink()
    assert main(["plan", "init"]) == 0
    assert "3 phases, by the tests" in capsys.readouterr().out


def test_it_says_what_is_wrong_with_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plan", "check"]) == 2
    assert "there is no plan.toml" in capsys.readouterr().err
    (tmp_path / "plan.toml").write_text(WAREHOUSE.replace('kind = "integrity"', 'kind = "x"'), encoding="utf-8")
    assert main(["plan", "check"]) == 2
    said = "phase T, gate C1: kind must be one of integrity, required, advisory, not 'x'"
    assert capsys.readouterr().err == f"contextcore plan check: plan {tmp_path / 'plan.toml'}: {said}\n"


def test_it_refuses_a_program_beside_a_test(folder: Path, capsys: Captured) -> None:
    phases = [f'[[phases]]\nid = "{name}"\nrun = "true"\n' for name in "ETP"]
    plan = "\n".join(['[trace]\nid = "LOAD-7"', *phases])
    (folder / "plan.toml").write_text(plan, encoding="utf-8")
    assert main(["plan", "check"]) == 1
    assert "phase E of" in (said := capsys.readouterr().err)
    assert "has run, so that it has no test in Python, but test_load.py::test_extract is" in said
