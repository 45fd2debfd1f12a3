"""What hostile phases and a hostile environment do: outcome, evidence and reports stay true, and nothing is lost."""

from __future__ import annotations

import hashlib
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest

from ..support.plans import Suite
from ..support.traces import DONE, FAILED, GOOD, HELD, gates, output, phase, statuses, transform

Read = Callable[..., dict[str, Any]]


def gate(document: dict[str, Any], gate_id: str) -> dict[str, Any]:
    (found,) = [gate for gate in phase(document)["gates"] if gate["gate_id"] == f"LOAD-7-T-{gate_id}"]
    assert isinstance(found, dict)
    return found


# --- a process that ends after a failed gate -------------------------------------------------------------------------


def test_a_failed_gate_is_on_disk_before_the_process_can_end(suite: Suite, evidence: Read) -> None:
    failing = 'with phase.gate("C2"):\n    assert 0, "new colour"'
    suite.write(transform(f'check(phase, "C1")\n{failing}\nimport os\nos._exit(1)'))
    suite.run()
    assert gates(evidence()) == {"C1": "pass", "C2": "fail", "C3": "not_checked"}
    assert gate(evidence(), "C2")["reason"] == "new colour"
    assert statuses(evidence())["T"] == "in_progress"


def test_junit_shows_an_interrupted_phase_as_failed_under_its_own_name(suite: Suite, evidence: Read) -> None:
    suite.write(transform("check(phase, 'C1')\nraise KeyboardInterrupt"))
    assert suite.here("--junitxml=junit.xml").ret == 2
    document = evidence()
    assert statuses(document) == FAILED
    assert "KeyboardInterrupt" in phase(document)["blocked_reason"]
    cases = [
        case
        for case in ET.parse(suite.pytester.path / "junit.xml").getroot().iter("testcase")
        if case.attrib["classname"] == "test_load"
    ]
    assert [case.attrib["name"] for case in cases] == ["test_extract", "test_transform", "test_publish"]
    assert [child.tag for child in cases[1] if child.tag in ("failure", "error")] != []
    properties = {found.attrib["name"]: found.attrib["value"] for found in cases[1].iter("property")}
    assert (properties["task.status"], properties["otel_span_id"]) == ("failed", phase(document)["otel_span_id"])


# --- gates in unusual places -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", [True, False])
def test_a_gate_that_a_fixtures_teardown_checks_fails_its_phase(suite: Suite, evidence: Read, verdict: bool) -> None:
    late = f'@pytest.fixture\ndef late(phase):\n    yield\n    with phase.gate("C3"):\n        assert {verdict}\n'
    suite.write(transform('check(phase, "C1", "C2")', "phase, late", late))
    result = suite.here()
    assert result.ret == 1
    assert statuses(evidence()) == FAILED
    assert phase(evidence(), "P")["blocked_on_span_id"] == "LOAD-7-T"
    assert result.parseoutcomes().get("failed", 0) + result.parseoutcomes().get("errors", 0) >= 1


THREAD = """
import threading
seen = {}

def check_there():
    with phase.gate("C2"):
        seen["C2"] = phase.traceparent

with phase.gate("C1"):
    thread = threading.Thread(target=check_there)
    thread.start()
    thread.join()
    seen["C1"] = phase.traceparent
check(phase, "C3")
phase.record(selected_path=f"{seen['C1']} {seen['C2']}")
"""


def test_a_gate_in_a_thread_has_a_span_of_its_own(suite: Suite, evidence: Read) -> None:
    suite.write(transform(THREAD))
    assert suite.here().ret == 0
    seen = phase(evidence())["attributes"]["routing.selected_path"].split()
    expected = [gate(evidence(), name)["otel_span_id"] for name in ("C1", "C2")]
    assert [header.split("-")[2] for header in seen] == expected


# --- text that is no text --------------------------------------------------------------------------------------------


BAD = r'bad = __import__("os").fsdecode(b"caf\xe9.txt")'


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('with phase.gate("C1"):\n    assert False, f"missing {bad}"', HELD),
        (f"phase.record(selected_path=bad)\n{GOOD}", DONE),
        (f"{GOOD}\nraise ValueError(bad)", FAILED),
    ],
    ids=["reason", "record", "exception"],
)
def test_a_lone_surrogate_breaks_nothing(suite: Suite, evidence: Read, body: str, expected: dict[str, str]) -> None:
    suite.write(transform(f"{BAD}\n{body}"))
    result = suite.here("--junitxml=junit.xml")
    assert "INTERNALERROR" not in output(result)
    assert result.ret == (0 if expected == DONE else 1)
    document = evidence()
    assert statuses(document) == expected
    assert "caf" in json.dumps(phase(document))
    assert "not written" not in output(result)
    for line in (suite.pytester.path / "out" / "LOAD-7.otlp.jsonl").read_text(encoding="utf-8").splitlines():
        assert json.loads(line)
    assert ET.parse(suite.pytester.path / "junit.xml").getroot() is not None


# --- where a phase is, and what time it is ---------------------------------------------------------------------------


def test_a_relative_input_is_the_file_that_was_hashed_wherever_the_phase_went(suite: Suite, evidence: Read) -> None:
    back = "@pytest.fixture\ndef back(monkeypatch):\n    monkeypatch.chdir('.')\n"
    suite.write(transform(f'import os\nos.chdir("deep")\nphase.input("rows.csv")\n{GOOD}', "phase, back", back))
    (suite.pytester.path / "rows.csv").write_text("another\n")
    (suite.pytester.mkdir("deep") / "rows.csv").write_text("1\n2\n3\n")
    assert suite.here().ret == 0
    digest = hashlib.sha256(b"1\n2\n3\n").hexdigest()
    assert phase(evidence())["inputs"] == [{"path": "deep/rows.csv", "sha256": digest}]


def test_a_test_may_replace_the_clock(suite: Suite, evidence: Read) -> None:
    broken = (
        "import time\ndef broken():\n    raise RuntimeError('no clock')\nmonkeypatch.setattr(time, 'monotonic', broken)"
    )
    suite.write(transform(f"{broken}\n{GOOD}", "phase, monkeypatch"))
    assert suite.here().ret == 0
    assert statuses(evidence()) == DONE


# --- other plugins ---------------------------------------------------------------------------------------------------


def test_a_good_suite_passes_without_pytest_dependency_where_warnings_are_errors(suite: Suite, evidence: Read) -> None:
    suite.here("-p", "no:dependency", "-W", "error", "--strict-markers").assert_outcomes(passed=3)
    assert evidence()["status"] == "completed"


def test_a_generator_that_holds_a_gate_open_until_the_interpreter_exits_raises_nothing(suite: Suite) -> None:
    suite.write(transform("held = opened(phase)\nnext(held)\npytest.held = held", before=HOLDS))
    result = suite.run()
    assert result.ret == 1
    assert result.stderr.str() == ""


HOLDS = """
def opened(phase):
    with phase.gate("C1"):
        yield
"""
