"""What programs print: the end of it for the evidence, and its lines, as they come, for those who listen."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from typing import IO

from ..redact import redact
from ..text import printed
from ..trace.evidence import SpanEvidence

MAX_OUTPUT = 64 * 1024
"""Bytes of each stream that the caller gets, from its end."""

MAX_RECORDED = 4096
"""Characters of each stream that stand in the evidence, from its end."""

_MAX_LINE = 64 * 1024
_LOOK = 0.1  # seconds: between looks at what was printed
_MAX_LOOK = 256 * 1024  # bytes: who prints more between two looks holds up nobody, and is not shown whole

Tell = Callable[[list[str], str], None]
"""Hears the lines that a program has ended, and what its open line shows, such as a progress bar; without secrets."""

Hear = Callable[[SpanEvidence, list[str], str], None]
"""As `Tell`, and of which phase."""


def end_of(stream: IO[bytes]) -> str:
    """The last ``MAX_OUTPUT`` bytes, as text."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(size - MAX_OUTPUT, 0))
    return stream.read(MAX_OUTPUT).decode("utf-8", "replace")


def recorded(text: str) -> str:
    """The end of an output as a terminal shows it, without secrets.

    A half of a secret is not recognized. So this hides them before it cuts, and leaves out a line that was cut.
    """
    if len(text.encode()) >= MAX_OUTPUT:
        text = text.partition("\n")[2] or text
    clean = redact(printed(text), len(text) + MAX_OUTPUT)
    return clean if len(clean) <= MAX_RECORDED else f"({len(clean) - MAX_RECORDED} characters) …{clean[-MAX_RECORDED:]}"


def wait(
    process: subprocess.Popen[bytes], timeout: float | None, streams: Sequence[IO[bytes]], tell: Tell | None
) -> None:
    """Wait for a program to end; ``tell`` hears what it prints into its streams, which are files.

    Whoever waits reads, so that neither a thread nor a pipe is held open by what a program leaves behind.

    Raises:
        subprocess.TimeoutExpired: it did not end in time.
    """
    if tell is None:
        process.wait(timeout)
        return
    readers = [_Reader(stream.fileno()) for stream in streams]
    end = None if timeout is None else time.monotonic() + timeout
    try:
        while not _has_ended(process, end):
            _look(readers, tell)
    finally:
        _look(readers, tell)
        if rest := [line for reader in readers for line in reader.rest()]:
            tell(rest, "")


def _has_ended(process: subprocess.Popen[bytes], end: float | None) -> bool:
    left = _LOOK if end is None else min(_LOOK, max(end - time.monotonic(), 0))
    try:
        process.wait(left)
    except subprocess.TimeoutExpired:
        if end is not None and time.monotonic() >= end:
            raise
        return False
    return True


def _look(readers: Sequence[_Reader], tell: Tell) -> None:
    """Tell what came since the last look."""
    for reader in readers:
        if reader.read():
            lines, state = [*reader.lines()], reader.state()
            if lines or state:
                tell(lines, state)


class _Reader:
    """Reads a file that a program writes to, without moving the place where it writes."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._at = descriptor, 0
        self._open, self._data, self._skips, self._left_out = b"", b"", False, 0

    def read(self) -> bool:
        """Read what was added, the end of it if it is a lot; whether there was any."""
        if (more := os.fstat(self._descriptor).st_size - self._at - _MAX_LOOK) > 0:
            self._open, self._skips, self._left_out = b"", True, self._left_out + more
            self._at += more
        self._data = os.pread(self._descriptor, _MAX_LOOK, self._at)
        self._at += len(self._data)
        return bool(self._data)

    def lines(self) -> Iterator[str]:
        """The lines that have ended. A line that is too long is not shown: cut, it might show a part of a secret."""
        if self._left_out:
            yield f"(over {self._left_out} bytes are not shown)"
            self._left_out = 0
        if self._skips:
            _, end, self._data = self._data.partition(b"\n")
            self._skips = not end
        *whole, self._open = (self._open + self._data).split(b"\n")
        if whole:
            yield from _shown(b"\n".join(whole)).split("\n")
        if len(self._open) > _MAX_LINE:  # of what a carriage return has overwritten only the last is of use
            self._open = b"\r".join(self._open.rsplit(b"\r", 2)[-2:])
        if len(self._open) > _MAX_LINE:
            self._open, self._skips = b"", True
            yield f"(a line of more than {_MAX_LINE} bytes)"

    def state(self) -> str:
        """What the open line shows, if it has been overwritten and so is whole."""
        before, _, _ = self._open.rpartition(b"\r")
        return _shown(before) if before else ""

    def rest(self) -> Iterator[str]:
        """The last line, which nothing ends."""
        if self._open:
            yield _shown(self._open)
            self._open = b""


def _shown(said: bytes) -> str:
    return redact(printed(said.decode("utf-8", "replace")), 2 * _MAX_LOOK)
