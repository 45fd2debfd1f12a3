"""Files: writing that is never seen half done, and files that a run appends to."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from pathlib import Path

_ASIDE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


def write_atomic(path: Path, data: bytes, *, durable: bool) -> None:
    """Replace a file so that a reader sees the old bytes or the new ones, never a part.

    ``durable`` also waits until the bytes are on the disk: then not even a power cut leaves a part.

    Raises:
        OSError: the folder cannot be made or written to; the old file stands.
    """
    name = f"{path.parent}/.{path.name}.{os.getpid()}-{threading.get_ident()}"
    try:
        descriptor = os.open(name, _ASIDE, 0o644)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(name, _ASIDE, 0o644)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123  (from a descriptor)
            file.write(data)
            if durable:
                file.flush()
                os.fsync(descriptor)
        os.replace(name, path)  # noqa: PTH105  (the name is a str, which is faster)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)  # noqa: PTH108
        raise


def make_own_folder(folder: Path) -> None:
    """Make a folder of ours, which git ignores; in one where something lies already nothing is to be ignored.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.iterdir()):
        with contextlib.suppress(OSError):  # a full disk; git then shows the folder
            (folder / ".gitignore").write_text("*\n", encoding="utf-8")


def is_special(path: Path) -> bool:
    """Whether a path that the user named is a device or a pipe, which takes what is written one after the other."""
    special = path.exists() and not path.is_file() and not path.is_dir()
    return special or Path("/dev") in path.absolute().parents


def write_output(path: Path, data: bytes) -> None:
    """Write a file that the user named: a new one in its place, but into a device or a pipe.

    A link to a file is replaced too, since it may be the work of whoever made the folder; below ``/dev`` it is not.

    Raises:
        OSError: it cannot be written.
    """
    if is_special(path):
        with path.open("wb") as file:
            file.write(data)
    else:
        write_atomic(path, data, durable=False)


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
    """Add to a file opened for appending, all or nothing: what the disk took of a part is taken back, if it can be.

    Raises:
        OSError: it could not be written.
    """
    written = 0
    try:
        while written < len(data):
            written += os.write(descriptor, data[written:])
    except OSError:
        if written:
            with contextlib.suppress(OSError):  # the part stays; whoever reads the file leaves it out
                os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
        raise


def is_file_at(path: Path, descriptor: int) -> bool:
    """Whether an open file is still the one that stands there."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
