"""Ctrl-C (a real SIGINT) and runs that call no test: the trace that they leave behind."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pytest_contextcore.recovery.end import spans_in

from ..support.otlp_receiver import Receiver
from ..support.plans import Suite
from ..support.traces import FAILED, gates, one, phase, sent, statuses, transform

Read = Callable[..., dict[str, Any]]


@contextmanager
def listening() -> Iterator[None]:
    """SIGINT may be ignored here, as it is in a shell's background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_in_a_phase(suite: Suite, evidence: Read, exporting: Receiver) -> None:
    suite.write(transform('import os, signal\ncheck(phase, "C1")\nos.kill(os.getpid(), signal.SIGINT)'))
    suite.write("def test_one():\n    pass\n", "test_a.py")
    with listening():
        assert suite.here().ret == 2
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
@pytest.mark.parametrize("at", [1, 3])
def test_ctrl_c_while_a_span_is_written_does_not_lose_it(
    suite: Suite, evidence: Read, exporting: Receiver, place: str, at: int
) -> None:
    """That of the gate E-C1, or of a program in T-C1."""
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


@pytest.mark.parametrize("option", ["--collect-only", "--setup-only", "--setup-plan"])
def test_a_run_that_calls_no_test_makes_no_evidence_and_claims_no_test(
    suite: Suite, exporting: Receiver, option: str
) -> None:
    suite.write("import pytest\n\n@pytest.fixture\ndef f():\n    pass\n\ndef test_one(f):\n    pass\n", "test_a.py")
    assert suite.here(option).ret == 0
    assert not list((suite.pytester.path / "out").glob("*.json"))
    assert [span.status for span in sent(exporting) if "test.case.result.status" in span.attributes] == []
