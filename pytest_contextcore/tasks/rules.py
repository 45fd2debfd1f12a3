"""What may happen to a task, and what it becomes. Pure: a function gives the changed task or raises `TaskRefused`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import TaskRefused
from ..ids import ID, ID_RULE, MAX_ID
from .model import BLOCKED, COMPLETED, FAILED, IN_PROGRESS, Book, Task, TaskEvent

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
    parent: Task | None
    if new.parent:
        parent = open_task(book, new.project, new.parent, "--parent")
    else:
        above = [task for task in book.of(new.project) if task.is_open and new.id.startswith(f"{task.id}-")]
        parent = max(above, key=lambda task: len(task.id), default=None)
    if parent is not None:
        now = max(now, parent.started_at)
        origin = Origin(parent.trace_id, parent.span_id, parent.trace_state, parent.sampled)
    return Task(
        new.project, new.id, new.title, new.type, IN_PROGRESS, origin.trace_id, span_id, now,
        parent_id=parent.id if parent else None,
        parent_span_id=origin.parent_span_id,
        remote=parent is None and origin.parent_span_id is not None,
        trace_state=origin.trace_state,
        sampled=origin.sampled,
    )  # fmt: skip


def update(
    book: Book, task: Task, *, status: str, reason: str | None, next_action: str | None, by: str | None, now: int
) -> Task:
    """The task with another status, as the other functions give it."""
    if status == BLOCKED:
        return block(book, task, reason=reason or "", next_action=next_action, by=by, now=now)
    if status == COMPLETED:
        return complete(book, task, by=by, now=now)
    if status == FAILED:
        return _ended(book, task, FAILED, reason, by=by, now=now)
    _refuse_blocked(task, f"cannot become {status}")
    return _changed(task, status, now, by)


def complete(book: Book, task: Task, *, by: str | None, now: int) -> Task:
    """The task, done."""
    _refuse_blocked(task, f"cannot become {COMPLETED}")
    return _ended(book, task, COMPLETED, None, by=by, now=now)


def cancel(book: Book, task: Task, *, reason: str | None, by: str | None, now: int) -> Task:
    """The task, given up: failed, with the reason."""
    return _ended(book, task, FAILED, f"cancelled: {reason or 'no reason given'}", by=by, now=now)


def block(book: Book, task: Task, *, reason: str, next_action: str | None, by: str | None, now: int) -> Task:
    """The task, blocked; ``by`` is the id of the task that it waits for."""
    _refuse_blocked(task, "is blocked already")
    details = {"task.blocked_reason": reason}
    action = f"Resolve this, then unblock {task.id}: {reason}"
    if by is not None:
        _check_id(by, "--by")
        if by == task.id or book.find(task.project, by) is None:
            raise TaskRefused(
                f"task {task.id} cannot be blocked by {by}",
                observed="itself" if by == task.id else f"project {task.project} has no task {by}",
                expected="--by with the id of another task",
                next_action="contextcore task list",
            )
        details["task.blocked_on_span_id"] = by
        action = f"Complete {by}, then unblock {task.id}."
    details["task.next_action"] = action = next_action or action
    blocked = replace(task, blocked_reason=reason, blocked_on=by, next_action=action)
    return _changed(blocked, BLOCKED, now, None, details)


def unblock(book: Book, task: Task, *, by: str | None, now: int) -> Task:
    """The task, in progress again."""
    del book
    if not task.is_blocked:
        raise TaskRefused(
            f"task {task.id} is not blocked",
            observed=f"it is {task.status}",
            expected="a task that is blocked",
            next_action=f"contextcore task complete --id {task.id}, if it is done",
        )
    return _changed(replace(task, blocked_reason=None, blocked_on=None, next_action=None), IN_PROGRESS, now, by)


def comment(book: Book, task: Task, *, text: str, by: str | None, now: int) -> Task:
    """The task with a comment."""
    del book
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
    if len(value) > MAX_ID or not ID.fullmatch(value):
        raise TaskRefused(
            f"{option} is no id",
            observed=ascii(value) if len(value) <= MAX_ID else f"{len(value)} characters",
            expected=f"{ID_RULE}, at most {MAX_ID}",
            next_action="give another id, such as PI-101-002-S1",
        )


def _refuse_blocked(task: Task, what: str) -> None:
    if task.is_blocked:
        raise TaskRefused(
            f"task {task.id} {what}",
            observed=f"blocked: {task.blocked_reason}",
            expected="a task that is in_progress",
            next_action=f"contextcore task unblock --id {task.id}",
        )


def _ended(book: Book, task: Task, status: str, reason: str | None, *, by: str | None, now: int) -> Task:
    children = book.children(task)
    still_open = [child.id for child in children if child.is_open]
    if still_open:
        more = f" and {len(still_open) - 3} more" if len(still_open) > 3 else ""
        raise TaskRefused(
            f"task {task.id} cannot become {status} before its subtasks end",
            observed=f"open: {', '.join(still_open[:3])}{more}",
            expected="every subtask completed or cancelled",
            next_action=f"contextcore task complete --id {still_open[0]}",
        )
    now = max([now, *(child.ended_at or 0 for child in children)])
    ended = _changed(task, status, now, by, {"task.reason": reason} if reason else {})
    return replace(ended, reason=reason, ended_at=ended.events[-1].time)


def _changed(task: Task, status: str, now: int, by: str | None, details: dict[str, str] | None = None) -> Task:
    said = {"task.status": status, "task.previous_status": task.status, **(details or {})}
    return _with_event(replace(task, status=status), STATUS_CHANGED, now, said, by)


def _with_event(task: Task, name: str, now: int, details: dict[str, str], by: str | None) -> Task:
    if by:
        details = {**details, "task.by": by}
    return replace(task, events=(*task.events, TaskEvent(name, task.moment(now), details)))
