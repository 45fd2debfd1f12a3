"""``query``: JMESPath without its wrong greens."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_contextcore.checks.query import canonical
from pytest_contextcore.checks.verdict import CheckFailed
from pytest_contextcore.plan.attributes import Attribute
from pytest_contextcore.plan.checks import Reference
from pytest_contextcore.trace.evidence import Result

from .conftest import Check

M = {
    "accuracy": 0.93, "text": "0.93", "status": "ok", "nothing": None, "yes": True, "no": False, "zero": 0,
    "ids": [1, 2],
    "rows": [{"state": "ok", "n": 1}, {"state": "failed", "n": 2}], "empty": [], "big": 1e308,
}  # fmt: skip


@pytest.mark.parametrize(
    "expression",
    [
        "accuracy >= `0.9`", "`0.9` <= accuracy", "accuracy == `0.930`", "status == 'ok'", "status != 'failed'", "yes",
        "!no", "!empty", "length(rows) == `2`", "length(rows[?state == 'failed']) == `1`", "yes && accuracy > zero",
        "no || yes", "(absent || `3`) == `3`", "not_null(absent, yes)", "type(absent) == 'null'", "contains(ids, `2`)",
        "ids == `[1.0, 2]`", "[status, yes] == ['ok', yes]", "sum(rows[*].n) == `3`", "max(ids) < `3`", "!zero == no",
    ],
)  # fmt: skip
def test_what_is_true_holds(check: Check, expression: str) -> None:
    verdict = check({"query": f"m.json#{expression}"}, {"m.json": M})
    assert (verdict.result, verdict.reason) == (Result.PASS, "")


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        # what is compared is shown
        ("accuracy >= `0.99`", "accuracy: observed 0.93, expected >= 0.99"),
        ("`0.99` < accuracy", "accuracy: observed 0.93, expected > 0.99"),
        ("accuracy > length(rows)", "accuracy: observed 0.93, expected > length(rows), which is 2"),
        ("status == 'failed'", "status: observed 'ok', expected == 'failed'"),
        ("rows[1].state == 'ok'", "rows[1].state: observed 'failed', expected == 'ok'"),
        ("length(rows[?state == 'failed']) == `0`", "length(rows[?…]): observed 1, expected == 0"),
        ("accuracy > `1` || zero > `1`", "accuracy: observed 0.93, expected > 1; zero: observed 0, expected > 1"),
        ("rows[1].n > length(rows)", "rows[1].n: observed 2, expected > length(rows), which is 2"),
        ("accuracy > rows[0].n", "accuracy: observed 0.93, expected > rows[0].n, which is 1"),
        ("`2` == rows[0].n", "rows[0].n: observed 1, expected == 2"),
        ("sort_by(rows, &n) > zero", "sort_by(rows, &n): observed a list of 2, expected a number"),
        ("rows[0].N == `1`", "rows[0].N: observed nothing (null), expected a value to compare by =="),
        # exactly true
        ("accuracy > `1` || zero", "accuracy > `1` || zero: observed 0, expected true"),
        ("accuracy", "accuracy: observed 0.93, expected true"),
        ("ids[0]", "ids[0]: observed 1, expected true"),
        ("status", "status: observed 'ok', expected true"),
        ("rows", "rows: observed a list of 2, expected true"),
        ("no", "no: observed false, expected true"),
        ("absent", "absent: observed nothing (null), expected true"),
        ("rows[7].state", "rows[7].state: observed nothing (null), expected true"),
        # null decides nothing
        ("stats != 'failed'", "stats: observed nothing (null), expected a value to compare by !="),
        ("'failed' != stats", "stats: observed nothing (null), expected a value to compare by !="),
        ("nothing == absent", "nothing: observed nothing (null)"),
        ("nothing == `null`", "nothing: observed nothing (null)"),
        ("!absent", "absent: observed nothing (null), expected a value to negate"),
        ('!"größe 1"', '"größe 1": observed nothing (null), expected a value to negate'),
        ("!(absent)", "absent: observed nothing (null)"),
        ("acuracy >= `0.9`", "acuracy: observed nothing (null), expected a value to compare by >="),
        ("length(rows[?stat == 'failed']) == `0`", "stat: observed nothing (null), expected a value to compare by =="),
        ("length(rows[?!sate]) == `0`", "sate: observed nothing (null), expected a value to negate"),
        ("[absent] == [nothing]", "absent: observed nothing (null)"),
        ("{a: absent} == {a: nothing}", "absent: observed nothing (null)"),
        ("!contains(ids, absent)", "argument 2 of contains(): observed nothing (null), expected a value"),
        ("to_string(absent) == to_string(nothing)", "argument 1 of to_string(): observed nothing (null)"),
        ("length(absent) == `0`", "argument 1 of length(): observed nothing (null)"),
        # only numbers are ordered
        ("text >= `0.9`", "text: observed '0.93', expected a number to compare by >="),
        ("accuracy <= '1'", "'1': observed '1', expected a number to compare by <="),
        ("status > 'a'", "status: observed 'ok', expected a number to compare by >"),
        ("yes >= zero", "yes: observed true, expected a number to compare by >="),
        ("ids > zero", "ids: observed a list of 2, expected a number"),
        ("!(to_number('nan') < `1`)", "to_number('nan'): observed nan, expected a number"),
        ("to_number('1e999') > zero", "to_number('1e999'): observed inf, expected a number"),
        ("length(rows[?state > `0`]) == `0`", "state: observed 'ok', expected a number"),
        # one and true are two things, in a list too
        ("`[1]` == `[true]`", "`[1]`: observed a list of 1, expected == a list of 1"),
        ("zero == no", "zero: observed 0, expected == no, which is false"),
        # whatever the library raises
        ("sum(rows) > zero", "sum(rows) > zero: observed an error (In function sum(), invalid type"),
        ("length(accuracy) == zero", "observed an error (In function length()"),
        ("contains(status, zero)", "observed an error ('in <string>' requires string"),
        ("starts_with(status)", "observed an error (Expected 2 arguments"),
        ("sort_by(rows, &absent) == rows", "observed an error"),
        ("floor(to_number('inf')) == zero", "observed an error (cannot convert float infinity"),
    ],
)  # fmt: skip
def test_everything_else_fails_and_says_why(check: Check, expression: str, said: str) -> None:
    verdict = check({"query": f"m.json#{expression}"}, {"m.json": M})
    assert verdict.result is Result.FAIL
    assert verdict.reason.startswith("m.json: ")
    assert said in verdict.reason
    assert {item.file for item in verdict.findings} == {"m.json"}


def test_cells_of_csv_are_compared_as_numbers_and_text_is_not(check: Check) -> None:
    files = {"m.csv": "name,accuracy\nfirst,0.95\nsecond,n/a\n"}
    assert check({"query": "m.csv#[0].accuracy > `0.9`"}, files).result is Result.PASS
    assert "observed 'n/a', expected a number" in check({"query": "m.csv#[1].accuracy > `0.9`"}, files).reason


def test_what_was_compared_is_evidence_of_a_gate_that_passed(check: Check) -> None:
    verdict = check({"query": "m.json#accuracy >= `0.9` && status == 'ok'"}, {"m.json": M})
    assert [item.model_dump() for item in verdict.findings] == [
        {"type": "operand", "ref": "accuracy", "file": "", "description": "accuracy: observed 0.93, expected >= 0.9"},
        {"type": "operand", "ref": "status", "file": "", "description": "status: observed 'ok', expected == 'ok'"},
    ]


def test_of_many_comparisons_eight_are_evidence(check: Check) -> None:
    verdict = check({"query": f"m.json#{' && '.join(['yes == `true`'] * 9)}"}, {"m.json": M})
    assert (verdict.result, len(verdict.findings)) == (Result.PASS, 8)


def test_whole_numbers_are_the_same_as_far_as_a_float_holds_each_of_them() -> None:
    assert canonical([2.0**53 - 1, -(2.0**53) + 1, 0.5]) == f"[{2**53 - 1},{-(2**53) + 1},0.5]"
    assert canonical(2.0**53) != canonical(2**53)
    assert canonical(2.0**54) != canonical(2**54)


def test_a_name_with_a_hash_is_given_as_a_table(check: Check) -> None:
    source = {"file": "a#1.json", "select": "yes"}
    assert check({"query": source}, {"a#1.json": M}).result is Result.PASS


DECLARED = {
    name: Attribute(name, type, "phase", "", "")  # type: ignore[arg-type]
    for name, type in [("quality.accuracy", "double"), ("quality.rows", "int"), ("output.names", "string[]")]
}


def test_values_are_recorded_whether_the_query_holds_or_not(check: Check) -> None:
    values = {"accuracy": "m.json#accuracy", "quality.rows": "m.json#length(rows)", "names": "m.json#rows[*].state"}
    for query, result in (("yes", Result.PASS), ("no", Result.FAIL), ("absent > zero", Result.FAIL)):
        verdict = check({"query": f"m.json#{query}", "values": values}, {"m.json": M}, declared=DECLARED)
        assert verdict.result is result
        assert verdict.values == {
            "quality.accuracy": 0.93, "quality.rows": 2, "output.names": ["ok", "failed"],
        }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("accuracy", "m.json#absent", "absent: observed nothing (null), expected a value"),
        (
            "accuracy",
            "m.json#text",
            "text: observed a value that cannot be recorded as accuracy (attribute quality.accu",
        ),
        ("rows", "other.json#x", "other.json: observed no such file"),
        ("columns", "m.json#zero", "attribute 'columns' is not declared"),
    ],
)
def test_a_value_that_cannot_be_recorded_fails_the_gate(check: Check, name: str, source: str, said: str) -> None:
    plan = {"query": "m.json#yes", "values": {name: source, "quality.rows": "m.json#zero"}}
    verdict = check(plan, {"m.json": M}, declared=DECLARED)
    assert verdict.result is Result.FAIL
    assert said in verdict.reason
    assert verdict.values == {"quality.rows": 0}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text("ab1", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=8,
)
EXPRESSIONS = st.sampled_from(
    ["a > b", "a == b", "!a", "a && b", "a[?b == c]", "length(a) > `1`", "a[*].b == c[]", "sort(a) == b", "!(a < b)",
     "max_by(a, &b).c != 'x'", "keys(a) == values(b)", "to_number(a) >= b", "join('', a) == c", "{x: a} == {x: b}"]
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(JSON, EXPRESSIONS)
def test_any_document_gives_a_verdict_and_null_never_holds(document: Any, expression: str) -> None:
    from pytest_contextcore.checks.query import ask, hold

    at = Reference("m.json", expression)
    try:
        hold(at, ask(at, document))
    except CheckFailed:
        return
    assert isinstance(document, dict)
    assert document.get("a") is not None


@settings(max_examples=200, deadline=None)
@given(JSON, JSON)
def test_canonical_json_is_equal_exactly_for_what_json_calls_equal(one: Any, other: Any) -> None:
    def same(left: Any, right: Any) -> bool:
        if isinstance(left, bool) or isinstance(right, bool):
            return left is right
        if isinstance(left, list) and isinstance(right, list):
            return len(left) == len(right) and all(map(same, left, right))
        if isinstance(left, dict) and isinstance(right, dict):
            return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
        return bool(left == right)

    if not any("e" in canonical(value) or "Infinity" in canonical(value) for value in (one, other)):
        assert (canonical(one) == canonical(other)) is same(one, other)
