"""A handoff of one run that a phase of another run takes over, as a HandoffContract in a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.commands.cli import main

from ..support.plans import Suite

Read = Callable[..., dict[str, Any]]

PLAN = """
[trace]
id = "BILL-1"
project_id = "bills"
title = "Bill the orders"
[[trace.definition_of_done]]
condition = "billed"
gates = ["B-C1"]
next_action = "Bill again."
[[phases]]
id = "B"
name = "BILL"
goal = "Bill"
exit_criteria = ["billed"]
[[phases.gates]]
id = "C1"
purpose = "Billed"
criterion = "billed"
next_action = "Bill again."
"""
TEST = """
import pytest
from pytest_contextcore import Handoff

class Rows(Handoff):
    count: int

@pytest.mark.phase("B")
def test_bill(phase):
    rows = phase.receive(Rows, file="handoffs.json")
    with phase.gate("C1"):
        assert rows.count == 3
"""


@pytest.fixture
def bill(
    suite: Suite, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str], evidence: Read
) -> Callable[..., Any]:
    """Run the plan that takes over what the first one handed on, with its document changed; the phase's evidence."""
    suite.here()
    capsys.readouterr()
    assert main(["show", "--handoffs", "out/LOAD-7.json"]) == 0
    documents = json.loads(capsys.readouterr().out)
    folder = pytester.path / "bill"
    folder.mkdir()
    (folder / "plan.toml").write_text(PLAN, encoding="utf-8")
    (folder / "test_bill.py").write_text(TEST, encoding="utf-8")

    def run(change: Callable[[list[dict[str, Any]]], object]) -> dict[str, Any]:
        changed = change(documents)
        text = changed if isinstance(changed, str) else json.dumps(changed)
        Path("handoffs.json").write_text(text, encoding="utf-8")
        pytester.runpytest_inprocess("bill")
        (span,) = evidence("BILL-1")["spans"]
        assert isinstance(span, dict)
        return span

    return run


def test_a_phase_takes_over_what_another_run_handed_on(bill: Callable[..., Any]) -> None:
    span = bill(lambda documents: documents)
    assert span["status"] == "completed"
    assert [(handoff["name"], handoff["direction"]) for handoff in span["handoffs"]] == [("Rows", "validated")]
    assert "handoffs.json" in [item["path"] for item in span["inputs"]]


@pytest.mark.parametrize(
    ("change", "said", "errors"),
    [
        (lambda documents: "{", "the file", 1),
        (lambda documents: [], "an empty list", 1),
        (lambda documents: [{**documents[0], "capability_id": "", "note": 1}], "note is an unknown key", 2),
        (lambda documents: {**documents[0], "inputs": {"count": "many"}}, "is malformed: count", 1),
        (lambda documents: {**documents[0], "inputs": {"count": 4}}, "assert 4 == 3", 0),
        (lambda documents: [documents[0], {**documents[0], "inputs": {"count": 5}}], "2 that differ", 0),
        (
            lambda documents: {**documents[0], "capability_id": "Other", "expected_output": {"type": "Other"}},
            "but has only Other",
            0,
        ),
    ],
)
def test_a_document_that_does_not_fit_blocks_the_phase(
    bill: Callable[..., Any], change: Callable[..., Any], said: str, errors: int
) -> None:
    span = bill(change)
    assert (span["status"], span["blocked_on_span_id"]) == ("blocked", None)
    assert said in span["blocked_reason"]
    failed = [event["attributes"] for event in span["events"] if event["name"] == "handoff.validation.inbound.failed"]
    contract = "Rows" if "malformed" in said else "HandoffContract"
    expected = {"contract_name": contract, "direction": "inbound", "error_count": errors}
    assert failed == ([expected] if errors else [])
