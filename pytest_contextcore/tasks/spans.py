"""Spans of tasks, with the names and attributes of a plan's spans. Pure.

A root task looks like a trace's parent span, a task below it like a phase, one further down like a gate: so the same
queries find the tree that a person draws and the one that a run records.
"""

from __future__ import annotations

from ..span import OK, UNSET, SpanData, SpanEvent, error_status
from .model import COMPLETED, FAILED, Book, Task, ancestors

_MAX_PHASE = 80


def task_span(book: Book, task: Task) -> SpanData:
    """The finished span of a task that has ended."""
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
    status = error_status(task.reason or "") if task.status == FAILED else OK if task.status == COMPLETED else UNSET
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
