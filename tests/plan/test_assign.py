from __future__ import annotations

from pathlib import Path

import pytest

from pytest_contextcore.errors import CollectionError
from pytest_contextcore.plan.assign import PhaseTest, assign, find_plan, gate_names, in_plan_order, unproven_upstreams
from pytest_contextcore.plan.model import Plan

from ..support.plans import warehouse

ALL = [PhaseTest("t.py::a", "E"), PhaseTest("t.py::b", "LOAD-7-T"), PhaseTest("t.py::c", "P")]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return warehouse(tmp_path)


def test_tests_are_matched_by_short_and_by_full_id(plan: Plan) -> None:
    assert dict(assign(plan, ALL, whole=True).nodeids) == {"E": "t.py::a", "T": "t.py::b", "P": "t.py::c"}


def test_a_test_for_an_unknown_phase_is_refused(plan: Plan) -> None:
    with pytest.raises(CollectionError, match=r"t.py::x is marked phase\('X'\), but .* declares only: E, T, P"):
        assign(plan, [PhaseTest("t.py::x", "X")], whole=False)


def test_two_tests_for_one_phase_are_refused(plan: Plan) -> None:
    with pytest.raises(CollectionError, match=r"two tests: t.py::a and t.py::d"):
        assign(plan, [*ALL, PhaseTest("t.py::d", "E")], whole=False)


def test_a_phase_without_a_test_is_refused_when_the_folder_was_collected_whole(plan: Plan) -> None:
    with pytest.raises(CollectionError, match=r"no test for P \(PUBLISH\)"):
        assign(plan, ALL[:2], whole=True)


def test_a_phase_without_a_test_counts_as_deselected_otherwise(plan: Plan) -> None:
    assert assign(plan, ALL[:2], whole=False).missing() == ["P"]


def test_a_gate_that_the_plan_lacks_is_refused_before_anything_runs(plan: Plan) -> None:
    source = "def a(phase):\n    with phase.gate('C9') as g:\n        pass\n"
    with pytest.raises(CollectionError, match=r"gate 'C9', but phase E of .* declares only: C1"):
        assign(plan, [PhaseTest("t.py::a", "E", source)], whole=False)


def test_gate_names_are_read_from_the_source_whatever_its_indentation() -> None:
    source = '    async def test(self, phase):\n        with phase.gate("C1"), other.gate("X"):\n            x(name)\n'
    assert list(gate_names(source)) == ["C1"]


def test_source_that_is_no_python_by_itself_names_no_gates() -> None:
    assert list(gate_names("lambda phase: (")) == []


def test_phases_run_together_in_the_plans_order_where_the_first_of_them_stood() -> None:
    ranks = {"p3": ("A", 3), "p1": ("A", 1), "p2": ("A", 2), "q2": ("B", 2), "q1": ("B", 1)}
    assert in_plan_order(["x", "p3", "y", "q2", "p1", "z", "p2", "q1"], ranks.get) == [
        "x", "p1", "p2", "p3", "y", "q1", "q2", "z",
    ]  # fmt: skip


def test_ordinary_tests_keep_their_order() -> None:
    assert in_plan_order(["b", "a"], lambda _: None) == ["b", "a"]


def test_a_selected_phase_needs_its_upstreams_selected_or_proven(plan: Plan) -> None:
    assert unproven_upstreams(plan, ["P"], []) == {"T": "P"}
    assert unproven_upstreams(plan, ["P"], ["T"]) == {}
    assert unproven_upstreams(plan, ["E", "T", "P"], []) == {}


def test_the_nearest_plan_upward_is_found(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "plan.toml").touch()
    (tmp_path / "a" / "plan.toml").touch()
    assert find_plan(tmp_path / "a" / "b") == tmp_path / "a" / "plan.toml"
    assert find_plan(tmp_path) == tmp_path / "plan.toml"
