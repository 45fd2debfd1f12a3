"""Documents from untrusted bytes: read in bounded time and memory, or refused."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_contextcore.checks import parsing
from pytest_contextcore.checks.parsing import parse_json, parse_yaml, parse_yaml_all
from pytest_contextcore.checks.tables import in_json_types, parse_csv, parse_lines, parse_toml
from pytest_contextcore.errors import Malformed

BAD_JSON = {
    "empty": b"",
    "blank": b" \n",
    "truncated": b'{"a": ',
    "trailing": b"{} x",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "Latin-1": '{"a": "é"}'.encode("latin-1"),
    "NaN": b'{"a": NaN}',
    "Infinity": b"[Infinity]",
    "-Infinity": b"[-Infinity]",
    "an overflow": b"[1e999]",
    "a duplicate key": b'{"a": 1, "a": 2}',
    "a nested duplicate key": b'[{"b": {"a": 1, "\\u0061": 2}}]',
    "deep lists": b"[" * 200_000,
    "deep objects": b'{"a":' * 101 + b"1" + b"}" * 101,
    "a huge integer": b"[" + b"9" * 5000 + b"]",
    "NUL": b"\0",
    "half of a surrogate pair": b'["\\ud83d", "\\ude00"]',
    "half of a pair in a key": b'{"\\uDE00": 1}',
    "single quotes": b"{'a': 1}",
    "a comment": b"{} // x",
}


@pytest.mark.parametrize("data", BAD_JSON.values(), ids=BAD_JSON)
def test_it_refuses_json_with(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_json(data)


def test_json_may_be_as_deep_as_the_limit_and_hold_brackets_in_strings() -> None:
    assert parse_json(b"[" * parsing.MAX_DEPTH + b"]" * parsing.MAX_DEPTH)
    text = ('{"a": "' + '[{\\"' * 500 + '"}').encode()
    assert parse_json(text) == {"a": '[{"' * 500}
    assert parse_json(b'["\\ud83d\\ude00", "\\\\ud83d"]') == ["\U0001f600", "\\ud83d"]
    assert parse_json(b'{"a": 1.5, "b": -3, "c": null}\r\n') == {"a": 1.5, "b": -3, "c": None}


@pytest.mark.parametrize("data", [b"[" * 101 + b'"' + b'\\"' * 1_000_000, b"[" + b"[]," * 3_000_000 + b"[]]"])
def test_a_document_made_to_take_long_is_refused_soon(data: bytes) -> None:
    begin = time.perf_counter()
    with pytest.raises(Malformed):
        parse_json(data)
    assert time.perf_counter() - begin < 2


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_document_or_malformed(data: bytes) -> None:
    for parse in (parse_json, parse_yaml, parse_yaml_all, parse_toml, parse_lines, parse_csv):
        with suppress(Malformed):
            parse(data)


BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n".encode() for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGE_BOMB = b"a: &a {k: 1}\n" + b"".join(
    f"{b}: &{b} {{<<: [{','.join(['*' + a] * 9)}], {b}: 1}}\n".encode()
    for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
BAD_YAML = {
    "nothing": b"",
    "only a comment": b"# x\n",
    "two documents": b"a: 1\n---\nb: 2\n",
    "a duplicate key": b"a: 1\na: 2\n",
    "a nested duplicate key": b"- {x: {a: 1, a: 2}}\n",
    "aliases that explode": BOMB,
    "merges that explode": MERGE_BOMB,
    "an alias inside of itself": b"a: &a [*a]\n",
    "an unknown alias": b"a: *b\n",
    "deep flow": b"[" * 200_000,
    "deep blocks": b"".join(b" " * n + b"a:\n" for n in range(150)),
    "deep indicators": b"- " * 150 + b"x",
    "an object tag": b"!!python/object/apply:os.system [true]\n",
    "a local tag": b"a: !secret x\n",
    "a binary tag": b"a: !!binary aGk=\n",
    "a set": b"!!set {a, b}\n",
    "a key that is a list": b"? [a]\n: 1\n",
    "an unquoted template": b"a: {{ x }}\n",
    "UTF-16": "a: 1".encode("utf-16"),
    "Latin-1": "a: é".encode("latin-1"),
    "NUL": b"a: \0\n",
    "a tab indent": b"a:\n\t- b\n",
    "unfinished flow": b"groups: [\n  - {name: x\n",
    "a huge number": b"a: " + b"1" * 5000,
    "a huge sexagesimal number": b"a: 1" + b":10" * 5000,
    "a tag that does not fit": b"a: !!int x\n",
    "a merge of a scalar": b"<<: x\n",
    "a day that does not exist": b"a: 2026-02-30\n",
    "a time of no form": b"a: !!timestamp x\n",
}


@pytest.mark.parametrize("data", BAD_YAML.values(), ids=BAD_YAML)
def test_it_refuses_yaml_with(data: bytes) -> None:
    begin = time.perf_counter()
    with pytest.raises(Malformed):
        parse_yaml(data)
    assert time.perf_counter() - begin < 2


GOOD_YAML = """\
text: hello
number: 42
octal: 0o14
float: 1.5
truth: yes
nothing: ~
date: 2026-01-02
quoted: '1'
block: |
  one
  two
base: &base {a: 1, b: 2}
merged: {<<: *base, b: 3}
both: {<<: [*base, {c: 4}]}
again: *base
list: [*base, 1]
quoted by a tag: ! 12
keys: {7: a, ~: b, 1.5: c, yes: d}
&key name: {*key : 1}
empty:
"""


def test_it_gives_plain_yaml_the_values_that_the_safe_loader_gives() -> None:
    import yaml

    expected = yaml.safe_load(GOOD_YAML)
    expected["date"] = "2026-01-02"  # JSON has no dates
    assert parse_yaml(GOOD_YAML.encode()) == expected


def test_line_ends_and_a_byte_order_mark_do_not_change_yaml() -> None:
    assert parse_yaml(GOOD_YAML.replace("\n", "\r\n").encode()) == parse_yaml(GOOD_YAML.encode())
    assert parse_yaml(b"\xef\xbb\xbfa: 1\n") == {"a": 1}


def test_several_documents_are_read_where_they_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_yaml_all(b"a: 1\n---\nb: &x 2\n---\n- 3\n") == [{"a": 1}, {"b": 2}, [3]]
    with pytest.raises(Malformed, match="alias"):  # anchors end with their document
        parse_yaml_all(b"a: &x 1\n---\nb: *x\n")
    monkeypatch.setattr(parsing, "MAX_EVENTS", 10)
    with pytest.raises(Malformed, match="too many values"):
        parse_yaml(b"[1,2,3,4,5,6,7,8,9]")


def test_a_time_and_a_sign_may_be_keys_and_a_list_may_not() -> None:
    assert parse_yaml(b"2026-01-31: a\n=: b\n") == {"2026-01-31": "a", "=": "b"}
    with pytest.raises(Malformed, match="has a key that is a collection"):
        parse_yaml(b"? [a]\n: 1\n")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-01-31", "2026-01-31"),
        ("2026-01-31T09:30:00Z", "2026-01-31T09:30:00Z"),
        ("2026-01-31 09:30:00", "2026-01-31T09:30:00"),
        ("2001-12-14 21:59:43.10 -5", "2001-12-14T21:59:43.100000-05:00"),
    ],
)
def test_times_in_yaml_become_iso_text(written: str, read: str) -> None:
    assert parse_yaml(f"a: {written}\n".encode()) == {"a": read}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a = 1\na = 2", "is not valid TOML"),
        (b"a = nan", "a number that JSON does not know"),
        (b"a = " + b"9" * 50, "a huge integer"),
        (b"a = " + b"9" * 5000, "is not valid TOML"),
        (b"a = " + b"[" * 150 + b"]" * 150, "nested too deeply"),
        (b"a = " + b"[" * 100_000, "TOML|deeply"),
        (b"a" + b" . a" * 100_000 + b" = 1", "a key of too many parts"),
        (b"x = {'a'" + b"." + b'"b".' * 100_000 + b"c = 1}", "a key of too many parts"),
        (b"#" * (4 * 1024 * 1024 + 1), "too large for TOML"),
        (b"\xff", "UTF-8"),
    ],
)
def test_it_refuses_toml_with(data: bytes, said: str) -> None:
    begin = time.perf_counter()
    with pytest.raises(Malformed, match=said):
        parse_toml(data)
    assert time.perf_counter() - begin < 2


def test_toml_is_read_in_jsons_types() -> None:
    document = b"day = 2026-01-31\nat = 2026-01-31T09:30:00Z\nhour = 09:30:00\n[a.b]\nc = 1"
    assert parse_toml(document) == {
        "day": "2026-01-31", "at": "2026-01-31T09:30:00Z", "hour": "09:30:00", "a": {"b": {"c": 1}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"a,a\n1,2", "a column twice"),
        (b"a,b\n1", "another length"),
        (b"a,b\n1,2,3", "another length"),
        (b'a\n"x"y', "not valid CSV"),
        (b'a\n"x', "not valid CSV"),
        (b"a\n" + b"x" * 200_000, "not valid CSV"),
        (b"a\n1e999", "a huge number"),
        (b"a\n" + b"9" * 500, "a huge number"),
        (b"\xff", "UTF-8"),
    ],
)
def test_it_refuses_csv_with(data: bytes, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        parse_csv(data)


def test_cells_that_are_json_numbers_true_or_false_become_these() -> None:
    cells = [
        ("1", 1),
        ("-0.5", -0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("false", False),
        ("007", "007"),
        ("1_000", "1_000"),
    ]
    cells += [("", ""), ("null", "null"), ("True", "True"), (" 1", " 1"), ("NaN", "NaN"), ("+1", "+1"), (".5", ".5")]
    rows = parse_csv("\ufeffa;b\r\n".encode() + "".join(f"{text};x\r\n" for text, _ in cells).encode(), ";")
    assert [row["a"] for row in rows] == [value for _, value in cells]
    assert [type(row["a"]) for row in rows] == [type(value) for _, value in cells]


def test_a_line_that_is_no_json_is_named_by_its_number() -> None:
    assert parse_lines(b'{"a": 1}\n\n[2]\n') == [{"a": 1}, [2]]
    with pytest.raises(Malformed) as caught:
        parse_lines(b"1\n{\n")
    assert "(line 2)" in caught.value.observed
    with pytest.raises(Malformed, match="is empty"):
        parse_lines(b"\n")


@pytest.mark.parametrize("value", [float("inf"), 10**41, {1: 2, "1": 3}, {"a": [float("nan")]}, "\ud83d"])
def test_what_json_does_not_know_is_refused(value: Any) -> None:
    with pytest.raises(Malformed):
        in_json_types(value)


def test_keys_of_yaml_become_text() -> None:
    assert in_json_types({7: 2, None: 3, True: {2.5: 4}}) == {"7": 2, "null": 3, "true": {"2.5": 4}}
