"""Tasks on disk: one file, changed under a lock, replaced whole.

``tasks/tasks.json`` has every task, ``tasks/lock`` is held while one command changes it, and finished spans go to
``spool/tasks.otlp.jsonl``, all in the folder for evidence, ``out``.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
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
_TYPES = {field.name: str(field.type).split(" | ") for field in fields(Task)}
"""Field of a task → the names of the types that its value may have."""


class Store:
    """The tasks below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "tasks" / "tasks.json"
        self.spool_path = folder / "spool" / "tasks.otlp.jsonl"

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
        with self._lock("lock", LOCK_SECONDS) as held:
            if not held:
                raise TaskStateError(
                    f"{self.path.parent}: another command holds the lock since {LOCK_SECONDS:g} s; "
                    "next: end that command, then try again"
                )
            yield

    @contextmanager
    def sending(self, patience: float) -> Iterator[bool]:
        """Whether this command may send the spool: others, that came before, were ready within so many seconds."""
        with self._lock("sending", patience) as held:
            yield held

    @property
    def unanswered(self) -> Path:
        """A file that is as old as the last time that a collector gave no answer."""
        return self.path.parent / "unanswered"

    @contextmanager
    def _lock(self, name: str, patience: float) -> Iterator[bool]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path.parent / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            yield _flock(descriptor, time.monotonic() + patience)
        finally:
            os.close(descriptor)  # and with it the lock

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


def _task(entry: object) -> Task:
    if not isinstance(entry, dict):
        raise _Damaged("no object")
    for field in fields(Task):
        if field.default is MISSING and field.default_factory is MISSING and field.name not in entry:
            raise _Damaged(f"it has no {field.name}")
    values = {name: value for name, value in entry.items() if name in _TYPES and name != "events"}
    for name, value in values.items():
        if ("None" if value is None else type(value).__name__) not in _TYPES[name]:
            raise _Damaged(f"{name} is of another type")
        if name in _HEX and value is not None and not _HEX[name].fullmatch(value):
            raise _Damaged(f"{name} is no id of OpenTelemetry")
    if values["status"] not in STATUSES:
        raise _Damaged("its status is unknown")
    return Task(**values, events=tuple(_event(event) for event in entry.get("events", ())))


def _event(entry: Mapping[str, Any]) -> TaskEvent:
    name, moment, attributes = entry["name"], entry["time"], entry["attributes"]
    texts = isinstance(attributes, dict) and all(isinstance(value, str) for value in attributes.values())
    if not isinstance(name, str) or type(moment) is not int or not texts:
        raise _Damaged("an event is of another type")
    return TaskEvent(name, moment, attributes)
