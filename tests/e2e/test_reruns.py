"""pytest-rerunfailures: a span for each attempt, the last one decides, an integrity gate's failure is final."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ..support.otlp_receiver import Receiver
from ..support.plans import Suite
from ..support.traces import DONE, GOOD, HELD, gates, one, phase, sent, statuses, transform

pytest.importorskip("pytest_rerunfailures")

Read = Callable[..., dict[str, Any]]
T = "LOAD-7-T TRANSFORM"

COUNT = """
from pathlib import Path

def attempt():
    file = Path("attempts.txt")
    number = int(file.read_text()) + 1 if file.exists() else 1
    file.write_text(str(number))
    return number
"""
SECOND = 'number = attempt()\ncheck(phase, "C1")\nwith phase.gate("C2"):\n    assert number == 2, "colour is unknown"\n'
SECOND += 'check(phase, "C3")'


def attempts(suite: Suite) -> int:
    return int((suite.pytester.path / "attempts.txt").read_text())


def test_the_last_attempt_decides_and_the_one_before_it_is_a_failed_span_beside_it(
    suite: Suite, evidence: Read, exporting: Receiver
) -> None:
    suite.write(transform(SECOND, before=COUNT))
    result = suite.here("--reruns=2")
    assert result.ret == 0
    assert result.parseoutcomes() == {"passed": 3, "rerun": 1}
    document = evidence()
    assert (statuses(document), document["status"]) == (DONE, "completed")
    assert (document["summary"]["phases"]["completed"], document["blocked_reason"]) == (3, None)

    spans = sent(exporting)
    first, last = [span for span in spans if span.name == T]
    assert first.parent == last.parent == document["otel_span_id"]
    assert (first.status, first.description) == ("error", "C2: colour is unknown")
    assert (first.attributes["task.status"], first.attributes["test.case.result.status"]) == ("blocked", "fail")
    assert (last.status, last.attributes["task.status"]) == ("ok", "completed")
    assert ("task.attempt" in first.attributes, last.attributes["task.attempt"]) == (False, 2)
    assert first.end <= last.start
    assert last.links == [first.id]
    event = {"task.attempt": 1, "task.status": "blocked", "task.blocked_reason": "C2: colour is unknown"}
    assert last.events == [("phase.attempt", event)]
    assert [span.status for span in spans if span.name == "LOAD-7-T-C2"] == ["error", "ok"]
    assert [span.parent for span in spans if span.name == "LOAD-7-T-C2"] == [first.id, last.id]
    assert one(spans, "LOAD-7").status == "ok"

    shown = phase(document)
    (before,) = shown["attempts"]
    assert (before["otel_span_id"], before["status"]) == (first.id, "blocked")
    assert (before["blocked_reason"], before["next_action"]) == ("C2: colour is unknown", "Declare the new column.")
    assert before["started_at"] < before["ended_at"] <= shown["started_at"]
    assert shown["otel_span_id"] == last.id
    assert [(found["name"], found["attributes"]) for found in shown["events"]] == last.events


MARKED = "@pytest.mark.flaky(reruns=3)"
INTEGRITY = 'attempt()\nwith phase.gate("C1"):\n    assert False, "row 7 is lost"\ncheck(phase, "C2", "C3")'


@pytest.mark.parametrize(
    ("arguments", "decorator"),
    [
        (["--reruns=3"], ""),
        ([], MARKED),
    ],
    ids=["option", "marker"],
)
def test_a_phase_that_failed_an_integrity_gate_is_never_run_again(
    suite: Suite, evidence: Read, arguments: list[str], decorator: str
) -> None:
    suite.write(transform(INTEGRITY, before=COUNT, decorator=decorator))
    result = suite.here(*arguments)
    assert result.ret == 1
    assert result.parseoutcomes() == {"passed": 1, "failed": 1, "skipped": 1}
    assert attempts(suite) == 1
    assert statuses(evidence()) == HELD
    assert phase(evidence())["attempts"] == []


def test_an_integrity_gate_that_fails_at_a_later_attempt_ends_them(suite: Suite, evidence: Read) -> None:
    body = 'if attempt() == 1:\n    raise OSError("busy")\nwith phase.gate("C1"):\n    assert False, "row 7 is lost"'
    suite.write(transform(body, before=COUNT))
    result = suite.here("--reruns=5")
    assert (result.ret, attempts(suite)) == (1, 2)
    assert result.parseoutcomes() == {"passed": 1, "failed": 1, "skipped": 1, "rerun": 1}
    assert statuses(evidence()) == HELD
    assert [found["blocked_reason"] for found in phase(evidence())["attempts"]] == ["OSError: busy"]


REPEATS = """
import pytest
from _pytest.runner import runtestprotocol

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    for _ in range(2):
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        if not any(report.failed for report in reports):
            break
    return True
"""


def test_a_plugin_that_does_not_ask_cannot_run_it_again_either(
    suite: Suite, evidence: Read, exporting: Receiver
) -> None:
    suite.pytester.makeconftest(REPEATS)
    suite.write(transform(INTEGRITY, before=COUNT))
    result = suite.here("-p", "no:rerunfailures")
    assert (result.ret, attempts(suite)) == (1, 1)
    assert statuses(evidence()) == HELD
    assert phase(evidence())["attempts"] == []
    assert phase(evidence())["blocked_reason"] == "C1: row 7 is lost"
    assert [name for name, _ in one(sent(exporting), T).events] == []
    assert result.stdout.str().count("row 7 is lost") >= 2  # both reports say why


LEAKY = """
from pytest_contextcore import Handoff

class Shape(Handoff):
    columns: int
"""


def test_nothing_of_an_earlier_attempt_leaks_into_the_last_one(suite: Suite, evidence: Read) -> None:
    (suite.pytester.path / "rows.csv").write_text("1\n")
    body = (
        "if attempt() == 1:\n"
        '    phase.record(row_count=99, coverage_percent=1)\n    phase.input("rows.csv")\n'
        '    phase.handoff(Shape(columns=99))\n    check(phase, "C1")\n'
        '    with phase.gate("C2") as gate:\n        gate.evidence("colour", ref="red")\n        assert 0, "no"\n'
        f"else:\n    {GOOD}"
    )
    source = transform(body, before=COUNT + LEAKY)
    suite.write(
        source.replace("    phase.record(row_count=3)\n", "    phase.record(row_count=3)\n    phase.receive(Shape)\n")
    )
    assert suite.here("--reruns=1").ret == 1
    document = evidence()
    assert statuses(document) == {"E": "completed", "T": "completed", "P": "blocked"}
    last = phase(document)
    assert gates(document) == {"C1": "pass", "C2": "pass", "C3": "pass"}
    assert (last["handoffs"], last["inputs"], last["blocked_reason"], last["next_action"]) == ([], [], None, None)
    assert {name for name in last["attributes"] if not name.startswith("code.")} == set()
    assert [gate["evidence"] for gate in last["gates"]] == [[], [], []]
    assert "quality.coverage_percent" not in document["attributes"]
    assert "Shape" in phase(document, "P")["blocked_reason"]
    assert "99" not in (suite.pytester.path / "out" / "LOAD-7.handoffs.json").read_text()
