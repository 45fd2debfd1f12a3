"""The spool: a file to which spans are appended, and how much of it a collector has accepted.

``X.otlp`` is one growing OTLP message (`pytest_contextcore.export.wire`). Beside it stand, as long as it does,
``X.otlp.sent``: up to which byte it was accepted; and ``X.otlp.open``: the placeholder spans that replay sends if the
process is killed. ``X.otlp.refused`` has spans that the collector called invalid, as a spool of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import NamedTuple
from zlib import crc32

from ..files import append_whole, is_file_at, lock, make_own_folder, write_atomic
from . import wire

_LONGEST = wire.MAX_FRAME + 16
_WINDOW = 2 * _LONGEST
_seal = Struct("<BI").unpack_from
_TRACE = 4096
"""Bytes before a position that say whether it is one of this file."""


class Piece(NamedTuple):
    """A frame of a spool, or bytes that are none, and the offset behind it."""

    data: bytes
    end: int
    whole: bool


class Spool:
    """A file of spans; it is made at the first one.

    No method raises what the file system refuses: ``problem`` says it in one line, ``lost`` counts the spans that could
    not be kept. Threads may share a spool; each process needs its own file. Whoever writes holds a shared lock on it,
    so that `claim` tells whether its run is over. ``head`` is what a new file begins with. ``keep``: sending does not
    remove the file. ``note``: where it is noted what was accepted; default: beside the file.
    """

    def __init__(self, path: Path, head: bytes = b"", *, keep: bool = False, note: Path | None = None) -> None:
        self.path, self.keep = path, keep
        self.problem: str | None = None
        self.lost = 0
        self.opened, self.refused = path.with_name(f"{path.name}.open"), path.with_name(f"{path.name}.refused")
        self._note = note or path.with_name(f"{path.name}.sent")
        self._head = head
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._claim: int | None = None
        self.written = 0  # spans that were appended here since the file was made
        self._closed = False

    # -- writing -----------------------------------------------------------------------------------------------------
    def append(self, frames: bytes, count: int = 1) -> bool:
        """Hand frames to the operating system, so that no kill can lose them; False when they could not be kept."""
        with self._lock:
            try:
                if not self._closed:
                    append_whole(self._open() if self._descriptor is None else self._descriptor, frames)
                    self.written += count
                    return True
            except OSError as error:
                self._remember(error)
            self.lost += count
            return False

    def begin(self, placeholder: bytes) -> None:
        """Note the span that replay sends if the process is killed before the real one is appended."""
        with self._lock:
            try:
                self._open()
                with self.opened.open("ab") as file:
                    file.write(placeholder)
            except OSError as error:
                self._remember(error)

    def close(self) -> None:
        """Take no more spans: those that end while the interpreter exits are lost."""
        with self._lock:
            self._closed = True
            self._release()

    def _open(self) -> int:
        if self._descriptor is None:
            if not self.path.parent.exists():  # ``spool/`` in the folder for evidence
                make_own_folder(self.path.parent.parent)
                self.path.parent.mkdir(exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
            self._descriptor = descriptor
            lock(descriptor)
            if not os.fstat(descriptor).st_size:
                append_whole(descriptor, self._head)
        return self._descriptor

    # -- reading -----------------------------------------------------------------------------------------------------
    def head(self) -> bytes:
        """What the file begins with; of no particular resource where that is damaged."""
        return self._whole_head() or wire.head({"service.name": "unknown_service"})

    def read(self, start: int, end: int) -> bytes:
        """The bytes between two offsets.

        Raises:
            OSError: the file cannot be read.
        """
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    def pieces(self, start: int = 0) -> Iterator[Piece]:
        """The frames from an offset on, and what is damaged between them; memory does not grow with the file.

        Raises:
            OSError: the file cannot be read.
        """
        with self.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(start)
            data, base, at = file.read(_WINDOW), start, 0
            if not start:
                at = _head_end(data)
            while base + at < size:
                last = base + len(data) >= size
                stop = len(data) if last else len(data) - _LONGEST  # a frame that begins before it is whole in here
                while at < stop:
                    if end := _frame_end(data, at):
                        yield Piece(data[at:end], base + end, True)
                    else:
                        before = max(at - 1, 0)  # a torn end may have taken the first byte of this for its last one
                        end = _next_frame(data, before, max(at + 1, stop))
                        yield Piece(data[at:end], base + end, False)
                    at = end
                if not last:
                    base, at = base + at, 0
                    file.seek(base)
                    data = file.read(_WINDOW)

    def position(self) -> int:
        """The offset from which on nothing was accepted: 0 if there is no note, or one of another file."""
        try:
            offset, digest = map(int, self._note.read_text(encoding="ascii").split())
            return offset if offset > 0 and digest == self._digest(offset) else 0
        except (OSError, ValueError):
            return 0

    @property
    def pending(self) -> int:
        """How many spans no collector has accepted yet."""
        try:
            return sum(piece.whole for piece in self.pieces(self.position()))
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                self._remember(error)
            return 0

    def claim(self) -> bool:
        """Take the file for sending alone; False while the run that writes it, or another sender, goes on."""
        with self._lock:
            try:
                self._claim = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
                return lock(self._claim, exclusive=True) and is_file_at(self.path, self._claim)
            except OSError as error:
                self._remember(error)
                return False

    @property
    def trouble(self) -> list[str]:
        """What was lost, and why, in a line; nothing if all went well."""
        return [f"spool {self.problem}; {self.lost} spans are lost"] if self.problem else []

    # -- what became of it -------------------------------------------------------------------------------------------
    def accepted(self, offset: int) -> None:
        """Note that everything before this offset was accepted, or was put aside."""
        try:
            write_atomic(self._note, f"{offset} {self._digest(offset)}\n".encode(), durable=False)
        except OSError as error:
            self._remember(error)

    def put_aside(self, frame: bytes) -> bool:
        """Keep a span that the collector refuses in a spool of its own; False when that cannot be done."""
        aside = Spool(self.refused, self.head())
        kept = aside.append(frame)
        aside.close()
        self.problem = aside.problem or self.problem
        return kept

    def settle(self) -> bool:
        """Remove the file if all of it was accepted; True when nothing is left to send."""
        with self._lock:
            try:
                if any(piece.whole for piece in self.pieces(self.position())):
                    return False
                self._release()
                if not self.keep and self._whole_head():  # a file that is no spool was named by mistake
                    for path in (self.path, self._note, self.opened):
                        path.unlink(missing_ok=True)
            except FileNotFoundError:
                if self.written:
                    self.lost += self.written
                    self.problem = f"{self.path}: it was removed while the run went on"
            except OSError as error:
                self._remember(error)
                return False
            self.written = 0
            return True

    def _whole_head(self) -> bytes:
        with self.path.open("rb") as file:
            data = file.read(_WINDOW)
        return data[: _head_end(data)]

    def _release(self) -> None:
        for descriptor in (self._descriptor, self._claim):
            if descriptor is not None:
                os.close(descriptor)
        self._descriptor = self._claim = None

    def _digest(self, offset: int) -> int:
        with self.path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < offset:
                return -1
            file.seek(max(0, offset - _TRACE))
            return crc32(file.read(min(offset, _TRACE)))

    def _remember(self, error: OSError) -> None:
        self.problem = f"{self.path}: {error.strerror or type(error).__name__}"


def _field_end(data: bytes, at: int) -> int:
    """Where a field of bytes ends whose tag stands here; 0 if that is beyond what a spool holds."""
    size = shift = 0
    for byte in data[at + 1 : at + 5]:
        at += 1
        size |= (byte & 127) << shift
        if byte < 128:
            return at + 1 + size
        shift += 7
    return 0


def _sealed_end(data: bytes, start: int, at: int) -> int:
    """The offset behind the CRC-32 that stands here, if it is that of the bytes from ``start`` on; else 0."""
    if at <= start or at + 5 > len(data):
        return 0
    tag, found = _seal(data, at)
    return at + 5 if tag == wire.CRC and found == crc32(data[start:at]) else 0


def _frame_end(data: bytes, at: int) -> int:
    """Where the frame ends that begins here; 0 where none does, or one that is damaged or torn."""
    return _sealed_end(data, at, _field_end(data, at)) if data[at] == wire.FRAME else 0


def _head_end(data: bytes) -> int:
    """Where the head ends, a resource and a schema URL; 0 where it is damaged."""
    return _sealed_end(data, 0, _field_end(data, _field_end(data, 0)))


def _next_frame(data: bytes, at: int, limit: int) -> int:
    """Where the next whole frame begins, before ``limit``; else ``limit``."""
    while (at := data.find(wire.FRAME, at, limit)) >= 0:
        if _frame_end(data, at):
            return at
        at += 1
    return limit
