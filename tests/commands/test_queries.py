"""The TraceQL queries and the dashboard: of declared attributes only, in Tempo's grammar, and about the right spans."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.commands.cli import main
from pytest_contextcore.commands.queries import Query, queries
from pytest_contextcore.plan.attributes import registry
from pytest_contextcore.span import SpanData
from pytest_contextcore.spans.of_trace import parent_span, phase_spans
from pytest_contextcore.trace.file import load_evidence

ATTRIBUTE = re.compile(r"\b(?:span|resource|event)\.([a-z_.]+)")
FIELD = r"(?:span|resource|event)\.[a-z_.]+"
CONDITION = rf'(?:{FIELD}|event:name) (?:!=|=) (?:nil|"[a-z_.]+")'
BY = rf" by \({FIELD}(?:, {FIELD})*\)"
SEARCH = re.compile(rf"{{ {CONDITION}(?: && {CONDITION})* }}(?: \| by\({FIELD}\))? \| select\({FIELD}(?:, {FIELD})*\)")
METRICS = re.compile(
    rf"{{ {CONDITION}(?: && {CONDITION})* }} \| (?:count_over_time\(\)|quantile_over_time\(duration, \.\d+\)){BY}"
)
"""The forms of Tempo's grammar that are in use here: grafana/tempo, pkg/traceql/expr.y and test_examples.yaml."""


@pytest.mark.parametrize("query", queries(), ids=lambda query: query.name)
def test_a_query_is_in_tempos_grammar_and_about_declared_attributes(query: Query) -> None:
    assert set(ATTRIBUTE.findall(query.query)) <= set(registry())
    form = SEARCH if query.panel == "table" else METRICS
    assert form.fullmatch(query.query)


def selected(query: Query, spans: list[SpanData]) -> list[str]:
    """The spans that a query's filter takes, read as Tempo reads it: ``nil`` is an absent attribute."""
    conditions = re.findall(r'span\.([a-z_.]+) (!=|=) (nil|"[a-z_]+")', query.query.partition("}")[0])
    events = re.findall(r'event:name = "([a-z_.]+)"', query.query)

    def takes(span: SpanData) -> bool:
        if set(events) - {event.name for event in span.events}:
            return False
        for attribute, sign, literal in conditions:
            value = span.attributes.get(attribute)
            wanted = None if literal == "nil" else literal.strip('"')
            if (value is None and wanted is not None) or (value == wanted) != (sign == "="):
                return False
        return True

    return [span.name for span in spans if takes(span)]


T_GATES = ["LOAD-9-T-C1", "LOAD-9-T-C2", "LOAD-9-T-C3"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("blocked-phases", ["LOAD-9-T TRANSFORM"]),
        ("blocked-traces", ["LOAD-9"]),
        ("gate-failure-rate", ["LOAD-9-E-C1", *T_GATES]),
        ("failed-gates", T_GATES[:1]),
        ("drift", ["LOAD-9-T TRANSFORM"]),
        ("source-drift", ["LOAD-9-E EXTRACT", "LOAD-9-T TRANSFORM", "LOAD-9"]),
        ("slowest-phases", ["LOAD-9-E EXTRACT", "LOAD-9-T TRANSFORM"]),
    ],
)
def test_a_query_is_about_the_right_spans(blocked: Path, name: str, expected: list[str]) -> None:
    evidence = load_evidence(blocked)
    spans = [span for phase in evidence.spans for span in phase_spans(evidence, phase)]
    (query,) = [query for query in queries() if query.name == name]
    assert selected(query, [*spans, parent_span(evidence, 0)]) == expected


def test_the_dashboard_has_a_panel_for_each_query(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["queries", "--dashboard"]) == 0
    board: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert [target["query"] for panel in board["panels"] for target in panel["targets"]] == [q.query for q in queries()]
    (variable,) = board["templating"]["list"]
    assert (variable["type"], variable["query"], variable["name"]) == ("datasource", "tempo", "datasource")
    for panel in board["panels"]:
        assert panel["datasource"] == panel["targets"][0]["datasource"] == {"type": "tempo", "uid": "${datasource}"}
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]}
    assert len(places) == len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_queries_are_printed_all_or_one_as_text_or_as_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["queries"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [
        text for query in queries() for text in (f"{query.name}: {query.title}", query.query) if text not in lines
    ] == []
    assert main(["queries", "slowest-phases"]) == 0
    assert capsys.readouterr().out == f"{queries()[-1].query}\n"
    assert main(["queries", "--format", "json"]) == 0
    assert [Query(**entry) for entry in json.loads(capsys.readouterr().out)] == queries()
