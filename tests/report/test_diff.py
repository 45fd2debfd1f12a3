"""What changed between two runs: compared as data, said to people."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.plan.model import Kind
from pytest_contextcore.report import diff
from pytest_contextcore.trace.evidence import (
    Condition,
    Evidence,
    EvidenceItem,
    GateEvidence,
    HandoffRecord,
    Input,
    Result,
    SpanEvidence,
    Status,
)

ROOT = Path(__file__).parents[2]
SECOND = 1_000_000_000


def gate(span_id: str, short: str, result: Result = Result.PASS, reason: str | None = None) -> GateEvidence:
    return GateEvidence(
        gate_id=f"{span_id}-{short}", otel_span_id="1" * 16, kind=Kind.REQUIRED, result=result, reason=reason
    )


def span(short: str, name: str, status: Status = Status.COMPLETED, **more: Any) -> SpanEvidence:
    span_id = f"T-{short}"
    given = {"started_at": SECOND, "ended_at": 2 * SECOND, "gates": [gate(span_id, "C1")], **more}
    return SpanEvidence(span_id=span_id, otel_span_id="2" * 16, parent_id="T", phase=name, status=status, **given)


def run(*spans: SpanEvidence, **more: Any) -> Evidence:
    given = {"status": Status.COMPLETED, "plan_digest": "a" * 64, "workspace": "/repo/out/workspace", **more}
    return Evidence(
        trace_id="T", otel_trace_id="3" * 32, otel_span_id="4" * 16, project_id="p", title="t", type="job",
        spans=list(spans), **given,
    )  # fmt: skip


def changed(old: SpanEvidence, new: SpanEvidence, **more: Any) -> list[tuple[Any, ...]]:
    found = diff.compare(run(old, **more), run(new, **more)).changes
    return [(change.what, change.name, change.old, change.new) for change in found if change.phase]


def test_two_runs_that_recorded_the_same_are_the_same_whatever_their_ids_and_moments() -> None:
    a = run(span("A", "ALPHA"))
    b = run(span("A", "ALPHA", started_at=50 * SECOND, ended_at=51 * SECOND), started_at=SECOND).model_copy(
        update={"otel_trace_id": "f" * 32}
    )
    found = diff.compare(a, b)
    assert not found.changes
    assert list(diff.lines(found)) == ["T: nothing changed (completed)"]


def test_runs_of_different_traces_are_refused() -> None:
    other = run().model_copy(update={"trace_id": "U"})
    with pytest.raises(ValueError, match="A is a run of trace T, B of U"):
        diff.compare(run(), other)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"attributes": {"q": 1}}, {"attributes": {"q": 1.0}}, ("attribute", "q", 1, 1.0)),
        ({"attributes": {"q": True}}, {"attributes": {}}, ("attribute", "q", True, None)),
        ({"reused": False}, {"reused": True}, ("reused", None, False, True)),
        ({"nodeid": "a"}, {"nodeid": "b"}, ("test", None, "a", "b")),
        ({"fingerprint": "a"}, {"fingerprint": "b"}, ("definition", None, "a", "b")),
        (
            {"inputs": [Input(path="x", sha256="1")]},
            {"inputs": [Input(path="x", sha256="2")]},
            ("input", "x", "1", "2"),
        ),
        (
            {"handoffs": [HandoffRecord(name="H", direction="emitted", digest="1")]},
            {"handoffs": []},
            ("handoff", "emitted H", "1", None),
        ),
    ],
)
def test_each_kind_of_value_is_compared(old: dict[str, Any], new: dict[str, Any], expected: tuple[Any, ...]) -> None:
    assert changed(span("A", "ALPHA", **old), span("A", "ALPHA", **new)) == [expected]


def test_gates_are_compared_by_result_reason_waiver_and_what_they_found() -> None:
    old, new = gate("T-A", "C1"), gate("T-A", "C1", Result.WAIVED, "lost")
    new.waived, new.evidence = "ines: agreed", [EvidenceItem(type="row", ref="r7")]
    assert changed(span("A", "ALPHA", gates=[old]), span("A", "ALPHA", gates=[new])) == [
        ("result", None, "pass", "waived"),
        ("reason", None, None, "lost"),
        ("waived", None, None, "ines: agreed"),
        ("evidence", None, None, "row: r7"),
    ]


def test_options_plan_and_definition_of_done_are_the_traces() -> None:
    a = run(span("A", "ALPHA"), options={"n": 1}, definition_of_done=[Condition(condition="c", met=False)])
    b = run(
        span("A", "ALPHA"), options={}, plan_digest="b" * 64, definition_of_done=[Condition(condition="c", met=True)]
    )
    found = diff.compare(a, b).changes
    assert {(change.phase, change.what, change.name) for change in found} == {
        (None, "plan", None), (None, "option", "n"), (None, "condition", "c"),
    }  # fmt: skip


def test_a_phase_or_gate_that_only_one_run_has_is_named_so() -> None:
    found = diff.compare(run(span("A", "ALPHA")), run(span("B", "BETA"), span("A", "ALPHA", gates=[])))
    names = [(change.what, change.phase, change.gate, change.old, change.new) for change in found.changes]
    assert ("phase", "T-B", None, None, "BETA") in names
    assert ("gate", "T-A", "T-A-C1", "", None) in names
    assert [*diff.lines(found)][1] == "B BETA: none → completed"


def test_the_same_files_in_another_workspace_are_the_same() -> None:
    old = span("A", "ALPHA", fingerprint="x", inputs=[Input(path="out/workspace/a/b", sha256="1")])
    new = span("A", "ALPHA", fingerprint="y", inputs=[Input(path="/ci/w/a/b", sha256="1")])
    assert diff.compare(run(old), run(new, workspace="/ci/w")).changes == ()


@pytest.mark.parametrize(
    ("old", "new", "seen"), [(1.0, 1.4, False), (10.0, 12.0, False), (1.0, 1.6, True), (9, 3, True)]
)
def test_durations_count_beyond_noise_and_are_no_difference_by_themselves(old: float, new: float, seen: bool) -> None:
    a, b = (run(span("A", "ALPHA", ended_at=SECOND + int(seconds * SECOND))) for seconds in (old, new))
    found = diff.compare(a, b)
    assert not found.changes
    assert [(time.phase, time.old, time.new) for time in found.durations] == ([("T-A", old, new)] if seen else [])
    assert ("time: A" in "\n".join(diff.lines(found))) == seen


def test_a_reused_phase_has_no_duration_to_compare() -> None:
    a, b = run(span("A", "ALPHA", ended_at=100 * SECOND)), run(span("A", "ALPHA", reused=True))
    assert diff.compare(a, b).durations == ()


def mended() -> diff.Difference:
    """A trace that was blocked at its second phase, and completes after the fix."""
    failed = gate("T-B", "C1", Result.FAIL, "a row is lost\nand another")
    failed.next_action = "Look for it."
    held = {"started_at": None, "ended_at": None, "blocked_reason": "C1: a row is lost", "blocked_on_span_id": "T-B",
            "next_action": "Look for it.", "gates": [gate("T-C", "C1", Result.NOT_CHECKED)]}  # fmt: skip
    stop = {"blocked_reason": "C1: a row is lost", "next_action": "Look for it."}
    a = run(
        span("A", "ALPHA"),
        span("B", "BETA", Status.BLOCKED, gates=[failed], attributes={"rows": 2}, **stop),
        span("C", "GAMMA", Status.NOT_STARTED, **held),
        status=Status.BLOCKED, blocked_on_span_id="T-B", **stop,
    )  # fmt: skip
    values: dict[str, Any] = {"attributes": {"rows": 3}}
    return diff.compare(a, run(span("A", "ALPHA"), span("B", "BETA", **values), span("C", "GAMMA", **values)))


def test_people_are_told_by_phase_and_once() -> None:
    assert list(diff.lines(mended())) == [
        "T: blocked → completed",
        "B BETA: blocked → completed",
        "  C1",
        "    result: fail → pass",
        "    reason: a row is lost and another → none",
        "  attribute rows: 2 → 3",
        "C GAMMA: not_started → completed",
    ]


def test_an_exception_that_no_gate_explains_is_told_at_its_phase() -> None:
    failed = span("A", "ALPHA", Status.FAILED, blocked_reason="RuntimeError: gone", next_action="mend it")
    found = diff.compare(run(span("A", "ALPHA")), run(failed, status=Status.FAILED, blocked_on_span_id="T-A"))
    assert list(diff.lines(found))[1:] == ["A ALPHA: completed → failed", "  reason: none → RuntimeError: gone"]


def test_another_blocker_is_told() -> None:
    old, new = (span("B", "BETA", Status.BLOCKED, blocked_on_span_id=on, blocked_reason=on, next_action="x")
                for on in ("T-A", "T-X"))  # fmt: skip
    assert "  blocked on: T-A → T-X" in list(diff.lines(diff.compare(run(old), run(new))))


def test_a_value_that_later_phases_repeat_is_told_once() -> None:
    a, b = (run(*(span(name, name, attributes={"q": value}) for name in "ABC")) for value in (1, 2))
    assert "\n".join(diff.lines(diff.compare(a, b))).count("q: 1 → 2") == 1


def test_something_is_told_whatever_changed() -> None:
    a, b = (run(span("A", "ALPHA"), attributes={"q": value}) for value in (1, 2))
    assert len(list(diff.lines(diff.compare(a, b)))) == 2


def keys(value: object, at: str = "") -> set[str]:
    if isinstance(value, dict):
        return {f"{at}{key}" for key in value} | {found for key in value for found in keys(value[key], f"{at}{key}.")}
    if isinstance(value, list):
        return {found for below in value for found in keys(below, f"{at.removesuffix('.')}[].")}
    return set()


def test_the_document_has_the_keys_that_are_documented() -> None:
    found = mended()
    slow = diff.Duration("T-A", 1.0, 9.0)
    shown = diff.document(diff.Difference(found.a, found.b, found.changes, (slow,)), ["a.json", "b.json"])
    assert json.loads(json.dumps(shown)) == shown
    page = (ROOT / "docs/commands.md").read_text(encoding="utf-8").partition("## The JSON document of diff")[2]
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    documented = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert documented == keys(shown) - {"a", "b"}
