"""The pilot's own validators of generated files."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_contextcore.pilot import validators
from pytest_contextcore.pilot.validators import Contract, promql_available, validate

RULES = """\
groups:
  - name: availability
    interval: 1m
    rules:
      - alert: LowAvailability
        expr: sum(rate(http_requests_total{code=~"5.."}[5m])) / sum(rate(http_requests_total[5m])) > 0.001
        for: 5m
        keep_firing_for: 1h30m
        labels: {severity: P1}
        annotations: {summary: "{{ $labels.job }} is down"}
      - record: job:up:sum
        expr: 1
"""
RESOURCE = "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: x}\nspec:\n" + "".join(
    f"  {line}\n" for line in RULES.splitlines()
)
LOKI = """\
groups:
  - name: logs
    rules:
      - record: checkout-api_error_rate_5m
        expr: sum(rate({app="checkout-api"} | json | level="error" | pattern "<ip> <_>" [5m]))
"""
DASHBOARD: dict[str, Any] = {"title": "x", "panels": [{"type": "graph"}]}
needs_promql = pytest.mark.skipif(not promql_available(), reason="promql-parser is not installed")


def types(path: str, text: str, kind: str = "", contract: Contract | None = None) -> list[str]:
    return [finding.type for finding in validate(path, text.encode(), kind, contract)]


@pytest.mark.parametrize("kind", ["prometheus_rule", "recording_rule", "loki_rule", "anything"])
@pytest.mark.parametrize("text", [RULES, RESOURCE])
def test_rules_are_accepted_bare_and_as_a_resource(kind: str, text: str) -> None:
    assert types("rules.yaml", text, kind) == []


def test_loki_rules_are_not_read_as_promql() -> None:
    assert types("rules.yaml", LOKI, "loki_rule") == []
    assert types("rules.yaml", LOKI, "prometheus_rule") != []


def rule(**change: object) -> str:
    entry: dict[str, object] = {"alert": "A", "expr": "up == 0"} | change
    entry = {key: value for key, value in entry.items() if value != "DROP"}
    return json.dumps({"groups": [{"name": "g", "rules": [entry]}]})


@pytest.mark.parametrize(
    "change",
    [
        {"alert": 3},
        {"expr": None},
        {"expr": True},
        {"expr": ["up"]},
        {"for": 5},
        {"for": "five minutes"},
        {"labels": ["a"]},
        {"annotations": "a"},
        {"alert": "DROP", "record": "not-a-metric"},
        {"alert": "DROP", "record": "a:b", "for": "5m"},
    ],
)
def test_a_rule_that_prometheus_would_refuse_is_found(change: dict[str, object]) -> None:
    assert types("rules.yaml", rule(), "prometheus_rule") == []
    assert types("rules.yaml", rule(**change), "prometheus_rule") == ["invalid_rule"]


GOOD = {"name": "g", "rules": [{"alert": "A", "expr": "up"}]}
NO_RULES: list[Any] = [
    {},
    [],
    {"groups": {}},
    {"groups": None},
    {"groups": []},
    {"kind": "ConfigMap", "spec": {"groups": [GOOD]}},
]
NO_GROUPS: list[Any] = [["x"], [GOOD] * 2, [{"name": "g"}], [{"rules": GOOD["rules"]}], [{"name": "g", "rules": []}]]
NO_GROUPS += [[{"name": "g", "rules": ["x"]}], [{**GOOD, "interval": "often"}]]


@pytest.mark.parametrize("document", [*NO_RULES, *({"groups": groups} for groups in NO_GROUPS)])
@pytest.mark.parametrize("kind", ["prometheus_rule", "recording_rule"])
def test_a_rule_file_without_its_structure_is_found(document: object, kind: str) -> None:
    assert types("rules.yaml", json.dumps(document), kind) == ["invalid_rule"]


@needs_promql
@pytest.mark.parametrize("expr", ["sum(", "up ==", "rate(a[5x])", "a{", "rate(a[5m])) > 1", "{{ x }}"])
@pytest.mark.parametrize("kind", ["prometheus_rule", "recording_rule"])
def test_promql_that_does_not_parse_is_found(expr: str, kind: str) -> None:
    assert types("rules.yaml", rule(expr=expr), kind) == ["invalid_promql"]
    assert "invalid_promql" not in types("rules.yaml", rule(expr=expr), "loki_rule")


def test_without_the_parser_promql_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validators, "promql_available", lambda: False)
    assert types("rules.yaml", rule(expr="sum("), "prometheus_rule") == []


@needs_promql
@pytest.mark.parametrize("expr", ["(" * 100_000, "+".join(["a"] * 4000), "-" * 100_000 + "1", "a or " * 600 + "a"])
def test_an_expression_that_would_end_the_process_never_reaches_the_parser(expr: str) -> None:
    begin = time.perf_counter()
    found = validate("rules.yaml", rule(expr=expr).encode(), "prometheus_rule")
    assert [finding.type for finding in found] == ["invalid_promql"]
    assert time.perf_counter() - begin < 2


@needs_promql
@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="(){}[]ab1 .,:=~!\"'+-*/^@<>sumrateofset5m\\\0é", max_size=60))
def test_any_expression_gets_a_verdict(expr: str) -> None:
    validate("rules.yaml", rule(expr=expr).encode(), "prometheus_rule")


def test_a_dashboard_is_accepted_bare_wrapped_and_with_rows() -> None:
    rows = {"title": "x", "rows": [{"panels": [{"type": "graph"}]}]}
    for document in (DASHBOARD, {"dashboard": DASHBOARD, "overwrite": True}, rows):
        assert types("d.json", json.dumps(document), "dashboard") == []


@pytest.mark.parametrize("change", [{"panels": None}, {"panels": {}}, {"panels": [1]}, {"title": None}, {"title": 1}])
def test_a_dashboard_without_panels_or_title_is_found(change: dict[str, object]) -> None:
    for document in (DASHBOARD | change, {"dashboard": DASHBOARD | change}, [1]):
        assert types("d.json", json.dumps(document), "dashboard") == ["invalid_dashboard"]


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("a.json", "{", "malformed_file"),
        ("a.json", "a: 1", "malformed_file"),
        ("a.json", '"text"', "malformed_file"),
        ("a.yaml", "a: [", "malformed_file"),
        ("a.yaml", "just a sentence", "malformed_file"),
        ("a.yml", "a: 1\na: 2", "malformed_file"),
        ("a.yaml", "# nothing", "malformed_file"),
        ("a.md", "", "empty_file"),
        ("a.md", " \n ", "empty_file"),
    ],
)
def test_a_file_must_be_what_its_name_claims(path: str, text: str, found: str) -> None:
    assert types(path, text) == [found]


def test_a_text_must_be_utf8_and_may_hold_several_documents() -> None:
    assert [finding.type for finding in validate("a.md", b"\xff\xfe", "runbook")] == ["malformed_file"]
    assert types("a.yaml", "---\na: 1\n---\nb: 1\n---\n") == []


# -- contract ----------------------------------------------------------------------------------------------------------
def test_the_number_of_lines_is_counted_as_splitlines_does() -> None:
    assert types("a.md", "1\n2\n3\n", contract=Contract(max_lines=3)) == []
    assert types("a.md", "1\n2\n3\n4", contract=Contract(max_lines=3)) == ["contract_max_lines"]


def test_each_missing_completeness_marker_is_found() -> None:
    contract = Contract(markers=("Overview", "Risks"))
    assert types("a.md", "# Overview\n## Risks\n", contract=contract) == []
    assert types("a.md", "# x\n", contract=contract) == ["missing_marker"] * 2
    contract = Contract(markers=("receivers",))  # a comment does not stand for a section
    assert types("a.yaml", "route: {receiver: x}\nreceivers: []\n", contract=contract) == []
    assert types("a.yaml", "# receivers\nroute: {receiver: x}\n", contract=contract) == ["missing_marker"]


# -- placeholders ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    [
        "owner: TODO",
        "# FIXME: later",
        "Contact: TBD",
        "password: CHANGEME",
        "password: CHANGE_ME",
        "url: REPLACE_WITH_URL",
        "url: REPLACE_ME",
        "team: <your team>",
        "call <name>",
        "kubectl logs <pod-name>",
        "host: http://<host>:9090",
        "x: <...>",
        "x: <…>",
        "ns: <NAMESPACE>",
        "see <path/to/file>",
    ],
)
@pytest.mark.parametrize("path", ["a.md", "a.txt"])
def test_placeholders_are_found(text: str, path: str) -> None:
    assert types(path, text) == ["placeholder"]


@pytest.mark.parametrize(
    "text",
    [
        "email: oncall@example.com",
        "summary: '{{ $labels.job }} is down'",
        "datasource: ${DS_PROMETHEUS} and $var and [[var]]",
        "see <https://example.com/x> and <mailto:a@example.com> and <oncall@example.com>",
        "a line<br>and another<br/>",
        "<details><summary>More</summary>text</details>",
        "<Component>text</Component>",
        "<!-- a comment -->",
        "latency < 5 and errors > 3",
        "1 <2> x",
        "expr: a < b > c",
        "Map<String>",
        "regexp: (?P<status>[0-9]+)(?<code>x)",
        'expr: {app="x"} | pattern "<ip> - <method>"',
        "expr: '{app=\"x\"} |> `<_> level=debug <_>`'",
        "todo-service runs the todo list; TODOS is a table",
        "nodes: <none>",
        "a <- b; x <= y; x << 3",
    ],
)
def test_what_is_no_placeholder_is_left_alone(text: str) -> None:
    assert types("a.md", text) == []


def test_the_line_of_a_placeholder_is_named_and_they_are_counted_no_further_than_needed() -> None:
    assert len(types("a.md", "TODO\n" * 1000)) == 20
    finding = validate("a.md", b"one\ntwo TODO\n", "runbook")[0]
    assert "line 2" in finding.message
    assert finding.observed == "TODO"


def test_a_file_full_of_markup_takes_linear_time() -> None:
    opened = "".join(f"<a{n}>" for n in range(100_000))
    closed = "".join(f"</a{n}>" for n in range(100_000))
    begin = time.perf_counter()
    assert types("a.md", f"{opened}\n{closed}") == []
    assert time.perf_counter() - begin < 3
