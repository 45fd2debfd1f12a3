"""What an attribute is now, and what it was in earlier runs. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

from .evidence import AttributeValue, Evidence, SpanEvidence, Status


class Recorded(NamedTuple):
    """What an attribute was when a phase looked at it: now, and in earlier completed runs, newest first."""

    now: AttributeValue | None
    before: list[AttributeValue]


def recorded(name: str, span_id: str, now: Evidence, before: Iterable[Evidence]) -> Recorded:
    """The values of an attribute that a phase sees: its own, or that of the last phase before it that has one.

    A value counts once, however many runs reused the phase that recorded it.
    """
    known: set[str] = set()
    found: list[AttributeValue] = []
    for run in chain([now], before):
        span = _source(run, name, span_id)
        if span is None or not (run is now or run.status is Status.COMPLETED or span.otel_span_id in known):
            continue
        if run is not now and span.otel_span_id not in known:
            found.append(span.attributes[name])
        known |= {span.otel_span_id, span.reused_from.otel_span_id if span.reused_from else ""}
    own = _source(now, name, span_id)
    return Recorded(own.attributes[name] if own else None, found)


def _source(run: Evidence, name: str, span_id: str) -> SpanEvidence | None:
    """The phase that recorded what another one sees."""
    found = None
    for span in run.spans:
        found = span if name in span.attributes else found
        if span.span_id == span_id:
            break
    return found
