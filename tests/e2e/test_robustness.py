"""What hostile phases and a hostile environment do: outcome, evidence and reports stay true, and nothing is lost."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..support.otlp_receiver import refused_endpoint
from ..support.plans import WAREHOUSE, Suite
from ..support.traces import GOOD, transform
from ..support.traces import run as run_apart

Read = Callable[..., dict[str, Any]]

LOST = 'with phase.gate("C1"):\n    assert False, "row 7 is lost"'


def run(suite: Suite, *arguments: str) -> pytest.RunResult:
    """Run pytest in this process."""
    return suite.pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:hypothesispytest", *arguments)


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {span["span_id"].rpartition("-")[2]: span["status"] for span in document["spans"]}


def span(document: dict[str, Any], phase: str = "T") -> dict[str, Any]:
    found: dict[str, Any] = next(span for span in document["spans"] if span["span_id"] == f"LOAD-7-{phase}")
    return found


def gate(document: dict[str, Any], gate_id: str, phase: str = "T") -> dict[str, Any]:
    gates = span(document, phase)["gates"]
    found: dict[str, Any] = next(gate for gate in gates if gate["gate_id"] == f"LOAD-7-{phase}-{gate_id}")
    return found


def results(document: dict[str, Any], phase: str = "T") -> dict[str, str]:
    return {gate["gate_id"].rpartition("-")[2]: gate["result"] for gate in span(document, phase)["gates"]}


def said(result: pytest.RunResult) -> str:
    return result.stdout.str() + result.stderr.str()


HELD = {"E": "completed", "T": "blocked", "P": "not_started"}
FAILED = {"E": "completed", "T": "failed", "P": "not_started"}
DONE = {"E": "completed", "T": "completed", "P": "completed"}


# --- a process that ends, or a phase that is interrupted, after a failed gate ----------------------------------------


DIES_AFTER_TRANSFORM = """
import os

class Dies:
    def pytest_runtest_logfinish(self, nodeid):
        if nodeid.endswith("test_transform"):
            os._exit(9)

def pytest_configure(config):
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(Dies())
"""


def test_a_worker_that_dies_after_a_phase_was_blocked_takes_nothing_of_it_along(suite: Suite, evidence: Read) -> None:
    pytest.importorskip("xdist")
    suite.pytester.makeconftest(DIES_AFTER_TRANSFORM)
    suite.write(transform(LOST))
    result = run_apart(suite, "-n2")
    document = evidence()
    assert result.ret == 1
    assert statuses(document) == HELD
    assert span(document)["blocked_reason"] == "C1: row 7 is lost"
    assert span(document)["next_action"]
    assert (gate(document, "C1")["result"], gate(document, "C1")["reason"]) == ("fail", "row 7 is lost")
    assert span(document, "P")["blocked_on_span_id"] == "LOAD-7-T"
    assert (document["status"], document["blocked_on_span_id"]) == ("blocked", "LOAD-7-T")
    assert "INTERNALERROR" not in said(result)


def test_ctrl_c_in_a_worker_after_a_failed_gate_keeps_the_gate(suite: Suite, evidence: Read) -> None:
    pytest.importorskip("xdist")
    suite.write(transform(f"{LOST}\nraise KeyboardInterrupt"))
    result = run_apart(suite, "-n2")
    document = evidence()
    assert result.ret != 0
    assert statuses(document) == HELD
    assert "row 7 is lost" in span(document)["blocked_reason"]
    assert results(document) == {"C1": "fail", "C2": "not_checked", "C3": "not_checked"}


def test_a_failed_gate_is_on_disk_before_the_process_can_end(suite: Suite, evidence: Read) -> None:
    suite.write(transform(f"{LOST}\nimport os\nos._exit(1)"))
    run_apart(suite)
    document = evidence()
    assert gate(document, "C1")["result"] == "fail"
    assert gate(document, "C1")["reason"] == "row 7 is lost"
    assert span(document)["status"] == "in_progress"


def test_a_failed_gate_is_on_disk_at_once_after_gates_that_passed_just_before(suite: Suite, evidence: Read) -> None:
    suite.write(
        transform('check(phase, "C1")\nwith phase.gate("C2"):\n    assert 0, "new colour"\nimport os\nos._exit(1)')
    )
    run_apart(suite)
    assert results(evidence()) == {"C1": "pass", "C2": "fail", "C3": "not_checked"}
    assert statuses(evidence())["T"] == "in_progress"


INTERRUPTED_TEARDOWN = "@pytest.fixture\ndef lost():\n    yield\n    raise KeyboardInterrupt\n"


@pytest.mark.parametrize(
    "source",
    [
        transform("check(phase, 'C1')\nraise KeyboardInterrupt"),
        transform(arguments="phase, lost", before=INTERRUPTED_TEARDOWN),
    ],
    ids=["call", "teardown"],
)
def test_junit_shows_an_interrupted_phase_as_failed_under_its_own_name(
    suite: Suite, evidence: Read, source: str
) -> None:
    suite.write(source)
    assert run_apart(suite, "--junitxml=junit.xml").ret == 2
    document = evidence()
    assert statuses(document) == FAILED
    assert "KeyboardInterrupt" in span(document)["blocked_reason"]
    root = ET.parse(suite.pytester.path / "junit.xml").getroot()
    cases = [case for case in root.iter("testcase") if case.attrib["name"] == "test_transform"]
    assert [case.attrib["classname"] for case in cases] == ["test_load"]
    assert [child.tag for child in cases[0] if child.tag in ("failure", "error")] != []
    properties = {found.attrib["name"]: found.attrib["value"] for found in cases[0].iter("property")}
    assert properties["task.status"] == "failed"
    assert properties["otel_trace_id"] == document["otel_trace_id"]
    assert properties["otel_span_id"] == span(document)["otel_span_id"]
    phases = [case.attrib["name"] for case in root.iter("testcase") if case.attrib["classname"] == "test_load"]
    assert phases == ["test_extract", "test_transform", "test_publish"]


# --- gates in unusual places -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", ["pass", "fail"])
def test_pytest_and_evidence_agree_about_a_gate_that_a_fixtures_teardown_checks(
    suite: Suite, evidence: Read, verdict: str
) -> None:
    check = f'with phase.gate("C3"):\n        assert {verdict == "pass"}'
    late = f"@pytest.fixture\ndef late(phase):\n    yield\n    {check}\n"
    suite.write(transform('check(phase, "C1", "C2")', "phase, late", late))
    result = run(suite)
    assert result.ret == 1
    document = evidence()
    assert statuses(document) == FAILED
    assert span(document)["blocked_reason"]
    assert span(document, "P")["blocked_on_span_id"] == "LOAD-7-T"
    assert result.parseoutcomes().get("failed", 0) + result.parseoutcomes().get("errors", 0) >= 1
    assert "INTERNALERROR" not in said(result)


TASKS = """
import asyncio, json, pathlib
seen = {}

async def one(name, others):
    with phase.gate(name):
        before = phase.traceparent
        others.discard(name)
        while others:
            await asyncio.sleep(0)
        seen[name] = [before, phase.traceparent]

async def all_of_them():
    others = {"C1", "C2", "C3"}
    await asyncio.gather(*(one(name, others) for name in sorted(others)))

asyncio.run(all_of_them())
seen["phase"] = [phase.traceparent]
pathlib.Path("seen.json").write_text(json.dumps(seen))
"""


def span_ids(suite: Suite) -> dict[str, list[str]]:
    seen = json.loads((suite.pytester.path / "seen.json").read_text())
    return {name: [header.split("-")[2] for header in headers] for name, headers in seen.items()}


def test_gates_of_concurrent_tasks_have_each_their_own_span(suite: Suite, evidence: Read) -> None:
    suite.write(transform(TASKS))
    assert run(suite).ret == 0
    document = evidence()
    expected = {name: [gate(document, name)["otel_span_id"]] * 2 for name in ("C1", "C2", "C3")}
    assert span_ids(suite) == {**expected, "phase": [span(document)["otel_span_id"]]}


THREAD = """
import json, pathlib, threading
seen = {}
entered, done = threading.Event(), threading.Event()

def check():
    with phase.gate("C2"):
        seen["C2"] = [phase.traceparent]
        entered.set()
        assert done.wait(20)
        assert False, "found in a thread"

thread = threading.Thread(target=check)
thread.start()
assert entered.wait(20)
with phase.gate("C1"):
    seen["C1"] = [phase.traceparent]
    done.set()
    thread.join()
    seen["C1"].append(phase.traceparent)
with phase.gate("C3"):
    seen["C3"] = [phase.traceparent]
seen["phase"] = [phase.traceparent]
pathlib.Path("seen.json").write_text(json.dumps(seen))
"""


def test_a_gate_in_a_thread_is_a_gate_and_does_not_disturb_the_others(suite: Suite, evidence: Read) -> None:
    suite.write(transform(THREAD))
    assert run(suite).ret == 1
    document = evidence()
    assert statuses(document) == HELD
    assert results(document) == {"C1": "pass", "C2": "fail", "C3": "pass"}
    assert span(document)["blocked_reason"] == "C2: found in a thread"
    ids = {name: gate(document, name)["otel_span_id"] for name in ("C1", "C2", "C3")}
    assert span_ids(suite) == {
        "C1": [ids["C1"]] * 2,
        "C2": [ids["C2"]],
        "C3": [ids["C3"]],
        "phase": [span(document)["otel_span_id"]],
    }


# --- text that is no text --------------------------------------------------------------------------------------------


BAD = r'bad = __import__("os").fsdecode(b"caf\xe9.txt")'
FAILS = "assert False, 'no'"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('with phase.gate("C1"):\n    assert False, f"missing {bad}"', HELD),
        (f'with phase.gate("C1") as gate:\n    gate.evidence("lost_row", ref=bad)\n    {FAILS}', HELD),
        (f'with phase.gate("C1") as gate:\n    gate.evidence(bad, ref="x", description=bad)\n    {FAILS}', HELD),
        ('with phase.gate("C1") as gate:\n    gate.not_applicable(f"no {bad}")\ncheck(phase, "C2", "C3")', DONE),
        (f"phase.record(selected_path=bad)\n{GOOD}", DONE),
        (f"{GOOD}\nraise ValueError(bad)", FAILED),
    ],
    ids=["reason", "ref", "type", "not applicable", "record", "exception"],
)
def test_a_lone_surrogate_breaks_nothing(suite: Suite, evidence: Read, body: str, expected: dict[str, str]) -> None:
    suite.write(transform(f"{BAD}\n{body}"))
    result = run(suite, "--junitxml=junit.xml")
    assert "INTERNALERROR" not in said(result)
    assert result.ret == (0 if expected == DONE else 1)
    document = evidence()
    assert statuses(document) == expected
    assert "caf" in json.dumps(span(document))
    assert "not written" not in said(result)
    for line in (suite.pytester.path / "out" / "LOAD-7.otlp.jsonl").read_text(encoding="utf-8").splitlines():
        assert json.loads(line)
    assert ET.parse(suite.pytester.path / "junit.xml").getroot() is not None


@pytest.mark.parametrize("arguments", [["-v"], ["-n2", "-v"]], ids=["one process", "xdist"])
def test_a_lone_surrogate_reaches_a_real_terminal(suite: Suite, evidence: Read, arguments: list[str]) -> None:
    if "-n2" in arguments:
        pytest.importorskip("xdist")
    suite.write(transform(f'{BAD}\nwith phase.gate("C1") as gate:\n    assert False, f"missing {{bad}}"'))
    result = run_apart(suite, *arguments)
    assert result.ret == 1
    assert "INTERNALERROR" not in said(result)
    assert "Traceback" not in said(result)
    assert statuses(evidence()) == HELD
    assert "caf" in gate(evidence(), "C1")["reason"]
    assert "missing caf" in said(result)


# --- where a phase is, and what time it is ---------------------------------------------------------------------------


MOVED = """
import os
os.chdir("deep")
digest = phase.input("rows.csv")
check(phase, "C1", "C2", "C3")
"""


def with_rows(suite: Suite) -> Path:
    """Another file of the same name lies at the root."""
    (suite.pytester.path / "rows.csv").write_text("another\n")
    deep = suite.pytester.mkdir("deep")
    (deep / "rows.csv").write_text("1\n2\n3\n")
    return deep / "rows.csv"


@pytest.fixture
def moved(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A phase that changes the working directory before it names its input; that is put back afterwards."""
    monkeypatch.chdir(suite.pytester.path)
    back = "@pytest.fixture\ndef back(monkeypatch):\n    monkeypatch.chdir('.')\n"
    suite.write(transform(MOVED, "phase, back", back))
    suite.pytester.makeini("[pytest]\n")
    return with_rows(suite)


def recorded_input(document: dict[str, Any]) -> tuple[str, str]:
    (found,) = span(document)["inputs"]
    return found["path"], found["sha256"]


def test_a_relative_input_is_the_file_that_was_hashed_wherever_the_phase_went(
    suite: Suite, evidence: Read, moved: Path
) -> None:
    assert run(suite).ret == 0
    assert recorded_input(evidence()) == ("deep/rows.csv", hashlib.sha256(moved.read_bytes()).hexdigest())


def test_a_deselected_run_can_prove_such_an_input_and_notices_its_change(
    suite: Suite, evidence: Read, moved: Path
) -> None:
    assert run(suite).ret == 0
    assert run(suite, "-k", "test_publish").ret == 0
    assert [found["reused"] for found in evidence()["spans"]] == [True, True, False]
    moved.write_text("1\n2\n")
    result = run(suite, "-k", "test_publish")
    assert result.ret == 4
    assert "needs T" in said(result)


def test_a_relative_input_of_a_run_from_a_subfolder_is_relative_to_the_root(
    suite: Suite, evidence: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.write(transform(f'phase.input("rows.csv")\n{GOOD}'))
    suite.pytester.makeini("[pytest]\n")
    rows = with_rows(suite)
    monkeypatch.chdir(rows.parent)
    arguments = ("--rootdir=..", "--contextcore-out", str(suite.pytester.path / "out"), "..")
    assert run(suite, *arguments).ret == 0
    assert recorded_input(evidence()) == ("deep/rows.csv", hashlib.sha256(rows.read_bytes()).hexdigest())
    assert run(suite, *arguments, "-k", "test_publish").ret == 0
    assert [found["reused"] for found in evidence()["spans"]] == [True, True, False]


def test_gates_are_evaluated_where_the_working_directory_is_gone(suite: Suite, evidence: Read) -> None:
    gone = "import os\nfolder = tmp_path / 'x'\nfolder.mkdir()\nos.chdir(folder)\nfolder.rmdir()\n"
    gates = 'with phase.gate("C1"):\n    assert False, "first"\nwith phase.gate("C2"):\n    assert False, "second"'
    suite.write(transform(gone + gates, "phase, tmp_path"))
    result = run_apart(suite, "--contextcore-out", str(suite.pytester.path / "out"))
    assert result.ret == 1
    document = evidence()
    assert statuses(document) == HELD
    assert [gate(document, name)["reason"] for name in ("C1", "C2")] == ["first", "second"]
    assert span(document)["blocked_reason"] == "C1: first (also failed: C2)"
    assert "INTERNALERROR" not in said(result)


def test_a_test_may_replace_the_clock(suite: Suite, evidence: Read) -> None:
    body = (
        "import time\ndef broken():\n    raise RuntimeError('no clock')\nmonkeypatch.setattr(time, 'monotonic', broken)"
    )
    suite.write(transform(f"{body}\n{GOOD}", "phase, monkeypatch"))
    assert run_apart(suite).ret == 0
    assert statuses(evidence()) == DONE
    assert results(evidence()) == {"C1": "pass", "C2": "pass", "C3": "pass"}


# --- what cannot be written or sent ----------------------------------------------------------------------------------


def test_a_refused_limit_of_the_sdk_costs_the_provider_and_nothing_else(
    suite: Suite, evidence: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "-5")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refused_endpoint())
    suite.pytester.makeconftest(  # code under test that traces: the SDK is asked for nothing before that
        "from opentelemetry import trace\n"
        "def pytest_runtest_call():\n    trace.get_tracer('shop').start_span('order').end()\n"
    )
    result = run_apart(suite)
    assert result.ret == 0
    result.assert_outcomes(passed=3)
    assert evidence()["status"] == "completed"
    lines = [line for line in said(result).splitlines() if "no tracer provider" in line or "no provider" in line]
    assert len(lines) == 1
    assert "Traceback" not in said(result)


def test_evidence_that_cannot_be_written_is_said_and_not_pretended(suite: Suite) -> None:
    (suite.pytester.path / "out" / "LOAD-7.json").mkdir(parents=True)
    result = run_apart(suite)
    assert result.ret == 0
    result.assert_outcomes(passed=3)
    assert len([line for line in result.outlines if line.startswith("evidence not written to")]) == 1
    assert not [line for line in result.outlines if line.startswith("evidence: ")]


def test_an_outcome_is_the_same_where_evidence_cannot_be_written(suite: Suite) -> None:
    (suite.pytester.path / "out" / "LOAD-7.json").mkdir(parents=True)
    suite.write(transform(LOST))
    result = run_apart(suite)
    assert result.ret == 1
    result.assert_outcomes(passed=1, failed=1, skipped=1)
    assert "evidence not written to" in said(result)
    assert "row 7 is lost" in said(result)
    assert not [line for line in result.outlines if line.startswith("evidence: ")]


def test_spans_that_can_neither_be_kept_nor_sent_are_said_to_be_lost(
    suite: Suite, evidence: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = suite.pytester.mkdir("out")
    (out / "spool").write_text("in the way")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refused_endpoint())
    result = run_apart(suite)
    assert result.ret == 0
    result.assert_outcomes(passed=3)
    assert evidence()["status"] == "completed"
    assert re.search(r"\b9 spans are lost", said(result))
    assert (out / "spool").read_text() == "in the way"


def test_a_folder_in_which_nothing_can_be_written_changes_no_outcome(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = suite.pytester.mkdir("elsewhere")
    (out / "LOAD-7.json").mkdir()
    (out / "spool").write_text("in the way")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refused_endpoint())
    suite.write(transform(LOST))
    result = run_apart(suite, "--contextcore-out", "elsewhere")
    assert result.ret == 1
    result.assert_outcomes(passed=1, failed=1, skipped=1)
    assert "evidence not written to" in said(result)
    assert "spans are lost" in said(result)
    assert not [line for line in result.outlines if line.startswith("evidence: ")]


# --- a part of the plan ----------------------------------------------------------------------------------------------


def test_deselected_phases_are_called_so_everywhere(suite: Suite, evidence: Read) -> None:
    assert run(suite).ret == 0
    result = run(suite, "-k", "test_extract", "--junitxml=junit.xml")
    assert result.ret == 0
    document = evidence()
    assert statuses(document) == {"E": "completed", "T": "not_started", "P": "not_started"}
    assert [span(document, phase)["blocked_reason"] for phase in "TP"] == ["deselected in this run"] * 2
    result.stdout.re_match_lines([r" \S T +TRANSFORM +deselected", r" \S P +PUBLISH +deselected"])
    root = ET.parse(suite.pytester.path / "junit.xml").getroot()
    assert [case.attrib["name"].split()[0] for case in root.iter("testcase")] == ["test_extract", "LOAD-7-E-C1"]


@pytest.mark.parametrize(
    "selection",
    [["-k", "test_publish"], ["-ktest_publish"], ["--deselect", "test_load.py::test_extract"], ["--lf"]],
    ids=["k", "k joined", "deselect", "lf"],
)
def test_a_refusal_names_the_command_with_the_options_that_do_not_select(suite: Suite, selection: list[str]) -> None:
    cache = suite.pytester.path / ".pytest_cache/v/cache/lastfailed"
    cache.parent.mkdir(parents=True)
    cache.write_text(json.dumps({"test_load.py::test_publish": True}))
    result = run(suite, "-q", "--tb=short", *selection)
    assert result.ret == 4
    (line,) = [line for line in (*result.outlines, *result.errlines) if line.startswith("ERROR: ")]
    command = line.rpartition("run the plan whole: ")[2]
    given = [argument for argument in shlex.split(command) if not argument.startswith("--basetemp=")]
    assert given == ["pytest", "./", "-p", "no:randomly", "-p", "no:hypothesispytest", "-q", "--tb=short"]


# --- what the table says ---------------------------------------------------------------------------------------------


TWO_CONDITIONS = WAREHOUSE.replace(
    "[[attributes]]",
    '[[trace.definition_of_done]]\ncondition = "no row lost on the way"\ngates = ["T-C1"]\nnext_action = "Find it."\n\n'
    "[[attributes]]",
    1,
)


def test_the_table_tells_broken_conditions_from_those_not_reached(suite: Suite, evidence: Read) -> None:
    suite.plan(TWO_CONDITIONS)
    suite.write(transform(LOST))
    result = run(suite)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "definition of done: 0 of 2 conditions hold",
            "*- every row arrived: not reached",
            "*- no row lost on the way: gate T-C1: fail",
        ]
    )
    assert [condition["met"] for condition in evidence()["definition_of_done"]] == [False, False]
    assert [condition["broken"] for condition in evidence()["definition_of_done"]] == [[], ["gate T-C1: fail"]]


def test_the_table_says_which_value_broke_a_condition(suite: Suite) -> None:
    suite.plan(TWO_CONDITIONS)
    suite.replace("phase.record(row_count=3)", "phase.record(row_count=2)")
    result = run(suite)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "definition of done: 1 of 2 conditions hold",
            "*- every row arrived: quality.row_count: observed 2, expected 3*",
        ]
    )
    assert "not reached" not in said(result)


def test_the_table_names_the_phase_that_another_waits_for(suite: Suite) -> None:
    suite.write(transform(LOST))
    run(suite).stdout.re_match_lines([r" \S T +TRANSFORM +blocked", r" \S P +PUBLISH +not_started .*\bon T$"])


MANY = 9
MANY_GATES = WAREHOUSE + "".join(
    f'[[phases.gates]]\nid = "C{number}"\npurpose = "p"\ncriterion = "rows visible"\nnext_action = "Do {number}."\n'
    for number in range(2, MANY + 1)
)


def test_of_many_failed_gates_only_some_are_named_in_the_reason(suite: Suite, evidence: Read) -> None:
    suite.plan(MANY_GATES)
    failing = (
        f'for number in range(1, {MANY + 1}):\n        with phase.gate(f"C{{number}}"):\n            assert 0, "no"'
    )
    suite.write(transform().replace('check(phase, "C1")\n    phase.record', f"{failing}\n    phase.record"))
    result = run(suite)
    assert result.ret == 1
    document = evidence()
    assert set(results(document, "P").values()) == {"fail"}
    found = re.search(r"\(also failed: (.+) and (\d+) more\)$", span(document, "P")["blocked_reason"])
    assert found is not None
    named = found[1].split(", ")
    assert named == [f"C{number}" for number in range(2, 2 + len(named))]
    assert len(named) + int(found[2]) == MANY - 1
    assert len(named) < MANY - 1


# --- other plugins ---------------------------------------------------------------------------------------------------


def test_a_good_suite_passes_without_pytest_dependency_where_warnings_are_errors(suite: Suite, evidence: Read) -> None:
    result = run_apart(suite, "-p", "no:dependency", "-W", "error", "--strict-markers")
    assert result.ret == 0
    result.assert_outcomes(passed=3)
    assert evidence()["status"] == "completed"
