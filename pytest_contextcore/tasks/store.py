"""Tasks on disk: one file, changed under a lock, replaced whole.

``tasks/tasks.json`` has every task, ``tasks/lock`` is held while one command changes it, and each finished
span goes to a file ``spool/task-<span id>.otlp``, all in the folder for evidence, ``out``.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

from ..errors import TaskStateError
from ..files import write_atomic
from .model import STATUSES, Book, Task, TaskEvent

VERSION = "v1"
LOCK_SECONDS = 30.0
"""How long a command waits for others; each holds the lock for a few milliseconds."""

_PAUSE = 0.005
_HEX = {name: re.compile(f"[0-9a-f]{{{n}}}") for name, n in (("trace_id", 32), ("span_id", 16), ("parent_span_id", 16))}


class Store:
    """The tasks below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "tasks" / "tasks.json"

    def read(self) -> Book:
        """All tasks; none where nothing was started.

        Raises:
            TaskStateError: the file is damaged, of another version, or cannot be read.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return Book()
        except OSError as error:
            why = f"{self.path}: cannot be read: {_why(error)}; give another folder with --state"
            raise TaskStateError(why) from error
        try:
            return _book(json.loads(data))
        except (TaskStateError, ValueError, RecursionError) as error:
            what = str(error) if isinstance(error, TaskStateError) else "it is no JSON"
            raise TaskStateError(
                f"{self.path}: {what} (expected: tasks of version {VERSION}); "
                "next: correct it, move it away, or give another folder with --state"
            ) from error

    def write(self, book: Book, *, durable: bool = True) -> None:
        """Replace the tasks; only under the lock. ``durable`` waits until they are on the disk.

        Raises:
            TaskStateError: the old file stands.
        """
        document = {"schema_version": VERSION, "tasks": [asdict(task) for task in book]}
        try:
            for torn in self.path.parent.glob(f".{self.path.name}.*"):  # what killed commands left behind
                torn.unlink(missing_ok=True)
            write_atomic(self.path, json.dumps(document, indent=1).encode() + b"\n", durable=durable)
        except OSError as error:
            raise self._unwritable(error) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let no other command change anything meanwhile.

        Raises:
            TaskStateError: another command holds the lock for too long, or the folder cannot be written to.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(
                self.path.parent / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666
            )
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            if not _flock(descriptor, time.monotonic() + LOCK_SECONDS):
                raise TaskStateError(
                    f"{self.path.parent}: another command has held the lock for {LOCK_SECONDS:g} s; "
                    "next: end that command, then try again"
                )
            yield
        finally:
            os.close(descriptor)  # and with it the lock

    @property
    def spool_pattern(self) -> str:
        """What a shell finds all spools of tasks by."""
        return str(self.folder / "spool" / "task-*.otlp")

    def spool_path(self, task: Task) -> Path:
        """The file for the finished span of a task."""
        return self.folder / "spool" / f"task-{task.span_id}.otlp"

    def spools(self) -> Iterator[Path]:
        """The files of all spans that wait."""
        return (self.folder / "spool").glob("task-*.otlp")

    @property
    def unanswered(self) -> Path:
        """A file that is as old as the last time that a collector gave no answer."""
        return self.path.parent / "unanswered"

    def _unwritable(self, error: OSError) -> TaskStateError:
        return TaskStateError(
            f"{self.path.parent}: cannot be written to: {_why(error)}; "
            "next: correct that, or give another folder with --state"
        )


def _flock(descriptor: int, end: float) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(_PAUSE)
        else:
            return True


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _book(document: Any) -> Book:
    """The tasks of a document; a `TaskStateError` says what is damaged."""
    entries = document.get("tasks") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise TaskStateError("it holds no list of tasks")
    if document.get("schema_version") != VERSION:
        raise TaskStateError(f"it is of version {ascii(document.get('schema_version'))[:40]}")
    tasks = []
    for index, entry in enumerate(entries):
        try:
            tasks.append(_task(entry))
        except (TypeError, KeyError, AttributeError) as error:
            raise TaskStateError(f"tasks[{index}] is damaged: {ascii(str(error))[1:-1][:80]}") from error
    return Book.of_tasks(tasks)


def _task(entry: object) -> Task:
    if not isinstance(entry, dict):
        raise TypeError("no object")
    for field in fields(Task):
        if field.default is MISSING and field.default_factory is MISSING and field.name not in entry:
            raise TypeError(f"it has no {field.name}")
    known = {f.name: entry[f.name] for f in fields(Task) if f.name in entry}
    task = Task(**{**known, "events": tuple(TaskEvent(**event) for event in entry.get("events", ()))})
    _check_types(task)
    for event in task.events:
        _check_types(event)
    for name, form in _HEX.items():
        if (value := getattr(task, name)) is not None and not form.fullmatch(value):
            raise TypeError(f"{name} is no id of OpenTelemetry")
    if task.status not in STATUSES:
        raise TypeError("its status is unknown")
    return task


def _check_types(part: Task | TaskEvent) -> None:
    for field in fields(part):
        value, types = getattr(part, field.name), str(field.type).split(" | ")
        if types[0] in ("str", "int", "bool") and ("None" if value is None else type(value).__name__) not in types:
            raise TypeError(f"{field.name} is of another type")
    if isinstance(part, TaskEvent) and not all(isinstance(text, str) for text in part.attributes.values()):
        raise TypeError("an event is of another type")
