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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from ..errors import TaskStateError
from ..files import write_atomic
from .model import STATUSES, Book, Task, TaskEvent

VERSION = "v1"
LOCK_SECONDS = 30.0
"""How long a command waits for others; each holds the lock for a few milliseconds."""

_PAUSE = 0.005
_TEXTS = {"project", "id", "title", "type", "status", "trace_id", "span_id", "trace_state"}
_FLAGS = {"remote", "sampled", "handed_on"}
_SPAN_ID = re.compile("[0-9a-f]{16}")
_IDS = {"trace_id": re.compile("[0-9a-f]{32}"), "span_id": _SPAN_ID, "parent_span_id": _SPAN_ID}
_NEEDED = {"project", "id", "title", "type", "status", "trace_id", "span_id", "started_at"}


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
        except (ValueError, RecursionError) as error:
            what = str(error).splitlines()[0] if isinstance(error, _Damaged) else "it is no JSON"
            raise TaskStateError(
                f"{self.path}: {what} (expected: tasks of version {VERSION}); "
                "next: put it right, move it away, or give another folder with --state"
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
            TaskStateError: the lock was not to be had in time, or the folder cannot be written to.
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
                    f"{self.path.parent}: another command holds the lock since {LOCK_SECONDS:g} s; "
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
            f"{self.path.parent}: cannot be written to: {_why(error)}; next: mend that, or give another with --state"
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


class _Damaged(ValueError):
    """JSON, but no tasks."""


def _book(document: object) -> Book:
    if not isinstance(document, dict) or not isinstance(document.get("tasks"), list):
        raise _Damaged("it holds no list of tasks")
    if document.get("schema_version") != VERSION:
        raise _Damaged(f"it is of version {ascii(document.get('schema_version'))[:40]}")
    tasks = []
    for index, entry in enumerate(document["tasks"]):
        try:
            tasks.append(_task(entry))
        except (TypeError, KeyError, _Damaged) as error:
            raise _Damaged(f"tasks[{index}] is damaged: {ascii(str(error))[1:-1][:80]}") from error
    return Book.of_tasks(tasks)


def _task(entry: Mapping[str, Any]) -> Task:
    if not isinstance(entry, dict):
        raise _Damaged("no object")
    known = {field.name for field in fields(Task)}
    values = {name: value for name, value in entry.items() if name in known and name != "events"}
    for name in _NEEDED - values.keys():
        raise _Damaged(f"it has no {name}")
    for name, value in values.items():
        if not _is_right(name, value):
            raise _Damaged(f"{name} is of another type")
        if name in _IDS and value is not None and not _IDS[name].fullmatch(value):
            raise _Damaged(f"{name} is no id of OpenTelemetry")
    if values["status"] not in STATUSES:
        raise _Damaged("its status is unknown")
    return Task(**values, events=tuple(_event(event) for event in entry.get("events", ())))


def _is_right(name: str, value: object) -> bool:
    if name in _FLAGS:
        return isinstance(value, bool)
    if name in ("started_at", "ended_at"):
        return type(value) is int or (value is None and name == "ended_at")
    return isinstance(value, str) or (value is None and name not in _TEXTS)


def _event(entry: Mapping[str, Any]) -> TaskEvent:
    name, moment, attributes = entry["name"], entry["time"], entry["attributes"]
    texts = isinstance(attributes, dict) and all(isinstance(value, str) for value in attributes.values())
    if not isinstance(name, str) or type(moment) is not int or not texts:
        raise _Damaged("an event is of another type")
    return TaskEvent(name, moment, attributes)
