"""Ctrl-C (a real SIGINT), ``pytest.exit`` and ``-x``: the trace that they leave behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.recovery.end import spans_in

from ..support.otlp_receiver import Receiver
from ..support.plans import Suite
from ..support.traces import FAILED, HELD, gates, names, one, phase, sent, statuses, transform

Read = Callable[..., dict[str, Any]]

WAITS = "import pathlib, time\npathlib.Path('running').touch()\ntime.sleep(60)"


LISTENING = """
import signal, sys
import pytest
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(pytest.console_main())
"""
"""pytest, where SIGINT may be ignored, as it is in a shell's background.

Not by ``preexec_fn``: that makes Python fork, and gRPC, of which the receiver is made, may abort a forked process.
"""


def interrupt(suite: Suite, *arguments: str) -> tuple[int, str]:
    """Run pytest in a process of its own and interrupt it as soon as a test says that it runs; exit code, output."""
    folder = suite.pytester.path
    process = subprocess.Popen(
        [sys.executable, "-c", LISTENING, "-p", "no:randomly", "-p", "no:hypothesispytest", *arguments],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    _await(folder / "running", process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


def _await(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, "no test ran"
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)


def test_ctrl_c_in_a_phase(suite: Suite, evidence: Read, exporting: Receiver) -> None:
    suite.write(transform(f'check(phase, "C1")\n{WAITS}'))
    suite.write("def test_one():\n    pass\n", "test_a.py")
    code, output = interrupt(suite)
    assert code == 2
    assert "Traceback" not in output.partition("KeyboardInterrupt")[0]
    document = evidence()
    assert (statuses(document), document["status"]) == (FAILED, "failed")
    assert phase(document)["blocked_reason"] == "interrupted: KeyboardInterrupt"
    assert gates(document) == {"C1": "pass", "C2": "not_checked", "C3": "not_checked"}
    assert phase(document, "P")["blocked_on_span_id"] == "LOAD-7-T"
    spans = sent(exporting)
    found = one(spans, "LOAD-7-T TRANSFORM")
    assert (found.status, found.description) == ("error", "interrupted: KeyboardInterrupt")
    assert found.events == [("exception", {"exception.type": "KeyboardInterrupt", "exception.message": ""})]
    assert one(spans, "LOAD-7-P PUBLISH").status == "unset"
    assert one(spans, "test_a.py::test_one").status == "ok"
    assert one(spans, "pytest").attributes["test.suite.run.status"] == "aborted"


INTERRUPTED_WRITE = """
import {module} as module

count, write = 0, module.{place}

def interrupted(*arguments):
    global count
    count += 1
    if count == {at}:
        raise KeyboardInterrupt
    write(*arguments)

module.{place} = interrupted

def pytest_unconfigure():
    module.{place} = write
"""


@pytest.mark.parametrize("place", ["export.outbox Outbox.put", "spans.writer append_whole"], ids=["spool", "own file"])
@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_ctrl_c_while_a_span_is_written_does_not_lose_it(
    suite: Suite, evidence: Read, exporting: Receiver, place: str, at: int
) -> None:
    """That of the gate E-C1, of the phase E, of a program in T-C1, of that gate."""
    module, _, place = place.partition(" ")
    code = INTERRUPTED_WRITE.format(module=f"pytest_contextcore.{module}", place=place, at=at)
    (suite.pytester.path / "conftest.py").write_text(code, encoding="utf-8")
    suite.write(transform('with phase.gate("C1"):\n    phase.run(["true"])\ncheck(phase, "C2", "C3")'))
    assert suite.here("-W", "ignore::pluggy.PluggyTeardownRaisedWarning").ret == 2
    document = evidence()
    made = {document["otel_span_id"]}
    for found in document["spans"]:
        below = [one["otel_span_id"] for one in (*found["gates"], *found["programs"]) if one["started_at"]]
        made |= {found["otel_span_id"], *below}
    kept = [span.span_id.hex() for span in spans_in(suite.pytester.path / "out" / "LOAD-7.otlp.jsonl")]
    assert (len(kept), set(kept)) == (len(made), made)
    assert {span.id for span in sent(exporting)} == made


def test_ctrl_c_under_xdist(suite: Suite, evidence: Read, exporting: Receiver) -> None:
    pytest.importorskip("xdist")
    suite.write(transform(f'check(phase, "C1")\n{WAITS}'))
    code, output = interrupt(suite, "-n2")
    assert code == 2
    assert "INTERNALERROR" not in output
    document = evidence()
    assert statuses(document)["E"] == "completed"
    assert statuses(document)["T"] == "failed"
    assert statuses(document)["P"] == "not_started"
    assert document["status"] == "failed"
    spans = sent(exporting)
    for found in document["spans"]:
        name = f"{found['span_id']} {found['phase']}"
        assert one(spans, name).id == found["otel_span_id"]
    assert one(spans, "LOAD-7").status == "error"


def test_pytest_exit_in_a_phase_under_xdist(suite: Suite, evidence: Read, exporting: Receiver) -> None:
    pytest.importorskip("xdist")
    suite.write(transform('check(phase, "C1")\npytest.exit("enough")'))
    assert suite.run("-p", "no:hypothesispytest", "-n2").ret == 2
    assert statuses(evidence()) == FAILED
    assert "enough" in phase(evidence())["blocked_reason"]
    spans = sent(exporting)
    assert one(spans, "LOAD-7-T TRANSFORM").status == "error"
    assert one(spans, "LOAD-7").attributes["task.status"] == "failed"
    assert len(names(spans)) == len(spans)


@pytest.mark.parametrize("option", ["-x", "--maxfail=1"])
def test_stopping_at_the_first_failure(suite: Suite, evidence: Read, exporting: Receiver, option: str) -> None:
    suite.write(transform('with phase.gate("C1"):\n    assert 0, "row 7 is lost"'))
    suite.write("def test_never():\n    pass\n", "test_z.py")
    assert suite.here(option).ret == 1
    assert statuses(evidence()) == HELD
    spans = sent(exporting)
    assert "test_z.py::test_never" not in names(spans)
    assert one(spans, "LOAD-7-T TRANSFORM").status == "error"
    held = one(spans, "LOAD-7-P PUBLISH")
    assert (held.status, held.start) == ("unset", held.end)
    assert held.attributes["task.blocked_on_span_id"] == "LOAD-7-T"


@pytest.mark.parametrize("option", ["--collect-only", "--setup-only", "--setup-plan"])
def test_a_run_that_calls_no_test_makes_no_evidence_and_claims_no_test(
    suite: Suite, exporting: Receiver, option: str
) -> None:
    suite.write("import pytest\n\n@pytest.fixture\ndef f():\n    pass\n\ndef test_one(f):\n    pass\n", "test_a.py")
    assert suite.here(option).ret == 0
    assert not list((suite.pytester.path / "out").glob("*.json"))
    assert [span.status for span in sent(exporting) if "test.case.result.status" in span.attributes] == []
