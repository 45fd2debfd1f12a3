"""Gates that the plan decides: the mutations of their checks find those that cannot fail."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.plan.checks import CheckPlan
from pytest_contextcore.plan.model import load_plan
from pytest_contextcore.proof.checked import Copy, prove_check
from pytest_contextcore.proof.drifted import prove_drift
from pytest_contextcore.proof.result import Proof
from pytest_contextcore.proof.snapshots import Snapshots

from ..support import page_samples as samples

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
FILES: dict[str, Any] = {
    "m.json": {"accuracy": 0.93, "ok": True, "status": "done", "rows": [{"s": "good"}, {"s": "good"}], "names": ["a"]},
    "other.json": {"names": ["a", "b"], "n": 1},
    "schema.json": SCHEMA,
    "anything.json": {},
    "run_results.json": {"results": [{"unique_id": "x", "status": "success"}]},
    "gates.json": [{"gate_id": "G", "result": "pass"}],
    "list.json": [{"n": number} for number in range(9)],
}
JUNIT = '<testsuite><testcase classname="a" name="b &gt; c"/><testcase classname="a" name="d"></testcase></testsuite>'


def tried(folder: Path, check: str, prove: str = "") -> tuple[Proof, str, str]:
    tree = folder / "tree"
    tree.mkdir()
    for name, document in FILES.items():
        (tree / name).write_text(json.dumps(document), encoding="utf-8")
    (tree / "junit.xml").write_text(JUNIT, encoding="utf-8")
    extra = f"prove = {prove}\n" if prove else ""
    gate = f'[[phases.gates]]\nid = "G1"\ncheck = {check}\n{extra}'
    (tree / "plan.toml").write_text(f'[trace]\nid = "T"\n[[phases]]\nid = "A"\n{gate}', encoding="utf-8")
    plan = load_plan(tree / "plan.toml")
    snapshots = Snapshots(folder / "snapshots")
    snapshots.take("before", tree)
    before = snapshots.manifest("before")
    place = Copy(tree, tree, lambda: snapshots.restore(before, tree))
    found = prove_check(plan, plan.phases[0].gates[0], place)
    for name, document in FILES.items():
        assert json.loads((tree / name).read_text(encoding="utf-8")) == document
    assert (tree / "junit.xml").read_text(encoding="utf-8") == JUNIT
    return found


DIGEST = hashlib.sha256(json.dumps(FILES["other.json"]).encode()).hexdigest()


@pytest.mark.parametrize(
    "check",
    [
        '{ query = "m.json#accuracy >= `0.9`" }',
        '{ query = "m.json#accuracy <= `0.99`" }',
        '{ query = "m.json#ok" }',
        "{ query = \"m.json#status == 'done'\" }",
        '{ query = "m.json#length(status) > `1`" }',
        '{ query = "m.json#length(rows[?!s]) == `0`" }',
        "{ query = \"m.json#length(rows[?s == 'bad']) == `0`\" }",
        '{ query = "m.json#length(names) == `1`" }',
        '{ query = "list.json#length(@) >= `5`" }',
        '{ query = "list.json#length([?n >= `0`]) <= `50`" }',
        '{ same = ["m.json#rows[].s", "m.json#rows[0].[s]"] }',
        '{ subset = ["m.json#names", "other.json#names"] }',
        '{ schema = { file = "other.json", schema = "schema.json" } }',
        '{ exists = "m.json" }',
        '{ exists = "*.xml", count = 1 }',
        '{ exists = "*.xml", max = 1 }',
        f'{{ sha256 = {{ file = "other.json", is = "{DIGEST}" }} }}',
        '{ junit = "junit.xml" }',
        '{ dbt = "run_results.json" }',
        '{ gate_results = "gates.json" }',
    ],
)
def test_a_check_that_can_fail_is_proven(tmp_path: Path, check: str) -> None:
    proof, mutation, reason = tried(tmp_path, check)
    assert (proof, bool(mutation), bool(reason)) == (Proof.PROVEN, True, True), (mutation, reason)


@pytest.mark.parametrize(
    "check",
    [
        '{ query = "m.json#accuracy >= `0.9` || `true`" }',
        '{ query = "m.json#length(rows) >= `0`" }',
        '{ query = "m.json#`true`" }',
        '{ same = ["m.json#names", "m.json#names"], empty = true }',
        '{ subset = ["m.json#rows", "m.json#rows"], empty = true }',
        '{ schema = { file = "other.json", schema = "anything.json" } }',
        '{ exists = "*.json", min = 0 }',
        '{ exists = "plan.toml" }',
        '{ exists = "*" }',
        '{ query = "m.json#accuracy == accuracy" }',
        '{ query = "m.json#accuracy >= `-1e300`" }',
        '{ same = ["m.json#names", "m.json#names"] }',
        '{ subset = ["m.json#names", "m.json#names"] }',
        "{ gate_results = \"gates.json#[?result == 'pass']\" }",
    ],
)
def test_a_check_that_is_always_true_is_found(tmp_path: Path, check: str) -> None:
    proof, mutation, _ = tried(tmp_path, check)
    assert proof is Proof.CANNOT_FAIL, mutation


def test_a_program_proves_nothing_until_the_plan_names_a_mutation(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "c").mkdir()
    (tmp_path / "d").mkdir()
    code = "import json, sys; sys.exit(not json.load(open('m.json'))['ok'])"
    check = f'{{ run = ["python", "-c", "{code}"] }}'
    prove = '{ file = "m.json", set = { "/ok" = false } }'
    assert tried(tmp_path / "a", check)[0] is Proof.UNPROVEN
    assert tried(tmp_path / "b", check, prove)[0] is Proof.PROVEN
    remove = '{ file = "m.json", remove = true }'
    assert tried(tmp_path / "d", '{ exists = "m.json" }', remove)[0] is Proof.PROVEN
    assert tried(tmp_path / "c", '{ query = "m.json#accuracy > `0.9`" }', prove)[0] is Proof.CANNOT_FAIL  # another key


@pytest.mark.parametrize(
    ("check", "prove"),
    [
        ('{ query = "m.json#length(rows) >= `0`" }', "flip = true"),
        ('{ query = "m.json#length(rows) >= `0`" }', "remove = true"),
        ('{ query = "m.json#length(rows) >= `0`" }', 'drop = "/rows"'),
        ('{ query = "m.json#length(rows) >= `0`" }', 'set = { "/rows" = 7 }'),
        ('{ schema = { file = "m.json", schema = "anything.json" } }', "remove = true"),
        ('{ same = ["m.json#names", "m.json#names"] }', 'drop = "/names"'),
    ],
)
def test_a_named_mutation_has_to_leave_something_to_decide_by(tmp_path: Path, check: str, prove: str) -> None:
    proof, _, reason = tried(tmp_path, check, f'{{ file = "m.json", {prove} }}')
    assert (proof, "nothing to decide by" in reason) == (Proof.ERROR, True), reason


def test_a_gate_that_fails_without_a_mutation_proves_nothing(tmp_path: Path) -> None:
    assert tried(tmp_path, '{ query = "m.json#accuracy >= `0.99`" }')[0] is Proof.ERROR


@pytest.mark.parametrize(
    ("value", "within", "found"),
    [
        (0.9, "5%", (Proof.PROVEN, "quality.gap_count: 0.9 → -0.1")),
        (2, 1.5, (Proof.PROVEN, "quality.gap_count: 2 → -999999999998")),
        (2, 1e13, (Proof.CANNOT_FAIL, "quality.gap_count: 2 → 1000000000002")),
        ("2", "5%", (Proof.ERROR, "")),
        (None, "5%", (Proof.ERROR, "")),
    ],
)
def test_a_drift_gate_is_proven_by_other_values(value: Any, within: Any, found: tuple[Proof, str]) -> None:
    run = samples.completed()
    run.spans[0].attributes = {} if value is None else {"quality.gap_count": value}
    check = CheckPlan(drift="quality.gap_count", within=within)
    assert prove_drift(check, run.spans[1].span_id, run)[:2] == found
