"""How tasks are shown: as a tree for people, as JSON for programs. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from ..ids import traceparent
from ..text import cut, duration, escaped
from .model import Book, Task

_LINE = 200


def shown(text: str) -> str:
    """One line of a text that somebody gave."""
    return escaped(cut(text, _LINE))


def chosen(book: Book, projects: set[str], status: str | None) -> Book:
    """The tasks of these projects that have this status, and those above them; all of them without one."""
    kept = {
        entry.id
        for task in book
        if task.project in projects and status in (None, task.status)
        for entry in (task, *book.ancestors(task))
    }
    return Book.of_tasks(task for task in book if task.project in projects and task.id in kept)


def tree(book: Book, now: int) -> Iterator[str]:
    """A line a task, below its parent, and why it is blocked or failed."""
    below: dict[tuple[str, str | None], list[Task]] = {}
    for task in book:
        below.setdefault((task.project, task.parent_id), []).append(task)
    for project in dict.fromkeys(task.project for task in book):
        width = max(len(task.id) + 2 * len(book.ancestors(task)) for task in book.of(project))
        yield f"project {shown(project)}"
        todo = [(task, 0) for task in reversed(below.get((project, None), []))]
        while todo:
            task, depth = todo.pop()
            yield from _entry_lines(task, depth, width, now)
            todo += [(child, depth + 1) for child in reversed(below.get((project, task.id), []))]


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


def document(book: Book) -> dict[str, Any]:
    """The tasks as JSON: flat, in the order in which they were started; times are RFC 3339 UTC."""
    return {"schema_version": "v1", "tasks": [_entry(task) for task in book]}


def _entry(task: Task) -> dict[str, Any]:
    return {
        "project_id": task.project,
        "task_id": task.id,
        "parent_id": task.parent_id,
        "title": task.title,
        "type": task.type,
        "status": task.status,
        "started_at": rfc3339(task.started_at),
        "ended_at": None if task.ended_at is None else rfc3339(task.ended_at),
        "reason": task.reason,
        "blocked_reason": task.blocked_reason,
        "blocked_on_span_id": task.blocked_on,
        "next_action": task.next_action,
        "otel_trace_id": task.trace_id,
        "otel_span_id": task.span_id,
        "otel_parent_span_id": task.parent_span_id,
        "traceparent": traceparent(task.trace_id, task.span_id, sampled=task.sampled),
        "events": [
            {"name": event.name, "time": rfc3339(event.time), "attributes": dict(event.attributes)}
            for event in task.events
        ],
    }


def rfc3339(nanoseconds: int) -> str:
    """RFC 3339 in UTC with microseconds."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest // 1000:06d}Z"
