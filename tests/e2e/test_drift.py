"""Nothing changes under a trace unseen: inputs and handoffs are looked at again when a phase's test is over."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from ..support.plans import WAREHOUSE, Suite
from ..support.traces import otlp_lines, output, phase, statuses

Read = Callable[..., dict[str, Any]]

TESTS = """
from pathlib import Path
import pytest
from pytest_contextcore import Handoff

class Rows(Handoff):
    count: int

    def stale(self):
        if Path("rows.csv").read_text() == "stale":
            yield "rows.csv is stale"

def check(phase, *names):
    for name in names:
        with phase.gate(name):
            pass

@pytest.mark.phase("E")
def test_extract(phase):
    check(phase, "C1")
    {E}

@pytest.mark.phase("T")
def test_transform(phase):
    check(phase, "C1", "C2", "C3")
    {T}

@pytest.mark.phase("P")
def test_publish(phase):
    check(phase, "C1")
    phase.record(row_count=3)
    {P}
"""


@pytest.fixture
def run(suite: Suite, evidence: Read) -> Callable[..., dict[str, Any]]:
    """Run the plan with these bodies; ``rows.csv`` holds a row, ``shared/`` a file."""

    def here(E: str = "pass", T: str = "pass", P: str = "pass", code: int = 1, plan: str = WAREHOUSE) -> dict[str, Any]:  # noqa: N803
        folder = suite.pytester.path
        suite.plan(plan)
        (folder / "rows.csv").write_text("1")
        (folder / "shared").mkdir(exist_ok=True)
        (folder / "shared/a").write_text("1")
        suite.write(TESTS.format(E=E, T=T, P=P))
        result = suite.here()
        assert result.ret == code, output(result)
        return evidence()

    return here


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


INPUT = 'phase.input("rows.csv")'
WRITE = 'Path("rows.csv").write_text("2")'
ONE_BRANCH = WAREHOUSE.replace('name = "PUBLISH"', 'name = "PUBLISH"\ndepends_on = ["E"]')


@pytest.mark.parametrize(
    ("bodies", "blocked", "blamed"),
    [
        ({"E": f"{INPUT}; {WRITE}"}, "E", None),
        ({"E": INPUT, "T": WRITE}, "T", "LOAD-7-E"),
        ({"E": INPUT, "T": f"{INPUT}; {WRITE}"}, "T", "LOAD-7-E"),
        ({"E": INPUT, "P": WRITE}, "P", "LOAD-7-E"),
        ({"E": 'phase.input("rows.csv")', "P": 'Path("rows.csv").unlink()'}, "P", "LOAD-7-E"),
    ],
    ids=["its own", "its upstream's", "both", "at the end of the trace all", "gone"],
)
def test_a_changed_input_blocks_with_both_digests(
    run: Callable[..., dict[str, Any]], bodies: dict[str, str], blocked: str, blamed: str | None
) -> None:
    found = run(**bodies)
    assert statuses(found)[blocked] == "blocked"
    assert found["status"] == "blocked"
    span = phase(found, blocked)
    owner = blamed or "LOAD-7-E"
    now = "it is gone now" if "unlink" in bodies.get("P", "") else f"it has now {sha('2')}"
    assert span["blocked_reason"] == (
        f"rows.csv changed while the trace ran, after {owner} had relied on it: its SHA-256 was {sha('1')}, {now}"
    )
    assert span["blocked_on_span_id"] == blamed
    assert "phase.output('rows.csv')" in span["next_action"]
    assert "run the plan whole: pytest ./" in span["next_action"]


@pytest.mark.parametrize(
    "bodies",
    [
        {"E": INPUT, "T": f'{WRITE}; phase.output("rows.csv")'},
        {"E": INPUT, "T": f'phase.output("rows.csv"); {WRITE}'},
        {"E": 'phase.input("shared")', "T": 'Path("shared/b").touch(); phase.output("shared/b")'},
        {"E": 'phase.input("shared/*")', "T": 'Path("shared/b").touch(); phase.output("shared/b")'},
        {"E": 'phase.input("shared/a")', "T": 'Path("shared/a").write_text("2"); phase.output("shared")'},
        {"E": 'phase.input("rows.csv")', "T": 'Path("rows.csv").write_text("1")'},
        {"E": 'phase.input(".")', "T": 'Path("__pycache__").mkdir(exist_ok=True); Path("__pycache__/x").touch()'},
    ],
    ids=[
        "declared",
        "declared before",
        "in a folder",
        "in a glob",
        "of a folder",
        "the same bytes",
        "a cache and the evidence",
    ],
)
def test_what_a_phase_declares_as_its_output_may_change(
    run: Callable[..., dict[str, Any]], bodies: dict[str, str]
) -> None:
    assert run(**bodies, code=0)["status"] == "completed"


def test_a_path_that_holds_a_secret_is_looked_at_where_it_is(
    run: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "rows-of-the-shop")
    made = 'Path("rows-of-the-shop").write_text("1"); phase.input("rows-of-the-shop")'
    assert run(E=made, code=0)["spans"][0]["inputs"][0]["path"] == "***"
    assert run(E=made, T='Path("rows-of-the-shop").write_text("2")')["status"] == "blocked"


def test_an_input_is_no_longer_excused_by_an_output_once_that_changes_too(run: Callable[..., dict[str, Any]]) -> None:
    found = run(E=INPUT, T=f'{WRITE}; phase.output("rows.csv")', P='Path("rows.csv").write_text("3")')
    assert statuses(found)["P"] == "blocked"
    earlier = run(E=f'{WRITE}; phase.output("rows.csv")', T=INPUT, P='Path("rows.csv").write_text("3")')
    assert phase(earlier, "P")["blocked_on_span_id"] == "LOAD-7-T"


def test_a_phase_on_another_branch_is_looked_at_by_the_last_one_only(run: Callable[..., dict[str, Any]]) -> None:
    found = run(T=INPUT, P=WRITE, plan=ONE_BRANCH)
    assert (statuses(found)["P"], phase(found, "P")["blocked_on_span_id"]) == ("blocked", "LOAD-7-T")


def test_a_handoff_is_validated_once_more_at_the_end(run: Callable[..., dict[str, Any]], suite: Suite) -> None:
    found = run(E="phase.handoff(Rows(count=3))", T='phase.receive(Rows); Path("rows.csv").write_text("stale")')
    span = phase(found)
    assert [handoff["direction"] for handoff in span["handoffs"]] == ["validated", "rejected"]
    assert span["blocked_reason"] == "handoff Rows from LOAD-7-E no longer holds: rows.csv is stale"
    assert span["blocked_on_span_id"] == "LOAD-7-E"
    assert span["next_action"].startswith("run LOAD-7-E again, which emits Rows, with all that follows it: pytest ./ ")
    command = span["next_action"].partition("it: pytest ")[2].split()
    (suite.pytester.path / "rows.csv").write_text("1")
    suite.write(TESTS.format(E="phase.handoff(Rows(count=3))", T="phase.receive(Rows)", P="pass"))
    assert suite.pytester.runpytest_inprocess(*command).ret == 0  # the next action can be followed


@pytest.mark.parametrize(
    ("given", "said", "errors"),
    [
        ("Rows(count=3)", None, 0),
        ('Rows.model_construct(count="many")', "count: Input should be a valid integer", 1),
    ],
)
def test_a_handoff_that_is_not_valid_stops_who_hands_it_on(
    run: Callable[..., dict[str, Any]], given: str, said: str | None, errors: int
) -> None:
    found = run(E=f"phase.handoff({given})", T="phase.receive(Rows)", code=int(bool(errors)))
    span = phase(found, "E")
    failed = [event["attributes"] for event in span["events"] if event["name"] == "handoff.validation.outbound.failed"]
    told = {"contract_name": "Rows", "direction": "outbound", "error_count": errors}
    assert failed == ([told] if errors else [])
    assert span["status"] == ("blocked" if errors else "completed")
    assert (said or "") in (span["blocked_reason"] or "")
    assert phase(found)["blocked_on_span_id"] == ("LOAD-7-E" if errors else None)


# --- handoffs by name -------------------------------------------------------------------------------------------------

TWO = 'phase.handoff(Rows(count=1), name="left"); phase.handoff(Rows(count=2), name="right")'


def test_two_handoffs_of_a_class_are_told_apart_by_name(
    run: Callable[..., dict[str, Any]], suite: Suite, evidence: Read
) -> None:
    receive = 'assert phase.receive(Rows, name="left").count == 1; assert phase.receive(Rows, name="right").count == 2'
    found = run(E=TWO, T=receive, P=receive, code=0)
    assert [each["name"] for each in phase(found, "E")["handoffs"]] == ["left", "right"]
    (suite.pytester.path / "test_load.py").write_text(TESTS.format(E=TWO, T=receive, P=f"{receive}; print()"))
    result = suite.here("--contextcore-resume")
    assert result.ret == 0
    result = suite.here("--contextcore-resume")
    result.stdout.fnmatch_lines(["*all phases are unchanged*"])
    assert suite.here("-k", "test_transform").ret == 0
    assert phase(evidence())["status"] == "completed"


@pytest.mark.parametrize(
    ("bodies", "reason"),
    [
        ({"E": TWO, "T": "phase.receive(Rows)"}, "phase.receive(Rows) could mean 2 handoffs that differ: 'left' of"),
        (
            {"E": "phase.handoff(Rows(count=1)); phase.handoff(Rows(count=2))", "T": "phase.receive(Rows)"},
            "could mean 2 handoffs that differ: LOAD-7-E, LOAD-7-E",
        ),
        (
            {"E": "phase.handoff(Rows(count=1))", "T": "phase.handoff(Rows(count=2))", "P": "phase.receive(Rows)"},
            "could mean 2 handoffs that differ: LOAD-7-E, LOAD-7-T",
        ),
        ({"E": TWO, "T": 'phase.receive(Rows, name="middle")'}, "handoff Rows, name='middle' was not emitted by any"),
        ({"E": 'phase.handoff({"count": 3})'}, "phase.handoff takes a Handoff, not a value of type dict; declare"),
        ({"E": "phase.record(rows=3)"}, "[[attributes]]"),
    ],
    ids=["names", "one emitter", "two emitters", "unknown name", "no handoff", "undeclared value"],
)
def test_what_could_mean_two_things_or_none_says_what_to_write(
    run: Callable[..., dict[str, Any]], bodies: dict[str, str], reason: str
) -> None:
    found = run(**bodies)
    stopped = next(span for span in found["spans"] if span["status"] in ("blocked", "failed"))
    assert reason in stopped["blocked_reason"]


# --- a resumed trace --------------------------------------------------------------------------------------------------


def test_no_span_of_a_resumed_trace_starts_before_its_parent(run: Callable[..., dict[str, Any]], suite: Suite) -> None:
    before = run(E=TWO, code=0)
    assert suite.here("--contextcore-resume").ret == 0
    spans = otlp_lines(suite)
    times = {span["spanId"]: (int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])) for span in spans}
    parent = next(span for span in spans if span["name"] == "LOAD-7")
    for span in spans:
        if span is parent:
            continue
        start, end = times[span["spanId"]]
        above = times[span["parentSpanId"]]
        assert above[0] <= start == end <= above[1]
        assert span.get("events", []) == []
    told = {
        pair["key"]: pair["value"]
        for span in spans
        if span["name"] == "LOAD-7-E EXTRACT"
        for pair in span["attributes"]
    }
    assert told["task.reused.started_at"] == {"stringValue": before["spans"][0]["started_at"]}
    assert told["task.reused.ended_at"] == {"stringValue": before["spans"][0]["ended_at"]}
