"""What a terminal shows while a session runs."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from _pytest._io import TerminalWriter

from pytest_contextcore.report.output import OutputLines
from pytest_contextcore.report.progress import GateLine, LongPhases, gate_text, label
from pytest_contextcore.trace.evidence import EvidenceItem, Result

from ..support import page_samples as samples
from ..support.plans import Suite


@pytest.fixture
def written() -> list[str]:
    return []


class Timer:
    """Rings when it is told to."""

    last: Timer

    def __init__(self, seconds: float, call: Callable[..., None], arguments: tuple[object, ...]) -> None:
        self.seconds, self.call, self.arguments = seconds, call, arguments
        self.cancelled, Timer.last = False, self

    def start(self) -> None:
        pass

    def cancel(self) -> None:
        self.cancelled = True

    def ring(self) -> None:
        self.call(*self.arguments)


@pytest.fixture
def phases(written: list[str]) -> LongPhases:
    return LongPhases(written.append, Timer)  # type: ignore[arg-type]


def test_a_line_says_that_a_phase_still_runs_ever_more_rarely(phases: LongPhases, written: list[str]) -> None:
    phases.begin("P-1 LOAD")
    waited = []
    for _ in range(4):
        waited.append(Timer.last.seconds)
        Timer.last.ring()
    assert waited == [10, 10, 20, 40]
    assert written == [f"\nP-1 LOAD is still running after {age}\n" for age in ("10 s", "20 s", "40 s", "1:20 min")]


def test_what_the_program_said_last_stands_behind_it(phases: LongPhases, written: list[str]) -> None:
    span, other = samples.stopped().spans[:2]
    phases.begin(label(span))
    heard: list[tuple[list[str], str]] = [([], ""), (["epoch 1", "  "], ""), (["epoch 2"], "epoch 3: 40%"), ([], "")]
    for lines, state in heard:
        phases.hear(span, lines, state)
        phases.hear(other, ["of another phase"], "")
        Timer.last.ring()
    assert [line.strip().rpartition("0 s")[2] for line in written[:3]] == ["", ": epoch 1", ": epoch 3: 40%"]
    phases.begin(label(other))
    Timer.last.ring()
    assert written[-1].endswith("after 10 s\n")


def test_nothing_is_said_of_a_phase_that_is_over_or_in_a_debugger(phases: LongPhases, written: list[str]) -> None:
    phases.begin("P-1 LOAD")
    phases.end("P-1 LOAD")
    Timer.last.ring()  # it was about to
    phases.begin("P-2 LOAD")
    phases.end("P-1 LOAD")  # of another worker
    assert not Timer.last.cancelled
    before = Timer.last
    phases.pytest_enter_pdb()
    assert (before.cancelled, written) == (True, [])


def test_a_gate_line_is_wrapped_and_has_a_plain_mark_where_the_terminal_needs_one() -> None:
    line = GateLine("P-1-C1", Result.FAIL, "the file is not there and so nothing of what it should hold can be checked")
    assert gate_text(line, 60, ascii_only=True).splitlines() == [
        "  x P-1-C1 fail: the file is not there and so nothing of",
        "      what it should hold can be checked",
    ]
    assert gate_text(GateLine("P-1-C1", Result.PASS), 60) == "  ✓ P-1-C1 pass"


def test_a_gate_that_fails_is_shown_with_its_purpose_and_its_first_finding() -> None:
    failed, passed = samples.stopped().spans[1].gates
    failed.reason, failed.evidence = "2 rows", [EvidenceItem(type="t", ref="7", file="a.csv", description="gone")]
    assert GateLine.of(failed).reason == "Purpose of C1: 2 rows; first: a.csv: gone"
    assert GateLine.of(passed).reason == ""


IN_ORDER = ["LOAD-7-E-C1", "test_extract", *(f"LOAD-7-T-C{n}" for n in (1, 2, 3)), "test_transform", "LOAD-7-P-C1"]


@pytest.mark.parametrize("more", [["-v"], ["-v", "-n2"], []], ids=["-v", "-v, xdist", "not verbose"])
def test_gates_appear_with_v_each_before_its_test_is_over(suite: Suite, more: list[str]) -> None:
    result = suite.run(*more) if "-n2" in more else suite.here(*more)
    found = re.findall(r"(LOAD-7-\w-C\d) pass|PASSED \S+::(\w+)|::(\w+) PASSED", result.stdout.str())
    shown = ["".join(names) for names in found]
    assert [name for name in shown if name in IN_ORDER] == (IN_ORDER if more else [])


def test_a_programs_line_begins_a_line_also_behind_the_letter_of_a_result() -> None:
    with tempfile.TemporaryFile("w+", buffering=1) as terminal:
        writer = TerminalWriter(terminal)
        config = SimpleNamespace(get_terminal_writer=lambda: writer)
        reporter: Any = SimpleNamespace(config=config, currentfspath=None)
        lines = OutputLines(reporter, terminal.fileno(), None, verbose=False)
        lines.show("A", ["one"])
        for between in ("", ".", "\n"):
            writer.write(between, flush=True)
            lines.show("B", [repr(between)])
        terminal.seek(0)
        assert terminal.read() == "A | one\nB | ''\n.\nB | '.'\n\nB | '\\n'\n"


def test_a_failure_shows_the_users_lines_and_none_of_the_plugins(suite: Suite) -> None:
    suite.replace("    rows = phase.receive(Rows)\n", "    phase.run(['/there/is/no/such/program'])\n")
    text = suite.here().stdout.str()
    assert "phase.run(['/there/is/no/such/program'])" in text
    assert "FileNotFoundError: [Errno 2] No such file or directory: '/there/is/no/such/program'" in text
    assert "program.py" not in text
    assert "environ" not in text
    assert "program.py" in suite.here("--full-trace").stdout.str()
