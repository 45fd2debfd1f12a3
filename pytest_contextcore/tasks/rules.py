"""What may happen to a task, and what it becomes. Pure: a function gives the changed task or raises `TaskRefused`."""

from __future__ import annotations

from dataclasses import replace

from ..errors import TaskRefused
from ..ids import ID, ID_RULE, MAX_ID, Remote
from .model import BLOCKED, COMPLETED, FAILED, IN_PROGRESS, Book, Task, TaskEvent, ancestors


def start(
    book: Book, task_id: str, *,
    project: str, title: str, type: str, parent: str | None, origin: Remote, span_id: str, now: int,
    after: str | None = None,
) -> Task:  # fmt: skip
    """A new task, below the named parent or, by its id, below the open task with the longest prefix of it.

    ``origin``: trace and parent span of a task without a parent task; its span id is empty where there is no such span.
    ``after``: the task that has to be completed before; it may not start otherwise.
    """
    _check_id(task_id)
    _check_id(project, "--project")
    if known := book.get(task_id):
        _refuse_second(book, known)
    if after:
        _refuse_early(book, task_id, after)
    if parent:
        above: Task | None = open_task(book, parent, project, "--parent")
    else:
        fitting = [
            task
            for task in book.values()
            if task.is_open and task.project == project and task_id.startswith(f"{task.id}-")
        ]
        above = max(fitting, key=lambda task: len(task.id), default=None)
    if above is not None:
        now = max(now, above.started_at)
        origin = Remote(above.trace_id, above.span_id, above.sampled, above.trace_state)
    return Task(
        project, task_id, title, type, IN_PROGRESS, origin.trace_id, span_id, now,
        parent_id=above.id if above else None,
        parent_span_id=origin.span_id or None,
        remote=above is None and origin.span_id != "",
        trace_state=origin.state,
        sampled=origin.sampled,
    )  # fmt: skip


def ended_before(book: Book, task_id: str) -> list[Task]:
    """The tasks of an earlier trace of this id, if there is one that has ended: their spans are made by now."""
    task = book.get(task_id)
    if task is None or task.is_open or task.parent_id is not None:
        return []
    return [each for each in book.values() if task in (each, *ancestors(book, each))]


def _refuse_second(book: Book, known: Task) -> None:
    """Refuse an id that is in use: no trace has two spans for one task."""
    observed = f"it is {known.status}, in project {known.project}"
    if known.is_open:
        action = f"go on with it, or contextcore task cancel --id {known.id} and start it again"
    else:
        top = ancestors(book, known)[-1].id
        action = f"choose another id; once {top} has ended, contextcore task start --id {top} begins a new trace"
    raise TaskRefused(f"task {known.id} was started before", observed, "an id that this trace has not used", action)


def _refuse_early(book: Book, task_id: str, after: str) -> None:
    """Refuse a task whose predecessor is not completed."""
    _check_id(after, "--after")
    before = book.get(after)
    if before is not None and before.status == COMPLETED:
        return
    observed = f"it is {before.status}" if before else f"there is no task {after}"
    action = f"contextcore task {'complete' if before else 'start'} --id {after}"
    if before is not None and not before.is_open:
        action = f"do the work of {after} again under another id, and name that one with --after"
    raise TaskRefused(f"task {task_id} cannot start before {after} is completed", observed, "completed", action)


def update(
    book: Book, task: Task, *,
    status: str, now: int, reason: str | None = None, next_action: str | None = None, by: str | None = None,
) -> Task:  # fmt: skip
    """The task with another status; ``by`` is who says so, or the id of the task that a blocked one waits for."""
    if task.status == BLOCKED and status != FAILED:
        observed, action = f"blocked: {task.blocked_reason}", f"contextcore task unblock --id {task.id}"
        raise TaskRefused(f"task {task.id} cannot become {status}", observed, "a task that is in_progress", action)
    if status == BLOCKED:
        return _blocked(book, task, reason or "", next_action, on=by, now=now)
    if status == IN_PROGRESS:
        return task  # as it is already: a task is in progress from its start, and a blocked one was refused above
    reason = reason if status == FAILED else None
    children = [child for child in book.values() if child.parent_id == task.id]
    if still_open := [child.id for child in children if child.is_open]:
        raise TaskRefused(
            f"task {task.id} cannot become {status} before its subtasks end",
            f"open: {', '.join(still_open)}",
            "every subtask completed or cancelled",
            f"contextcore task complete --id {still_open[0]}",
        )
    now = max([now, *(child.ended_at or 0 for child in children)])
    ended = _changed(task, status, now, by, {"task.reason": reason} if reason else {})
    return replace(ended, reason=reason, ended_at=ended.events[-1].time)


def cancel(book: Book, task: Task, *, reason: str | None, by: str | None, now: int) -> Task:
    """The task, given up: failed, with the reason."""
    return update(book, task, status=FAILED, reason=f"cancelled: {reason or 'no reason given'}", by=by, now=now)


def unblock(book: Book, task: Task, *, by: str | None, now: int) -> Task:
    """The task, in progress again."""
    del book
    if task.status != BLOCKED:
        action = f"contextcore task complete --id {task.id}, if it is done"
        raise TaskRefused(f"task {task.id} is not blocked", f"it is {task.status}", "a task that is blocked", action)
    return _changed(replace(task, blocked_reason=None, blocked_on=None, next_action=None), IN_PROGRESS, now, by)


def comment(book: Book, task: Task, *, text: str, by: str | None, now: int) -> Task:
    """The task with a comment."""
    del book
    return _with_event(task, "task.commented", now, {"task.comment": text}, by)


def open_task(book: Book, task_id: str, project: str | None = None, option: str = "--id") -> Task:
    """The task with this id, which must not have ended; of this project, if one is named."""
    _check_id(task_id, option)
    task = book.get(task_id)
    if task is None or project not in (None, task.project):
        observed = f"it is in project {task.project}" if task else f"{len(book)} others"
        action = f"add --project {task.project}" if task else f"contextcore task start --id {task_id} --title …"
        raise TaskRefused(f"there is no task {task_id}", observed, "the id of a task that was started", action)
    if not task.is_open:
        observed, expected = f"it is {task.status}, and its span is finished", "a task that is in_progress or blocked"
        raise TaskRefused(f"task {task_id} has ended", observed, expected, "start a task with another id")
    return task


def _check_id(value: str, option: str = "--id") -> None:
    if len(value) > MAX_ID or not ID.fullmatch(value):
        observed = ascii(value) if len(value) <= MAX_ID else f"{len(value)} characters"
        expected = f"{ID_RULE}, at most {MAX_ID}"
        raise TaskRefused(f"{option} is no id", observed, expected, "give another id, such as PI-101-002-S1")


def _blocked(book: Book, task: Task, reason: str, next_action: str | None, *, on: str | None, now: int) -> Task:
    details = {"task.blocked_reason": reason}
    action = f"Resolve this, then unblock {task.id}: {reason}"
    if on is not None:
        _check_id(on, "--by")
        if on == task.id or on not in book:
            observed = "itself" if on == task.id else f"there is no task {on}"
            expected = "--by with the id of another task"
            raise TaskRefused(f"task {task.id} cannot be blocked by {on}", observed, expected, "contextcore task list")
        details["task.blocked_on_span_id"] = on
        action = f"Complete {on}, then unblock {task.id}."
    details["task.next_action"] = action = next_action or action
    blocked = replace(task, blocked_reason=reason, blocked_on=on, next_action=action)
    return _changed(blocked, BLOCKED, now, None, details)


def _changed(task: Task, status: str, now: int, by: str | None, details: dict[str, str] | None = None) -> Task:
    said = {"task.status": status, "task.previous_status": task.status, **(details or {})}
    return _with_event(replace(task, status=status), "task.status.changed", now, said, by)


def _with_event(task: Task, name: str, now: int, details: dict[str, str], by: str | None) -> Task:
    """The task with an event that is not before anything that happened to it, whatever the clock does."""
    if by:
        details = {**details, "task.by": by}
    moment = max(now, task.events[-1].time if task.events else task.started_at)
    return replace(task, events=(*task.events, TaskEvent(name, moment, details)))
