from __future__ import annotations

from pathlib import Path

import pytest

from pytest_contextcore.errors import CollectionError
from pytest_contextcore.plan.assign import PhaseTest, assign, gate_names, in_plan_order, missing_upstreams
from pytest_contextcore.plan.model import Plan
from pytest_contextcore.session.collect import find_plan

from ..support.plans import warehouse

ALL = [PhaseTest("t.py::a", "E"), PhaseTest("t.py::b", "LOAD-7-T"), PhaseTest("t.py::c", "P")]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return warehouse(tmp_path)


def test_tests_are_matched_by_short_and_by_full_id(plan: Plan) -> None:
    assert dict(assign(plan, ALL, whole=True).nodeids) == {"E": "t.py::a", "T": "t.py::b", "P": "t.py::c"}


GATE = "def a(phase):\n    with phase.gate('C9') as g:\n        pass\n"


@pytest.mark.parametrize(
    ("tests", "said"),
    [
        ([PhaseTest("t.py::x", "X")], r"t.py::x is marked phase\('X'\), but .* declares only: E, T, P"),
        ([*ALL, PhaseTest("t.py::d", "E")], "two tests: t.py::a and t.py::d"),
        (ALL[:2], r"no test for P \(PUBLISH\)"),
        ([PhaseTest("t.py::a", "E", GATE)], "gate 'C9', but phase E of .* declares only: C1"),
    ],
)
def test_tests_that_do_not_fit_are_refused_before_anything_runs(plan: Plan, tests: list[PhaseTest], said: str) -> None:
    with pytest.raises(CollectionError, match=said):
        assign(plan, tests, whole=True)


def test_a_phase_without_a_test_counts_as_deselected_otherwise(plan: Plan) -> None:
    assert assign(plan, ALL[:2], whole=False).missing() == ["P"]


def test_gate_names_are_read_from_the_source_whatever_its_indentation() -> None:
    source = '    async def test(self, phase):\n        with phase.gate("C1"), other.gate("X"):\n            x(name)\n'
    assert list(gate_names(source)) == ["C1"]
    assert list(gate_names("lambda phase: (")) == []


def test_phases_run_together_in_the_plans_order_where_the_first_of_them_stood() -> None:
    ranks = {"p3": ("A", 3), "p1": ("A", 1), "p2": ("A", 2), "q2": ("B", 2), "q1": ("B", 1)}
    assert in_plan_order(["x", "p3", "y", "q2", "p1", "z", "p2", "q1"], ranks.get) == [
        "x", "p1", "p2", "p3", "y", "q1", "q2", "z",
    ]  # fmt: skip


def test_a_selected_phase_needs_its_upstreams_selected_or_reused(plan: Plan) -> None:
    assert missing_upstreams(plan, ["P"], []) == {"T": "P"}
    assert missing_upstreams(plan, ["P"], ["T"]) == {}
    assert missing_upstreams(plan, ["E", "T", "P"], []) == {}


def test_the_nearest_plan_upward_is_found(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "plan.toml").touch()
    (tmp_path / "a" / "plan.toml").touch()
    assert find_plan(tmp_path / "a" / "b") == tmp_path / "a" / "plan.toml"
    assert find_plan(tmp_path) == tmp_path / "plan.toml"
