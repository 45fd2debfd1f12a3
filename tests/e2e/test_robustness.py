"""What hostile phases and a hostile environment do: outcome, evidence and reports stay true, and nothing is lost."""

from __future__ import annotations

import hashlib
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..support.otlp_receiver import refused_endpoint
from ..support.plans import Suite
from ..support.traces import DONE, FAILED, GOOD, HELD, gates, output, phase, statuses, transform

Read = Callable[..., dict[str, Any]]

LOST = 'with phase.gate("C1"):\n    assert False, "row 7 is lost"'


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


MOVED = f"""
import os
os.chdir("deep")
digest = phase.input("rows.csv")
{GOOD}
"""


def with_rows(suite: Suite) -> Path:
    """Another file of the same name lies at the root."""
    (suite.pytester.path / "rows.csv").write_text("another\n")
    deep = suite.pytester.mkdir("deep")
    (deep / "rows.csv").write_text("1\n2\n3\n")
    return deep / "rows.csv"


def recorded_input(document: dict[str, Any]) -> tuple[str, str]:
    (found,) = phase(document)["inputs"]
    return found["path"], found["sha256"]


def test_a_relative_input_is_the_file_that_was_hashed_wherever_the_phase_went(
    suite: Suite, evidence: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(suite.pytester.path)
    back = "@pytest.fixture\ndef back(monkeypatch):\n    monkeypatch.chdir('.')\n"
    suite.write(transform(MOVED, "phase, back", back))
    suite.pytester.makeini("[pytest]\n")
    moved = with_rows(suite)
    assert suite.here().ret == 0
    assert recorded_input(evidence()) == ("deep/rows.csv", hashlib.sha256(moved.read_bytes()).hexdigest())
    assert suite.here("-k", "test_publish").ret == 0
    assert [found["reused"] for found in evidence()["spans"]] == [True, True, False]
    moved.write_text("1\n2\n")
    result = suite.here("-k", "test_publish")
    assert result.ret == 4
    assert "needs T" in output(result)


def test_a_test_may_replace_the_clock(suite: Suite, evidence: Read) -> None:
    broken = (
        "import time\ndef broken():\n    raise RuntimeError('no clock')\nmonkeypatch.setattr(time, 'monotonic', broken)"
    )
    suite.write(transform(f"{broken}\n{GOOD}", "phase, monkeypatch"))
    assert suite.here().ret == 0
    assert statuses(evidence()) == DONE


# --- what cannot be written or sent ----------------------------------------------------------------------------------


def test_what_can_neither_be_written_nor_sent_is_said_and_changes_no_outcome(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = suite.pytester.mkdir("elsewhere")
    (out / "LOAD-7.json").mkdir()
    (out / "spool").write_text("in the way")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refused_endpoint())
    suite.write(transform(LOST))
    result = suite.here("--contextcore-out", "elsewhere")
    assert result.ret == 1
    result.assert_outcomes(passed=1, failed=1, skipped=1)
    assert len([line for line in result.outlines if line.startswith("evidence not written to")]) == 1
    assert not [line for line in result.outlines if line.startswith("evidence: ")]
    assert re.search(r"\b\d+ spans are lost", output(result))
    assert (out / "spool").read_text() == "in the way"


# --- other plugins ---------------------------------------------------------------------------------------------------


def test_a_good_suite_passes_without_pytest_dependency_where_warnings_are_errors(suite: Suite, evidence: Read) -> None:
    suite.here("-p", "no:dependency", "-W", "error", "--strict-markers").assert_outcomes(passed=3)
    assert evidence()["status"] == "completed"
