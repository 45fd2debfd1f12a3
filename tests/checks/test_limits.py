"""Each limit exactly: what is as large is taken and one more is refused; of a long text so much is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_contextcore.checks import evaluate, parsing, paths, tables
from pytest_contextcore.checks.parsing import parse_json, parse_yaml
from pytest_contextcore.checks.paths import Folder
from pytest_contextcore.checks.tables import in_json_types, parse_csv, parse_toml
from pytest_contextcore.checks.verdict import CheckFailed, finding
from pytest_contextcore.errors import Malformed

from .conftest import Check


def brackets(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def nested(depth: int) -> Any:
    found: Any = None
    for _ in range(depth):
        found = [found]
    return found


def keyed(depth: int) -> Any:
    found: Any = None
    for _ in range(depth):
        found = {"a": found}
    return found


@pytest.mark.parametrize(
    ("read", "most", "more", "said"),
    [
        (parse_json, brackets(100), brackets(101), "is nested too deeply"),
        (parse_json, b'{"a":' * 100 + b"1" + b"}" * 100, b'{"a":' * 101 + b"1" + b"}" * 101, "is nested too deeply"),
        (parse_json, b"[" + b"[]," * 100 + b"1]", b"[" + b"[]," * 100 + brackets(100) + b"]", "is nested too deeply"),
        (parse_json, b"9" * 40, b"9" * 41, "holds a huge integer"),
        (parse_json, b"-" + b"9" * 39, b"-" + b"9" * 40, "holds a huge integer"),
        (parse_yaml, brackets(100), brackets(101), "is nested too deeply"),
        (parse_yaml, b"a: " + b"1" * 400, b"a: " + b"1" * 401, "holds a huge number"),
        (parse_toml, b"#" * (4 << 20), b"#" * ((4 << 20) + 1), "is too large for TOML"),
        (parse_toml, b"a" + b".a" * 99 + b" = 1", b"a" + b".a" * 100 + b" = 1", "has a key of too many parts"),
        (parse_csv, b"a\n0." + b"1" * 398, b"a\n0." + b"1" * 399, "holds a huge number"),
        (in_json_types, nested(100), nested(101), "is nested too deeply"),
        (in_json_types, keyed(100), keyed(101), "is nested too deeply"),
        (parse_csv, b"a\n" + b"x" * (1 << 17), b"a\n" + b"x" * ((1 << 17) + 1), "is not valid CSV"),
        (in_json_types, 10**40 - 1, 10**40, "holds a huge integer"),
        (in_json_types, 1 - 10**40, -(10**40), "holds a huge integer"),
    ],
)
def test_as_much_as_the_limit_is_read_and_no_more(read: Callable[[Any], Any], most: Any, more: Any, said: str) -> None:
    read(most)
    with pytest.raises(Malformed, match=said):
        read(more)


@pytest.mark.parametrize(
    ("module", "limit", "read", "most", "more"),
    [
        (parsing, {"MAX_VALUES": 3}, parse_json, b'{"a": [1]}', b'{"a": [1, 2]}'),
        (parsing, {"MAX_VALUES": 4}, parse_yaml, b"[&a [1], *a, *a]", b"[&a [1], *a, *a, *a]"),
        (parsing, {"MAX_VALUES": 1}, parse_yaml, b"[&a 1, *a]", b"[&a 1, *a, *a]"),
        (parsing, {"MAX_EVENTS": 7}, parse_yaml, b"[a]", b"[a, b]"),
        (tables, {"MAX_VALUES": 4}, parse_csv, b"a,b\n1,2\n3,4\n", b"a,b\n1,2\n3,4\n5,6\n"),
    ],
)
def test_so_many_values_are_read_and_no_more(
    module: Any,
    limit: dict[str, int],
    read: Callable[[Any], Any],
    most: bytes,
    more: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in limit.items():
        monkeypatch.setattr(module, name, value)
    read(most)
    with pytest.raises(Malformed, match=r"too many values|without bound"):
        read(more)


def test_files_are_read_and_counted_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).write_text("four", encoding="utf-8")
    assert folder.read("a", 4) == b"four"
    with pytest.raises(CheckFailed, match="observed 4 bytes, expected at most 3"):
        folder.read("a", 3)
    monkeypatch.setattr(paths, "MAX_MATCHES", 3)
    (tmp_path / "c").touch()
    assert len(folder.matches("*")) == 3
    (tmp_path / "d").touch()
    with pytest.raises(CheckFailed, match="observed over 3 files, expected fewer"):
        folder.matches("*")


LONG = "ß" * 600


@pytest.mark.parametrize(
    ("plan", "content", "shown"),
    [
        ({"junit": "f.xml"}, f"<testsuite><testcase name='n'><error message='{LONG}'/></testcase></testsuite>", 299),
        ({"junit": "f.xml"}, f"<{LONG}/>", 79),
        ({"dbt": "f.json"}, {"results": [{"status": "fail", "message": LONG}]}, 299),
        ({"schema": {"file": "f.json", "schema": "f.json"}}, {"type": LONG}, 198),
        ({"schema": {"file": "f.json", "schema": "f.json"}}, {"required": [LONG]}, 77 + 118),
    ],
)
def test_of_a_long_text_the_beginning_is_shown(check: Check, plan: dict[str, Any], content: Any, shown: int) -> None:
    assert check(plan, {"f.xml" if "junit" in plan else "f.json": content}).reason.count("ß") == shown


def suites(depth: int) -> str:
    inside = depth - 2
    return f"<testsuite>{'<x>' * inside}<testcase name='n'/>{'</x>' * inside}</testsuite>"


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (suites(100), ""),
        (suites(101), "is nested too deeply"),
        ("<testsuite failures='999999999'><testcase name='n'/></testsuite>", "999999999"),
        ("<testsuite failures='1000000000'><testcase name='n'/></testsuite>", ""),
        ("<testsuites><testsuite><testsuite failures='7'/></testsuite><testcase name='n'/></testsuites>", ""),
        ("<testsuites failures='7'><testsuite/><testcase name='n'/></testsuites>", ""),
    ],
)
def test_what_counts_in_a_junit_report(check: Check, report: str, said: str) -> None:
    reason = check({"junit": "f.xml"}, {"f.xml": report}).reason
    assert said in reason if said else not reason


@pytest.mark.parametrize("error", [OSError("gone"), RecursionError("deep"), MemoryError("large")])
def test_what_no_check_can_read_fails_its_gate(check: Check, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setitem(evaluate._DECIDES, "exists", fail)
    assert str(error) in check({"exists": "a"}).reason


def test_a_document_may_be_taken_instead_of_a_file(check: Check) -> None:
    plan = {"query": "m.json#a == `1`"}
    assert check(plan, {"m.json": {"a": 1}}).result == "pass"
    assert check(plan, instead={"m.json": {"a": 2}}).result == "fail"


def test_an_expression_is_told_before_the_values_beside_it(check: Check) -> None:
    values = {"quality.gap_count": "m.json#text", "quality.coverage_percent": "m.json#none"}
    said = check({"query": "m.json#a == `2`", "values": values}, {"m.json": {"a": 1, "text": "x"}}).reason
    assert said.startswith("m.json: a:")
    said = check({"query": "m.json#a == `1`", "values": values}, {"m.json": {"a": 1, "text": "x"}}).reason
    assert said.startswith("m.json: text:")


SORT = "control" if yaml.__with_libyaml__ else "special"


def test_the_second_of_two_columns_is_named_and_an_empty_line_is_no_row() -> None:
    with pytest.raises(Malformed, match="twice") as raised:
        parse_csv(b"a,b,b\n")
    assert raised.value.observed == "'b'"
    assert parse_csv(b"a\n\n1\n") == [{"a": 1}]
    assert parse_csv(b"a\nfalse\n") == [{"a": False}]


@pytest.mark.parametrize(
    ("document", "observed", "expected"),
    [
        (
            b"a: 1\nb: 2\n  c: [\n",
            "mapping values are not allowed in this context at line 3 column 4",
            "a YAML document",
        ),
        (b"a: 1\nbb: @x\n", "found character that cannot start any token at line 2 column 5", "a YAML document"),
        (b"a: " + b"1" * 401, "401 characters", "at most 400"),
        (b"a: \0", f"unacceptable character #x0000: {SORT} characters are not allowed", "a YAML document"),
    ],
)
def test_yaml_that_cannot_be_read_says_where_and_why(document: bytes, observed: str, expected: str) -> None:
    with pytest.raises(Malformed) as raised:
        parse_yaml(document)
    assert (raised.value.observed, raised.value.expected) == (observed, expected)


def test_a_finding_is_cut_to_what_a_person_reads() -> None:
    item = finding("t", LONG, "f", LONG)
    assert (len(item.ref), len(item.description)) == (200, 500)
