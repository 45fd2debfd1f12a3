"""Finished spans of tasks: into a spool each, and on to a collector that answers at once.

A command does not wait for a collector. Nobody answers: that costs `PATIENCE` seconds, and for `SILENCE` seconds the
next commands do not ask. Either way the span stays in its spool.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from ..export.spool import Spool
from ..export.wire import frame, head
from ..files import write_atomic
from .model import Book, Task
from .spans import task_span

if TYPE_CHECKING:
    from ..export.settings import Settings
    from .store import Store

PATIENCE = 0.25
"""Seconds that a command waits for a collector; ``CONTEXTCORE_SEND_SECONDS`` names others, 0 for never."""

SILENCE = 60.0
"""Seconds for which a collector that did not answer is not asked again."""

SECONDS = "CONTEXTCORE_SEND_SECONDS"
_MOST = 200
"""Spools that one command sends."""


def hand_on_finished(store: Store, book: Book, *, wanted: bool) -> Book:
    """Write every finished span that was not written yet; what could not be is tried by the next command.

    Called under the store's lock. If a command is killed between writing a span and noting it, the next one finds the
    span's file. ``wanted``: False where the environment says that no spans shall be made.
    """
    for task in [task for task in book if not task.is_open and not task.handed_on]:
        if not (wanted and task.sampled) or store.spool_path(task).exists() or _write(store, book, task):
            book = book.handed_on(task)
    return book


def send_finished(settings: Settings, store: Store, environ: Mapping[str, str]) -> str | None:
    """Send the spans that wait, if that can be done at once; one line about what did not go well, if anything."""
    found = [Spool(path) for path in islice(store.spools(), _MOST)]
    spools = [spool for spool in found if spool.claim()]
    try:
        seconds = _patience(environ)
        later = store.spool_pattern
        if why := f"{SECONDS} is 0" if seconds <= 0 else _asked_lately(store):
            spans = "1 span" if len(found) == 1 else f"{len(found)} spans"
            return f"{spans} not sent to {settings.describe()}: {why}; later: contextcore replay {later}"
        from ..export.send import NO_ANSWER, send  # noqa: PLC0415  (where somebody is asked)

        done = send(settings, spools, seconds=seconds, free=0.0, attempts=1, later=later)
        if done.problem == NO_ANSWER:
            with suppress(OSError):  # then the next command asks again
                store.unanswered.touch()
        busy = sum(spool.path.exists() for spool in found if spool not in spools)
        return "; ".join([*done.lines, *([f"{busy} spans are being sent by another command"] if busy else [])]) or None
    finally:
        for spool in found:
            spool.close()


def _write(store: Store, book: Book, task: Task) -> bool:
    from ..export.resource import resource  # noqa: PLC0415  (not for commands that end no task)

    try:
        data = head(resource(os.environ)) + frame(task_span(book, task))
        write_atomic(store.spool_path(task), data, durable=False)
    except OSError:
        return False
    return True


def _patience(environ: Mapping[str, str]) -> float:
    try:
        return min(60.0, max(0.0, float(environ.get(SECONDS, "") or PATIENCE)))
    except ValueError:
        return PATIENCE


def _asked_lately(store: Store) -> str:
    with suppress(OSError):  # no collector was ever silent
        if 0 <= time.time() - store.unanswered.stat().st_mtime < SILENCE:
            return f"it gave no answer within the last {SILENCE:g} s"
    return ""
