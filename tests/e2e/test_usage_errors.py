"""A plan that cannot be run is a usage error: exit 4, one line that names the culprit, nothing written (contract 2)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from ..support.plans import PASSING, WAREHOUSE, Suite


def run(suite: Suite, *arguments: str) -> pytest.RunResult:
    return suite.pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:hypothesispytest", *arguments)


def refusal(result: pytest.RunResult) -> str:
    """The one line that says why the run was refused."""
    assert result.ret == 4
    both = [*result.outlines, *result.errlines]
    assert "Traceback" not in "\n".join(both)
    assert "INTERNALERROR" not in "\n".join(both)
    errors = [line for line in both if line.startswith("ERROR: ")]
    assert len(errors) == 1
    return errors[0]


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
    "missing key": Case(change_plan('name = "PUBLISH"\n', ""), ("plan.toml", "phase P: name is missing")),
    "bad kind": Case(change_plan('"integrity"', '"integer"'), ("plan.toml", "phase T, gate C1: kind must be one of")),
    "circular": Case(change_plan('id = "E"', 'id = "E"\ndepends_on = ["E"]'), ("plan.toml", "phase E: depends_on")),
    "no such dependency": Case(
        change_plan('id = "P"', 'id = "P"\ndepends_on = ["X"]'),
        ("plan.toml", "phase P: depends_on must be ids of phases, not 'X'"),
    ),
    "no such gate in the definition of done": Case(change_plan('"P-C1"', '"P-C7"'), ("plan.toml", "P-C7")),
    "unknown phase": Case(change_tests('phase("P")', 'phase("X")'), ("test_load.py::test_publish", "'X'", "E, T, P")),
    "two tests": Case(second_test, ("test_load.py::test_publish", "test_more.py::test_again", "phase P")),
    "missing test": Case(lambda suite: suite.write(WITHOUT_LAST), ("plan.toml", "P (PUBLISH)")),
    "missing tests": Case(
        lambda suite: suite.write("def test_alone():\n    pass\n"), ("plan.toml", "E (EXTRACT)", "P (PUBLISH)")
    ),
    "no plan": Case(no_plan, ("test_load.py::test_extract", "plan.toml", "--contextcore-plan")),
    "marker without id": Case(change_tests('phase("P")', "phase"), ("test_load.py::test_publish", "id")),
    "marker with an empty id": Case(change_tests('phase("P")', 'phase("")'), ("test_load.py::test_publish", "id")),
    "marker with a number": Case(change_tests('phase("P")', "phase(3)"), ("test_load.py::test_publish", "id")),
    "two plans with one id": Case(twin_plan, ("twin/plan.toml", "LOAD-7", "both")),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_in_one_line_that_names_the_culprit(suite: Suite, name: str) -> None:
    CASES[name].change(suite)
    said = refusal(run(suite))
    assert [part for part in CASES[name].culprit if part not in said] == []
    assert not (suite.pytester.path / "out").exists()


@pytest.mark.parametrize("name", ["bad TOML", "unknown phase", "missing test", "two plans with one id"])
def test_it_is_refused_in_the_same_line_under_xdist(suite: Suite, name: str) -> None:
    pytest.importorskip("xdist")
    CASES[name].change(suite)
    said = refusal(suite.run("-n2", "-p", "no:hypothesispytest"))
    assert [part for part in CASES[name].culprit if part not in said] == []


def test_a_missing_test_counts_as_deselected_when_a_node_id_was_asked_for(suite: Suite) -> None:
    suite.write(WITHOUT_LAST)
    assert run(suite, "test_load.py::test_extract", "test_load.py::test_transform").ret == 0


def test_a_missing_test_counts_as_deselected_when_a_file_was_asked_for(suite: Suite) -> None:
    suite.write(WITHOUT_LAST)
    assert run(suite, "test_load.py").ret == 0


def test_a_missing_test_is_refused_when_its_folder_is_reached_by_a_symlink(suite: Suite) -> None:
    suite.write(WITHOUT_LAST)
    folder = suite.pytester.mkdir("deep")
    for name in ("plan.toml", "test_load.py"):
        (suite.pytester.path / name).rename(folder / name)
    (suite.pytester.path / "link").symlink_to(folder, target_is_directory=True)
    assert "P (PUBLISH)" in refusal(run(suite, "link"))


def test_a_missing_test_is_refused_even_if_k_leaves_only_others(suite: Suite) -> None:
    suite.write(WITHOUT_LAST)
    assert "P (PUBLISH)" in refusal(run(suite, "-k", "test_extract"))


def test_two_tests_are_refused_even_if_k_leaves_one(suite: Suite) -> None:
    second_test(suite)
    assert "test_again" in refusal(run(suite, "-k", "not again"))


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (["--contextcore-plan=missing.toml"], "missing.toml"),
        (["--contextcore-plan="], "--contextcore-plan"),
        (["--contextcore-plan= "], "--contextcore-plan"),
        (["--contextcore-plan=."], "--contextcore-plan"),
        (["--contextcore-out="], "--contextcore-out"),
        (["--contextcore-out=plan.toml"], "plan.toml"),
        (["--contextcore-out=plan.toml/out"], "plan.toml"),
    ],
)
def test_a_bad_option_is_refused(suite: Suite, arguments: list[str], culprit: str) -> None:
    assert culprit in refusal(run(suite, *arguments))


def test_an_empty_plan_file_is_refused(suite: Suite) -> None:
    (suite.pytester.path / "empty.toml").touch()
    said = refusal(run(suite, "--contextcore-plan=empty.toml"))
    assert "empty.toml" in said
    assert "2 mistakes" in said


@pytest.mark.parametrize(("setting", "value"), [("contextcore_plan", "missing.toml"), ("contextcore_out", "plan.toml")])
def test_a_bad_setting_is_refused(suite: Suite, setting: str, value: str) -> None:
    suite.pytester.makeini(f"[pytest]\n{setting} = {value}\n")
    assert value in refusal(run(suite))


def test_a_bad_option_is_refused_under_xdist(suite: Suite) -> None:
    pytest.importorskip("xdist")
    assert "missing.toml" in refusal(suite.run("-n2", "--contextcore-plan=missing.toml"))


def test_a_plan_that_is_not_utf_8_is_refused(suite: Suite) -> None:
    (suite.pytester.path / "plan.toml").write_bytes(b'[trace]\nid = "\xff"\n')
    assert "plan.toml" in refusal(run(suite))


def test_a_plan_that_is_a_folder_is_no_plan(suite: Suite) -> None:
    no_plan(suite)
    suite.pytester.mkdir("plan.toml")
    assert "no plan.toml" in refusal(run(suite))


def test_a_message_stays_in_one_line_whatever_the_plan_holds(suite: Suite) -> None:
    suite.plan(WAREHOUSE.replace('id = "LOAD-7"', 'id = "LOAD\\n7"'))
    assert "trace.id" in refusal(run(suite))


def test_disabled_asserts_are_refused_by_the_variable(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONOPTIMIZE", "1")
    said = refusal(suite.run("-p", "no:hypothesispytest"))
    assert "plan.toml" in said
    assert "PYTHONOPTIMIZE" in said


def test_disabled_asserts_are_refused_by_the_interpreters_option(suite: Suite) -> None:
    assert "python -O" in refusal(suite.pytester.run(sys.executable, "-O", "-m", "pytest", "-p", "no:hypothesispytest"))


def test_disabled_asserts_are_refused_under_xdist(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xdist")
    monkeypatch.setenv("PYTHONOPTIMIZE", "1")
    assert "PYTHONOPTIMIZE" in refusal(suite.run("-n2", "-p", "no:hypothesispytest"))


def test_asserts_that_pytest_does_not_rewrite_still_fail_a_gate(suite: Suite) -> None:
    suite.replace("assert True", "assert 1 == 2")
    result = suite.run("--assert=plain", "-p", "no:hypothesispytest")
    assert result.ret in (1, 4)
    assert "LOAD-7 completed" not in result.stdout.str()
