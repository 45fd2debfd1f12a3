"""A phase that a plugin such as pytest-rerunfailures ran again: what is kept of its earlier attempts."""

from __future__ import annotations

from .evidence import Attempt, Attributes, Event, SpanEvidence

ATTEMPT_EVENT = "phase.attempt"
"""On a phase's span: an earlier attempt at it, for each one."""


def remember_attempt(span: SpanEvidence, before: SpanEvidence, moment: int) -> None:
    """Say of each earlier attempt that it was and how it ended: it has a span of its own, which has ended."""
    span.attempts = [*before.attempts, Attempt.model_validate(before.model_dump(include=set(Attempt.model_fields)))]
    span.events = [event for event in span.events if event.name != ATTEMPT_EVENT]
    for number, attempt in enumerate(span.attempts, 1):
        attributes: Attributes = {"task.attempt": number, "task.status": attempt.status.value}
        if attempt.blocked_reason:
            attributes["task.blocked_reason"] = attempt.blocked_reason
        span.events.append(Event(name=ATTEMPT_EVENT, time=moment, attributes=attributes))
