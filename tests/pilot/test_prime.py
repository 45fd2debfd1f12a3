"""The prime route: a plan of nine phases beside PI-101-002, and which of the two runs on a workspace."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.plan.model import load_plan

from .conftest import ROOT, Pilot, PilotRun

PRIME = "pilot_tests/prime"
Base = Callable[[str], Path]


def of_prime(run: PilotRun) -> dict[str, Any]:
    document = json.loads((run.out / "PI-101-002-PRIME.json").read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def statuses(evidence: dict[str, Any]) -> list[str]:
    return [span["status"] for span in evidence["spans"]]


def test_its_gates_are_those_of_the_pilot_without_the_design() -> None:
    whole, prime = (load_plan(ROOT / path / "plan.toml") for path in ("pilot_tests", PRIME))
    assert [phase.id for phase in prime.phases] == [phase.id for phase in whole.phases if phase.id != "S6"]
    for phase in prime.phases:
        expected = whole.by_id[phase.id]
        gates, others = ([gate.model_copy(update={"prove": None}) for gate in each.gates] for each in (phase, expected))
        assert [gate for gate in gates if (phase.id, gate.id) != ("S5", "G3")] == others
        assert phase.options == expected.options
    known = {f"{phase.id}-{gate.id}" for phase in prime.phases for gate in phase.gates}
    for mine, other in zip(prime.trace.definition_of_done, whole.trace.definition_of_done, strict=True):
        assert list(mine.gates) == [gate for gate in other.gates if gate in known]
        assert (mine.condition, mine.next_action) == (other.condition, other.next_action)


def test_both_plans_run_on_the_output_of_a_prime_run_and_complete(base: Base, pilot: Pilot) -> None:
    run = pilot("--workspace", str(base("prime_without_design")))
    assert (run.code, run.statuses, statuses(of_prime(run))) == (0, ["completed"] * 10, ["completed"] * 9)
    assert "PI-101-002-PRIME completed: 9 completed" in run.text
    assert "PI-101-002 completed: 10 completed" in run.text
    assert all(condition["met"] for condition in of_prime(run)["definition_of_done"])


@pytest.mark.parametrize("variant", ["embedded", "prime"])
def test_only_the_pilot_runs_where_a_design_was_made_or_nothing_is_given(
    variant: str, base: Base, pilot: Pilot
) -> None:
    run = pilot("--workspace", str(base(variant))) if variant == "prime" else pilot()
    assert (run.code, run.statuses) == (0, ["completed"] * 10)
    assert not (run.out / "PI-101-002-PRIME.json").exists()


def test_it_runs_alone_where_it_is_asked_for_and_is_resumed(base: Base, pilot: Pilot) -> None:
    workspace = f"--workspace={base('prime_without_design')}"
    run = pilot(workspace, folder=PRIME)
    assert (run.code, statuses(of_prime(run))) == (0, ["completed"] * 9)
    assert not (run.out / "PI-101-002.json").exists()
    last = of_prime(run)["spans"][5]
    assert (last["span_id"], last["phase"]) == ("PI-101-002-PRIME-S7", "PRIME_IMPLEMENT")
    assert {"pilot_tests/test_pilot.py", "pilot_tests/prime/test_prime.py"} <= {
        each["path"] for each in last["modules"]
    }
    run = pilot(workspace, "--contextcore-resume", folder=PRIME)
    assert [span["reused"] for span in of_prime(run)["spans"]] == [True] * 9


@pytest.mark.parametrize(
    ("variant", "said"), [("embedded", "the route is not prime"), ("prime", "a design was made, which this plan")]
)
def test_a_workspace_with_a_design_blocks_it_and_is_sent_to_the_pilot(
    variant: str, said: str, base: Base, pilot: Pilot
) -> None:
    run = pilot(f"--workspace={base(variant)}", folder=PRIME)
    assert (run.code, statuses(of_prime(run))) == (1, ["completed"] * 4 + ["blocked"] + ["not_started"] * 4)
    (gate,) = (gate for gate in of_prime(run)["spans"][4]["gates"] if gate["result"] == "fail")
    assert (gate["gate_id"], said in gate["evidence"][0]["description"]) == ("PI-101-002-PRIME-S5-G3", True)
    assert "its S6 checks the design" in gate["next_action"]


def test_a_seed_that_changes_after_s5_says_between_which_phases(base: Base, pilot: Pilot, tmp_path: Path) -> None:
    root = Path(shutil.copytree(base("prime_without_design"), tmp_path / "w"))
    seed = root / "ingestion" / "prime-context-seed.json"

    class Changing:
        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_setup(self, item: pytest.Item) -> None:
            if item.nodeid.endswith("prime/test_prime.py::test_prime_implement"):
                seed.write_text(f"{seed.read_text(encoding='utf-8')}\n", encoding="utf-8")

    run = pilot(f"--workspace={root}", folder=PRIME, plugins=[Changing()])
    assert (run.code, statuses(of_prime(run))[5]) == (1, "blocked")
    assert "prime-context-seed.json changed between S5 and S7" in of_prime(run)["spans"][5]["blocked_reason"]


def test_without_a_workspace_it_says_what_to_add(pilot: Pilot) -> None:
    run = pilot(folder=PRIME)
    assert run.code == 4
    assert "add --workspace=DIR" in run.text
