"""Files to which a run appends lines: locks that tell whether it goes on, and lines that a kill tore."""

from __future__ import annotations

import fcntl
import os


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
