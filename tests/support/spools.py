"""Spans and spools for tests of sending."""

from __future__ import annotations

from pathlib import Path

from pytest_contextcore.export import wire
from pytest_contextcore.export.messages import message_line, scope_of
from pytest_contextcore.export.spool import Spool
from pytest_contextcore.ids import new_span_id, new_trace_id
from pytest_contextcore.span import OK, Attributes, SpanData

TRACE = new_trace_id()


def spans(count: int, text: str = "t") -> list[SpanData]:
    """Spans named by their number."""
    return [
        SpanData(f"test {n}", TRACE, new_span_id(), None, 1, 2, {"test.case.name": text}, status=OK)
        for n in range(count)
    ]


def filled(path: Path, made: list[SpanData]) -> Spool:
    """A spool with these spans, which its writer has left."""
    spool = Spool(path, wire.head({"service.name": "contextcore"}))
    for span in made:
        assert spool.append(wire.frame(span))
    spool.close()
    return Spool(path)


def names(spool: Spool) -> list[str]:
    """The names of the spans in a spool that are whole."""
    return [span.name for piece in spool.pieces() if piece.whole for span in scope_of(piece.data).spans]


def line(made: list[SpanData], resource: Attributes) -> str:
    """A line of a plan's own file."""
    return message_line(wire.head(resource) + b"".join(map(wire.frame, made)))
