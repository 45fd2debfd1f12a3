"""pytest-timeout: what stands in evidence and spans when a test takes too long, by either of its methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_contextcore.export.spool import Spool

from ..support import spools
from ..support.otlp_receiver import Receiver
from ..support.plans import Suite
from ..support.traces import FAILED, gates, one, otlp_lines, phase, sent, statuses, transform

pytest.importorskip("pytest_timeout")

Read = Callable[..., dict[str, Any]]

SLOW = 'check(phase, "C1")\nimport time\ntime.sleep(60)'
MARK = "@pytest.mark.timeout(2)"  # long enough for what must happen before, on a busy machine


def test_by_signal_the_phase_has_failed_and_the_session_goes_on(
    suite: Suite, evidence: Read, exporting: Receiver
) -> None:
    suite.write(transform(SLOW, decorator=MARK))
    suite.write("def test_other():\n    pass\n", "test_other.py")
    result = suite.here("--timeout-method=signal")
    assert result.ret == 1
    assert result.parseoutcomes() == {"passed": 2, "failed": 1, "skipped": 1}
    document = evidence()
    assert (statuses(document), document["status"]) == (FAILED, "failed")
    assert "Timeout" in phase(document)["blocked_reason"]
    assert gates(document) == {"C1": "pass", "C2": "not_checked", "C3": "not_checked"}
    assert phase(document, "P")["blocked_on_span_id"] == "LOAD-7-T"
    spans = sent(exporting)
    found = one(spans, "LOAD-7-T TRANSFORM")
    assert (found.status, found.attributes["test.case.result.status"]) == ("error", "fail")
    assert [(name, attributes["exception.type"]) for name, attributes in found.events] == [("exception", "Failed")]
    assert one(spans, "test_other.py::test_other").status == "ok"


def test_by_thread_the_process_ends_and_leaves_the_truth_on_disk(
    suite: Suite, evidence: Read, exporting: Receiver
) -> None:
    suite.write(transform(SLOW, decorator=MARK))
    assert suite.run("-p", "no:hypothesispytest", "--timeout-method=thread").ret == 1
    document = evidence()
    assert statuses(document) == {"E": "completed", "T": "in_progress", "P": "not_started"}
    assert (document["status"], phase(document)["ended_at"]) == ("in_progress", None)
    assert gates(document)["C1"] == "pass"
    assert sent(exporting) == []  # nothing is sent by a process that was ended; it is kept
    (spool,) = (suite.pytester.path / "out" / "spool").glob("*.otlp")
    assert spools.names(Spool(spool)) == ["LOAD-7-E-C1", "LOAD-7-E EXTRACT", "LOAD-7-T-C1"]
    assert [span["name"] for span in otlp_lines(suite)] == spools.names(Spool(spool))
