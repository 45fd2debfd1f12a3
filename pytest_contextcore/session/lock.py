"""One run at a time for each trace and evidence folder: a second one must not mix its evidence into the first's."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from ..errors import RunInUse
from ..files import lock, make_own_folder
from ..recovery.end import end_before_another_run
from .shared import services


def hold(config: pytest.Config, out: Path, trace_id: str, *, joined: bool) -> None:
    """Keep other runs from writing a trace's evidence into the same folder until this session is over.

    What a killed run left open there is ended first, and told at the end of this one. ``joined``: this run goes on with
    the trace of the last one.

    Raises:
        pytest.UsageError: another run is doing that now.
    """
    try:
        descriptor = take(out, trace_id)
    except RunInUse as error:
        raise pytest.UsageError(
            f"{error} is running the trace {trace_id} with its evidence in {out}; "
            "wait until it has ended, or name another folder with --contextcore-out; "
            "where a phase of it runs this pytest, add -p no:contextcore"
        ) from None
    if descriptor is not None:
        config.add_cleanup(lambda: os.close(descriptor))
        if (line := end_before_another_run(out, trace_id, joined=joined)) is not None:
            services(config).outbox.remarks.append(line)


def take(out: Path, trace_id: str) -> int | None:
    """The descriptor of a trace's lock file, locked until it is closed or the process ends, however it ends.

    None where the folder cannot be written to, so that nothing can be mixed. Temporary files that a killed run left
    behind are removed.

    Raises:
        RunInUse: another run holds it.
    """
    try:
        make_own_folder(out)
        path = out / f".{trace_id}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError:  # no right to write, or a name that is too long
        return None
    if not lock(descriptor, exclusive=True):
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise RunInUse(f"process {holder}" if holder.isdecimal() else "another process")
    with suppress(OSError):  # a full disk keeps nobody from holding it
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        for left in out.iterdir():
            if left.name.startswith((f".{trace_id}.json.", f".{trace_id}.handoffs.json.")):
                left.unlink(missing_ok=True)
    return descriptor
