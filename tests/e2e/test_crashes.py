"""xdist workers that die by ``os._exit``: no span is lost or doubled, and the evidence says what happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ..support.junit_file import JUnitFile
from ..support.otlp_receiver import Receiver
from ..support.plans import WAREHOUSE, Suite
from ..support.traces import FAILED, GOOD, HELD, gates, names, one, phase, run, sent, statuses, transform

pytest.importorskip("xdist")

Read = Callable[..., dict[str, Any]]
T = "LOAD-7-T TRANSFORM"
MANY = "import pytest\n\n@pytest.mark.parametrize('n', range(20))\ndef test_many(n):\n    pass\n"
DIES = """
import os
import pytest

@pytest.mark.parametrize("n", range(10))
def test_before(n):
    pass

def test_dies():
    os._exit(9)

@pytest.mark.parametrize("n", range(10))
def test_after(n):
    pass
"""


def test_of_a_worker_that_dies_in_an_ordinary_test_no_span_is_lost_or_doubled(
    suite: Suite, exporting: Receiver
) -> None:
    for name in ("plan.toml", "test_load.py"):
        (suite.pytester.path / name).unlink()
    suite.write(DIES, "test_it.py")
    assert run(suite, "-n2").ret == 1
    spans = sent(exporting)
    assert names(spans) == {
        "pytest": 1,
        "test_it.py::test_dies": 1,
        **{f"test_it.py::test_{when}[{n}]": 1 for when in ("before", "after") for n in range(10)},
    }
    died, root = one(spans, "test_it.py::test_dies"), one(spans, "pytest")
    assert died.status == "error"
    assert died.description.startswith("worker 'gw")
    assert died.description.endswith("' crashed while it ran this test")
    assert died.attributes == {
        "test.case.name": "test_it.py::test_dies",
        "test.case.result.status": "fail",
        "code.file.path": "test_it.py",
        "error.type": "worker_crashed",
    }
    assert died.parent == root.id
    assert root.start <= died.start <= died.end <= root.end
    assert root.attributes["test.suite.run.status"] == "failure"


def test_a_phase_that_kills_its_worker_has_failed_and_is_run_once_even_if_reruns_are_asked_for(
    suite: Suite, evidence: Read, exporting: Receiver
) -> None:
    pytest.importorskip("pytest_rerunfailures")
    body = 'open("ran", "a").write("x")\ncheck(phase, "C2")\nwith subtests.test("a"):\n    pass\n'
    body += 'phase.run([__import__("sys").executable, "-c", "pass"])\nimport os\nos._exit(9)'
    suite.write(transform(body, "phase, subtests"))
    suite.write(MANY, "test_many.py")
    result = run(suite, "-n2", "--reruns=2", "--junitxml=junit.xml")
    assert result.ret == 1
    assert "INTERNALERROR" not in result.stdout.str()
    assert sum(" trace LOAD-7: " in line for line in result.outlines) == 1
    assert (suite.pytester.path / "ran").read_text() == "x"
    document = evidence()
    assert (statuses(document), document["status"]) == (FAILED, "failed")
    assert document["blocked_on_span_id"] == "LOAD-7-T"
    assert phase(document)["blocked_reason"] == "its worker crashed while it ran test_load.py::test_transform"
    assert phase(document)["next_action"]
    assert phase(document, "P")["blocked_on_span_id"] == "LOAD-7-T"
    cases = JUnitFile(suite.pytester.path / "junit.xml")
    assert cases.case("test_publish").outcome == "skipped"
    assert "LOAD-7-T" in cases.case("test_publish").says
    spans = sent(exporting)
    counted = names(spans)
    assert sum(count for name, count in counted.items() if name.startswith("test_many.py::")) == 20
    assert [counted[name] for name in (T, "LOAD-7-P PUBLISH", "LOAD-7-E EXTRACT", "LOAD-7", "pytest")] == [1] * 5
    assert counted["test_load.py::test_transform [a]"] == 1
    assert len([name for name in counted if name.startswith("python")]) == 1
    assert one(spans, T).status == "error"
    assert one(spans, "LOAD-7-P PUBLISH").status == "unset"
    assert one(spans, "LOAD-7").status == "error"
    assert counted["test_load.py::test_transform"] == 0


def test_a_crash_of_the_first_phase_leaves_the_truth_without_another_worker_too(suite: Suite, evidence: Read) -> None:
    suite.plan(WAREHOUSE.replace('id = "P"\n', 'id = "P"\ndepends_on = []\n'))
    suite.replace("assert True", "__import__('os')._exit(9)")
    result = run(suite, "-n2", "--max-worker-restart=0")
    assert result.ret == 1
    assert statuses(evidence()) == {"E": "failed", "T": "not_started", "P": "not_started"}
    assert sum(" trace LOAD-7: " in line for line in result.outlines) == 1
    assert "not_started" in result.stdout.str()
    independent = phase(evidence(), "P")  # of the phase that crashed, but not of its worker
    assert independent["blocked_reason"] == "the worker that ran this plan crashed in LOAD-7-E EXTRACT"
    assert (independent["blocked_on_span_id"], independent["next_action"] is None) == ("LOAD-7-E", False)


def test_a_crash_after_a_failed_gate_leaves_the_gate_failed(suite: Suite, evidence: Read) -> None:
    written = "import os, time\nfrom pathlib import Path\ndeadline = time.monotonic() + 30\n"
    written += 'while "a row is lost" not in Path("out/LOAD-7.json").read_text() and time.monotonic() < deadline:\n'
    gate = 'with phase.gate("C1"):\n    assert False, "a row is lost"\n'
    suite.write(transform(f"{gate}{written}    time.sleep(0.01)\nos._exit(9)"))
    assert run(suite, "-n2").ret == 1
    assert gates(evidence())["C1"] == "fail"
    assert statuses(evidence()) == HELD


DIES_AFTER = """
import os

class Dies:
    def pytest_runtest_logfinish(self, nodeid):
        if nodeid.endswith("test_transform"):
            os._exit(9)

def pytest_configure(config):
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(Dies())
"""


def test_a_phase_whose_worker_dies_right_after_it_has_failed_and_no_span_is_doubled(
    suite: Suite, evidence: Read, exporting: Receiver
) -> None:
    suite.pytester.makeconftest(DIES_AFTER)
    suite.write(transform(GOOD))
    assert run(suite, "-n2").ret == 1
    document = evidence()
    assert statuses(document) == FAILED
    assert gates(document) == {"C1": "pass", "C2": "pass", "C3": "pass"}
    assert [found["status"] for found in phase(document)["attempts"]] == ["completed"]
    spans = sent(exporting)
    assert {span.status: span.id for span in spans if span.name == T} == {
        "ok": phase(document)["attempts"][0]["otel_span_id"],
        "error": phase(document)["otel_span_id"],
    }
    assert [names(spans)[f"LOAD-7-T-{gate}"] for gate in ("C1", "C2", "C3")] == [1, 1, 1]
