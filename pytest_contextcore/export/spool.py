"""The spool: an append-only file of OTLP/JSON lines, and how much of it a collector has accepted.

Beside ``X.otlp.jsonl`` stands ``X.otlp.jsonl.sent`` while a part was accepted: the offset in bytes up to which lines
were, how many spans of the line that begins there, and a digest of the file's beginning, so that it is not believed
of another file. It is replaced at each accepted request, so that a kill can repeat one request at most.
``X.otlp.jsonl.open`` has the spans that were begun and shall end later, as they are if they never do. All go when all
was accepted.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..appending import TornLine, append_whole, end_line, lock

_SPAN_MARK = b'"startTimeUnixNano":'  # once in each span; in a text its quotes would be escaped


class Position(NamedTuple):
    """How much was accepted: all lines before ``offset`` (bytes), and ``skip`` spans of the line there."""

    offset: int = 0
    skip: int = 0


class StoredLine(NamedTuple):
    """A whole line of the spool, without its newline, and the offset behind it."""

    data: bytes
    end: int


def count_spans(line: bytes) -> int:
    """How many spans a line holds, without parsing it."""
    return line.count(_SPAN_MARK)


class Spool:
    """An append-only file of OTLP/JSON lines; it is made at the first line.

    No method raises what the file system refuses: ``problem`` says it in one line, ``lost`` counts the spans that could
    not be kept. Threads may share one; each process needs its own. Whoever writes holds a shared lock on the file, so
    that `claim` tells whether its run is over.

    ``kept_for``: the file is not used up by sending, as that of a plan; what was accepted is noted for this address.
    """

    def __init__(self, path: Path, kept_for: str = "") -> None:
        self.path = path
        self.problem: str | None = None
        self.lost = 0
        self.aside = path.with_name(f"{path.name}.damaged")
        """Where lines go that can never be sent."""
        self.opened = path.with_name(f"{path.name}.open")
        """Where spans stand that were begun."""
        self._kept = bool(kept_for)
        suffix = f"-{hashlib.sha256(kept_for.encode()).hexdigest()[:8]}" if kept_for else ""
        self._sidecar = path.with_name(f"{path.name}.sent{suffix}")
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._claim: int | None = None
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

    def claim(self) -> bool:
        """Take the file for sending alone; False while the run that writes it, or another replay, goes on."""
        with self._lock:
            try:
                self._claim = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
                return lock(self._claim, exclusive=True)
            except OSError as error:
                self._remember(error)
                return False

    def begin(self, line: str) -> None:
        """Note spans that were begun, as they are if a kill keeps them from ending."""
        try:
            with self._lock:
                self._opened()
            with self.opened.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
        except OSError as error:
            self._remember(error)

    @property
    def waiting(self) -> int:
        """Bytes that no collector has accepted yet."""
        try:
            return self.path.stat().st_size - self.position().offset
        except OSError:  # nothing was written yet
            return 0

    def position(self) -> Position:
        """Where sending goes on: the beginning, if the note about it is missing or does not fit the file."""
        try:
            first, second, digest = self._sidecar.read_text(encoding="ascii").split()
            offset, skip = int(first), int(second)
            if offset < 0 or skip < 0 or digest != self._digest():
                return Position()
            with self.path.open("rb") as file:
                if offset > 0:
                    file.seek(offset - 1)
                    if file.read(1) != b"\n":
                        return Position()
        except (OSError, ValueError):
            return Position()
        return Position(offset, skip)

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
                aside.write_text(f"{position.offset} {position.skip} {self._digest()}\n", encoding="ascii")
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
            if not self._kept and self.path.exists():
                try:
                    end_line(self._opened())
                except OSError as error:
                    self._remember(error)

    def settle(self) -> bool:
        """Remove the files if all was accepted; True when nothing is left. Appending may go on afterwards."""
        with self._lock:
            if not self._all_accepted():
                return False
            if self._kept:
                return True
            self._release()
            try:
                for path in (self.path, self._sidecar, self.opened):
                    path.unlink(missing_ok=True)
            except OSError as error:
                self._remember(error)
                return False
            self._pending = 0
            return True

    def drop_accepted(self) -> None:
        """Take out of the file what was accepted; only its own writer may do that.

        The rest replaces the file at once. A kill before the note of the position goes does no harm: it is of another
        beginning, and not believed.
        """
        aside = self.path.with_name(f"{self.path.name}.new")
        with self._lock:
            position = self.position()
            if self._descriptor is None or position.skip or not position.offset:
                return
            try:
                with self.path.open("rb") as old, aside.open("wb") as new:
                    old.seek(position.offset)
                    shutil.copyfileobj(old, new)
                aside.replace(self.path)
                self._release()
                self._opened()
                self._sidecar.unlink(missing_ok=True)
            except OSError as error:
                self._remember(error)

    def close(self) -> None:
        """Take no more lines: what comes later, such as spans that end while the interpreter exits, is lost."""
        with self._lock:
            self._closed = True
            self._release()
            if self._claim is not None:
                os.close(self._claim)
                self._claim = None

    def _all_accepted(self) -> bool:
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            if self._descriptor is not None and self._pending:
                self.lost += self._pending
                self.problem = f"{self.path}: it was removed while the run went on"
            self._pending = 0
            self._release()
            return True
        except OSError as error:
            self._remember(error)
            return False
        position = self.position()
        return not position.skip and position.offset == size

    def _write(self, data: bytes) -> bool:
        try:
            append_whole(self._opened(), data)
        except OSError as error:
            self._remember(error)
            if isinstance(error, TornLine):
                self._release()  # opening it again ends the torn line
            return False
        return True

    def _opened(self) -> int:
        if self._descriptor is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
            lock(descriptor)
            end_line(descriptor)
            self._descriptor = descriptor
        return self._descriptor

    def _release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _remember(self, error: OSError) -> None:
        self.problem = f"{self.path}: {error.strerror or type(error).__name__}"

    def _digest(self) -> str:
        """What tells this file from another of the same name: its beginning, whose first line has ids of its own."""
        with self.path.open("rb") as file:
            return hashlib.sha256(file.readline(1 << 16)).hexdigest()[:16]

    def _count(self) -> int:
        start = self.position()
        try:
            return sum(count_spans(line.data) for line in self.lines(start)) - start.skip
        except OSError as error:
            self._remember(error)
            return 0
