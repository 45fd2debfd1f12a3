"""The TraceQL queries and the dashboard: each finds what it says, in spans of a real session, and Grafana reads it."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.commands.cli import main
from pytest_contextcore.commands.queries import Query, queries
from pytest_contextcore.plan.attributes import registry
from pytest_contextcore.recovery.end import spans_in

from ..support.otlp_receiver import refused_endpoint
from ..support.plans import PASSING, WAREHOUSE, Suite
from ..support.traceql import Captured, fields, found
from ..support.traces import values

TOMORROW = date.today() + timedelta(days=1)
WAIVER = f'[[waivers]]\ngate = "T-C2"\nreason = "agreed"\napprover = "ines"\nexpires = {TOMORROW}\n'


def drifting(name: str, source: str = PASSING) -> str:
    """Tests of which the second phase sees another checksum than the first."""
    before = source.replace("    phase.handoff(", f"    phase.record({name}='1')\n    phase.handoff(")
    return before.replace("(phase):\n    rows", f"(phase):\n    phase.record({name}='2')\n    rows")


WAIVED = PASSING.replace('gate("C2"):\n        assert True', 'gate("C2"):\n        assert False, "colour"')
LOST = 'gate("C1") as gate:\n        gate.evidence("lost_row", ref="7")\n        assert False, "a row is lost"'
TESTS = {
    "LOAD-7": drifting("artifact_manifest_checksum", WAIVED.replace("=3)\n", '=3, finalize_status="complete")\n')),
    "LOAD-8": drifting("project_context_checksum", PASSING.replace("rows.count == 3", "1 / 0")),
    "LOAD-9": drifting("source_checksum", PASSING.replace('gate("C1"):\n        assert rows.count == 3', LOST)),
}
"""A plan that completes with a waived gate, one that fails, and one that is blocked. In each another input drifts."""


@pytest.fixture
def spans(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> list[Captured]:
    """All that a session of three plans and an ordinary test exports, and tasks that somebody drew by hand."""
    folder = suite.pytester.path
    for name in ("plan.toml", "test_load.py"):
        (folder / name).unlink()
    for trace_id, source in TESTS.items():
        (folder / trace_id).mkdir()
        (folder / trace_id / "plan.toml").write_text(WAREHOUSE.replace("LOAD-7", trace_id), encoding="utf-8")
        (folder / trace_id / f"test_{trace_id[-1]}.py").write_text(source, encoding="utf-8")
    (folder / "LOAD-7" / "waivers.toml").write_text(WAIVER, encoding="utf-8")
    suite.write("def test_of_no_plan():\n    assert False\n", "test_plain.py")
    for script in ("start --id SHIP", "start --id SHIP-1", "complete --id SHIP-1", "cancel --id SHIP --reason late"):
        assert main(["task", *script.split()]) == 0
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refused_endpoint())  # so that all of it stays in the spools
    assert suite.here().ret == 1
    return [
        Captured(
            span.name,
            (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
            values(span),
            [(event.name, values(event)) for event in span.events],
        )
        for path in (folder / "out" / "spool").glob("*.otlp")
        for span in spans_in(path)
    ]


T7, T8, T9 = "LOAD-7-T", "LOAD-8-T", "LOAD-9-T"
MEND = "mend LOAD-8/test_8.py::test_transform or what it exercises, then run again"
WAIVED_BY = f"ines: agreed (until {TOMORROW})"
FINDS: dict[str, object] = {
    "blocked-phases": {(T9, "TRANSFORM"): 1},
    "blocked-traces": [("LOAD-9", T9, "C1: a row is lost", "Look for 7 in the transformation.")],
    "failed-phases": [(T8, "ZeroDivisionError", "ZeroDivisionError: division by zero", MEND)],
    "gate-failure-rate": {("pass",): 8, ("fail",): 1, ("waived",): 1, ("not_checked",): 1},
    "failed-gates": {(f"{T9}-C1", "integrity"): 1},
    "failed-gate-reasons": [(f"{T9}-C1", "critical", "a row is lost", ["lost_row: 7"])],
    "waived-gates": [("LOAD-7-T-C2", WAIVED_BY, "colour")],
    "drift": [
        (T7, "input.artifact_manifest_checksum", "1", "2"),
        (T8, "input.project_context_checksum", "1", "2"),
        (T9, "input.source_checksum", "1", "2"),
    ],
    "source-drift": [(T9, "1", "2")],
    "artifact-manifest-drift": [(T7, "1", "2")],
    "project-context-drift": [(T8, "1", "2")],
    "finalize-outcomes": {("complete",): 1},
    "trace-outcomes": {("completed",): 1, ("failed",): 1, ("blocked",): 1},
    "tasks-by-hand": [("SHIP", "SHIP", "failed"), ("SHIP-1", "SHIP-1", "completed")],
    "slowest-phases": [("EXTRACT",), ("PUBLISH",), ("TRANSFORM",)],
}
"""What each query finds in these spans: the selected values of each, or how many by group."""


def test_each_query_finds_what_it_says_in_the_spans_of_a_session(spans: list[Captured]) -> None:
    told: dict[str, object] = {}
    for query in queries():
        result = found(query.query, spans)
        if isinstance(result, dict) and query.panel == "duration":
            assert min(result.values()) > 0
            result = list(result)
        told[query.name] = sorted(result, key=str) if isinstance(result, list) else result
    assert told == FINDS
    emitted = {f"span.{name}" for span in spans for name in span.attributes} | {"event:name"}
    emitted |= {f"event.{name}" for span in spans for _, attributes in span.events for name in attributes}
    assert {field for query in queries() for field in fields(query.query)} <= emitted


def test_queries_are_about_declared_attributes() -> None:
    used = {field.partition(".")[2] for query in queries() for field in fields(query.query)} - {""}
    assert used <= set(registry())


@pytest.fixture(scope="session")
def grafana(request: pytest.FixtureRequest) -> Path:
    """A folder with Grafana's grammar of TraceQL, and its types of a dashboard; kept in pytest's cache."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed: Grafana is not asked what it makes of these")
    cache: pytest.Cache | None = getattr(request.config, "cache", None)
    if cache is None:
        pytest.skip("pytest's cache is off: there is no folder for Grafana's packages")
    folder = cache.mkdir("grafana")
    for path in Path(__file__).with_name("grafana").iterdir():
        shutil.copy(path, folder)
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        pytest.skip(f"Grafana's packages cannot be installed: {done.stderr.strip()[:300]}")
    return folder


@pytest.mark.timeout(180)
def test_grafana_reads_queries_and_dashboard(grafana: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In its own grammar, and by its own types of dashboards, panels and Tempo queries; what is wrong is told."""
    asked = [query.query for query in queries()]
    wrong = ["{ span.task.id", "{ span.task.id != nil } | quantile_over_time(duration, .95)", "{ nope:name = nil }"]
    command = ["node", "grammar.cjs"]
    told = subprocess.run(
        command, cwd=grafana, input=json.dumps({"queries": asked + wrong}), capture_output=True, text=True, check=True
    ).stdout
    misread = dict(zip(asked + wrong, json.loads(told), strict=True))
    assert [query for query, places in misread.items() if places] == wrong
    main(["queries", "--dashboard"])
    board = capsys.readouterr().out
    assert mistyped(grafana, board) == ""
    for right, other in (('"bars"', '"barz"'), ('"traceql"', '"promql"'), ('"showHeader"', '"showHead"')):
        assert right in board
        assert "error TS" in mistyped(grafana, board.replace(right, other))


def mistyped(folder: Path, board: str) -> str:
    """What TypeScript says of a dashboard."""
    text = f'import type {{ Board }} from "./board";\nexport const board: Board = {board};\n'
    (folder / "made.ts").write_text(text, encoding="utf-8")
    options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "node16", "--moduleResolution", "node16"]
    command = ["node", "node_modules/typescript/bin/tsc", *options, "made.ts"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


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
