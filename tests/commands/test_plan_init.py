"""``contextcore plan init`` and ``contextcore run``: a plan to start from, and pytest on it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pytest_contextcore.commands.cli import main
from pytest_contextcore.plan.model import load_plan

from ..support.plans import PASSING, Suite

Captured = pytest.CaptureFixture[str]


def test_it_writes_a_plan_that_runs_green_at_once(pytester: pytest.Pytester, capsys: Captured) -> None:
    assert main(["plan", "init"]) == 0
    assert "next: contextcore run plan.toml" in capsys.readouterr().out
    result = pytester.runpytest_inprocess("-p", "no:randomly", "plan.toml")
    result.assert_outcomes(passed=2)
    assert main(["plan", "check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "       out  report.json" in lines
    assert "                        next: Look for the missing rows." in lines
    assert lines[-2:] == [
        "done every phase is completed",
        "2 phases, 3 gates; every phase has its test, program or checks",
    ]


def test_of_marked_tests_it_makes_a_plan_that_fits_them(suite: Suite, capsys: Captured) -> None:
    path = suite.pytester.path / "plan.toml"
    path.unlink()
    source = PASSING.replace("phase.record(row_count=rows.count)", "").replace("phase.record(row_count=3)", "")
    suite.write(source.replace("def test_publish(phase):", 'def test_publish(phase):\n    """Let "all" see it."""'))
    assert main(["plan", "init", "."]) == 0
    assert "3 phases, by the tests that are marked with phase" in capsys.readouterr().out
    plan = load_plan(path)
    assert {phase.id: [gate.id for gate in phase.gates] for phase in plan.phases} == {
        "E": ["C1"],
        "T": ["C1", "C2", "C3"],
        "P": ["C1"],
    }
    assert plan.by_id["P"].goal == 'Let "all" see it.'
    suite.here().assert_outcomes(passed=3)


def test_it_leaves_a_plan_alone_that_is_there(suite: Suite, capsys: Captured) -> None:
    before = (suite.pytester.path / "plan.toml").read_bytes()
    assert main(["plan", "init", "test_load.py"]) == 2
    assert "plan.toml is there already" in capsys.readouterr().err
    assert (suite.pytester.path / "plan.toml").read_bytes() == before


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import nowhere_to_be_found", "nowhere_to_be_found"),
        (PASSING.replace('phase("P")', 'phase("not an id")'), "must be"),
        (PASSING.replace('phase("P")', 'phase("T")'), "has two tests"),
    ],
)
def test_of_tests_that_fit_no_plan_it_makes_none(suite: Suite, capsys: Captured, source: str, said: str) -> None:
    (suite.pytester.path / "plan.toml").unlink()
    suite.write(source)
    assert main(["plan", "init"]) == 1
    assert said in capsys.readouterr().err
    assert not (suite.pytester.path / "plan.toml").exists()


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [
        ([], ["plan.toml"]),
        (["-q", "-k", "T"], ["plan.toml", "-q", "-k", "T"]),
        (["plan.toml::T", "-x"], ["plan.toml::T", "-x"]),
        ([".", "--help"], ["plan.toml", "--help"]),
        (["other.toml"], ["--contextcore-plan=other.toml", "."]),
        (["other.toml::T"], ["--contextcore-plan=other.toml", "other.toml::T"]),
    ],
    ids=str,
)
def test_run_is_pytest_on_the_plan(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, given: list[str], passed_on: list[str]
) -> None:
    (suite.pytester.path / "other.toml").write_text("", encoding="utf-8")
    called: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda program, arguments: called.append(arguments))
    assert main(["run", *given]) == 0
    ((_, *arguments),) = called
    assert [argument.replace(f"{suite.pytester.path}{os.sep}", "") for argument in arguments] == [
        "-m",
        "pytest",
        *passed_on,
    ]


def test_run_has_pytests_exit_codes(suite: Suite) -> None:
    suite.replace("assert rows.count == 3", "assert rows.count == 4")
    result = suite.pytester.run(sys.executable, "-m", "pytest_contextcore", "run", "-q")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["LOAD-7 blocked: *"])
    result = suite.pytester.run(sys.executable, "-m", "pytest_contextcore", "run", "--no-such-option")
    assert result.ret == 4


def test_run_says_that_there_is_no_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run"]) == 4
    assert "there is no plan.toml" in capsys.readouterr().err
    assert main(["run", "nothing"]) == 4
    assert "there is no file nothing" in capsys.readouterr().err
