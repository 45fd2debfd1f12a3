"""The files of a run: the evidence, and its spans as OTLP/JSON lines, field by field.

That each field of the evidence is there with its type is what the JSON Schema says (`tests/commands/test_schemas.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.plan.attributes import registry

from ..support.otlp_receiver import parse_json
from ..support.plans import PASSING, WAREHOUSE, Suite

Read = Callable[..., dict[str, Any]]

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
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
NEXT = "Look for 7 in the transformation."


@pytest.fixture
def blocked(suite: Suite, evidence: Read) -> dict[str, Any]:
    """Evidence with a phase that completed, one that an integrity gate blocks and that raised, and one not started."""
    (suite.pytester.path / "rows.csv").write_text("1\n")
    suite.write(SOURCE)
    assert suite.here().ret == 1
    return evidence()


# --- the evidence ----------------------------------------------------------------------------------------------------


def test_phases_and_gates_stand_in_the_plans_order_with_their_full_ids_and_results(blocked: dict[str, Any]) -> None:
    assert [(span["span_id"], span["phase"], span["parent_id"]) for span in blocked["spans"]] == [
        ("LOAD-7-E", "EXTRACT", "LOAD-7"),
        ("LOAD-7-T", "TRANSFORM", "LOAD-7"),
        ("LOAD-7-P", "PUBLISH", "LOAD-7"),
    ]
    gates = [gate for span in blocked["spans"] for gate in span["gates"]]
    assert [(gate["gate_id"], gate["kind"], gate["result"], gate["severity"]) for gate in gates] == [
        ("LOAD-7-E-C1", "required", "pass", None),
        ("LOAD-7-T-C1", "integrity", "fail", "critical"),
        ("LOAD-7-T-C2", "required", "not_checked", None),
        ("LOAD-7-T-C3", "advisory", "fail", "warning"),
        ("LOAD-7-P-C1", "required", "not_checked", None),
    ]
    assert gates[1]["evidence"] == [{"type": "lost_row", "ref": "7", "file": "", "description": "It is gone."}]
    assert blocked["summary"] == {
        "phases": {"completed": 1, "blocked": 1, "not_started": 1, "in_progress": 0, "failed": 0},
        "gates": {"pass": 1, "fail": 2, "not_checked": 2, "waived": 0, "not_applicable": 0},
    }


def test_gate_events_stand_on_gates_and_handoff_events_on_phases(blocked: dict[str, Any]) -> None:
    first, second, _ = blocked["spans"]
    assert [event["name"] for event in first["gates"][0]["events"]] == ["gate.check.started", "gate.check.passed"]
    assert [event["name"] for event in second["gates"][0]["events"]] == ["gate.check.started", "gate.check.failed"]
    assert second["gates"][1]["events"] == []
    assert [event["name"] for event in first["events"]] == ["handoff.emitted"]
    assert [event["name"] for event in second["events"]][:1] == ["handoff.validated"]
    assert [set(item) for item in first["inputs"]] == [{"path", "sha256"}]


def test_times_are_rfc_3339_in_utc_follow_each_other_and_unknown_ones_are_null(blocked: dict[str, Any]) -> None:
    first, second, third = blocked["spans"]
    gate = second["gates"][0]
    moments = [blocked["started_at"], first["started_at"], first["ended_at"], second["started_at"]]
    moments += [gate["started_at"], gate["ended_at"], second["ended_at"], blocked["ended_at"]]
    assert moments == sorted(moments)
    assert [time for time in moments if not TIME.fullmatch(time)] == []
    assert [third["started_at"], third["ended_at"], second["gates"][1]["started_at"]] == [None] * 3


ENDS = ("json", "otlp.jsonl", "handoffs.json")


def test_nothing_is_blocked_in_a_completed_trace_and_only_its_own_files_are_left(suite: Suite, evidence: Read) -> None:
    assert suite.here().ret == 0
    completed = evidence()
    assert (completed["trace_id"], completed["project_id"]) == ("LOAD-7", "warehouse")
    nothing = {"blocked_reason": None, "blocked_on_span_id": None, "next_action": None}
    assert [{name: found[name] for name in nothing} for found in (completed, *completed["spans"])] == [nothing] * 4
    names = {path.name for path in (suite.pytester.path / "out").iterdir()}
    assert names == {*(f"LOAD-7.{end}" for end in ENDS), ".LOAD-7.lock", ".gitignore", "history"}
    suite.plan(WAREHOUSE.replace("Take the rows", "Take all rows"))
    suite.here()
    assert evidence()["plan_digest"] != completed["plan_digest"]


# --- the spans -------------------------------------------------------------------------------------------------------


class Spans:
    """The spans of a run by name, as an OTLP/JSON reader sees them."""

    def __init__(self, path: Path) -> None:
        requests = [parse_json(line) for line in path.read_text(encoding="utf-8").splitlines()]
        self.resources = [resource for request in requests for resource in request.resource_spans]
        found = [span for resource in self.resources for scope in resource.scope_spans for span in scope.spans]
        self.by_name = {span.name: span for span in found}
        assert len(self.by_name) == len(found)

    def attributes(self, name: str) -> dict[str, object]:
        """The attributes of a span."""
        pairs = {pair.key: pair.value for pair in self.by_name[name].attributes}
        return {key: getattr(value, str(value.WhichOneof("value"))) for key, value in pairs.items()}


@pytest.fixture
def spans(suite: Suite, blocked: dict[str, Any]) -> Spans:
    """The spans of the blocked run."""
    assert blocked
    return Spans(suite.pytester.path / "out" / "LOAD-7.otlp.jsonl")


E, T, P = "LOAD-7-E EXTRACT", "LOAD-7-T TRANSFORM", "LOAD-7-P PUBLISH"
UNSET, OK, ERROR = 0, 1, 2


def test_each_span_has_its_parent_its_status_and_the_evidences_ids(spans: Spans, blocked: dict[str, Any]) -> None:
    names = {span.span_id: name for name, span in spans.by_name.items()}
    found = {
        name: (names.get(span.parent_span_id, ""), span.status.code, span.status.message)
        for name, span in spans.by_name.items()
    }
    assert found == {
        "LOAD-7": ("", ERROR, "C1: a row is lost"),
        E: ("LOAD-7", OK, ""),
        T: ("LOAD-7", ERROR, "C1: a row is lost"),
        P: ("LOAD-7", UNSET, ""),
        "LOAD-7-E-C1": (E, OK, ""),
        "LOAD-7-T-C1": (T, ERROR, "a row is lost"),
        "LOAD-7-T-C3": (T, UNSET, ""),
    }
    assert {span.trace_id.hex() for span in spans.by_name.values()} == {blocked["otel_trace_id"]}
    ids = [spans.by_name[name].span_id.hex() for name in (E, T, P)]
    assert ids == [span["otel_span_id"] for span in blocked["spans"]]
    assert spans.by_name["LOAD-7-T-C1"].span_id.hex() == blocked["spans"][1]["gates"][0]["otel_span_id"]


STATED: dict[str, dict[str, object]] = {
    "LOAD-7": {
        "project.id": "warehouse",
        "task.id": "LOAD-7",
        "task.type": "job",
        "task.title": "Load the nightly orders",
        "task.status": "blocked",
        "task.blocked_reason": "C1: a row is lost",
        "task.blocked_on_span_id": "LOAD-7-T",
        "task.next_action": NEXT,
        "quality.coverage_percent": 85.0,
        "quality.row_count": 3,
        "test.suite.name": "LOAD-7",
        "test.suite.run.status": "failure",
    },
    E: {
        "project.id": "warehouse",
        "task.id": "LOAD-7-E",
        "task.parent_id": "LOAD-7",
        "task.phase": "EXTRACT",
        "task.status": "completed",
        "quality.coverage_percent": 85.0,
        "test.case.name": "test_load.py::test_extract",
        "test.case.result.status": "pass",
        "code.file.path": "test_load.py",
        "code.function.name": "test_load.test_extract",
    },
    T: {
        "task.status": "blocked",
        "task.blocked_reason": "C1: a row is lost",
        "task.next_action": NEXT,
        "quality.row_count": 3,
        "test.case.result.status": "fail",
    },
    P: {"task.status": "not_started", "task.blocked_on_span_id": "LOAD-7-T", "task.next_action": NEXT},
    "LOAD-7-T-C1": {
        "project.id": "warehouse",
        "task.id": "LOAD-7-T-C1",
        "task.parent_id": "LOAD-7-T",
        "task.phase": "TRANSFORM",
        "task.status": "blocked",
        "gate.kind": "integrity",
        "gate.result": "fail",
        "gate.severity": "critical",
        "gate.reason": "a row is lost",
    },
    "LOAD-7-T-C3": {"gate.severity": "warning", "task.status": "completed"},
}


@pytest.mark.parametrize("name", STATED)
def test_a_spans_attributes_say_what_happened(spans: Spans, name: str) -> None:
    found = spans.attributes(name)
    assert {key: found.get(key) for key in STATED[name]} == STATED[name]
    assert {type(found[key]) for key in STATED[name]} == {type(value) for value in STATED[name].values()}


def test_a_phase_that_did_not_start_has_a_span_without_length_and_no_result(spans: Spans) -> None:
    span, parent = spans.by_name[P], spans.by_name["LOAD-7"]
    assert parent.start_time_unix_nano <= span.start_time_unix_nano <= parent.end_time_unix_nano
    assert span.start_time_unix_nano == span.end_time_unix_nano
    assert "test.case.result.status" not in spans.attributes(P)
    assert "task.blocked_on_span_id" not in spans.attributes(T)


def test_events_and_children_lie_within_their_spans(spans: Spans) -> None:
    ids = {span.span_id: span for span in spans.by_name.values()}
    for span in ids.values():
        inner = [(event.name, event.time_unix_nano, event.time_unix_nano) for event in span.events]
        below = [child for child in ids.values() if child.parent_span_id == span.span_id]
        inner += [(child.name, child.start_time_unix_nano, child.end_time_unix_nano) for child in below]
        start, end = span.start_time_unix_nano, span.end_time_unix_nano
        assert [name for name, first, last in inner if not start <= first <= last <= end] == []


def test_only_declared_attributes_are_emitted(spans: Spans) -> None:
    declared = {*registry(), "quality.row_count"}
    emitted = {name for span in spans.by_name for name in spans.attributes(span)}
    emitted |= {pair.key for resource in spans.resources for pair in resource.resource.attributes}
    emitted |= {pair.key for span in spans.by_name.values() for event in span.events for pair in event.attributes}
    assert emitted - declared == set()
