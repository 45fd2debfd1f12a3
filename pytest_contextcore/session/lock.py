"""One run at a time for each trace and evidence folder: a second one must not mix its evidence into the first's."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from ..errors import RunInUse
from ..files import is_file_at
from ..recovery.end import end_before_another_run


def hold(config: pytest.Config, out: Path, trace_id: str, *, joined: bool) -> None:
    """Keep other runs from writing a trace's evidence into the same folder until this session is over.

    What a killed run left open there is ended first. ``joined``: this run goes on with the trace of the last one.

    Raises:
        pytest.UsageError: another run is doing that now.
    """
    try:
        lock = RunLock.take(out, trace_id)
    except RunInUse as error:
        raise pytest.UsageError(
            f"{error} is running the trace {trace_id} with its evidence in {out}; "
            "wait until it has ended, or name another folder with --contextcore-out"
        ) from None
    if lock is not None:
        config.add_cleanup(lock.close)
        end_before_another_run(out, trace_id, joined=joined)


class RunLock:
    """Holds a trace's lock file until it is closed or the process ends, however it ends."""

    def __init__(self, path: Path, descriptor: int, made: Sequence[Path]) -> None:
        self._path, self._descriptor, self._made = path, descriptor, made

    @classmethod
    def take(cls, out: Path, trace_id: str) -> RunLock | None:
        """Take the lock of a trace; None where the folder cannot be written to, so that nothing can be mixed.

        Temporary files that a killed run left behind are removed.

        Raises:
            RunInUse: another run holds it.
        """
        path = out / f".{trace_id}.lock"
        try:
            made = [folder for folder in (out, *out.parents) if not folder.exists()]
            out.mkdir(parents=True, exist_ok=True)
            while not is_file_at(path, descriptor := _open_locked(path)):
                os.close(descriptor)  # its holder removed the file while we waited to open it
        except OSError:  # no right to write, a name that is too long, or a file system without locks
            return None
        with contextlib.suppress(OSError):  # who holds it is only told; a full disk keeps nobody from holding it
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        for left in out.iterdir():
            if left.name.startswith((f".{trace_id}.json.", f".{trace_id}.handoffs.json.")):
                left.unlink(missing_ok=True)
        return cls(path, descriptor, made)

    def close(self) -> None:
        """Let go of it; folders that were made for it and are still empty go, too: a run may write nothing."""
        with contextlib.suppress(OSError):  # they may be gone, or full; the lock goes with the descriptor
            self._path.unlink()
            for folder in self._made:
                folder.rmdir()
        os.close(self._descriptor)


def _open_locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise RunInUse(f"process {holder}" if holder.isdecimal() else "another process") from None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
