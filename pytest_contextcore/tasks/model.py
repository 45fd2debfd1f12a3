"""Tasks as plain data; no pydantic, since each command is a process that a person waits for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

IN_PROGRESS: Final = "in_progress"
BLOCKED: Final = "blocked"
COMPLETED: Final = "completed"
FAILED: Final = "failed"
NOT_STARTED: Final = "not_started"

STATUSES = (NOT_STARTED, IN_PROGRESS, BLOCKED, COMPLETED, FAILED)
"""What ``task.status`` may be."""

SETTABLE = STATUSES[1:]
"""What a person may set: a task is in progress from the moment at which it is started."""


@dataclass(frozen=True, slots=True)
class TaskEvent:
    """A moment on a task's span: nanoseconds since the epoch."""

    name: str
    time: int
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Task:
    """One task: a span whose ids and begin are fixed when it is started.

    ``parent_id`` is the parent task; ``parent_span_id`` its span, or the span of another process that ``TRACEPARENT``
    named (``remote``). ``reason``: why a task failed, as its span says it; the three after it are set while a task is
    blocked. ``handed_on``: its finished span is in the spool, or is not wanted. Times are nanoseconds since the epoch.
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
    handed_on: bool = False

    @property
    def is_open(self) -> bool:
        """Whether its span has not ended."""
        return self.ended_at is None

    @property
    def is_blocked(self) -> bool:
        """Whether somebody has to unblock it."""
        return self.status == BLOCKED

    def moment(self, now: int) -> int:
        """A time that is not before anything that happened to it, whatever the clock does."""
        return max(now, self.events[-1].time if self.events else self.started_at)


@dataclass(frozen=True, slots=True)
class Book:
    """All tasks of a state folder, by project and id, in the order in which they were started."""

    tasks: Mapping[tuple[str, str], Task] = field(default_factory=dict)

    @classmethod
    def of_tasks(cls, tasks: Iterable[Task]) -> Book:
        """These tasks."""
        return cls({(task.project, task.id): task for task in tasks})

    def __iter__(self) -> Iterator[Task]:
        return iter(self.tasks.values())

    def find(self, project: str, task_id: str) -> Task | None:
        """The task with this id."""
        return self.tasks.get((project, task_id))

    def of(self, project: str) -> Iterator[Task]:
        """The tasks of a project."""
        return (task for task in self if task.project == project)

    def children(self, parent: Task) -> list[Task]:
        """The tasks right below a task."""
        return [task for task in self.of(parent.project) if task.parent_id == parent.id]

    def parent(self, task: Task) -> Task | None:
        """The task above a task."""
        return self.find(task.project, task.parent_id) if task.parent_id else None

    def ancestors(self, task: Task) -> list[Task]:
        """The tasks above a task, the nearest first."""
        found: list[Task] = []
        above = self.parent(task)
        while above is not None and above not in found:
            found.append(above)
            above = self.parent(above)
        return found

    def projects_with(self, task_id: str) -> list[str]:
        """The projects that have a task with this id."""
        return [task.project for task in self if task.id == task_id]

    def put(self, changed: Task) -> Book:
        """The tasks with this one changed or added."""
        return Book({**self.tasks, (changed.project, changed.id): changed})

    def handed_on(self, done: Task) -> Book:
        """The tasks with nothing more to do about the span of this one."""
        return self.put(replace(done, handed_on=True))
