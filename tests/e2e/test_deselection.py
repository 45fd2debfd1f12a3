"""Deselecting is explicit: what a selected phase needs runs now, or is reused from the last evidence."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

import pytest

from ..support.plans import HERE, PASSING, WAREHOUSE, Suite
from ..support.traces import refusal

Read = Callable[..., dict[str, Any]]

PLAIN = """
from pathlib import Path
import pytest

@pytest.mark.phase("E")
def test_extract(phase):
    phase.input("rows.csv")
    check(phase, "C1")

@pytest.mark.phase("T")
def test_transform(phase):
    check(phase, "C1", "C2", "C3")

@pytest.mark.phase("P")
def test_publish(phase):
    check(phase, "C1")
    phase.record(row_count=3)

def check(phase, *names):
    for name in names:
        with phase.gate(name):
            pass

def test_ordinary():
    pass
"""
OPTION = """
def pytest_addoption(parser):
    parser.addoption("--shop", default="main")
    parser.addoption("--colour", default="red")
"""
READS_SHOP = WAREHOUSE.replace('name = "EXTRACT"', 'name = "EXTRACT"\noptions = ["shop"]')


def statuses(document: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    return {span["span_id"].rpartition("-")[2]: (span["status"], span["reused"]) for span in document["spans"]}


@pytest.fixture
def plain(suite: Suite) -> Suite:
    """Phases that hand nothing on; the first relies on a file."""
    suite.write(PLAIN)
    (suite.pytester.path / "rows.csv").write_text("1\n2\n3\n")
    return suite


@pytest.fixture
def ran(plain: Suite) -> Suite:
    """The same, run whole once: everything completed."""
    plain.plan(READS_SHOP)
    plain.pytester.makeconftest(OPTION)
    assert plain.here().ret == 0
    return plain


# --- the upstream cannot be reused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [["-k", "test_transform"], ["test_load.py::test_transform"], ["--deselect", "test_load.py::test_extract"]],
    ids=["k", "node id", "deselect"],
)
def test_a_phase_whose_upstream_is_deselected_and_cannot_be_reused_is_refused_with_the_command(
    plain: Suite, arguments: list[str]
) -> None:
    said = refusal(plain.here(*arguments))
    assert "T" in said
    assert "needs E" in said
    assert "pytest ./" in said
    assert not (plain.pytester.path / "out").exists()


def test_a_refusal_names_the_command_with_the_options_that_do_not_select(suite: Suite) -> None:
    command = refusal(suite.here("-q", "--tb=short", "-k", "test_publish")).rpartition("run the plan whole: ")[2]
    given = [argument for argument in shlex.split(command) if not argument.startswith("--basetemp=")]
    assert given == ["pytest", "./", *HERE, "-q", "--tb=short"]


def test_the_first_phase_alone_runs(plain: Suite, evidence: Read) -> None:
    assert plain.here("-k", "test_extract").ret == 0
    document = evidence()
    assert [document["spans"][index]["blocked_reason"] for index in (1, 2)] == ["deselected in this run"] * 2
    assert statuses(document) == {
        "E": ("completed", False),
        "T": ("not_started", False),
        "P": ("not_started", False),
    }
    assert document["status"] == "in_progress"


# --- the upstream can be reused ---------------------------------------------------------------------------------------


def test_it_runs_when_the_upstream_can_be_reused(ran: Suite, evidence: Read) -> None:
    before = evidence()
    result = ran.here("-k", "test_transform")
    assert result.ret == 0
    result.assert_outcomes(passed=1, deselected=3)
    document = evidence()
    assert statuses(document)["E"] == ("completed", True)
    assert statuses(document)["T"] == ("completed", False)
    assert document["spans"][0]["started_at"] == before["spans"][0]["started_at"]
    assert document["spans"][0]["inputs"] == before["spans"][0]["inputs"]
    assert document["status"] == "in_progress"


def test_what_comes_after_a_phase_that_runs_is_not_reused(ran: Suite, evidence: Read) -> None:
    assert ran.here("-k", "test_extract").ret == 0
    assert statuses(evidence())["P"] == ("not_started", False)
    assert "needs T" in refusal(ran.here("-k", "test_extract or test_publish"))


def test_a_phase_can_receive_what_a_reused_phase_handed_on(suite: Suite, evidence: Read) -> None:
    suite.write(PASSING)
    assert suite.here().ret == 0
    result = suite.here("-k", "test_transform")
    assert evidence()["spans"][1]["blocked_reason"] is None
    assert result.ret == 0


# --- what changed ----------------------------------------------------------------------------------------------------


def change_input(suite: Suite) -> None:
    (suite.pytester.path / "rows.csv").write_text("1\n2\n")


def change_source(suite: Suite) -> None:
    suite.write(
        PLAIN.replace(
            'check(phase, "C1")\n\n@pytest.mark.phase("T")',
            'check(phase, "C1")\n    print()\n\n@pytest.mark.phase("T")',
        )
    )


def remove_evidence(suite: Suite) -> None:
    (suite.pytester.path / "out" / "LOAD-7.json").unlink()


@pytest.mark.parametrize(
    ("change", "arguments", "why"),
    [
        (change_input, [], "rows.csv"),
        (change_source, [], "test_load.py changed"),
        (lambda suite: None, ["--shop=other"], "option shop changed"),
        (remove_evidence, [], "LOAD-7.json"),
    ],
    ids=["input", "test", "option", "no evidence"],
)
def test_it_is_refused_after_a_change_with_what_changed(
    ran: Suite, change: Callable[[Suite], None], arguments: list[str], why: str
) -> None:
    change(ran)
    said = refusal(ran.here("-k", "test_transform", *arguments))
    assert "needs E" in said
    assert why in said
