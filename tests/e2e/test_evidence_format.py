"""The files of a run, field by field: the evidence, and its spans as OTLP/JSON lines.

That each field is there with its type is what the JSON Schema says (`tests/commands/test_schemas.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ..support.otlp_receiver import parse_json
from ..support.plans import PASSING, WAREHOUSE, Suite

Read = Callable[..., dict[str, Any]]

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
STATUSES = {"not_started", "in_progress", "blocked", "completed", "failed"}
RESULTS = {"pass", "fail", "waived", "not_applicable", "not_checked"}

SOURCE = PASSING.replace(
    '    phase.handoff(Rows(count=3))\n\n\n@pytest.mark.phase("T")',
    '    phase.handoff(Rows(count=3))\n    phase.input("rows.csv")\n    phase.record(coverage_percent=85)\n'
    '\n\n@pytest.mark.phase("T")',
).replace(
    '    with phase.gate("C1"):\n        assert rows.count == 3\n    with phase.gate("C2"):\n        assert True\n',
    '    with phase.gate("C1") as gate:\n        gate.evidence("lost_row", ref=7, description="It is gone.")\n'
    '        assert rows.count == 4, "a row is lost"\n    with phase.gate("C3"):\n        assert False, "old column"\n'
    '    phase.record(row_count=3)\n    raise OSError("disk full")\n',
)


@pytest.fixture
def blocked(suite: Suite, evidence: Read) -> dict[str, Any]:
    """Evidence with a phase that completed, one that an integrity gate blocks and that raised, and one not started."""
    (suite.pytester.path / "rows.csv").write_text("1\n")
    suite.write(SOURCE)
    assert suite.here().ret == 1
    return evidence()


@pytest.fixture
def completed(suite: Suite, evidence: Read) -> dict[str, Any]:
    """Evidence of a run in which everything passed."""
    assert suite.here().ret == 0
    return evidence()


# --- the evidence ----------------------------------------------------------------------------------------------------


def test_findings_inputs_and_handoffs_say_what_and_which(blocked: dict[str, Any]) -> None:
    assert blocked["spans"][1]["gates"][0]["evidence"] == [
        {"type": "lost_row", "ref": "7", "file": "", "description": "It is gone."}
    ]
    assert [set(item) for item in blocked["spans"][0]["inputs"]] == [{"path", "sha256"}]
    assert [set(item) for item in blocked["spans"][0]["handoffs"]] == [{"name", "direction", "digest"}]


def test_all_phases_stand_in_the_plans_order_with_their_full_ids(blocked: dict[str, Any]) -> None:
    assert [(span["span_id"], span["phase"], span["parent_id"]) for span in blocked["spans"]] == [
        ("LOAD-7-E", "EXTRACT", "LOAD-7"),
        ("LOAD-7-T", "TRANSFORM", "LOAD-7"),
        ("LOAD-7-P", "PUBLISH", "LOAD-7"),
    ]
    assert [[gate["gate_id"] for gate in span["gates"]] for span in blocked["spans"]] == [
        ["LOAD-7-E-C1"],
        ["LOAD-7-T-C1", "LOAD-7-T-C2", "LOAD-7-T-C3"],
        ["LOAD-7-P-C1"],
    ]


def test_every_gate_has_its_kind_result_and_severity(blocked: dict[str, Any]) -> None:
    gates = [gate for span in blocked["spans"] for gate in span["gates"]]
    assert [(gate["kind"], gate["result"], gate["severity"]) for gate in gates] == [
        ("required", "pass", None),
        ("integrity", "fail", "critical"),
        ("required", "not_checked", None),
        ("advisory", "fail", "warning"),
        ("required", "not_checked", None),
    ]


def test_gate_events_stand_on_gates_and_handoff_events_on_phases(blocked: dict[str, Any]) -> None:
    first, second, _ = blocked["spans"]
    assert [event["name"] for event in first["gates"][0]["events"]] == ["gate.check.started", "gate.check.passed"]
    assert [event["name"] for event in second["gates"][0]["events"]] == ["gate.check.started", "gate.check.failed"]
    assert second["gates"][1]["events"] == []
    assert [event["name"] for event in first["events"]] == ["handoff.emitted"]
    assert [event["name"] for event in second["events"]][:1] == ["handoff.validated"]


def times(record: object) -> list[str]:
    """Every moment in a document, however deep."""
    if isinstance(record, list):
        return [time for part in record for time in times(part)]
    if not isinstance(record, dict):
        return []
    own = [record[name] for name in ("started_at", "ended_at", "time") if record.get(name)]
    return [*own, *(time for part in record.values() for time in times(part))]


def test_times_are_rfc_3339_in_utc_and_unknown_ones_null(blocked: dict[str, Any]) -> None:
    found = times(blocked)
    assert len(found) > 15
    assert [time for time in found if not TIME.fullmatch(time)] == []
    assert all(datetime.fromisoformat(time).tzinfo == UTC for time in found)
    assert (blocked["spans"][2]["started_at"], blocked["spans"][2]["ended_at"]) == (None, None)
    assert blocked["spans"][1]["gates"][1]["started_at"] is None


def test_a_gate_lies_within_its_phase_and_phases_follow_each_other(blocked: dict[str, Any]) -> None:
    first, second, _ = blocked["spans"]
    gate = second["gates"][0]
    moments = [
        blocked["started_at"],
        first["started_at"],
        first["ended_at"],
        second["started_at"],
        gate["started_at"],
        gate["ended_at"],
        second["ended_at"],
        blocked["ended_at"],
    ]
    assert moments == sorted(moments)


def test_the_summary_lists_every_status_and_result_zeros_included(blocked: dict[str, Any]) -> None:
    assert blocked["summary"] == {
        "phases": {**dict.fromkeys(STATUSES, 0), "completed": 1, "blocked": 1, "not_started": 1},
        "gates": {**dict.fromkeys(RESULTS, 0), "pass": 1, "fail": 2, "not_checked": 2},
    }


def test_the_parent_names_the_phase_that_blocks_it(blocked: dict[str, Any]) -> None:
    assert (blocked["status"], blocked["blocked_on_span_id"]) == ("blocked", "LOAD-7-T")
    assert "a row is lost" in blocked["blocked_reason"]
    assert blocked["next_action"] == "Look for 7 in the transformation."


def test_nothing_is_blocked_in_a_completed_trace(completed: dict[str, Any]) -> None:
    nothing = {"blocked_reason": None, "blocked_on_span_id": None, "next_action": None}
    assert [{name: found[name] for name in nothing} for found in (completed, *completed["spans"])] == [nothing] * 4


def test_the_evidence_is_current_while_a_phase_runs(suite: Suite) -> None:
    suite.replace(
        "rows = phase.receive(Rows)\n",
        "rows = phase.receive(Rows)\n    from pathlib import Path\n"
        '    Path("seen.json").write_text(Path("out/LOAD-7.json").read_text())\n',
    )
    suite.here()
    seen = json.loads((suite.pytester.path / "seen.json").read_text())
    assert [span["status"] for span in seen["spans"]] == ["completed", "in_progress", "not_started"]
    assert seen["status"] == "in_progress"
    assert seen["summary"]["phases"]["in_progress"] == 1
    assert [gate["result"] for gate in seen["spans"][1]["gates"]] == ["not_checked"] * 3


def test_the_plans_digest_changes_with_the_plan(suite: Suite, evidence: Read, completed: dict[str, Any]) -> None:
    suite.plan(WAREHOUSE.replace("Take the rows", "Take all rows"))
    suite.here()
    assert re.fullmatch(r"[0-9a-f]{64}", completed["plan_digest"])
    assert evidence()["plan_digest"] != completed["plan_digest"]


def test_no_temporary_file_and_no_spool_is_left_behind(suite: Suite, completed: dict[str, Any]) -> None:
    assert completed["status"] == "completed"
    names = {path.name for path in (suite.pytester.path / "out").rglob("*")}
    assert {"LOAD-7.json", "LOAD-7.otlp.jsonl"} <= names
    assert [name for name in names if not name.startswith("LOAD-7.")] == []


# --- the spans -------------------------------------------------------------------------------------------------------


class Spans:
    """The spans of a run by name, as an OTLP/JSON reader sees them."""

    def __init__(self, path: Path) -> None:
        requests = [parse_json(line) for line in path.read_text(encoding="utf-8").splitlines()]
        self.resources = [resource for request in requests for resource in request.resource_spans]
        found = [span for resource in self.resources for scope in resource.scope_spans for span in scope.spans]
        self.by_name = {span.name: span for span in found}
        assert len(self.by_name) == len(found)

    def attributes(self, name: str) -> dict[str, tuple[str, object]]:
        """The attributes of a span, each with its type."""
        pairs = {pair.key: pair.value for pair in self.by_name[name].attributes}
        kinds = {key: str(value.WhichOneof("value")) for key, value in pairs.items()}
        return {key: (kinds[key].removesuffix("_value"), getattr(value, kinds[key])) for key, value in pairs.items()}


@pytest.fixture
def spans(suite: Suite, blocked: dict[str, Any]) -> Spans:
    """The spans of the blocked run."""
    assert blocked
    return Spans(suite.pytester.path / "out" / "LOAD-7.otlp.jsonl")


E, T, P = "LOAD-7-E EXTRACT", "LOAD-7-T TRANSFORM", "LOAD-7-P PUBLISH"
UNSET, OK, ERROR = 0, 1, 2


def test_each_span_has_its_parent_and_the_evidences_ids(spans: Spans, blocked: dict[str, Any]) -> None:
    parents = {name: span.parent_span_id for name, span in spans.by_name.items()}
    ids = {name: span.span_id for name, span in spans.by_name.items()}
    assert parents == {
        "LOAD-7": b"",
        E: ids["LOAD-7"],
        T: ids["LOAD-7"],
        P: ids["LOAD-7"],
        "LOAD-7-E-C1": ids[E],
        "LOAD-7-T-C1": ids[T],
        "LOAD-7-T-C3": ids[T],
    }
    assert {span.trace_id.hex() for span in spans.by_name.values()} == {blocked["otel_trace_id"]}
    assert [ids[name].hex() for name in (E, T, P)] == [span["otel_span_id"] for span in blocked["spans"]]
    assert ids["LOAD-7-T-C1"].hex() == blocked["spans"][1]["gates"][0]["otel_span_id"]


def test_each_span_has_the_status_as_documented(spans: Spans) -> None:
    status = {name: span.status for name, span in spans.by_name.items()}
    assert {name: found.code for name, found in status.items() if not name.endswith("C3")} == {
        "LOAD-7": ERROR,
        E: OK,
        T: ERROR,
        P: UNSET,
        "LOAD-7-E-C1": OK,
        "LOAD-7-T-C1": ERROR,
    }
    assert "a row is lost" in status[T].message
    assert "a row is lost" in status["LOAD-7"].message
    assert "a row is lost" in status["LOAD-7-T-C1"].message
    assert status[E].message == ""


def test_the_parents_attributes_are_as_documented(spans: Spans) -> None:
    found = spans.attributes("LOAD-7")
    assert found.pop("task.blocked_reason") == ("string", "C1: a row is lost")
    assert found == {
        "project.id": ("string", "warehouse"),
        "task.id": ("string", "LOAD-7"),
        "task.type": ("string", "job"),
        "task.title": ("string", "Load the nightly orders"),
        "task.status": ("string", "blocked"),
        "task.blocked_on_span_id": ("string", "LOAD-7-T"),
        "task.next_action": ("string", "Look for 7 in the transformation."),
        "quality.coverage_percent": ("double", 85.0),
        "quality.row_count": ("int", 3),
        "test.suite.name": ("string", "LOAD-7"),
        "test.suite.run.status": ("string", "failure"),
    }


def test_a_completed_phases_attributes_are_as_documented(spans: Spans) -> None:
    found = spans.attributes(E)
    code = {name: found.pop(name) for name in list(found) if name.startswith("code.")}
    assert found == {
        "project.id": ("string", "warehouse"),
        "task.id": ("string", "LOAD-7-E"),
        "task.parent_id": ("string", "LOAD-7"),
        "task.phase": ("string", "EXTRACT"),
        "task.status": ("string", "completed"),
        "quality.coverage_percent": ("double", 85.0),
        "test.case.name": ("string", "test_load.py::test_extract"),
        "test.case.result.status": ("string", "pass"),
    }
    assert code["code.file.path"] == ("string", "test_load.py")
    assert code["code.function.name"] == ("string", "test_load.test_extract")
    assert code["code.line.number"][0] == "int"


def test_a_blocked_phases_attributes_are_as_documented(spans: Spans) -> None:
    found = spans.attributes(T)
    assert found["task.status"] == ("string", "blocked")
    assert found["task.blocked_reason"] == ("string", "C1: a row is lost")
    assert found["task.next_action"] == ("string", "Look for 7 in the transformation.")
    assert "task.blocked_on_span_id" not in found
    assert found["quality.row_count"] == ("int", 3)
    assert found["test.case.result.status"] == ("string", "fail")


def test_a_phase_that_did_not_start_names_the_root_cause_in_a_span_without_length(spans: Spans) -> None:
    found, span, parent = spans.attributes(P), spans.by_name[P], spans.by_name["LOAD-7"]
    assert found["task.status"] == ("string", "not_started")
    assert found["task.blocked_on_span_id"] == ("string", "LOAD-7-T")
    assert "test.case.result.status" not in found
    assert span.start_time_unix_nano == span.end_time_unix_nano
    assert parent.start_time_unix_nano <= span.start_time_unix_nano <= parent.end_time_unix_nano


def test_a_gates_attributes_are_as_documented(spans: Spans) -> None:
    found = spans.attributes("LOAD-7-T-C1")
    assert {name: found[name] for name in found if not name.startswith(("task.blocked", "task.next"))} == {
        "project.id": ("string", "warehouse"),
        "task.id": ("string", "LOAD-7-T-C1"),
        "task.parent_id": ("string", "LOAD-7-T"),
        "task.phase": ("string", "TRANSFORM"),
        "task.status": ("string", "blocked"),
        "gate.kind": ("string", "integrity"),
        "gate.result": ("string", "fail"),
        "gate.severity": ("string", "critical"),
        "gate.reason": ("string", "a row is lost"),
    }
    assert spans.attributes("LOAD-7-T-C3")["gate.severity"] == ("string", "warning")


def test_events_and_children_lie_within_their_spans(spans: Spans) -> None:
    ids = {span.span_id: span for span in spans.by_name.values()}
    outside = [
        span.name
        for span in ids.values()
        if (parent := ids.get(span.parent_span_id)) is not None
        and not parent.start_time_unix_nano
        <= span.start_time_unix_nano
        <= span.end_time_unix_nano
        <= parent.end_time_unix_nano
    ]
    assert outside == []
    assert [
        (span.name, event.name)
        for span in ids.values()
        for event in span.events
        if not span.start_time_unix_nano <= event.time_unix_nano <= span.end_time_unix_nano
    ] == []


def test_only_declared_attributes_are_emitted(spans: Spans) -> None:
    from pytest_contextcore.plan.attributes import registry

    declared = {*registry(), "quality.row_count"}
    emitted = {name for span in spans.by_name for name in spans.attributes(span)}
    resources = {pair.key for resource in spans.resources for pair in resource.resource.attributes}
    events = {pair.key for span in spans.by_name.values() for event in span.events for pair in event.attributes}
    assert (emitted | resources | events) - declared == set()


@pytest.mark.parametrize(("name", "service"), [(None, "contextcore"), ("orders", "orders")])
def test_the_resource_names_the_service(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, name: str | None, service: str
) -> None:
    if name is not None:
        monkeypatch.setenv("OTEL_SERVICE_NAME", name)
    suite.here()
    read = Spans(suite.pytester.path / "out" / "LOAD-7.otlp.jsonl")
    names = {
        pair.value.string_value for r in read.resources for pair in r.resource.attributes if pair.key == "service.name"
    }
    assert names == {service}


def test_a_second_run_replaces_the_spans_of_the_first(suite: Suite, evidence: Read) -> None:
    suite.here()
    first = evidence()["otel_trace_id"]
    suite.here()
    read = Spans(suite.pytester.path / "out" / "LOAD-7.otlp.jsonl")
    assert {span.trace_id.hex() for span in read.by_name.values()} == {evidence()["otel_trace_id"]}
    assert evidence()["otel_trace_id"] != first
    assert len(read.by_name) == 9
