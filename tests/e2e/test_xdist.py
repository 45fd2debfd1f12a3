"""A plan under xdist: one worker, in order, whatever ``--dist`` says, and the truth when a worker dies (contract 2)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from ..support.plans import PASSING, Suite

pytest.importorskip("xdist")

Read = Callable[..., dict[str, Any]]

MODES = ["load", "loadscope", "loadfile", "loadgroup", "worksteal"]
CONFTEST = """
import os

class Log:
    def __init__(self, worker):
        self.worker = worker

    def pytest_runtest_logstart(self, nodeid):
        with open("log.txt", "a") as file:
            print(self.worker, os.getpid(), nodeid.rpartition("::")[2], file=file)

def pytest_configure(config):
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(Log(config.workerinput["workerid"]))
"""
ORDINARY = "import pytest\n\n\n@pytest.mark.parametrize('number', range({count}))\ndef test_{name}(number):\n    pass\n"
PHASES = ["test_extract", "test_transform", "test_publish"]
DIES = PASSING.replace("assert rows.count == 3", "__import__('os')._exit(9)")

DIES_ONCE_WRITTEN = """
    import os, time
    from pathlib import Path
    deadline = time.monotonic() + 30
    while "a row is lost" not in Path("out/LOAD-7.json").read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    os._exit(9)
"""


@pytest.fixture
def beside(suite: Suite) -> Suite:
    """Phases in the middle, ordinary tests in files around them; what starts where is logged."""
    suite.pytester.makeconftest(CONFTEST)
    suite.write(ORDINARY.format(name="before", count=6), "test_a.py")
    suite.write(ORDINARY.format(name="after", count=6), "test_z.py")
    return suite


def run(suite: Suite, *arguments: str) -> pytest.RunResult:
    return suite.run("-p", "no:hypothesispytest", *(arguments if "--tx" in arguments else ("-n2", *arguments)))


def log(suite: Suite) -> list[list[str]]:
    """Worker, process and test, in the order in which tests started."""
    return [line.split() for line in (suite.pytester.path / "log.txt").read_text().splitlines()]


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {span["span_id"].rpartition("-")[2]: span["status"] for span in document["spans"]}


def tables(result: pytest.RunResult) -> int:
    return sum(" trace LOAD-7: " in line for line in result.outlines)


@pytest.mark.parametrize("mode", MODES)
def test_phases_run_on_one_worker_in_order_with_the_same_outcomes(beside: Suite, evidence: Read, mode: str) -> None:
    result = run(beside, "--dist", mode)
    result.assert_outcomes(passed=15)
    assert result.ret == 0
    phases = [entry for entry in log(beside) if entry[2] in PHASES]
    assert [name for *_, name in phases] == PHASES
    assert len({process for _, process, _ in phases}) == 1
    assert evidence()["status"] == "completed"
    assert tables(result) == 1
    assert sum("evidence: " in line for line in result.outlines) == 1
    assert len({worker for worker, *_ in log(beside)}) == 2


def test_phases_run_once_with_dist_each(beside: Suite, evidence: Read) -> None:
    result = run(beside, "--dist", "each", "--tx", "2*popen")
    assert result.ret == 0
    started = Counter(name for *_, name in log(beside))
    assert [started[name] for name in PHASES] == [1, 1, 1]
    assert started["test_before[0]"] == 2
    assert evidence()["status"] == "completed"
    assert tables(result) == 1


def test_the_spans_of_the_worker_are_written_once(beside: Suite, evidence: Read) -> None:
    run(beside)
    text = (beside.pytester.path / "out" / "LOAD-7.otlp.jsonl").read_text()
    ids = [
        span["spanId"]
        for line in text.splitlines()
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    document = evidence()
    expected = [
        document["otel_span_id"],
        *(span["otel_span_id"] for span in document["spans"]),
        *(gate["otel_span_id"] for span in document["spans"] for gate in span["gates"]),
    ]
    assert sorted(ids) == sorted(expected)


@pytest.mark.parametrize("mode", ["load", "loadscope", "worksteal"])
def test_a_phase_whose_worker_crashed_has_failed_and_is_never_rerun(beside: Suite, evidence: Read, mode: str) -> None:
    beside.write(DIES)
    result = run(beside, "--dist", mode)
    document = evidence()
    assert statuses(document) == {"E": "completed", "T": "failed", "P": "not_started"}
    assert "crashed" in document["spans"][1]["blocked_reason"]
    assert document["spans"][1]["next_action"]
    assert document["spans"][2]["blocked_on_span_id"] == "LOAD-7-T"
    assert (document["status"], document["blocked_on_span_id"]) == ("failed", "LOAD-7-T")
    started = Counter(name for *_, name in log(beside))
    assert (started["test_extract"], started["test_transform"]) == (1, 1)
    assert [name for name in started if name.startswith(("test_before", "test_after"))] != []
    assert sum(count for name, count in started.items() if name.startswith(("test_before", "test_after"))) == 12
    assert result.ret == 1
    assert result.parseoutcomes()["passed"] == 13
    assert tables(result) == 1
    assert "INTERNALERROR" not in result.stdout.str()


def test_junit_agrees_when_a_worker_crashed(beside: Suite) -> None:
    beside.write(DIES)
    run(beside, "--junitxml=junit.xml")
    text = (beside.pytester.path / "junit.xml").read_text()
    publish = text[text.index('name="test_publish"') :]
    assert "<skipped" in publish[: publish.index("</testcase>")]
    assert "LOAD-7-T" in publish[: publish.index("</testcase>")]
    assert 'failures="1"' in text or 'errors="1"' in text


def test_without_another_worker_a_crash_leaves_the_truth_too(beside: Suite, evidence: Read) -> None:
    beside.write(DIES)
    result = run(beside, "--max-worker-restart=0")
    assert result.ret == 1
    assert statuses(evidence()) == {"E": "completed", "T": "failed", "P": "not_started"}
    assert tables(result) == 1


def test_a_crash_of_the_first_phase_leaves_the_truth_too(beside: Suite, evidence: Read) -> None:
    beside.replace("assert True", "__import__('os')._exit(9)")
    assert run(beside).ret == 1
    assert statuses(evidence()) == {"E": "failed", "T": "not_started", "P": "not_started"}


def test_a_crash_after_a_failed_gate_leaves_the_gate_failed(beside: Suite, evidence: Read) -> None:
    beside.replace("assert rows.count == 3\n", f'assert False, "a row is lost"\n{DIES_ONCE_WRITTEN}')
    assert run(beside).ret == 1
    document = evidence()
    assert document["spans"][1]["gates"][0]["result"] == "fail"
    assert statuses(document) == {"E": "completed", "T": "blocked", "P": "not_started"}


@pytest.mark.parametrize("name", ["test_a.py", "test_z.py"])
def test_a_worker_that_dies_in_an_ordinary_test_does_not_take_the_plan_with_it(
    beside: Suite, evidence: Read, name: str
) -> None:
    beside.write("import os\n\n\ndef test_dies():\n    os._exit(9)\n\n\ndef test_lives():\n    pass\n", name)
    result = run(beside)
    assert result.ret == 1
    assert "INTERNALERROR" not in result.stdout.str()
    assert result.parseoutcomes()["failed"] == 1
    assert result.parseoutcomes()["passed"] == 10
    assert evidence()["status"] == "completed"
    started = Counter(entry[2] for entry in log(beside))
    assert [started[phase] for phase in PHASES] == [1, 1, 1]


def test_stopping_at_the_first_failure_leaves_the_rest_not_started(beside: Suite, evidence: Read) -> None:
    beside.replace("assert True", 'assert False, "no answer"')
    result = run(beside, "-x")
    assert result.ret != 0
    document = evidence()
    assert statuses(document) == {"E": "blocked", "T": "not_started", "P": "not_started"}
    assert document["spans"][2]["blocked_on_span_id"] == "LOAD-7-E"


def test_the_order_is_the_plans_beside_pytest_randomly(beside: Suite, evidence: Read) -> None:
    pytest.importorskip("pytest_randomly")
    result = beside.pytester.runpytest_subprocess("-n2", "-p", "no:hypothesispytest", "--randomly-seed=5")
    assert result.ret == 0
    assert [name for *_, name in log(beside) if name in PHASES] == PHASES
    assert evidence()["status"] == "completed"


def test_the_plugin_works_where_xdist_is_switched_off(suite: Suite) -> None:
    assert suite.run("-p", "no:xdist", "-p", "no:hypothesispytest").ret == 0


def test_n0_is_one_process(suite: Suite, evidence: Read) -> None:
    assert suite.run("-n0", "-p", "no:hypothesispytest").ret == 0
    assert evidence()["status"] == "completed"
