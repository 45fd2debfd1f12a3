"""What a terminal shows while a session runs."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_contextcore.report.progress import FIRST_LINE, Clock, GateLine, gate_text, next_line_after
from pytest_contextcore.trace.evidence import EvidenceItem, Result

from ..support import page_samples as samples
from ..support.plans import PASSING, Suite

SLOW = PASSING.replace(
    "    rows = phase.receive(Rows)\n",
    "    rows = phase.receive(Rows)\n"
    "    import os, select\n"
    "    select.select([int(os.environ['GO_ON'])], [], [], 60)\n",
)


class Screen:
    """Takes what a clock writes, and holds the time that it reads."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.time = 100.0

    def clock(self, *, paint: bool) -> Clock:
        clock = Clock(self.written.append, paint=paint, now=lambda: self.time)
        clock._thread = object()  # type: ignore[assignment]  # the tests look at the clock themselves
        return clock


def test_a_terminal_shows_the_age_of_a_phase_behind_the_cursor_and_takes_it_away() -> None:
    screen = Screen()
    clock = screen.clock(paint=True)
    clock.start("P-1 LOAD")
    clock.show(60)
    screen.time += 12.7
    clock.look()
    assert screen.written == ["\x1b7  P-1 LOAD 12 s\x1b[K\x1b8"]
    clock.stop()
    assert screen.written[1:] == ["\x1b[K"]
    clock.look()
    assert len(screen.written) == 2


def test_nothing_is_painted_for_a_short_phase_or_into_a_full_line() -> None:
    screen = Screen()
    clock = screen.clock(paint=True)
    clock.start("P-1 LOAD")
    clock.show(60)
    screen.time += 0.5
    clock.look()
    clock.start("P-2 LOAD")
    clock.show(10)
    screen.time += 500
    clock.look()
    clock.stop()
    assert screen.written == []


def test_painted_text_never_reaches_the_end_of_the_line() -> None:
    screen = Screen()
    clock = screen.clock(paint=True)
    clock.start("P-1 " + "LONG" * 40)
    clock.show(30)
    screen.time += 5
    clock.look()
    (text,) = screen.written
    assert len(re.sub(r"\x1b(7|8|\[K)", "", text)) == 29


def test_a_log_gets_a_plain_line_after_half_a_minute_and_then_ever_more_rarely() -> None:
    screen = Screen()
    clock = screen.clock(paint=False)
    clock.start("P-1 LOAD")
    clock.show(60)
    for _ in range(300):
        screen.time += 1
        clock.look()
    assert [line.strip() for line in screen.written] == [
        "P-1 LOAD is still running after 30 s",
        "P-1 LOAD is still running after 1:00 min",
        "P-1 LOAD is still running after 2:00 min",
        "P-1 LOAD is still running after 4:00 min",
    ]


def test_the_next_line_is_due_when_the_time_has_doubled() -> None:
    assert [next_line_after(age) for age in (0, 29, 30, 59, 60, 1000)] == [30, 30, 60, 60, 120, 1920]
    assert FIRST_LINE == 30


def test_a_gate_line_is_wrapped_and_has_a_plain_mark_where_the_terminal_needs_one() -> None:
    line = GateLine("P-1-C1", Result.FAIL, "the file is not there and so nothing of what it should hold can be checked")
    assert gate_text(line, 60, ascii_only=True).splitlines() == [
        "  x P-1-C1 fail: the file is not there and so nothing of",
        "      what it should hold can be checked",
    ]
    assert gate_text(GateLine("P-1-C1", Result.PASS), 60) == "  ✓ P-1-C1 pass"


def test_a_gate_that_fails_is_shown_with_its_purpose_and_its_first_finding() -> None:
    failed, passed = samples.stopped().spans[1].gates
    failed.reason, failed.evidence = "2 rows\nlost", [EvidenceItem(type="t", ref="7", file="a.csv", description="gone")]
    assert GateLine.of(failed).reason == "Purpose of C1: 2 rows"
    failed.reason = "2 rows"
    assert GateLine.of(failed).reason == "Purpose of C1: 2 rows; first: a.csv: gone"
    assert GateLine.of(passed).reason == ""


def test_gates_appear_with_v_each_before_its_test_is_over(suite: Suite) -> None:
    lines = suite.here("-v").stdout.lines
    shown = [line.strip() for line in lines if re.search(r"LOAD-7-\w-C\d pass| PASSED ", line)]
    assert [line.split()[1 if line[0] == "✓" else 0] for line in shown] == [
        "LOAD-7-E-C1",
        "test_load.py::test_extract",
        "LOAD-7-T-C1",
        "LOAD-7-T-C2",
        "LOAD-7-T-C3",
        "test_load.py::test_transform",
        "LOAD-7-P-C1",
        "test_load.py::test_publish",
    ]


@pytest.mark.parametrize("arguments", [(), ("-q",)])
def test_gates_do_not_appear_without_v(suite: Suite, arguments: tuple[str, ...]) -> None:
    suite.here(*arguments).stdout.no_fnmatch_line("*-C1 pass*")


def test_gates_appear_with_v_under_xdist_too(suite: Suite) -> None:
    lines = suite.run("-v", "-n", "2").stdout.lines
    order = [found.group() for line in lines if (found := re.search(r"LOAD-7-\w-C\d|PASSED \S+", line))]
    assert order[:2] == ["LOAD-7-E-C1", "PASSED test_load.py::test_extract"]
    assert [name for name in order if name.startswith("LOAD")] == [
        "LOAD-7-E-C1",
        "LOAD-7-T-C1",
        "LOAD-7-T-C2",
        "LOAD-7-T-C3",
        "LOAD-7-P-C1",
    ]


def test_a_long_phase_shows_its_age_on_a_terminal(suite: Suite) -> None:
    suite.write(SLOW)
    seen = _in_terminal(suite.pytester.path, until=r"LOAD-7-T TRANSFORM \d+ s")
    assert re.search(r"\x1b7  LOAD-7-T TRANSFORM \d+ s", seen)
    assert "LOAD-7-E EXTRACT" not in seen
    assert "LOAD-7 completed" in seen


def test_a_dumb_terminal_gets_no_control_characters(suite: Suite) -> None:
    suite.write(SLOW)
    seen = _in_terminal(suite.pytester.path, until=r"\.", TERM="dumb", NO_COLOR="1")
    assert "\x1b" not in seen
    assert "LOAD-7 completed" in seen


def _in_terminal(folder: Path, *, until: str, **environ: str) -> str:
    """The output of a session in a pseudo terminal; its slow phase goes on when ``until`` was seen."""
    ours, theirs = pty.openpty()
    reading, writing = os.pipe()
    environment = {**os.environ, "TERM": "xterm", "GO_ON": str(reading), **environ}
    command = [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider"]
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, pass_fds=[reading]
    )
    os.close(theirs)
    seen, told = "", False
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # how Linux says that the other side is closed
            break
        if not piece:
            break
        seen += piece.decode()
        if not told and re.search(until, seen):
            told = True
            os.write(writing, b"go")
    assert process.wait() == 0, seen
    for number in (ours, reading, writing):
        os.close(number)
    return seen


def test_a_failure_shows_the_users_lines_and_none_of_the_plugins(suite: Suite) -> None:
    suite.replace("    rows = phase.receive(Rows)\n", "    phase.run(['/there/is/no/such/program'])\n")
    text = suite.here().stdout.str()
    assert "phase.run(['/there/is/no/such/program'])" in text
    assert "FileNotFoundError: [Errno 2] No such file or directory: '/there/is/no/such/program'" in text
    assert "program.py" not in text
    assert "environ" not in text
    assert "program.py" in suite.here("--full-trace").stdout.str()
