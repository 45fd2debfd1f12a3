"""Plans under xdist: each on one worker, in order, whatever ``--dist`` says. How tests are dealt: ``tests/xdist``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..support.otlp_receiver import Receiver
from ..support.plans import PASSING, WAREHOUSE, Suite
from ..support.traces import DONE, GOOD, one, phase, run, sent, statuses, transform

pytest.importorskip("xdist")

Read = Callable[..., dict[str, Any]]
CONFTEST = """
import os

class Log:
    def __init__(self, worker):
        self.worker = worker

    def pytest_runtest_logstart(self, nodeid):
        with open("log.txt", "a") as file:
            print(self.worker, nodeid.replace(" ", ""), file=file)

def pytest_configure(config):
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(Log(config.workerinput["workerid"]))
"""
MANY = """
import pytest

@pytest.mark.parametrize("n", range(100))
def test_many(n):
    pass

def test_parts(subtests):
    for number in range(3):
        with subtests.test(number=number):
            pass
"""
PHASES = ["test_extract", "test_transform", "test_publish"]


def log(folder: Path) -> list[list[str]]:
    """Worker and test, in the order in which tests started."""
    return [line.split() for line in (folder / "log.txt").read_text().splitlines()]


@pytest.mark.parametrize(("mode", "options"), [("load", ["-n2"]), ("loadfile", ["-n2"]), ("each", ["--tx=2*popen"])])
def test_several_plans_among_many_tests_are_whole_and_everything_runs_once(
    suite: Suite, evidence: Read, exporting: Receiver, mode: str, options: list[str]
) -> None:
    folder = suite.pytester.path
    suite.pytester.makeconftest(CONFTEST)
    for number in (1, 2, 3):
        (folder / f"p{number}").mkdir()
        (folder / f"p{number}" / "plan.toml").write_text(WAREHOUSE.replace('"LOAD-7"', f'"LOAD-{number}"'))
        (folder / f"p{number}" / f"test_load{number}.py").write_text(PASSING)
    for name in ("plan.toml", "test_load.py"):
        (folder / name).unlink()
    for letter in "az":
        suite.write(MANY, f"test_{letter}.py")
    result = suite.pytester.runpytest_subprocess("--dist", mode, *options)  # randomly too
    assert result.ret == 0
    assert result.parseoutcomes()["passed"] == 9 + 202
    assert ("contextcore: --dist each does not go with a plan" in result.stdout.str()) == (mode == "each")
    assert {worker for worker, _ in log(folder)} == {"gw0", "gw1"}
    spans = sent(exporting)
    assert len(spans) == 3 * 9 + 2 * (101 + 3) + 1
    parts = [span for span in spans if span.name.startswith("test_a.py::test_parts (")]
    assert {span.parent for span in parts} == {one(spans, "test_a.py::test_parts").id}
    assert len({span.trace for span in spans}) == 4
    for number in (1, 2, 3):
        assert statuses(evidence(f"LOAD-{number}")) == DONE
        ours = [(worker, name.rpartition("::")[2]) for worker, name in log(folder) if f"load{number}.py" in name]
        assert [name for _, name in ours] == PHASES
        assert len({worker for worker, _ in ours}) == 1
        assert sum(f" trace LOAD-{number}: " in line for line in result.outlines) == 1


def test_stopping_at_the_first_failure_leaves_the_rest_not_started(suite: Suite, evidence: Read) -> None:
    suite.replace("assert True", 'assert False, "no answer"')
    assert run(suite, "-n2", "-x").ret != 0
    assert statuses(evidence()) == {"E": "blocked", "T": "not_started", "P": "not_started"}
    assert phase(evidence(), "P")["blocked_on_span_id"] == "LOAD-7-E"


def test_a_phase_goes_on_to_its_end_when_an_ordinary_test_stops_the_session(
    suite: Suite, evidence: Read, exporting: Receiver
) -> None:
    wait = "import pathlib, time\ndeadline = time.monotonic() + 20\n"
    wait += 'while not pathlib.Path("failed").exists() and time.monotonic() < deadline:\n    time.sleep(0.01)\n'
    suite.write(transform(f"{wait}{GOOD}"))
    fails = "import pathlib\n\ndef test_fails():\n    pathlib.Path('failed').touch()\n    assert 0\n"
    suite.write(fails, "test_a.py")
    assert run(suite, "-n2", "--maxfail=1").ret in (1, 2)
    document = evidence()
    assert statuses(document)["T"] == "completed"
    spans = sent(exporting)
    for found in document["spans"]:
        span = one(spans, f"{found['span_id']} {found['phase']}")
        expected = {"completed": "ok", "not_started": "unset"}.get(found["status"], "error")
        assert (span.status, span.id) == (expected, found["otel_span_id"])


@pytest.mark.parametrize("options", [["-p", "no:xdist"], ["-n0"]])
def test_without_workers_a_plan_runs_in_one_process(suite: Suite, evidence: Read, options: list[str]) -> None:
    result = suite.pytester.runpytest_inprocess("-p", "no:randomly", *options)
    assert result.ret == 0
    assert statuses(evidence()) == DONE
