"""xdist workers that die by ``os._exit``: no span is lost or doubled, and the evidence says what happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ..support.otlp_receiver import Receiver
from ..support.plans import Suite
from ..support.traces import DONE, FAILED, GOOD, gates, names, one, phase, run, sent, statuses, transform

pytest.importorskip("xdist")

Read = Callable[..., dict[str, Any]]
T = "LOAD-7-T TRANSFORM"
MANY = "import pytest\n\n@pytest.mark.parametrize('n', range({count}))\ndef test_many(n):\n    pass\n"

DIES = """
import os
import pytest
from opentelemetry import trace

@pytest.mark.parametrize("n", range(10))
def test_before(n):
    pass

def test_dies():
    trace.get_tracer("shop").start_span("query").end()
    os._exit(9)

@pytest.mark.parametrize("n", range(10))
def test_after(n):
    pass
"""


@pytest.mark.parametrize("mode", ["load", "worksteal", "each"])
def test_of_a_worker_that_dies_in_an_ordinary_test_no_span_is_lost_or_doubled(
    suite: Suite, exporting: Receiver, mode: str
) -> None:
    for name in ("plan.toml", "test_load.py"):
        (suite.pytester.path / name).unlink()
    suite.write(DIES, "test_it.py")
    workers = ["--tx", "popen"] if mode == "each" else ["-n2"]
    result = run(suite, *workers, "--dist", mode)
    assert result.ret == 1
    spans = sent(exporting)
    assert names(spans) == {
        "pytest": 1,
        "test_it.py::test_dies": 1,
        "query": 1,
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
        "code.line.number": 10,
    }
    assert died.parent == root.id
    assert one(spans, "query").parent == died.id  # the worker had given it that id
    assert root.start <= died.start <= died.end <= root.end
    assert root.attributes["test.suite.run.status"] == "failure"


def test_a_test_that_xdist_gives_to_worker_after_worker_has_a_span_for_each(suite: Suite, exporting: Receiver) -> None:
    suite.write(DIES, "test_it.py")
    result = run(suite, "-n2", "--dist=loadfile", "--max-worker-restart=2")
    spans = sent(exporting)
    died = [span for span in spans if span.name == "test_it.py::test_dies"]
    assert len(died) == result.parseoutcomes()["failed"] > 1
    assert len({span.description for span in died}) == len(died)
    assert names(spans)["query"] == len(died)


def test_a_test_that_kills_its_worker_and_is_run_again_has_a_span_for_each_attempt(
    suite: Suite, exporting: Receiver
) -> None:
    pytest.importorskip("pytest_rerunfailures")
    once = "import os, pathlib\n\ndef test_dies(request):\n    file = pathlib.Path('died')\n    if not file.exists():\n"
    heard = "request.config.failures_db.get_test_reruns(request.node.nodeid)"  # an answer: it was told of the test
    suite.write(f"{once}        file.touch()\n        {heard}\n        os._exit(9)\n", "test_it.py")
    assert run(suite, "-n2", "--reruns=1").ret == 0
    spans = sent(exporting)
    tries = [span for span in spans if span.name == "test_it.py::test_dies"]
    assert [span.status for span in tries] == ["error", "ok"]
    assert len(spans) == 9 + 1 + 2


def test_a_phase_that_kills_its_worker_is_run_once_even_if_reruns_are_asked_for(
    suite: Suite, evidence: Read, exporting: Receiver
) -> None:
    pytest.importorskip("pytest_rerunfailures")
    body = 'open("ran", "a").write("x")\ncheck(phase, "C2")\nwith subtests.test("a"):\n    pass\n'
    body += 'phase.run([__import__("sys").executable, "-c", "pass"])\nimport os\nos._exit(9)'
    suite.write(transform(body, "phase, subtests"))
    suite.write(MANY.format(count=20), "test_many.py")
    result = run(suite, "-n2", "--reruns=2")
    assert result.ret == 1
    assert (suite.pytester.path / "ran").read_text() == "x"
    document = evidence()
    assert (statuses(document), document["status"]) == (FAILED, "failed")
    assert phase(document)["blocked_reason"] == "its worker crashed while it ran test_load.py::test_transform"
    assert phase(document, "P")["blocked_on_span_id"] == "LOAD-7-T"
    spans = sent(exporting)
    counted = names(spans)
    assert sum(count for name, count in counted.items() if name.startswith("test_many.py::")) == 20
    assert [counted[name] for name in (T, "LOAD-7-P PUBLISH", "LOAD-7-E EXTRACT", "LOAD-7", "pytest")] == [1] * 5
    assert counted["test_load.py::test_transform [a]"] == 1
    assert len([name for name in counted if name.startswith("run python")]) == 1
    assert one(spans, T).status == "error"
    assert one(spans, "LOAD-7-P PUBLISH").status == "unset"
    assert one(spans, "LOAD-7").status == "error"
    assert counted["test_load.py::test_transform"] == 0


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
    suite.write(transform())
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


OTHER = {"plan.toml": ('"LOAD-7"', '"LOAD-8"')}


@pytest.mark.parametrize("mode", ["load", "worksteal", "loadscope", "loadfile", "loadgroup"])
def test_several_plans_among_many_tests_are_whole_under_every_distribution(
    suite: Suite, evidence: Read, exporting: Receiver, mode: str
) -> None:
    folder = suite.pytester.path
    source, plan = (folder / "test_load.py").read_text(), (folder / "plan.toml").read_text()
    for number in (1, 2, 3):
        (folder / f"p{number}").mkdir()
        (folder / f"p{number}" / "plan.toml").write_text(plan.replace('"LOAD-7"', f'"LOAD-{number}"'))
        (folder / f"p{number}" / f"test_load{number}.py").write_text(source)
    for name in ("plan.toml", "test_load.py"):
        (folder / name).unlink()
    for letter in "ab":
        suite.write(MANY.format(count=100), f"test_{letter}.py")
    result = run(suite, "-n2", "--dist", mode)
    assert result.ret == 0
    assert result.parseoutcomes()["passed"] == 209
    spans = sent(exporting)
    assert len(spans) == 3 * 9 + 200 + 1
    assert len({span.trace for span in spans}) == 4
    for number in (1, 2, 3):
        document = evidence(f"LOAD-{number}")
        assert statuses(document) == DONE
        ours = [span for span in spans if span.trace == document["otel_trace_id"]]
        assert [span.name for span in ours if span.name.count(" ")] == [
            f"LOAD-{number}-{name}" for name in ("E EXTRACT", "T TRANSFORM", "P PUBLISH")
        ]


def test_fewer_workers_than_asked_for_change_nothing(suite: Suite, evidence: Read, exporting: Receiver) -> None:
    suite.write(MANY.format(count=10), "test_many.py")
    assert run(suite, "-n8", "--maxprocesses=1", "--max-worker-restart=0").ret == 0
    assert statuses(evidence()) == DONE
    assert len(sent(exporting)) == 9 + 10 + 1


def test_each_worker_of_dist_each_has_its_spans_and_the_plan_its_own_once(
    suite: Suite, evidence: Read, exporting: Receiver
) -> None:
    suite.write(MANY.format(count=5), "test_many.py")
    assert run(suite, "--dist=each", "--tx=2*popen").ret == 0
    assert statuses(evidence()) == DONE
    spans = sent(exporting)
    assert {names(spans)[f"test_many.py::test_many[{n}]"] for n in range(5)} == {2}
    assert len(spans) == 9 + 10 + 1


def test_a_plan_goes_on_to_its_end_when_an_ordinary_test_stops_the_session(
    suite: Suite, evidence: Read, exporting: Receiver
) -> None:
    wait = "import pathlib, time\ndeadline = time.monotonic() + 20\n"
    wait += 'while not pathlib.Path("failed").exists() and time.monotonic() < deadline:\n    time.sleep(0.01)\n'
    suite.write(transform(f"{wait}time.sleep(0.3)\n{GOOD}"))
    fails = "import pathlib\n\ndef test_fails():\n    pathlib.Path('failed').touch()\n    assert 0\n"
    suite.write(fails, "test_a.py")
    assert run(suite, "-n2", "-x").ret in (1, 2)
    document = evidence()
    spans = sent(exporting)
    for found in document["spans"]:
        name = f"{found['span_id']} {found['phase']}"
        expected = {"completed": "ok", "not_started": "unset"}.get(found["status"], "error")
        assert (one(spans, name).status, one(spans, name).id) == (expected, found["otel_span_id"])
    assert statuses(document)["T"] == "completed"
