"""One load of a warehouse twice: its gates in Python, and decided by the plan. The evidence says the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ..support.plans import HERE
from ..support.traces import output

PLAN = """
[trace]
id = "LOAD-7"
title = "Load the nightly orders"

[[trace.definition_of_done]]
condition = "every order arrived"
gates = ["TRANSFORM-C1", "PUBLISH-G1"]
attributes = { "quality.row_count" = 3 }

[[attributes]]
name = "quality.row_count"
type = "int"

[[phases]]
id = "EXTRACT"
[[phases.gates]]
id = "G1"
purpose = "The shop's export exists"
next_action = "Start the export job of the shop: {missing_file}."
#check = { exists = "orders.json" }

[[phases]]
id = "TRANSFORM"
#run = "python shape.py"
[[phases.gates]]
id = "C1"
purpose = "No order is lost"
kind = "integrity"
next_action = "Look for order {missing_value} in the transformation."
#check = { same = ["orders.json#[].id", "shaped.json#[].id"] }
[[phases.gates]]
id = "C2"
purpose = "No negative amounts"
kind = "advisory"
next_action = "Ask the shop about the amounts."
#check = { query = "shaped.json#length([?amount < `0`]) == `0`", values = { row_count = "shaped.json#length(@)" } }

[[phases]]
id = "PUBLISH"
#run = "python publish.py"
[[phases.gates]]
id = "G1"
purpose = "The published file has every order"
next_action = "Publish order {missing_value} again."
#check = { same = ["shaped.json#[].id", "published.csv#[].id"] }
"""

SHAPE = """
import json
orders = json.load(open("orders.json"))
json.dump([order for order in orders if order["amount"] is not None], open("shaped.json", "w"))
"""
PUBLISH = """
import json
lines = [str(order["id"]) for order in json.load(open("shaped.json")) if order["amount"] < 1000]
open("published.csv", "w").write("\\n".join(["id", *lines]))
"""

TESTS = """
import csv, json, os, sys
import pytest

def read(name):
    with open(name) as file:
        return json.load(file)

def ids(name):
    if not name.endswith("csv"):
        return {order["id"] for order in read(name)}
    with open(name) as file:
        return {int(row["id"]) for row in csv.DictReader(file)}

def same(gate, expected, found):
    missing = sorted(ids(expected) - ids(found))
    for each in missing:
        gate.evidence("missing_value", ref=each, file=found,
                      description=f"{each} is in {expected}#[].id and not in {found}#[].id")
    assert not missing, (f"{found}#[].id: observed {len(ids(found))} values, {len(missing)} missing and 0 extra, "
                         f"expected the {len(ids(expected))} of {expected}#[].id")

@pytest.mark.phase("EXTRACT")
def test_extract(phase):
    with phase.gate("G1") as gate:
        if not os.path.exists("orders.json"):
            said = "observed 0 files, expected at least 1"
            gate.evidence("missing_file", ref="orders.json", file="orders.json", description=said)
            assert False, f"orders.json: {said}"

@pytest.mark.phase("TRANSFORM")
def test_transform(phase):
    assert phase.run([sys.executable, "-W", "ignore", "shape.py"]).returncode == 0
    with phase.gate("C1") as gate:
        same(gate, "orders.json", "shaped.json")
    phase.record(row_count=len(read("shaped.json")))
    with phase.gate("C2") as gate:
        negative = len([order for order in read("shaped.json") if order["amount"] < 0])
        if negative:
            said = f"length([?…]): observed {negative}, expected == 0"
            gate.evidence("operand", ref="length([?…])", file="shaped.json", description=said)
            assert False, f"shaped.json: {said}"

@pytest.mark.phase("PUBLISH")
def test_publish(phase):
    assert phase.run([sys.executable, "-W", "ignore", "publish.py"]).returncode == 0
    with phase.gate("G1") as gate:
        same(gate, "shaped.json", "published.csv")
"""

NIGHTS: dict[str, list[int | None] | None] = {
    "all is well": [10, 20, 30],
    "a negative amount": [10, 20, -5],
    "an order is lost in the transformation": [10, None, 30],
    "an order is not published": [10, 20, 4000],
    "no export": None,
}


def story(document: dict[str, Any]) -> object:
    """What is the same whoever decides the gates."""
    gate = ("gate_id", "result", "severity", "reason", "next_action")
    span = ("span_id", "status", "blocked_reason", "blocked_on_span_id", "next_action", "error_type")
    done = [(condition["condition"], condition["met"]) for condition in document["definition_of_done"]]
    found = [
        (
            {key: phase[key] for key in span},
            [({key: each[key] for key in gate}, findings(each)) for each in phase["gates"]],
        )
        for phase in document["spans"]
    ]
    return document["status"], document["blocked_reason"], done, document["attributes"], found


def findings(gate: dict[str, Any]) -> object:
    """A check shows what it compared although it holds; an assert does not."""
    return gate["evidence"] if gate["result"] == "fail" else []


@pytest.mark.parametrize("night", NIGHTS)
def test_the_evidence_says_the_same(pytester: pytest.Pytester, evidence: Callable[..., Any], night: str) -> None:
    amounts = NIGHTS[night]
    for name, text in {"shape.py": SHAPE, "publish.py": PUBLISH}.items():
        (pytester.path / name).write_text(text)
    if amounts is not None:
        orders = [{"id": number, "amount": amount} for number, amount in enumerate(amounts, 1)]
        (pytester.path / "orders.json").write_text(json.dumps(orders))
    told = []
    for plan, tests in ((PLAN, TESTS), (PLAN.replace("\n#", "\n"), "")):
        (pytester.path / "plan.toml").write_text(plan)
        (pytester.path / "test_load.py").write_text(tests)
        result = pytester.runpytest_inprocess(*HERE)
        assert result.ret == (0 if amounts in ([10, 20, 30], [10, 20, -5]) else 1), output(result)
        told.append(story(evidence()))
    assert told[1] == told[0]
