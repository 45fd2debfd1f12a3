"""What changed between two runs: compared as data, said to people."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.errors import EvidenceError
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

from ..support import page_samples as samples

SECOND = 1_000_000_000


def gate(**more: Any) -> GateEvidence:
    return samples.gate("T-S1", "C1", 0).model_copy(update=more)


def span(number: int = 1, **more: Any) -> SpanEvidence:
    return samples.phase("T", number, [gate()]).model_copy(update=more)


def run(*spans: SpanEvidence, **more: Any) -> Evidence:
    return samples.trace([*spans] or [span()], trace_id="T").model_copy(update=more)


def told(a: Evidence, b: Evidence) -> list[str]:
    return list(diff.lines(diff.compare(a, b)))[1:]


def test_two_runs_that_recorded_the_same_are_the_same_whatever_their_ids_and_moments() -> None:
    later = run(span(started_at=50 * SECOND, ended_at=51 * SECOND), otel_trace_id="f" * 32)
    found = diff.compare(run(), later)
    assert not found.changes
    assert next(diff.lines(found)) == "T: nothing changed (completed)"


def test_runs_of_different_traces_are_refused() -> None:
    with pytest.raises(EvidenceError, match="A is a run of trace T, B of U"):
        diff.compare(run(), run(trace_id="U"))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"attributes": {"q": 1}}, {"attributes": {"q": 1.0}}, ["S1 attribute q: 1 → 1.0"]),
        ({"attributes": {"q": True}}, {"attributes": {}}, ["S1 attribute q: true → none"]),
        ({"reused": False}, {"reused": True}, ["S1 reused: false → true"]),
        ({"nodeid": "a"}, {"nodeid": "b"}, ["S1 test: a → b"]),
        ({"fingerprint": {"plan": "a"}}, {"fingerprint": {"plan": "b"}}, ["S1 definition: a → b"]),
        (
            {"inputs": [Input(path="x", sha256="1" * 64)]},
            {"inputs": [Input(path="x", sha256="2" * 64)]},
            ["S1 input x: 111111111111… → 222222222222…"],
        ),
        (
            {"modules": [Input(path="a.py", sha256="1"), Input(path="b.py", sha256="1")]},
            {"modules": [Input(path="a.py", sha256="2")], "outputs": [Input(path="m", sha256="3")]},
            ["S1 module a.py: 1 → 2", "S1 output m: none → 3"],
        ),
        (
            {"handoffs": [HandoffRecord(name="H", direction="emitted", digest="1")]},
            {"handoffs": []},
            ["S1 handoff emitted H: 1 → none"],
        ),
        (
            {"gates": [gate()]},
            {"gates": [gate(result=Result.WAIVED, reason="r", waived="ines: agreed",
                            evidence=[EvidenceItem(type="row", ref="7")])]},
            ["S1-C1 result: pass → waived", "S1-C1 reason: none → r", "S1-C1 waived: none → ines: agreed",
             "S1-C1 evidence: none → row: 7"],
        ),
        (
            {"status": Status.COMPLETED},
            {"status": Status.FAILED, "blocked_reason": "KeyError: 1", "next_action": "mend it"},
            ["S1 status: completed → failed", "S1 reason: none → KeyError: 1"],
        ),
        ({"blocked_on_span_id": "T-S8"}, {"blocked_on_span_id": "T-S9"}, ["S1 blocked on: T-S8 → T-S9"]),
    ],
)  # fmt: skip
def test_each_kind_of_value_is_compared_and_told(old: dict[str, Any], new: dict[str, Any], expected: list[str]) -> None:
    assert told(run(span(**old)), run(span(**new))) == expected


def test_options_plan_and_definition_of_done_are_the_traces() -> None:
    done = [[Condition(condition="c", met=met)] for met in (False, True)]
    a = run(options={"n": 1}, definition_of_done=done[0])
    b = run(options={}, definition_of_done=done[1], plan_digest="b" * 64)
    assert told(a, b) == ["plan: eeeeeeeeeeee… → bbbbbbbbbbbb…", "condition c: false → true", "option n: 1 → none"]


def test_the_same_files_in_another_workspace_are_the_same() -> None:
    old = span(fingerprint={"workspace": "x"}, inputs=[Input(path="/home/w/a/b", sha256="1")])
    new = span(fingerprint={"workspace": "y"}, inputs=[Input(path="/ci/w/a/b", sha256="1")])
    assert diff.compare(run(old, workspace="/home/w"), run(new, workspace="/ci/w")).changes == ()


@pytest.mark.parametrize(
    ("old", "new", "more", "seen"),
    [
        (1.0, 1.4, {}, False),
        (10.0, 12.0, {}, False),
        (1.0, 1.6, {}, True),
        (9, 3, {}, True),
        (9, 3, {"reused": True}, False),
    ],
)
def test_durations_count_beyond_noise_and_are_no_difference_by_themselves(
    old: float, new: float, more: dict[str, Any], seen: bool
) -> None:
    a, b = (
        run(span(started_at=SECOND, ended_at=SECOND + int(seconds * SECOND), **more), ended_at=None)
        for seconds in (old, new)
    )
    found = diff.compare(a, b)
    assert not found.changes
    assert list(found.durations) == ([("T-S1", old, new)] if seen else [])
    assert ("time: S1" in "\n".join(diff.lines(found))) == seen


def test_people_are_told_in_order_and_once() -> None:
    a, b = samples.stopped(), samples.completed()
    b.spans[1].gates[0].kind = a.spans[1].gates[0].kind
    for evidence, value in ((a, 1), (b, 9)):  # the second phase repeats what the first one says
        for each in evidence.spans[:2]:
            each.attributes["quality.row_count"] = value
    assert list(diff.lines(diff.compare(a, b))) == [
        "LOAD-7: blocked → completed",
        "condition every row arrived: false → true",
        "S1 attribute quality.row_count: 1 → 9",
        "S2 status: blocked → completed",
        "S2-C1 result: fail → pass",
        "S2-C1 reason: the reason of C1: 2 rows lost (observed: 1, expected: 3) → none",
        "S2-C1 evidence: lost_row: row-7 → none",
        "S3 status: not_started → completed",
        "S4 status: not_started → none",
    ]


def test_something_is_told_whatever_changed() -> None:
    assert "follow from others" in told(run(attributes={"q": 1}), run(attributes={"q": 2}))[0]


def keys(value: object, at: str = "") -> set[str]:
    if isinstance(value, dict):
        return {f"{at}{key}" for key in value} | {found for key in value for found in keys(value[key], f"{at}{key}.")}
    if isinstance(value, list):
        return {found for below in value for found in keys(below, f"{at.removesuffix('.')}[].")}
    return set()


def documented(root: Path, command: str) -> set[str]:
    """The keys of a command's document, as its page lists them."""
    page = (root / "docs/commands.md").read_text(encoding="utf-8")
    table = page.partition(f"## The JSON document of {command}\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_the_document_has_the_keys_that_are_documented(pytestconfig: pytest.Config) -> None:
    found = diff.compare(samples.stopped(), samples.completed())
    slow = ("LOAD-7-S1", 1.0, 9.0)
    shown = diff.document(diff.Difference(found.a, found.b, found.changes, (slow,)), ["a.json", "b.json"])
    assert json.loads(json.dumps(shown)) == shown
    assert documented(pytestconfig.rootpath, "diff") == keys(shown) - {"a", "b"}
