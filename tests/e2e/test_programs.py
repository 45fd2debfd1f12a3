"""Programs and threads that a phase starts, and what is left of them when it is over, or when pytest dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..support.plans import PASSING, Suite
from .test_phase_fixture import CHECK, extract

Read = Callable[..., dict[str, Any]]

OUTLIVES = "exec 9>alive; echo >started; (sleep 30; echo survived >&9) & wait"
"""The grandchild holds a pipe open: its end comes when that is dead, and without a word if it was killed."""

RUNS = f"""
import subprocess, threading
import pytest

class Waiting(subprocess.Popen):
    def wait(self, timeout=None):
        open("waiting", "w").close()
        return super().wait(timeout)

@pytest.fixture
def told(monkeypatch):
    monkeypatch.setattr("pytest_contextcore.phase.program.subprocess.Popen", Waiting)

@pytest.mark.phase("E")
def test_extract(phase, told):
    def run():
        with phase.gate("C1"):
            phase.run(["sh", "-c", {OUTLIVES!r}])
    {{how}}

@pytest.mark.phase("T")
def test_transform(phase):
    pass

@pytest.mark.phase("P")
def test_publish(phase):
    pass
"""
THREAD = "thread = threading.Thread(target=run); thread.start(); thread.join()"


@pytest.mark.parametrize(
    ("number", "how"),
    [(signal.SIGTERM, "run()"), (signal.SIGHUP, THREAD), (signal.SIGKILL, "run()"), (signal.SIGKILL, THREAD)],
    ids=["SIGTERM", "SIGHUP in a thread", "SIGKILL", "SIGKILL in a thread"],
)
def test_programs_die_with_pytest_however_it_dies(suite: Suite, number: signal.Signals, how: str) -> None:
    suite.write(RUNS.format(how=how))
    for name in ("alive", "started", "waiting"):
        os.mkfifo(suite.pytester.path / name)
    alive = os.open("alive", os.O_RDONLY | os.O_NONBLOCK)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly"]
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL) as session:
        for name in ("started", "waiting"):  # that the program runs, and that phase.run waits for it
            Path(name).read_bytes()
        session.send_signal(number)
        assert session.wait(20) == -number
    os.set_blocking(alive, True)
    try:
        assert os.read(alive, 100) == b""
    finally:
        os.close(alive)


def test_what_a_program_leaves_running_lives_on_after_pytest(suite: Suite) -> None:
    leave = "exec 9>alive; (sleep 0.5; echo survived >&9) & exit 0"
    suite.write(extract(f'{CHECK}phase.run(["sh", "-c", {leave!r}])'))
    os.mkfifo(suite.pytester.path / "alive")
    alive = os.open("alive", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert suite.run("-q").ret == 0
        os.set_blocking(alive, True)
        assert os.read(alive, 100) == b"survived\n"
    finally:
        os.close(alive)


@pytest.mark.parametrize(
    ("call", "instead"),
    [
        ('phase.run("echo x")', "phase.run takes a list of words, not str; write phase.run(['echo', 'x'])"),
        ('phase.run(Path("tool"))', "write phase.run(['tool'])"),
        ("phase.secret('abc')", "a secret of 3 characters cannot be hidden"),
    ],
)
def test_a_call_that_means_something_else_says_what_to_write(
    suite: Suite, evidence: Read, call: str, instead: str
) -> None:
    suite.write(extract(CHECK + call))
    suite.here()
    found = evidence()["spans"][0]
    assert (found["status"], found["programs"]) == ("failed", [])
    assert instead in found["blocked_reason"]


def test_a_gate_that_a_thread_leaves_after_its_test_has_no_verdict(suite: Suite, evidence: Read) -> None:
    held = """
go, left = threading.Event(), threading.Event()

def hold(phase):
    with phase.gate("C1"):
        go.set()
        assert over.wait(20)
    left.set()

@pytest.fixture
def ends(phase):
    yield
    over.set()
    assert left.wait(20)
"""
    body = "thread = threading.Thread(target=hold, args=(phase,))\nthread.start()\nassert go.wait(20)"
    suite.write(extract(body, f"import threading\nover = threading.Event()\n{held}", "phase, ends"))
    assert suite.here().ret == 1
    found = evidence()["spans"][0]
    assert (found["status"], found["gates"][0]["result"]) == ("failed", "not_checked")
    assert [event["name"] for event in found["gates"][0]["events"]] == ["gate.check.started"]
    assert evidence()["summary"]["gates"]["pass"] == 0


def test_a_phase_that_ends_its_process_is_told_by_the_next_run(suite: Suite, evidence: Read) -> None:
    """Nothing of ours runs any more then, so not even the exit code can tell."""
    suite.write(extract(f"{CHECK}os._exit(0)"))
    assert suite.run().ret == 0
    assert evidence()["status"] == "in_progress"
    suite.write(PASSING)
    said = "the last run of LOAD-7 had no end: it was killed, or os._exit was called in LOAD-7-E"
    assert suite.here().outlines.count(said) == 1
    assert said not in suite.here().outlines
