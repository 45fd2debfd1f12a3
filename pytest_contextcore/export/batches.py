"""Lines of a spool → requests of a bounded size, in the encoding of a protocol. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from .otlp import LINE_END, SPANS_MARK, decode_line, is_ours, join_lines, placed_spans
from .spool import Position, StoredLine, count_spans

if TYPE_CHECKING:
    from .settings import Protocol
    from .transcode import Wire

REQUEST_BYTES = 2_000_000
"""JSON of one request, about. As protobuf it is half of that; collectors take 4 MiB over gRPC, 20 MiB over HTTP."""

_MERGED_BYTES = 250_000  # parsed, where they are, they take ten times the memory
_SPANS, _TAIL = SPANS_MARK.encode(), LINE_END.encode()


class Request(NamedTuple):
    """An encoded request, the spans in it, and the position that is reached when it is accepted."""

    body: bytes
    spans: int
    reached: Position


class Damaged(NamedTuple):
    """A line that is no OTLP request, and the position behind it."""

    data: bytes
    reached: Position


def requests(lines: Iterable[StoredLine], start: Position, protocol: Protocol) -> Iterator[Request | Damaged]:
    """What to send, in order: whole lines up to `REQUEST_BYTES` together, a longer line cut by spans.

    Lines are read as requests are taken, so that no more than one request is in memory. ``start`` is where ``lines``
    begin; the spans that it says to skip are left out.
    """
    together: list[StoredLine] = []
    size, before = 0, start
    for line in lines:
        alone = before.skip > 0 or len(line.data) > REQUEST_BYTES
        if together and (alone or size + len(line.data) > REQUEST_BYTES):
            yield from _joined(together, protocol)
            together, size = [], 0
        if alone:
            yield from _cut(line.data, before, Position(line.end), protocol)
        else:
            together.append(line)
            size += len(line.data)
        before = Position(line.end)
    yield from _joined(together, protocol)


def _joined(lines: Sequence[StoredLine], protocol: Protocol) -> Iterator[Request | Damaged]:
    """Several lines as one request; where one of them is damaged, each by itself."""
    if not lines:
        return
    reached = Position(lines[-1].end)
    try:
        body, spans = _encoded([line.data for line in lines], protocol)
    except ValueError:
        if len(lines) == 1:
            yield Damaged(lines[0].data, reached)
        for line in lines if len(lines) > 1 else ():
            yield from _joined([line], protocol)
    else:
        yield Request(body, spans, reached)


def _encoded(lines: Sequence[bytes], protocol: Protocol) -> tuple[bytes, int]:
    """The body for these lines, and the number of spans in it.

    A line of ours that shall be posted as JSON is taken as it is: parsing costs as much as writing it did.

    Raises:
        ValueError: one of them is damaged.
    """
    if protocol == "http/json":
        texts = [line.decode() for line in _merged(lines)]
        body = join_lines([text if is_ours(text) else _compact(decode_line(text)) for text in texts]).encode()
        return body, count_spans(body)
    from .transcode import NotPlain, Wire  # noqa: PLC0415  (not needed for JSON)

    wire, spans = Wire(), 0
    others: list[bytes] = []
    for line in lines:
        try:
            plain = wire.read(line)
        except NotPlain:
            others.append(line)
            continue
        spans += _add_parsed(wire, others) + 1
        wire.add(plain)
    spans += _add_parsed(wire, others)
    return wire.request(), spans


def _add_parsed(wire: Wire, lines: list[bytes]) -> int:
    """Take these lines, and leave none of them; how many spans they held.

    Raises:
        ValueError: one of them is damaged.
    """
    spans = 0
    for line in _merged(lines):
        decoded = decode_line(line)
        wire.add_message(_protobuf([decoded]))
        spans += sum(1 for _ in placed_spans(decoded))
    lines.clear()
    return spans


def _merged(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The same spans in fewer lines: those that follow each other under one resource and scope, up to `_MERGED_BYTES`.

    A run writes a line a test, and all of them begin alike.
    """
    parts: list[bytes] = []
    head, size = b"", 0
    for line in lines:
        cut = line.find(_SPANS) + len(_SPANS)
        single = line.endswith(_TAIL) and line.count(_SPANS) == 1  # in a text its quotes would be escaped
        if parts and (not single or line[:cut] != head or size > _MERGED_BYTES):
            yield head + b",".join(parts) + _TAIL
            parts, size = [], 0
        if not single:
            yield line
            continue
        head = line[:cut]
        parts.append(line[cut : -len(_TAIL)])
        size += len(parts[-1])
    if parts:
        yield head + b",".join(parts) + _TAIL


def _cut(data: bytes, before: Position, reached: Position, protocol: Protocol) -> Iterator[Request | Damaged]:
    """One line in several requests, without the spans that were accepted before."""
    try:
        placed = list(placed_spans(decode_line(data)))
        _protobuf([_nested(placed)])  # every field is of the right type
    except ValueError:
        yield Damaged(data, reached)
        return
    parts = -(-len(data) // REQUEST_BYTES)
    step = max(1, -(-len(placed) // parts))
    for first in range(before.skip, len(placed), step):
        chosen = placed[first : first + step]
        nested = _nested(chosen)
        body = _compact(nested).encode() if protocol == "http/json" else _protobuf([nested])
        done = first + len(chosen)
        yield Request(body, len(chosen), reached if done == len(placed) else Position(before.offset, done))


def _nested(placed: Sequence[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
    """Spans under their levels again."""
    return {
        "resourceSpans": [
            {**resource, "scopeSpans": [{**scope, "spans": [span for *_, span in group]}]}
            for (resource, scope), group in (
                (group[0][:2], group)
                for group in (list(found) for _, found in groupby(placed, lambda item: (id(item[0]), id(item[1]))))
            )
        ]
    }


def _compact(request: dict[str, Any]) -> str:
    return json.dumps({"resourceSpans": request.get("resourceSpans") or []}, separators=(",", ":"))


def _protobuf(decoded: Sequence[dict[str, Any]]) -> bytes:
    from .protobuf import to_protobuf  # noqa: PLC0415  (protobuf's classes are not needed for JSON)

    body: bytes = to_protobuf(decoded).SerializeToString()
    return body
