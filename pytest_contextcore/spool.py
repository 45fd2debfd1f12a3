"""The spool: an append-only file of OTLP/JSON lines, and how much of it a collector has accepted.

Beside ``X.otlp.jsonl`` stands ``X.otlp.jsonl.sent`` while a part was accepted: the offset in bytes up to which lines
were, and how many spans of the line that begins there. It is replaced at each accepted request, so that a kill can
repeat one request at most, and both files go when all was accepted.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .otlp import encode_line

if TYPE_CHECKING:
    from .span_data import Attributes, SpanData

_SPAN_MARK = b'"startTimeUnixNano":'  # once in each span; in a text its quotes would be escaped


@dataclass(frozen=True, slots=True)
class Position:
    """How much was accepted: all lines before ``offset`` (bytes), and ``skip`` spans of the line there."""

    offset: int = 0
    skip: int = 0


@dataclass(frozen=True, slots=True)
class StoredLine:
    """A whole line of the spool, without its newline, and the offset behind it."""

    data: bytes
    end: int


def count_spans(line: bytes) -> int:
    """How many spans a line holds, without parsing it."""
    return line.count(_SPAN_MARK)


class Spool:
    """An append-only file of OTLP/JSON lines; it is made at the first line.

    No method raises what the file system refuses: ``problem`` says it in one line, ``lost`` counts the spans that could
    not be kept. Threads may share one; each process needs its own.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem: str | None = None
        self.lost = 0
        self.aside = path.with_name(f"{path.name}.damaged")
        """Where lines go that can never be sent."""
        self._sidecar = path.with_name(f"{path.name}.sent")
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._closed = False
        self._pending: int | None = None if path.exists() else 0

    def append(self, line: str, spans: int | None = None) -> bool:
        """Add a line and hand it to the operating system; False when it could not be kept.

        ``spans``: how many it holds, if the caller knows.
        """
        data = line.encode() + b"\n"
        if spans is None:
            spans = count_spans(data)
        with self._lock:
            kept = not self._closed and self._write(data)
            if not kept:
                self.lost += spans
            elif self._pending is not None:
                self._pending += spans
        return kept

    @property
    def pending(self) -> int:
        """How many spans no collector has accepted yet; a torn line at the end is not counted."""
        with self._lock:
            if self._pending is None:
                self._pending = self._count()
            return self._pending

    def position(self) -> Position:
        """Where sending goes on: the beginning, if the note about it is missing or does not fit the file."""
        try:
            offset, skip = map(int, self._sidecar.read_text(encoding="ascii").split())
            with self.path.open("rb") as file:
                if offset > 0:
                    file.seek(offset - 1)
                    if file.read(1) != b"\n":
                        return Position()
        except (OSError, ValueError):
            return Position()
        return Position(offset, skip) if offset >= 0 and skip >= 0 else Position()

    def lines(self, start: Position) -> Iterator[StoredLine]:
        """The whole lines from ``start`` on, read one by one; what follows the last newline is left out.

        Raises:
            OSError: the file cannot be read.
        """
        with self.path.open("rb") as file:
            file.seek(start.offset)
            end = start.offset
            for line in file:
                if not line.endswith(b"\n"):
                    return
                end += len(line)
                yield StoredLine(line[:-1], end)

    def accepted(self, position: Position, spans: int) -> None:
        """Note that everything before ``position`` was accepted, ``spans`` more than before."""
        aside = self._sidecar.with_name(f"{self._sidecar.name}.new")
        with self._lock:
            if self._pending is not None:
                self._pending = max(0, self._pending - spans)
            try:
                aside.write_text(f"{position.offset} {position.skip}\n", encoding="ascii")
                aside.replace(self._sidecar)
            except OSError as error:
                self._remember(error)

    def put_aside(self, line: bytes, reached: Position) -> None:
        """Keep a line that can never be sent in a file of its own, and go on behind it."""
        try:
            with self.aside.open("ab") as file:
                file.write(line + b"\n")
        except OSError as error:
            self._remember(error)
        self.accepted(reached, count_spans(line))

    def end_torn_line(self) -> None:
        """Make a line of what a killed writer left behind the last newline, so that it is put aside and not kept."""
        with self._lock:
            if self._descriptor is None and self.path.exists():
                try:
                    self._descriptor = self._open()
                except OSError as error:
                    self._remember(error)

    def settle(self) -> bool:
        """Remove both files if all was accepted; True when nothing is left. Appending may go on afterwards."""
        position = self.position()
        with self._lock:
            try:
                size = self.path.stat().st_size
            except FileNotFoundError:
                return True
            except OSError as error:
                self._remember(error)
                return False
            if position.skip or position.offset != size:
                return False
            self._release()
            try:
                self.path.unlink()
                self._sidecar.unlink(missing_ok=True)
            except OSError as error:
                self._remember(error)
                return False
            self._pending = 0
            return True

    def close(self) -> None:
        """Take no more lines: what comes later, such as spans that end while the interpreter exits, is lost."""
        with self._lock:
            self._closed = True
            self._release()

    def _write(self, data: bytes) -> bool:
        written = 0
        try:
            if self._descriptor is None:
                self._descriptor = self._open()
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        except OSError as error:
            self._remember(error)
            if written and self._descriptor is not None:
                self._cut_off(self._descriptor, written)
            return False
        return True

    def _open(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            os.write(descriptor, b"\n")  # a kill tore the last line: it must not spoil the next one too
        return descriptor

    def _cut_off(self, descriptor: int, written: int) -> None:
        """Take back a line of which the disk took only a part."""
        try:
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
        except OSError as error:
            self._remember(error)
            self._release()  # opening it again ends the torn line

    def _release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _remember(self, error: OSError) -> None:
        self.problem = f"{self.path}: {error.strerror or type(error).__name__}"

    def _count(self) -> int:
        start = self.position()
        try:
            return sum(count_spans(line.data) for line in self.lines(start)) - start.skip
        except OSError as error:
            self._remember(error)
            return 0


class SpanWriter:
    """The sink for the spans of a run: they reach the spool in lines of many.

    A line is written when ``size`` spans wait, or the oldest of them ended ``seconds`` before the newest: a kill loses
    no more than that.
    """

    def __init__(self, spool: Spool, resource: Attributes, *, size: int = 512, seconds: float = 0.25) -> None:
        self._spool, self._resource = spool, resource
        self._size, self._nanoseconds = size, int(seconds * 1e9)
        self._waiting: list[SpanData] = []

    def __call__(self, span: SpanData) -> None:
        """Take a finished span."""
        waiting = self._waiting
        waiting.append(span)
        if len(waiting) >= self._size or span.end - waiting[0].end >= self._nanoseconds:
            self.flush()

    def flush(self) -> None:
        """Hand what waits to the operating system."""
        if self._waiting:
            spans, self._waiting = self._waiting, []
            self._spool.append(encode_line(spans, self._resource), len(spans))
