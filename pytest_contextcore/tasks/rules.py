"""What may happen to a task, and what it becomes. Pure: a function gives the changed task or raises `TaskRefused`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import TaskRefused
from ..ids import ID, ID_RULE, MAX_ID
from .model import BLOCKED, COMPLETED, FAILED, IN_PROGRESS, NOT_STARTED, Book, Task, TaskEvent

STATUS_CHANGED = "task.status.changed"
COMMENTED = "task.commented"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the trace of a root task comes from: a new trace, or the span that ``TRACEPARENT`` names."""

    trace_id: str
    parent_span_id: str | None = None
    trace_state: str = ""
    sampled: bool = True


@dataclass(frozen=True, slots=True)
class NewTask:
    """What a person says of a task to start."""

    project: str
    id: str
    title: str
    type: str
    parent: str | None = None
    by: str | None = None


def start(book: Book, new: NewTask, origin: Origin, *, span_id: str, now: int) -> Task:
    """A new task, below the named parent or, by its id, below the open task with the longest prefix of it."""
    _check_id(new.id)
    _check_id(new.project, "--project")
    known = book.find(new.project, new.id)
    if known is not None:
        raise TaskRefused(
            f"task {new.id} was started before",
            observed=f"it is {known.status}",
            expected=f"an id that project {new.project} has not used",
            next_action=f"contextcore task update --id {new.id} …" if known.is_open else "choose another id",
        )
    parent = open_task(book, new.project, new.parent, "--parent") if new.parent else _parent_by_id(book, new)
    task = Task(
        new.project, new.id, new.title, new.type, IN_PROGRESS, origin.trace_id, span_id, now,
        parent_span_id=origin.parent_span_id,
        remote=origin.parent_span_id is not None,
        trace_state=origin.trace_state,
        sampled=origin.sampled,
    )  # fmt: skip
    if parent is None:
        return task
    return replace(
        task,
        started_at=max(now, parent.started_at),
        trace_id=parent.trace_id,
        parent_id=parent.id,
        parent_span_id=parent.span_id,
        remote=False,
        trace_state=parent.trace_state,
        sampled=parent.sampled,
    )


def update(book: Book, task: Task, status: str, *, reason: str | None, by: str | None, now: int) -> Task:
    """The task with another status; ``completed`` and ``failed`` end it, as `complete` and `cancel` do."""
    if status == COMPLETED:
        return complete(book, task, by=by, now=now)
    if status == FAILED:
        return _ended(book, task, FAILED, reason or "no reason given", by=by, now=now)
    if status == NOT_STARTED:
        raise TaskRefused(
            f"task {task.id} cannot be not_started",
            observed=f"it is {task.status}: its span has begun",
            expected="in_progress, blocked, completed or failed",
            next_action=f"contextcore task cancel --id {task.id} --reason …, if it shall not be done",
        )
    if task.is_blocked:
        raise _blocked(task, status)
    return _changed(task, status, now, by)


def complete(book: Book, task: Task, *, by: str | None, now: int) -> Task:
    """The task, done."""
    if task.is_blocked:
        raise _blocked(task, COMPLETED)
    return _ended(book, task, COMPLETED, None, by=by, now=now)


def cancel(book: Book, task: Task, reason: str | None, *, by: str | None, now: int) -> Task:
    """The task, given up: failed, with the reason."""
    return _ended(book, task, FAILED, f"cancelled: {reason or 'no reason given'}", by=by, now=now)


def block(
    book: Book, task: Task, reason: str, *, blocker: str | None = None, next_action: str | None = None, now: int
) -> Task:
    """The task, blocked; ``blocker`` is the id of the task that it waits for."""
    if task.is_blocked:
        raise TaskRefused(
            f"task {task.id} is blocked already",
            observed=f"blocked: {task.blocked_reason}",
            expected="a task that is in_progress",
            next_action=f"contextcore task unblock --id {task.id}",
        )
    if blocker is not None:
        _check_id(blocker, "--by")
        if blocker == task.id or book.find(task.project, blocker) is None:
            raise TaskRefused(
                f"task {task.id} cannot be blocked by {blocker}",
                observed="itself" if blocker == task.id else f"project {task.project} has no task {blocker}",
                expected="--by with the id of another task",
                next_action="contextcore task list",
            )
    action = next_action or (
        f"Complete {blocker}, then unblock {task.id}." if blocker else f"Resolve this, then unblock {task.id}: {reason}"
    )
    blocked = replace(task, blocked_reason=reason, blocked_on=blocker, next_action=action)
    details = {"task.blocked_reason": reason, "task.next_action": action}
    if blocker:
        details["task.blocked_on_span_id"] = blocker
    return _changed(blocked, BLOCKED, now, None, details)


def unblock(task: Task, *, by: str | None, now: int) -> Task:
    """The task, in progress again."""
    if not task.is_blocked:
        raise TaskRefused(
            f"task {task.id} is not blocked",
            observed=f"it is {task.status}",
            expected="a task that is blocked",
            next_action=f"contextcore task complete --id {task.id}, if it is done",
        )
    return _changed(replace(task, blocked_reason=None, blocked_on=None, next_action=None), IN_PROGRESS, now, by)


def comment(task: Task, text: str, *, by: str | None, now: int) -> Task:
    """The task with a comment."""
    return _with_event(task, COMMENTED, now, {"task.comment": text}, by)


def open_task(book: Book, project: str, task_id: str, option: str = "--id") -> Task:
    """The task with this id, which must not have ended."""
    _check_id(task_id, option)
    _check_id(project, "--project")
    task = book.find(project, task_id)
    if task is None:
        others = book.projects_with(task_id)
        raise TaskRefused(
            f"there is no task {task_id} in project {project}",
            observed=f"it is in project {', '.join(others)}"
            if others
            else f"{sum(1 for _ in book.of(project))} others",
            expected="the id of a task that was started",
            next_action=f"add --project {others[0]}" if others else f"contextcore task start --id {task_id} --title …",
        )
    if not task.is_open:
        raise TaskRefused(
            f"task {task_id} has ended",
            observed=f"it is {task.status}, and its span is finished",
            expected="a task that is in_progress or blocked",
            next_action="start a task with another id",
        )
    return task


def _check_id(value: str, option: str = "--id") -> None:
    if len(value) <= MAX_ID and ID.fullmatch(value):
        return
    observed = ascii(value) if len(value) <= MAX_ID else f"{len(value)} characters"
    raise TaskRefused(
        f"{option} is no id",
        observed=observed,
        expected=f"{ID_RULE}, at most {MAX_ID}",
        next_action="give another id, such as PI-101-002-S1",
    )


def _parent_by_id(book: Book, new: NewTask) -> Task | None:
    above = [task for task in book.of(new.project) if task.is_open and new.id.startswith(f"{task.id}-")]
    return max(above, key=lambda task: len(task.id), default=None)


def _blocked(task: Task, status: str) -> TaskRefused:
    return TaskRefused(
        f"task {task.id} cannot become {status}",
        observed=f"blocked: {task.blocked_reason}",
        expected="a task that is in_progress",
        next_action=f"contextcore task unblock --id {task.id}",
    )


def _ended(book: Book, task: Task, status: str, reason: str | None, *, by: str | None, now: int) -> Task:
    still_open = [child.id for child in book.children(task) if child.is_open]
    if still_open:
        more = f" and {len(still_open) - 3} more" if len(still_open) > 3 else ""
        raise TaskRefused(
            f"task {task.id} cannot become {status} before its subtasks end",
            observed=f"open: {', '.join(still_open[:3])}{more}",
            expected="every subtask completed or cancelled",
            next_action=f"contextcore task complete --id {still_open[0]}",
        )
    latest = max((child.ended_at or 0 for child in book.children(task)), default=0)
    ended = _changed(task, status, max(now, latest), by, {"task.reason": reason} if reason else None)
    return replace(ended, reason=reason, ended_at=ended.events[-1].time)


def _changed(task: Task, status: str, now: int, by: str | None, details: dict[str, str] | None = None) -> Task:
    said = {"task.status": status, "task.previous_status": task.status, **(details or {})}
    return _with_event(replace(task, status=status), STATUS_CHANGED, now, said, by)


def _with_event(task: Task, name: str, now: int, details: dict[str, str], by: str | None) -> Task:
    if by:
        details = {**details, "task.by": by}
    return replace(task, events=(*task.events, TaskEvent(name, task.moment(now), details)))
