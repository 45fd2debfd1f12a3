"""How tasks are shown: as a tree for people, as JSON for programs. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from ..ids import traceparent
from ..text import cut, duration, escaped
from .model import Book, Task, ancestors

_LINE = 200


def shown(text: str) -> str:
    """One line of a text that somebody gave."""
    return escaped(cut(text, _LINE))


def chosen(book: Book, project: str | None, status: str | None) -> Book:
    """The tasks of a project (None: of all) that have this status, and those above them; all of them without one."""
    fitting = [t for t in book.values() if project in (None, t.project) and status in (None, t.status)]
    kept = {entry.id for task in fitting for entry in (task, *ancestors(book, task))}
    return {task_id: task for task_id, task in book.items() if task_id in kept}


def tree(book: Book, now: int) -> Iterator[str]:
    """A line a task, below its parent, and why it is blocked or failed."""
    for project in dict.fromkeys(task.project for task in book.values()):
        yield f"project {shown(project)}"
        entries = list(_below(book, project))
        width = max(len(task.id) + 2 * depth for task, depth in entries)
        margin = " " * (width + 4)
        for task, depth in entries:
            took = duration(task.started_at, task.ended_at or max(now, task.started_at))
            yield f"  {'  ' * depth + task.id:<{width}}  {task.status:<11}  {took:>9}  {shown(task.title)}"
            if task.blocked_reason:
                on = f" (by {task.blocked_on})" if task.blocked_on else ""
                yield f"{margin}blocked: {shown(task.blocked_reason)}{on}"
                yield f"{margin}next:    {shown(task.next_action or '')}"
            if task.reason:
                yield f"{margin}{shown(task.reason)}"


def _below(book: Book, project: str, parent: str | None = None, depth: int = 0) -> Iterator[tuple[Task, int]]:
    for task in book.values():
        if (task.project, task.parent_id) == (project, parent):
            yield task, depth
            yield from _below(book, project, task.id, depth + 1)


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
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06}Z"
