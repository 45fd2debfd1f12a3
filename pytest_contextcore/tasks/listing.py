"""How tasks are shown: as a tree for people, as JSON for programs. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from ..ids import traceparent
from ..text import cut, duration, escaped
from .model import Book, Task

_LINE = 200


def shown(text: str) -> str:
    """One line of a text that somebody gave."""
    return escaped(cut(text, _LINE))


def chosen(book: Book, project: str | None, status: str | None) -> Book:
    """The tasks of a project (None: of all) that have this status, and those above them; all of them without one."""
    fitting = [task for task in book if project in (None, task.project) and status in (None, task.status)]
    kept = {(task.project, entry.id) for task in fitting for entry in (task, *book.ancestors(task))}
    return Book(task for task in book if (task.project, task.id) in kept)


def tree(book: Book, now: int) -> Iterator[str]:
    """A line a task, below its parent, and why it is blocked or failed."""
    for project in dict.fromkeys(task.project for task in book):
        yield f"project {shown(project)}"
        tasks = book.of(project)
        started = {task.id: position for position, task in enumerate(tasks)}
        path = {task.id: [started[each.id] for each in (*reversed(book.ancestors(task)), task)] for task in tasks}
        width = max(len(task.id) + 2 * len(path[task.id]) for task in tasks) - 2
        for task in sorted(tasks, key=lambda task: path[task.id]):
            yield from _entry_lines(task, len(path[task.id]) - 1, width, now)


def _entry_lines(task: Task, depth: int, width: int, now: int) -> Iterator[str]:
    name = f"{'  ' * depth}{task.id}"
    took = duration(task.started_at, task.ended_at or max(now, task.started_at))
    yield f"  {name:<{width}}  {task.status:<11}  {took:>9}  {shown(task.title)}"
    margin = " " * (width + 4)
    if task.blocked_reason:
        on = f" (by {task.blocked_on})" if task.blocked_on else ""
        yield f"{margin}blocked: {shown(task.blocked_reason)}{on}"
        yield f"{margin}next:    {shown(task.next_action or '')}"
    if task.reason:
        yield f"{margin}{shown(task.reason)}"


def document(task: Task) -> dict[str, Any]:
    """A task as JSON; times are RFC 3339 UTC."""
    return {
        "project_id": task.project,
        "task_id": task.id,
        "parent_id": task.parent_id,
        "title": task.title,
        "type": task.type,
        "status": task.status,
        "started_at": _rfc3339(task.started_at),
        "ended_at": None if task.ended_at is None else _rfc3339(task.ended_at),
        "reason": task.reason,
        "blocked_reason": task.blocked_reason,
        "blocked_on_span_id": task.blocked_on,
        "next_action": task.next_action,
        "otel_trace_id": task.trace_id,
        "otel_span_id": task.span_id,
        "otel_parent_span_id": task.parent_span_id,
        "traceparent": traceparent(task.trace_id, task.span_id, sampled=task.sampled),
        "events": [
            {"name": event.name, "time": _rfc3339(event.time), "attributes": event.attributes} for event in task.events
        ],
    }


def _rfc3339(nanoseconds: int) -> str:
    moment = datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC).replace(
        microsecond=nanoseconds // 1000 % 1_000_000
    )
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
