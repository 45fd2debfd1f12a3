"""What programs print, on the terminal while they run: each line behind its phase."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from threading import Lock

import pytest

from ..ids import short_id
from ..private import leave_line_ended, leave_line_open, line_is_open, terminal_encoding
from ..text import harmless
from ..trace.evidence import SpanEvidence


def wants_output(config: pytest.Config) -> bool:
    """Whether what programs print is to be shown: with ``-v`` or ``-s``."""
    return config.get_verbosity() > 0 or config.getoption("capture", None) == "no"


class OutputLines:
    """Prints lines whole, from any thread, past the capturing of output.

    Args:
        terminal: the terminal's file descriptor.
        verbose: pytest gives each result a line of its own.
    """

    def __init__(
        self, reporter: pytest.TerminalReporter, terminal: int, encoding: str | None, *, verbose: bool
    ) -> None:
        self._reporter, self._terminal, self._encoding = reporter, terminal, encoding or "utf-8"
        self._writer = reporter.config.get_terminal_writer()
        self._verbose, self._width = verbose, 0
        self._lock = Lock()

    @classmethod
    def of(cls, config: pytest.Config, reporter: pytest.TerminalReporter, terminal: int) -> OutputLines:
        """For this session's terminal."""
        encoding = terminal_encoding(config.get_terminal_writer())
        return cls(reporter, terminal, encoding, verbose=config.get_verbosity() > 0)

    def hear(self, span: SpanEvidence, lines: Sequence[str], state: str) -> None:
        """A program of a phase printed these lines."""
        del state
        self.show(short_id(span.span_id, span.parent_id), lines)

    def show(self, phase_id: str, lines: Sequence[str]) -> None:
        """Print them."""
        if not lines:
            return
        text = "\n".join(harmless(f"{phase_id} | {line}") for line in lines)
        with self._lock:
            text = f"\n{text}" if self._line_is_open() else text
            if self._verbose:  # pytest begins a line before the result
                leave_line_open(self._reporter)
            else:
                leave_line_ended(self._reporter)
                text += "\n"
            write_whole(self._terminal, text.encode(self._encoding, "replace"))

    def _line_is_open(self) -> bool:
        """Whether something stands on the line, such as a result's letter behind the lines that we wrote last."""
        before, self._width = self._width, self._writer.width_of_current_line
        return line_is_open(self._reporter) or self._width not in (0, before)


def write_whole(terminal: int, data: bytes) -> None:
    """Write all of it; if the terminal has gone away, what the run does is not changed by that."""
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(terminal, data) :]
