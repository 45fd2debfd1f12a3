"""``schema``, ``same`` and ``subset``, and documents of every format that a check may name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_contextcore.checks.documents import Documents, Given
from pytest_contextcore.checks.evaluate import evaluate
from pytest_contextcore.checks.paths import Folder
from pytest_contextcore.plan.checks import CheckPlan
from pytest_contextcore.trace.evidence import Result

from .conftest import Check
from .test_parsing import BAD_JSON, BAD_YAML

SAME: dict[str, Any] = {
    "a.json": [{"id": 1, "day": "2026-01-31"}, {"id": 2, "day": "2026-02-01"}],
    "a.jsonl": '{"day": "2026-02-01", "id": 2}\n{"id": 1.0, "day": "2026-01-31"}\n',
    "a.ndjson": '{"day": "2026-02-01", "id": 2}\n\n{"id": 1, "day": "2026-01-31"}',
    "a.yaml": "- {id: 1, day: 2026-01-31}\n- {id: 2, day: 2026-02-01}\n",
    "a.yml": "- &a {id: 1, day: 2026-01-31}\n- {<<: *a, id: 2, day: 2026-02-01}\n",
    "a.toml": "[[rows]]\nid = 1\nday = 2026-01-31\n[[rows]]\nid = 2\nday = 2026-02-01\n",
    "a.csv": "id,day\n1,2026-01-31\n2,2026-02-01\n",
    "a.tsv": "id\tday\n2\t2026-02-01\n1\t2026-01-31\n",
    "A.JSON": [{"id": 2, "day": "2026-02-01"}, {"id": 1, "day": "2026-01-31"}],
}


@pytest.mark.parametrize("name", SAME)
def test_every_format_gives_the_same_values(check: Check, name: str) -> None:
    source = f"{name}#rows" if name.endswith(".toml") else name
    assert check({"same": ["a.json", source]}, {"a.json": SAME["a.json"], name: SAME[name]}).reason == ""


@pytest.mark.parametrize(
    ("name", "data"),
    [
        *((f"{what}.json", data) for what, data in BAD_JSON.items()),
        *((f"{what}.yaml", data) for what, data in BAD_YAML.items()),
        ("nan.yaml", b"a: .nan"),
        ("same keys.yaml", b"{1: a, '1': b}"),
        ("aliases.yaml", b"a0: &a0 [x]\n" + b"".join(b"a%d: &a%d [*a%d]\n" % (n, n, n - 1) for n in range(1, 1500))),
        ("bad.jsonl", b"{}\n{"),
        ("bad.toml", b"a ="),
        ("bad.csv", b"a,a\n"),
        ("bad.xlsx", b"PK"),
        ("none", b"{}"),
    ],
)
def test_what_cannot_be_read_fails_the_gate(check: Check, name: str, data: bytes) -> None:
    verdict = check({"query": {"file": name, "select": "a"}}, {name: data})
    assert verdict.result is Result.FAIL
    assert verdict.findings[0].type == "unreadable_document"
    assert verdict.reason.startswith(f"{name}: ")
    assert "observed" in verdict.reason


SETS = {
    "a.json": {"ids": ["x", "y", 1], "none": [], "by": {"k": 1, "l": 2}, "one": "x"},
    "b.json": {"ids": [1.0, "z", "x"]},
}


@pytest.mark.parametrize(
    "plan",
    [
        {"same": ["a.json#ids", "a.json#[ids[2], 'y', 'x', 'x']"]},
        {"same": ["a.json#by", "a.json#{l: `2`, k: `1`}"]},
        {"same": ["a.json#one", "a.json#ids[:1]"]},
        {"same": ["a.json#none", "a.json#absent"], "empty": True},
        {"subset": ["a.json#none", "a.json#ids"], "empty": True},
        {"subset": ["a.json#ids[?@ != 'y']", "b.json#ids"]},
        {"same": [{"file": "a.json", "select": "ids"}, "a.json#ids"]},
    ],
)
def test_sets_that_are_equal(check: Check, plan: dict[str, Any]) -> None:
    assert check(plan, SETS).reason == ""


@pytest.mark.parametrize(
    ("plan", "reason", "found"),
    [
        (
            {"same": ["a.json#ids", "b.json#ids"]},
            "b.json#ids: observed 3 values, 1 missing and 1 extra, expected the 3 of a.json#ids",
            [("missing_value", '"y"', "b.json"), ("extra_value", '"z"', "b.json")],
        ),
        (
            {"same": ["a.json#by", "a.json#{k: `1`, l: `3`}"]},
            "a.json#{k: `1`, l: `3`}: observed 2 values, 1 missing and 1 extra, expected the 2 of a.json#by",
            [("missing_value", '"l": 2', "a.json"), ("extra_value", '"l": 3', "a.json")],
        ),
        (
            {"subset": ["b.json#ids", "a.json#ids"]},
            "b.json#ids: observed 1 of 3 values that are not in a.json#ids, expected none",
            [("extra_value", '"z"', "b.json")],
        ),
        (
            {"same": ["a.json#none", "a.json#none"]},
            "a.json: none: observed a list of 0, expected values (or empty = true)",
            [("empty_side", "a.json#none", "a.json")],
        ),
        (
            {"subset": ["a.json#absent", "a.json#ids"]},
            "a.json: absent: observed nothing (null), expected values (or empty = true)",
            [("empty_side", "a.json#absent", "a.json")],
        ),
        (
            {"same": ["a.json#none", "a.json#one"], "empty": True},
            "a.json#one: observed 1 values, 0 missing and 1 extra, expected the 0 of a.json#none",
            [("extra_value", '"x"', "a.json")],
        ),
    ],
)
def test_sets_that_differ(check: Check, plan: dict[str, Any], reason: str, found: list[tuple[str, str, str]]) -> None:
    verdict = check(plan, SETS)
    assert verdict.reason == reason
    assert [(item.type, item.ref, item.file) for item in verdict.findings] == found


@pytest.mark.parametrize(
    ("first", "second", "named"),
    [
        (range(100), range(50, 300), (16, 16)),
        (range(50), range(2), (32, 0)),
        (range(100), range(98, 100), (32, 0)),
        (range(100), range(1, 101), (1, 1)),
        (range(100), range(99, 101), (31, 1)),
        (range(2), range(2, 100), (2, 30)),
    ],
)
def test_of_many_values_some_are_named_and_all_are_counted(
    check: Check, first: range, second: range, named: tuple[int, int]
) -> None:
    verdict = check({"same": ["a.json", "b.json"]}, {"a.json": list(first), "b.json": list(second)})
    missing, extra = len({*first} - {*second}), len({*second} - {*first})
    assert f"{len(second)} values, {missing} missing and {extra} extra, expected the {len(first)}" in verdict.reason
    types = [item.type for item in verdict.findings]
    assert (types.count("missing_value"), types.count("extra_value")) == named


SCHEMA = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "price": {"minimum": 0},
        "size": {"enum": ["s", "m"]},
        "tags": {"uniqueItems": True},
    },
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"name": "x", "price": 0}, []),
        ({"name": 3}, ["$.name: observed 3, expected type \"string\""]),
        (
            {"price": -1, "size": "l", "colour": 1},
            ["$: observed an object with 3 keys, expected additionalProperties false ("
             "Additional properties are not allowed ('colour' was unexpected))",
             "$: observed an object with 3 keys, expected required [\"name\"] ('name' is a required property)",
             "$.price: observed -1, expected minimum 0", '$.size: observed \'l\', expected enum ["s", "m"]'],
        ),
        ([], ['$: observed a list of 0, expected type "object"']),
        ({"name": "x", "tags": [{"a": 1}, {"a": 1.0}]},
             ['$.tags: observed a list of 2, expected uniqueItems true (more than once: {"a":1})']),
        ({"name": "x", "tags": [{"a": n} for n in range(20_000)]}, []),
    ],
)  # fmt: skip
def test_a_document_is_held_against_its_schema(check: Check, document: Any, said: list[str]) -> None:
    files = {"d.json": {"part": document}, "s.json": SCHEMA}
    verdict = check({"schema": {"file": "d.json#part", "schema": "s.json"}}, files)
    assert sorted(item.description for item in verdict.findings) == sorted(said)
    expected = f"d.json: {said[0]}" if len(said) == 1 else ""
    if len(said) > 1:
        expected = f"d.json#part is not valid by s.json: observed {len(said)} errors, expected none"
    assert verdict.reason == expected


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "nonsense"}, "s.json: observed no valid JSON Schema ('nonsense' is not valid"),
        ({"$ref": "https://example.com/s.json"}, "s.json: observed a reference to 'https://example.com/s.json'"),
        ({"$ref": "file:///etc/passwd"}, "observed a reference to 'file:///etc/passwd'"),
        ({"$ref": "other.json"}, "observed a reference to 'other.json'"),
        ({"$ref": "#/$defs/absent"}, "observed a reference to '/$defs/absent'"),
        ({"$ref": "#"}, "s.json: observed an error (RecursionError"),
        ({"pattern": "("}, "s.json: observed"),
        ([], "s.json: observed"),
    ],
)
def test_a_schema_that_decides_nothing_fails_the_gate(check: Check, schema: Any, said: str) -> None:
    verdict = check({"schema": {"file": "d.json", "schema": "s.json"}}, {"d.json": '"x"', "s.json": schema})
    assert verdict.result is Result.FAIL
    assert said in verdict.reason


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        (31, "observed 31 errors, expected"),
        (32, "observed 32 errors or more, expected"),
        (33, "observed 32 errors or more, expected"),
    ],
)
def test_of_many_errors_some_are_named(check: Check, errors: int, said: str) -> None:
    files = {"d.json": ["x"] * errors, "s.yaml": "items: {type: integer}"}
    verdict = check({"schema": {"file": "d.json", "schema": "s.yaml"}}, files)
    assert len(verdict.findings) == min(errors, 32)
    assert said in verdict.reason


SUFFIXES = ("json", "jsonl", "yaml", "toml", "csv", "xml")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80) | st.text('{}[]"a:1,-\n=&*<>!', max_size=60).map(str.encode), st.sampled_from(SUFFIXES))
def test_no_bytes_make_a_check_raise(tmp_path: Path, data: bytes, suffix: str) -> None:
    name = f"d.{suffix}"
    (tmp_path / name).write_bytes(data)
    plans: list[dict[str, Any]] = [
        {"query": f"{name}#a == `1`"},
        {"same": [name, name]},
        {"schema": {"file": name, "schema": name}},
        {"junit": name},
        {"dbt": name},
        {"gate_results": name},
        {"sha256": {"file": name, "is": f"{name}#a"}},
    ]
    for plan in plans:
        verdict = evaluate(CheckPlan.model_validate(plan), Given(Documents(Folder(tmp_path))))
        assert verdict.result in (Result.PASS, Result.FAIL)
        assert bool(verdict.reason) is (verdict.result is Result.FAIL)
