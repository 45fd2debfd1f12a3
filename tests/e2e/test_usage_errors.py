"""A plan that cannot be run is a usage error: exit 4, one line that names the culprit, nothing written."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from ..support.plans import PASSING, WAREHOUSE, Suite
from ..support.traces import refusal


def change_plan(old: str, new: str) -> Callable[[Suite], None]:
    def change(suite: Suite) -> None:
        assert old in WAREHOUSE
        suite.plan(WAREHOUSE.replace(old, new, 1))

    return change


def change_tests(old: str, new: str) -> Callable[[Suite], None]:
    return lambda suite: suite.replace(old, new)


def no_plan(suite: Suite) -> None:
    (suite.pytester.path / "plan.toml").unlink()


def second_test(suite: Suite) -> None:
    suite.write('import pytest\n\n@pytest.mark.phase("LOAD-7-P")\ndef test_again(phase):\n    pass\n', "test_more.py")


def twin_plan(suite: Suite) -> None:
    folder = suite.pytester.mkdir("twin")
    (folder / "plan.toml").write_text(WAREHOUSE)
    (folder / "test_twin.py").write_text(PASSING)


def folder_for_a_plan(suite: Suite) -> None:
    no_plan(suite)
    suite.pytester.mkdir("plan.toml")


@dataclass(frozen=True)
class Case:
    change: Callable[[Suite], None]
    culprit: tuple[str, ...]


WITHOUT_LAST = PASSING[: PASSING.index('@pytest.mark.phase("P")')]
CASES = {
    "bad TOML": Case(change_plan("[trace]", "[trace"), ("plan.toml", "line 2")),
    "unknown key": Case(
        change_plan('goal = "Take', 'gaol = "x"\ngoal = "Take'),
        ("plan.toml", "phase E: gaol is an unknown key: rename it to goal"),
    ),
    "unknown phase": Case(change_tests('phase("P")', 'phase("X")'), ("test_load.py::test_publish", "'X'", "E, T, P")),
    "two tests": Case(second_test, ("test_load.py::test_publish", "test_more.py::test_again", "phase P")),
    "missing test": Case(lambda suite: suite.write(WITHOUT_LAST), ("plan.toml", "P (PUBLISH)")),
    "missing tests": Case(
        lambda suite: suite.write("def test_alone():\n    pass\n"), ("plan.toml", "E (EXTRACT)", "P (PUBLISH)")
    ),
    "a folder for a plan": Case(folder_for_a_plan, ("no plan.toml",)),
    "no plan": Case(no_plan, ("test_load.py::test_extract", "plan.toml", "--contextcore-plan")),
    "marker without id": Case(change_tests('phase("P")', "phase"), ("test_load.py::test_publish", "id")),
    "two plans with one id": Case(twin_plan, ("twin/plan.toml", "LOAD-7", "both")),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_in_one_line_that_names_the_culprit(suite: Suite, name: str) -> None:
    CASES[name].change(suite)
    said = refusal(suite.here())
    assert [part for part in CASES[name].culprit if part not in said] == []
    assert not (suite.pytester.path / "out").exists()


def test_it_is_refused_in_the_same_line_under_xdist(suite: Suite) -> None:
    pytest.importorskip("xdist")
    CASES["missing test"].change(suite)
    assert "P (PUBLISH)" in refusal(suite.run("-n2", "-p", "no:hypothesispytest"))


@pytest.mark.parametrize(
    "selected", [["test_load.py"], ["test_load.py::test_extract", "test_load.py::test_transform"]], ids=["file", "ids"]
)
def test_a_missing_test_counts_as_deselected_when_not_the_whole_folder_was_asked_for(
    suite: Suite, selected: list[str]
) -> None:
    suite.write(WITHOUT_LAST)
    assert suite.here(*selected).ret == 0


@pytest.mark.parametrize(
    ("name", "kept", "culprit"),
    [("missing test", "test_extract", "P (PUBLISH)"), ("two tests", "not again", "test_again")],
)
def test_it_is_refused_even_if_k_leaves_nothing_wrong(suite: Suite, name: str, kept: str, culprit: str) -> None:
    CASES[name].change(suite)
    assert culprit in refusal(suite.here("-k", kept))


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["--contextcore-plan=missing.toml"], "missing.toml"),
        (["--contextcore-plan="], "--contextcore-plan"),
        (["--contextcore-out="], "--contextcore-out"),
        (["--contextcore-out=plan.toml/out"], "plan.toml"),
        (["--contextcore-plan=empty.toml"], "empty.toml: 2 mistakes"),
        *(([f"--contextcore-{option}={'x' * 300}"], f"--contextcore-{option}: ") for option in ("out", "html", "plan")),
    ],
)
def test_a_bad_option_is_refused(suite: Suite, arguments: list[str], culprit: str) -> None:
    (suite.pytester.path / "empty.toml").touch()
    assert culprit in refusal(suite.here(*arguments))


@pytest.mark.parametrize(("setting", "value"), [("contextcore_plan", "missing.toml"), ("contextcore_out", "plan.toml")])
def test_a_bad_setting_is_refused(suite: Suite, setting: str, value: str) -> None:
    suite.pytester.makeini(f"[pytest]\n{setting} = {value}\n")
    assert value in refusal(suite.here())


def test_disabled_asserts_are_refused(suite: Suite) -> None:
    said = refusal(suite.pytester.run(sys.executable, "-O", "-m", "pytest", "-p", "no:hypothesispytest"))
    assert "plan.toml: asserts are disabled (PYTHONOPTIMIZE or python -O)" in said
