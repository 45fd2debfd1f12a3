"""Progress while a session runs: gates as they are decided, and a line when a phase takes long."""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import pytest

from ..ids import named
from ..phase.output import Hear
from ..private import leave_line_open, past_capture, terminal_descriptor, terminal_encoding
from ..text import cut, harmless, short, shown_seconds
from ..trace.evidence import GateEvidence, Result, SpanEvidence, Status
from ..trace.recorder import Change, Listener
from ..trace.rules import headline
from .output import OutputLines, wants_output, write_whole
from .terminal import ASCII_MARKS, MARKS, can_encode, shown_on
from .verdict import purpose

FIRST_LINE = 10.0
"""Seconds after which a line says that a phase is still running; the next comes whenever that time has doubled."""

_SAID = 100
"""Characters of what its program printed last."""

_LOOKS = {
    Result.PASS: (Status.COMPLETED, "green"),
    Result.FAIL: (Status.BLOCKED, "red"),
    Result.WAIVED: (Status.FAILED, "yellow"),
}
_OTHER = (Status.NOT_STARTED, "yellow")


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
    mark = (ASCII_MARKS if ascii_only else MARKS)[_LOOKS.get(line.result, _OTHER)[0]]
    reason = f": {line.reason}" if line.reason else ""
    text = shown_on(f"  {mark} {line.gate_id} {line.result.value}{reason}", ascii_only=ascii_only)
    return "\n".join(textwrap.wrap(text, max(width, 40), subsequent_indent="      ", break_on_hyphens=False))


class GateLines:
    """With ``-v``: prints each gate when it is decided."""

    def __init__(self, config: pytest.Config, reporter: pytest.TerminalReporter) -> None:
        self._config, self._reporter = config, reporter
        self._writer = config.get_terminal_writer()
        self._ascii_only = not can_encode(terminal_encoding(self._writer))

    def __call__(self, change: Change, span: SpanEvidence | None, gate: GateEvidence | None) -> None:
        """A listener of the recorder."""
        del span
        if change is Change.GATE_ENDED and gate is not None:
            self.show(GateLine.of(gate))

    def show(self, line: GateLine) -> None:
        """Print it, past the capturing of the test's own output."""
        text = gate_text(line, self._writer.fullwidth, ascii_only=self._ascii_only)
        with past_capture(self._config):
            self._reporter.ensure_newline()
            self._reporter.write(text, flush=True, **{_LOOKS.get(line.result, _OTHER)[1]: True})
            leave_line_open(self._reporter)


class LongPhases:
    """Says that a phase is still running, from a thread of its own: the phase has the main one."""

    def __init__(self, write: Callable[[str], None], timer: type[threading.Timer] = threading.Timer) -> None:
        self._write, self._new_timer = write, timer
        self._name = self._said = ""
        self._timer: threading.Timer | None = None

    def __call__(self, change: Change, span: SpanEvidence | None, gate: GateEvidence | None) -> None:
        """A listener of the recorder."""
        del gate
        if change is Change.PHASE_STARTED and span is not None:
            self.begin(label(span))
        elif change is Change.PHASE_ENDED and span is not None:
            self.end(label(span))

    def begin(self, name: str) -> None:
        """A phase starts; where several run in xdist's workers, the last that began is told of."""
        self.close()
        self._name, self._said = name, ""
        self._wait(name, 0.0, FIRST_LINE)

    def end(self, name: str) -> None:
        """A phase is over."""
        if self._name == name:
            self.close()

    def hear(self, span: SpanEvidence, lines: list[str], state: str) -> None:
        """A program of a phase printed something; a progress bar stands in ``state``."""
        if self._name == label(span):
            self._said = state or next(filter(str.strip, reversed(lines)), self._said)

    def close(self) -> None:
        """Nothing more is said of this phase."""
        self._name = ""
        if self._timer is not None:
            self._timer.cancel()

    pytest_enter_pdb = close  # somebody types now

    def _wait(self, name: str, age: float, more: float) -> None:
        self._timer = self._new_timer(more, self._say, (name, age + more))
        self._timer.daemon = True
        self._timer.start()

    def _say(self, name: str, age: float) -> None:
        if self._name == name:
            said = f": {cut(self._said.strip(), _SAID)}" if self._said else ""
            took = f"{age:.0f} s" if age < 60 else shown_seconds(age)
            self._write(harmless(f"\n{name} is still running after {took}{said}\n"))
            self._wait(name, age, age)


class Shown(NamedTuple):
    """What a session shows while it runs: gates with ``-v``, output of programs with that or ``-s``."""

    gates: GateLines | None = None
    phases: LongPhases | None = None
    output: OutputLines | None = None

    @property
    def listeners(self) -> list[Listener]:
        """Who is to hear of a recorder's changes."""
        return [listener for listener in (self.gates, self.phases) if listener is not None]

    @property
    def hear(self) -> Hear | None:
        """Hears what programs print; None if nobody does."""
        heard = [listener.hear for listener in (self.output, self.phases) if listener is not None]
        return partial(_tell_all, heard) if heard else None


def _tell_all(heard: Sequence[Hear], span: SpanEvidence, lines: list[str], state: str) -> None:
    for hear in heard:
        hear(span, lines, state)


def open_progress(config: pytest.Config) -> Shown:
    """What this session's terminal shows while it runs."""
    reporter, quiet = config.pluginmanager.get_plugin("terminalreporter"), config.get_verbosity() < 0
    if reporter is None or (quiet and not wants_output(config)):
        return Shown()
    phases = output = None
    if (terminal := terminal_descriptor(config.get_terminal_writer())) is not None:
        output = OutputLines.of(config, reporter, terminal) if wants_output(config) else None
        if not quiet:
            phases = LongPhases(lambda text: write_whole(terminal, text.encode("ascii", "replace")))
            config.pluginmanager.register(phases, "contextcore-progress")
            config.add_cleanup(phases.close)
    return Shown(GateLines(config, reporter) if config.get_verbosity() > 0 else None, phases, output)


def label(span: SpanEvidence) -> str:
    """What a phase is called on the terminal."""
    return named(span.span_id, span.phase)
