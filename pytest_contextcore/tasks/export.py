"""Finished spans of tasks: into a spool each, and on to a collector that answers at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import islice

from ..export.resource import resource
from ..export.settings import Settings
from ..export.spool import Spool
from ..export.wire import frame, head
from ..files import write_atomic
from .model import Book, Task
from .spans import task_span
from .store import Store

PATIENCE = 0.25
"""Seconds that a command waits for a collector; ``CONTEXTCORE_SEND_SECONDS`` names others, 0 for never."""

SECONDS = "CONTEXTCORE_SEND_SECONDS"
_MOST = 200
"""Spools that one command sends."""


def keep(store: Store, book: Book, task: Task) -> None:
    """Write the span of a task that has ended.

    Raises:
        TaskStateError: it cannot be written.
    """
    data = head(resource(os.environ)) + frame(task_span(book, task))
    with store.writing():
        write_atomic(store.spool_path(task), data, durable=False)


def send_finished(settings: Settings, store: Store, environ: Mapping[str, str]) -> list[str]:
    """Send the spans that wait, if that can be done at once; lines about what did not go well."""
    found = [Spool(path) for path in islice(store.spools.glob("task-*.otlp"), _MOST)]
    later = str(store.spools / "task-*.otlp")
    text = environ.get(SECONDS, "") or str(PATIENCE)
    seconds = min(60.0, float(text)) if text.replace(".", "", 1).isdecimal() else 0.0
    if not seconds:
        return [f"spans not sent to {settings.describe()}: {SECONDS} is {text}; later: contextcore replay {later}"]
    from ..export.send import send  # noqa: PLC0415  (where somebody is asked)

    spools = [spool for spool in found if spool.claim()]
    try:
        lines = send(settings, spools, seconds=seconds, free=0.0, attempts=1, later=later).lines
        busy = sum(spool.path.exists() for spool in found if spool not in spools)
        return [*lines, *([f"{busy} spans are being sent by another command"] if busy else [])]
    finally:
        for spool in found:
            spool.close()
