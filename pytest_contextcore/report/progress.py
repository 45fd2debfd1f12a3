"""Progress while a session runs: gates as they are decided, and how long a phase has been running.

Lines are made by pure functions. What is shown of a running phase depends on where it is shown: on a terminal its
elapsed time stands behind pytest's own progress and vanishes with the phase; elsewhere, such as in a CI log, a plain
line comes after half a minute and then ever more rarely.
"""

from __future__ import annotations

import contextlib
import os
import textwrap
import threading
import time
from collections.abc import Callable, Generator
from typing import NamedTuple

import pytest

from ..private import Writer, leave_line_open, past_capture, terminal_descriptor, terminal_encoding
from ..text import harmless, short, shown_seconds
from ..trace.evidence import GateEvidence, Result, SpanEvidence
from ..trace.recorder import Change, Listener
from ..trace.rules import headline
from .marks import ASCII_MARKS, MARKS, STATUS_OF, can_encode, in_ascii
from .verdict import purpose

TICK = 1.0
"""Seconds between two looks at the clock; a phase that ends before the first is not worth a word."""

FIRST_LINE = 30.0
"""Seconds after which a plain line says that a phase is still running; the next comes when that time has doubled."""

_SAVE, _RESTORE, _ERASE = "\x1b7", "\x1b8", "\x1b[K"
_ROOM = 24
"""Columns without which nothing is painted: a cut time is worse than none."""

_RESULT_COLOURS = {Result.PASS: "green", Result.FAIL: "red"}


class GateLine(NamedTuple):
    """A decided gate, as it travels from an xdist worker to the controller."""

    gate_id: str
    result: Result
    reason: str = ""

    @classmethod
    def of(cls, gate: GateEvidence) -> GateLine:
        """What is said of a gate while the run goes on; of one that failed also what it is for."""
        reason = short(headline(gate)).partition("\n")[0]
        named = gate.result is Result.FAIL and gate.purpose
        return cls(gate.gate_id, gate.result, f"{purpose(gate)}: {reason}" if named else reason)


def gate_text(line: GateLine, width: int, *, ascii_only: bool = False) -> str:
    """A decided gate, with the reason of one that did not simply pass; wrapped to the width."""
    marks = ASCII_MARKS if ascii_only else MARKS
    mark = marks[STATUS_OF[line.result]]
    reason = f": {line.reason}" if line.reason else ""
    text = harmless(f"  {mark} {line.gate_id} {line.result.value}{reason}")
    return "\n".join(textwrap.wrap(text, max(width, 40), subsequent_indent="      ", break_on_hyphens=False))


def next_line_after(seconds: float) -> float:
    """The age of a phase, in seconds, at which the next plain line is due."""
    due = FIRST_LINE
    while due <= seconds:
        due *= 2
    return due


def _age(seconds: float) -> str:
    """Whole seconds: a number that changes more often than it is painted says nothing."""
    return f"{int(seconds)} s" if seconds < 60 else shown_seconds(seconds)


class GateLines:
    """With ``-v``: prints each gate when it is decided. ``clock`` is what else writes to this terminal."""

    def __init__(self, config: pytest.Config, reporter: pytest.TerminalReporter, clock: Clock | None) -> None:
        self._config, self._reporter, self._clock = config, reporter, clock
        self._writer = config.get_terminal_writer()
        self._ascii_only = not can_encode(terminal_encoding(self._writer))

    def __call__(self, change: Change, span: SpanEvidence | None, gate: GateEvidence | None) -> None:
        """A listener of the recorder."""
        del span
        if change is Change.GATE_ENDED and gate is not None:
            self.show(GateLine.of(gate))

    def show(self, line: GateLine) -> None:
        """Print it, past the capturing of the test's own output."""
        reporter = self._reporter
        text = gate_text(line, self._writer.fullwidth, ascii_only=self._ascii_only)
        text = in_ascii(text) if self._ascii_only else text
        if self._clock is not None:
            self._clock.hide()
        with past_capture(self._config):
            reporter.ensure_newline()
            reporter.write(text, flush=True, **{_RESULT_COLOURS.get(line.result, "yellow"): True})
            leave_line_open(reporter)
        if self._clock is not None:
            self._clock.show(_room(self._writer))


class Clock:
    """Says that a phase is still running, from a thread of its own: the phase has the main one.

    Args:
        write: takes text for the terminal; called by the thread.
        paint: whether ``write`` goes to a terminal on which the cursor can be moved.
        now: seconds, monotonic.
    """

    def __init__(self, write: Callable[[str], None], *, paint: bool, now: Callable[[], float] = time.monotonic) -> None:
        self._write, self._paint, self._now = write, paint, now
        self._lock = threading.Lock()
        self._label = ""
        self._since = 0.0
        self._due = FIRST_LINE
        self._room = 0
        self._painted = False
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, label: str) -> None:
        """A phase starts."""
        with self._lock:
            self._label, self._since, self._due = label, self._now(), FIRST_LINE
        if self._thread is None:
            self._thread = threading.Thread(target=self._tick, name="contextcore-progress", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """The phase is over."""
        self.hide()
        self._label = ""

    def hide(self) -> None:
        """Something else is going to be printed: what was painted vanishes."""
        with self._lock:
            self._room = 0
            if self._painted:
                self._painted = False
                self._write(_ERASE)

    def show(self, room: int) -> None:
        """Nothing else is being printed; ``room`` is the number of columns behind the cursor."""
        self._room = room

    def close(self) -> None:
        """The session is over."""
        self.stop()
        self._over.set()

    def look(self) -> None:
        """Say how long the phase has been running, if it is time to."""
        with self._lock:
            if not self._label:
                return
            age = self._now() - self._since
            if self._paint:
                text = f"  {self._label} {_age(age)}"
                if self._room >= _ROOM and age >= TICK:
                    self._painted = True
                    self._write(f"{_SAVE}{text[: self._room - 1]}{_ERASE}{_RESTORE}")
            elif age >= self._due:
                self._due = next_line_after(age)
                self._write(f"\n{self._label} is still running after {_age(age)}\n")

    def _tick(self) -> None:
        while not self._over.wait(TICK):
            self.look()


class Progress:
    """Shows which phase runs. Its hooks are there only while one does: other tests pay nothing for it."""

    def __init__(self, config: pytest.Config, clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._writer = config.get_terminal_writer()
        self._running: str | None = None

    def __call__(self, change: Change, span: SpanEvidence | None, gate: GateEvidence | None) -> None:
        """A listener of the recorder."""
        del gate
        if change is Change.PHASE_STARTED and span is not None:
            self.begin(label(span))
        elif change is Change.PHASE_ENDED and span is not None:
            self.end(label(span))

    def begin(self, name: str) -> None:
        """A phase starts."""
        if self._running is None:
            self._config.pluginmanager.register(self, "contextcore-progress")
        self._running = name
        self._clock.start(name)
        self._clock.show(_room(self._writer))

    def end(self, name: str) -> None:
        """A phase is over; where several run in xdist's workers, the last that began is shown."""
        if self._running == name:
            self._running = None
            self._clock.stop()
            self._config.pluginmanager.unregister(self)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self) -> Generator[None, object, object]:
        """A result may be printed, so the clock's words must be gone."""
        self._clock.hide()
        try:
            return (yield)
        finally:
            self._clock.show(_room(self._writer))

    def pytest_enter_pdb(self) -> None:
        """Somebody types now."""
        self._clock.stop()

    def close(self) -> None:
        """The session is over."""
        self._clock.close()


class Shown(NamedTuple):
    """What a session shows while it runs; nothing of it with ``-q``, gates only with ``-v``."""

    gates: GateLines | None = None
    phases: Progress | None = None

    @property
    def listeners(self) -> list[Listener]:
        """Who is to hear of a recorder's changes; gates last, as they print over what shows the phase."""
        return [listener for listener in (self.phases, self.gates) if listener is not None]


def open_progress(config: pytest.Config) -> Shown:
    """What this session's terminal shows while it runs."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or config.get_verbosity() < 0:
        return Shown()
    clock = _open_clock(config)
    phases = Progress(config, clock) if clock is not None else None
    if phases is not None:
        config.add_cleanup(phases.close)
    return Shown(GateLines(config, reporter, clock) if config.get_verbosity() > 0 else None, phases)


def label(span: SpanEvidence) -> str:
    """What a phase is called on the terminal."""
    return f"{span.span_id} {span.phase}"


def _room(writer: Writer) -> int:
    """Columns behind the cursor."""
    return writer.fullwidth - writer.width_of_current_line


def _open_clock(config: pytest.Config) -> Clock | None:
    """A clock that writes to the terminal; None where that is no file."""
    number = terminal_descriptor(config.get_terminal_writer())
    if number is None:
        return None
    live = config.getoption("capture") == "no" or config.getini("log_cli") or config.getoption("log_cli_level", None)
    paint = os.isatty(number) and not live and os.environ.get("TERM", "dumb") not in ("", "dumb")
    return Clock(lambda text: _write(number, text), paint=paint)


def _write(number: int, text: str) -> None:
    with contextlib.suppress(OSError):  # the terminal has gone away; what the run does is not changed by that
        os.write(number, text.encode("ascii", "replace"))
