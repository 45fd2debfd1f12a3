"""Tasks as plain data; no pydantic, since each command is a process that a person waits for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

IN_PROGRESS: Final = "in_progress"
BLOCKED: Final = "blocked"
COMPLETED: Final = "completed"
FAILED: Final = "failed"

SETTABLE = (IN_PROGRESS, BLOCKED, COMPLETED, FAILED)
"""What a person may set: a task is in progress from the moment at which it is started."""

STATUSES = ("not_started", *SETTABLE)
"""What ``task.status`` may be."""


@dataclass(frozen=True, slots=True)
class TaskEvent:
    """A moment on a task's span: nanoseconds since the epoch."""

    name: str
    time: int
    attributes: dict[str, str]


@dataclass(frozen=True, slots=True)
class Task:
    """One task: a span whose ids and begin are fixed when it is started.

    ``parent_id`` is the parent task; ``parent_span_id`` its span, or the span of another process that ``TRACEPARENT``
    named (``remote``). ``reason``: why a task failed, as its span says it; the three after it are set while a task is
    blocked. Times are nanoseconds since the epoch.
    """

    project: str
    id: str
    title: str
    type: str
    status: str
    trace_id: str
    span_id: str
    started_at: int
    parent_id: str | None = None
    parent_span_id: str | None = None
    remote: bool = False
    trace_state: str = ""
    sampled: bool = True
    ended_at: int | None = None
    reason: str | None = None
    blocked_reason: str | None = None
    blocked_on: str | None = None
    next_action: str | None = None
    events: tuple[TaskEvent, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether its span has not ended."""
        return self.ended_at is None


Book = dict[str, Task]
"""All tasks of a state folder by id, in the order in which they were started."""


def ancestors(book: Book, task: Task) -> list[Task]:
    """The tasks above a task, the nearest first."""
    found: list[Task] = []
    while (above := book.get(task.parent_id or "")) is not None and above not in found:
        found.append(above)
        task = above
    return found
