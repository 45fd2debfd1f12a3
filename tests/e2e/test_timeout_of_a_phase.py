"""A phase's ``timeout`` in the plan: a hang ends as failed, with its stack in the evidence."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.errors import PlanError

from ..support.plans import PASSING, WAREHOUSE, Suite, warehouse
from ..support.traces import FAILED, statuses

Read = Callable[[], dict[str, Any]]
HANG = "    rows = phase.receive(Rows)\n"


@pytest.fixture
def hanging(suite: Suite) -> Callable[..., pytest.RunResult]:
    """Run the suite with a hang in its second phase, which has a timeout of a quarter of a second."""

    def run(hang: str, *arguments: str, apart: bool = False) -> pytest.RunResult:
        suite.plan(WAREHOUSE.replace('name = "TRANSFORM"\n', 'name = "TRANSFORM"\ntimeout = 0.25\n'))
        suite.write("import os, signal, subprocess, sys, threading, time\n" + PASSING.replace(HANG, HANG + hang))
        return suite.run(*arguments) if apart else suite.here(*arguments)

    return run


def test_a_hang_fails_its_phase_and_nothing_downstream_starts(
    hanging: Callable[..., pytest.RunResult], evidence: Read
) -> None:
    assert hanging("    threading.Event().wait()\n").ret == 1
    found = evidence()
    assert statuses(found) == FAILED
    line = re.search(r"timed out after 0.25 s at \S*test_load.py:(\d+)", found["spans"][1]["blocked_reason"])
    assert line is not None
    (event,) = [event for event in found["spans"][1]["events"] if event["name"] == "exception"]
    assert event["attributes"]["exception.type"].endswith("PhaseTimeout")
    stack = event["attributes"]["exception.stacktrace"]
    assert "test_load.py" in stack.splitlines()[0]
    assert "threading.Event().wait()" in stack
    assert "pluggy" not in stack
    assert found["spans"][1]["next_action"] == ("find out why it takes longer, or raise the timeout of T in plan.toml")


def test_a_hang_that_is_swallowed_fails_its_phase_all_the_same(
    hanging: Callable[..., pytest.RunResult], evidence: Read
) -> None:
    hanging("    try:\n        threading.Event().wait()\n    except BaseException:\n        rows = rows\n")
    assert statuses(evidence()) == FAILED
    assert evidence()["spans"][1]["blocked_reason"].startswith("timed out after 0.25 s")


def test_programs_that_a_hanging_phase_runs_are_killed_with_what_they_started(
    hanging: Callable[..., pytest.RunResult], evidence: Read, suite: Suite
) -> None:
    hanging("    phase.run(['sh', '-c', 'sleep 100 & echo $! > child; wait'])\n")
    assert statuses(evidence()) == FAILED
    child = int((suite.pytester.path / "child").read_text(encoding="utf-8"))
    assert not _runs(child)


def test_a_teardown_that_hangs_is_ended_too(
    hanging: Callable[..., pytest.RunResult], evidence: Read, suite: Suite
) -> None:
    (suite.pytester.path / "conftest.py").write_text(
        "import pytest, threading\n\n\n@pytest.fixture\ndef slow():\n    yield\n    threading.Event().wait()\n",
        encoding="utf-8",
    )
    suite.plan(WAREHOUSE.replace('name = "TRANSFORM"\n', 'name = "TRANSFORM"\ntimeout = 0.25\n'))
    suite.write(PASSING.replace("def test_transform(phase)", "def test_transform(slow, phase)"))
    assert suite.here().ret == 1
    assert statuses(evidence()) == FAILED


def test_a_phase_in_time_notices_nothing_of_its_timeout(suite: Suite, evidence: Read) -> None:
    suite.plan(WAREHOUSE.replace('name = "TRANSFORM"\n', 'name = "TRANSFORM"\ntimeout = 60\n'))
    suite.write(
        "import signal\n"
        + PASSING
        + "\n\ndef test_after():\n    assert signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL\n"
    )
    suite.here().assert_outcomes(passed=4)
    assert evidence()["status"] == "completed"


@pytest.mark.parametrize("value", ["0", "-1", "inf", "nan", '"soon"'])
def test_a_timeout_that_is_no_time_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(PlanError, match=r"phase T: timeout"):
        warehouse(tmp_path, WAREHOUSE.replace('name = "TRANSFORM"\n', f'name = "TRANSFORM"\ntimeout = {value}\n'))


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not state.exists() or ") Z " not in state.read_text(encoding="utf-8")
