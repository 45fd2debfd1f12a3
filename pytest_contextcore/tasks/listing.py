"""How tasks are shown: as a tree for people, as JSON for programs, as spans. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..ids import traceparent
from ..span import OK, UNSET, ErrorType, SpanData, SpanEvent, error_status
from ..text import cut, duration, escaped, format_time
from .model import COMPLETED, FAILED, Book, Task, ancestors

_LINE = 200
_MAX_PHASE = 80


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
        width = max((len(task.id) + 2 * depth for task, depth in entries), default=0)
        margin = " " * (width + 4)
        for task, depth in entries:
            took = duration(task.started_at, task.ended_at or max(now, task.started_at))
            yield f"  {'  ' * depth + task.id:<{width}}  {task.status:<11}  {took:>9}  {shown(task.title)}"
            if task.blocked_reason:
                on = f" (by {task.blocked_on})" if task.blocked_on else ""
                yield f"{margin}blocked: {shown(task.blocked_reason)}{on}"
            if task.blocked_reason and task.is_open:
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
        "started_at": format_time(task.started_at),
        "ended_at": None if task.ended_at is None else format_time(task.ended_at),
        "reason": task.reason,
        "blocked_reason": task.blocked_reason,
        "blocked_on_span_id": task.blocked_on,
        "next_action": task.next_action,
        "otel_trace_id": task.trace_id,
        "otel_span_id": task.span_id,
        "otel_parent_span_id": task.parent_span_id,
        "traceparent": traceparent(task.trace_id, task.span_id, sampled=task.sampled),
        "events": [
            {"name": each.name, "time": format_time(each.time), "attributes": each.attributes} for each in task.events
        ],
    }


def task_span(book: Book, task: Task) -> SpanData:
    """The finished span of a task that has ended, with the names and attributes of a plan's spans.

    A root task looks like a trace's parent span, a task below it like a phase, one further down like a gate: so the
    same queries find the tree that a person draws and the one that a run records.
    """
    path = [*reversed(ancestors(book, task)), task]
    phase = phase_name(path[1].title) if len(path) > 1 else ""
    known = {
        "project.id": task.project,
        "task.id": task.id,
        "task.parent_id": task.parent_id,
        "task.phase": phase,
        "task.type": task.type,
        "task.title": task.title,
        "task.status": task.status,
        "task.blocked_reason": task.blocked_reason,
        "task.blocked_on_span_id": task.blocked_on,
        "task.next_action": task.next_action,
    }
    status = OK if task.status == COMPLETED else UNSET
    if task.status == FAILED:
        status = error_status(task.reason or "", ErrorType.TASK_FAILED)
    return SpanData(
        name=f"{task.id} {phase}" if phase and len(path) == 2 else task.id,
        trace_id=task.trace_id,
        span_id=task.span_id,
        parent_id=task.parent_span_id,
        start=task.started_at,
        end=task.ended_at or task.started_at,
        attributes={name: value for name, value in known.items() if value},
        events=tuple(SpanEvent(event.name, event.time, dict(event.attributes)) for event in task.events),
        status=status,
        trace_state=task.trace_state,
        parent_remote=task.remote,
    )


def phase_name(title: str) -> str:
    """A title in the form of a phase's name: ``Init baseline`` is ``INIT_BASELINE``; empty if nothing is left."""
    words = "".join(letter if letter.isalnum() else " " for letter in title.upper()).split()
    return "_".join(words)[:_MAX_PHASE].rstrip("_")
