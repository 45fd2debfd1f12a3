"""Files to which a run appends lines: locks that tell whether it goes on, and lines that a kill tore."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from .errors import ContextcoreError


def lock(descriptor: int, *, exclusive: bool = False) -> bool:
    """Whether the lock was to be had at once; it ends with the process.

    True also where the file system knows no locks, since there nobody else holds one.
    """
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def end_line(descriptor: int) -> None:
    """End a torn line, so that it does not spoil the next one too."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        os.write(descriptor, b"\n")


def append_whole(descriptor: int, data: bytes) -> None:
    """Add lines to a file opened for appending, all of them or nothing: what the disk took of a part is taken back.

    Raises:
        OSError: they could not be written. If not even that could be undone, `TornLine`.
    """
    written = 0
    try:
        while written < len(data):
            written += os.write(descriptor, data[written:])
    except OSError as error:
        if written:
            try:
                os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
            except OSError:
                raise TornLine(error.errno, error.strerror) from error
        raise


class TornLine(ContextcoreError, OSError):
    """A part of a line stands at the end of the file; `end_line` makes a line of it."""


def is_file_at(path: Path, descriptor: int) -> bool:
    """Whether an open file is still the one that stands there."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
