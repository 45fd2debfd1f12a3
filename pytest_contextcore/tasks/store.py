"""Tasks on disk: one file, changed under a lock, replaced whole.

``tasks/tasks.json`` has every task, ``tasks/lock`` is held while one command changes it, and each finished
span goes to a file ``spool/task-<span id>.otlp``, all in the folder for evidence, ``out``.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from ..errors import TaskStateError
from ..export.resource import resource
from ..export.wire import frame, head
from ..files import lock, make_own_folder, write_atomic
from .listing import task_span
from .model import STATUSES, Book, Task, TaskEvent

VERSION = "v1"
PATIENCE = 10.0
"""Seconds that a command waits for another one."""

_PAUSE = 0.005
_IDS = re.compile("[0-9a-f]{32}(-[0-9a-f]{16}){2}")
_OTHER_FOLDER = "give another folder with --state"

Part = TypeVar("Part", Task, TaskEvent)


class Store:
    """The tasks below a folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "tasks" / "tasks.json"
        self.spools = folder / "spool"

    def spool_path(self, task: Task) -> Path:
        """The file for the finished span of a task."""
        return self.spools / f"task-{task.span_id}.otlp"

    def read(self) -> Book:
        """All tasks; none where nothing was started.

        Raises:
            TaskStateError: the file is damaged, of another version, or cannot be read.
        """
        try:
            return _book(json.loads(self.path.read_bytes()))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise TaskStateError(f"{self.path}: cannot be read: {error.strerror}; next: {_OTHER_FOLDER}") from error
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            what = str(error) if isinstance(error, ValueError) else repr(error)
            action = f"correct it, move it away, or {_OTHER_FOLDER}"
            raise TaskStateError(f"{self.path} is damaged: {what}; next: {action}") from error

    def write(self, book: Book) -> None:
        """Replace the tasks; only under the lock.

        Raises:
            TaskStateError: it cannot be written; the old file stands.
        """
        document = {"schema_version": VERSION, "tasks": [asdict(task) for task in book.values()]}
        with self._writing():
            write_atomic(self.path, json.dumps(document, indent=1).encode() + b"\n", durable=True)

    def keep(self, book: Book, task: Task) -> None:
        """Write the span of a task that has ended.

        Raises:
            TaskStateError: it cannot be written.
        """
        with self._writing():
            data = head(resource(os.environ)) + frame(task_span(book, task))
            write_atomic(self.spool_path(task), data, durable=False)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let no other command change anything meanwhile.

        Raises:
            TaskStateError: the folder cannot be written to, or another command goes on too long.
        """
        until = time.monotonic() + PATIENCE
        with self._writing():
            make_own_folder(self.path.parent.parent)
            self.path.parent.mkdir(exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self.path.parent / "lock", flags, 0o666)
        try:
            while not lock(descriptor, exclusive=True):
                if time.monotonic() > until:
                    held = f"another command has held it for {PATIENCE:g} s; next: end that one, or {_OTHER_FOLDER}"
                    raise TaskStateError(f"{self.path.parent / 'lock'}: {held}")
                time.sleep(_PAUSE)  # a command holds it for a few milliseconds
            yield
        finally:
            os.close(descriptor)  # and with it the lock

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Have an error of writing below the folder told as a `TaskStateError`."""
        try:
            yield
        except OSError as error:
            where, why = error.filename or self.path.parent, error.strerror
            action = f"next: correct that, or {_OTHER_FOLDER}"
            raise TaskStateError(f"{where}: cannot be written to: {why}; {action}") from error


def _book(document: Any) -> Book:
    """The tasks of a document; a ``ValueError``, ``TypeError`` or ``LookupError`` says what is damaged."""
    if document["schema_version"] != VERSION:
        raise ValueError(f"it is of version {ascii(document['schema_version'])[:40]}, not {VERSION}")
    book: Book = {}
    for entry in document["tasks"]:
        task = _part(Task, {**entry, "events": tuple(_part(TaskEvent, event) for event in entry["events"])})
        if not _IDS.fullmatch(f"{task.trace_id}-{task.span_id}-{task.parent_span_id or task.span_id}"):
            raise ValueError(f"an id of OpenTelemetry is none, in task {task.id!a}")
        moments = [task.started_at, task.ended_at or 0, *(event.time for event in task.events)]
        if not 0 <= min(moments) <= max(moments) < 1 << 63:
            raise ValueError(f"a time is none in nanoseconds since 1970, in task {task.id!a}")
        if task.id in book or task.status not in STATUSES:
            raise ValueError(f"the id is used twice, or the status is unknown, in task {task.id!a}")
        book[task.id] = task
    return book


def _part(kind: type[Part], entry: dict[str, Any]) -> Part:
    """A task or an event whose fields have the declared types."""
    for field in fields(kind):
        known = str(field.type).partition("[")[0].split(" | ")
        if type(entry[field.name]).__name__.removesuffix("Type") not in known:
            raise ValueError(f"{field.name} of a task is of another type")
    return kind(**entry)
