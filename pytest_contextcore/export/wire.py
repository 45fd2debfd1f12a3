"""Spans as protobuf, written by hand: OpenTelemetry's encoder takes ten times as long, and every test pays for it.

A spool is one growing ``ResourceSpans`` message. It begins with a head, the ``resource`` and ``schema_url`` fields.
Each span follows as a frame, a ``scope_spans`` field of its own. Behind the head and behind each frame stands the
CRC-32 of its bytes, in a field whose number OTLP does not use, so that receivers skip it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING, Any
from zlib import crc32

from ..version import __version__

if TYPE_CHECKING:
    from ..span import Link, SpanData, SpanEvent

SCOPE_NAME = "pytest_contextcore"
SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
"""The version of the semantic conventions that names and values follow."""

MAX_FRAME = 1 << 20
"""Bytes of a frame; longer spans are cut (`pytest_contextcore.export.messages`)."""

FRAME, CRC = 0x12, 0x7D
"""Tags: ``scope_spans`` (2, of a length), and 15 (four bytes)."""

_KIND_INTERNAL, _KIND_CLIENT = b"\x30\x01", b"\x30\x03"
_FLAGS = b"\x85\x01"  # tag 16 takes two bytes
_LOCAL, _REMOTE = (_FLAGS + flags.to_bytes(4, "little") for flags in (0x100, 0x300))  # opentelemetry-proto, SpanFlags
_INT64 = 1 << 63
_double, _times, _time, _crc = (
    Struct(form).pack
    for form in ("<Bd", "<BQBQ", "<BQ", "<BI")  # a tag before each value
)
_SHORT = [bytes((size,)) for size in range(128)]


def varint(number: int) -> bytes:
    """A non-negative integer as protobuf writes it."""
    if number < 128:
        return _SHORT[number]
    if number < 16_384:
        return bytes((number & 127 | 128, number >> 7))
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)


def head(attributes: Mapping[str, Any]) -> bytes:
    """What a spool begins with: who emits its spans."""
    return head_of(_attributes(b"\x0a", attributes), SCHEMA_URL)


def head_of(resource: bytes, schema_url: str) -> bytes:
    """The same, of an encoded ``Resource``."""
    return _sealed(_field(b"\x0a", resource) + _text(b"\x1a", schema_url))


def frame(span: SpanData) -> bytes:
    """A span that this package made, as one frame; it may be longer than `MAX_FRAME`."""
    found = _span(span)
    size = varint(len(found))
    return _sealed(
        b"".join((b"\x12", varint(_AROUND_SPAN + len(size) + len(found)), _SCOPE, size, found, _SCOPE_SCHEMA))
    )


def frame_of(scope_spans: bytes) -> bytes:
    """An encoded ``ScopeSpans`` as a frame."""
    return _sealed(_field(b"\x12", scope_spans))


def _sealed(field: bytes) -> bytes:
    """Bytes of whole fields, followed by their CRC-32."""
    return field + _crc(CRC, crc32(field))


def _span(span: SpanData) -> bytes:
    place = _place(span.trace_id, span.parent_id, span.trace_state, span.parent_remote, span.kind)
    times = _times(0x39, span.start, 0x41, span.end)
    parts = [place, bytes.fromhex(span.span_id), _text(b"\x2a", span.name), times]
    if span.attributes:
        _add_attributes(parts, b"\x4a", span.attributes)
    if span.events:
        parts += map(_event, span.events)
    if span.links:
        parts += map(_link, span.links)
    code, description, error_type = span.status
    if code == "ok":
        parts.append(b"\x7a\x02\x18\x01")
    elif code == "error":
        _add_attributes(parts, b"\x4a", {"error.type": error_type})
        parts.append(_field(b"\x7a", _text(b"\x12", description) + b"\x18\x02"))
    else:
        parts.append(b"\x7a\x00")
    return b"".join(parts)


@lru_cache(maxsize=64)
def _place(trace_id: str, parent_id: str | None, state: str, remote: bool, kind: str) -> bytes:
    """What the spans below one parent have in common, up to where the span's own id follows."""
    parts = [b"\x0a\x10", bytes.fromhex(trace_id), _KIND_CLIENT if kind == "client" else _KIND_INTERNAL]
    if state:
        parts.append(_text(b"\x1a", state))
    if parent_id:
        parts += b"\x22\x08", bytes.fromhex(parent_id)
    return b"".join([*parts, _REMOTE if remote else _LOCAL, b"\x12\x08"])


def _event(event: SpanEvent) -> bytes:
    text = _time(9, event.time) + _text(b"\x12", event.name)
    return _field(b"\x5a", text + _attributes(b"\x1a", event.attributes))


def _link(link: Link) -> bytes:
    ids = b"\x0a\x10" + bytes.fromhex(link.trace_id) + b"\x12\x08" + bytes.fromhex(link.span_id)
    return _field(b"\x6a", ids + b"\x35\x00\x01\x00\x00")  # 0x100, as above


def _attributes(tag: bytes, attributes: Mapping[str, Any]) -> bytes:
    parts: list[bytes] = []
    _add_attributes(parts, tag, attributes)
    return b"".join(parts)


def _add_attributes(parts: list[bytes], tag: bytes, attributes: Mapping[str, Any]) -> None:
    """``KeyValue`` fields with this tag; most attributes of a test have the value that they had on the test before."""
    for name, value in attributes.items():
        kind = type(value)
        if (last := _last.get(name)) is not None and last[0] is kind and last[1] == value:
            parts += tag, last[2]
            continue
        key, found = _key(name), _value(value)
        size = len(found)
        if (total := len(key) + 1 + size) < 128:
            field = b"".join((_SHORT[total], key, _SHORT[size], found))
            if kind is str or kind is int:
                _last[name] = kind, value, field
        else:
            inner = varint(size)
            field = b"".join((varint(len(key) + len(inner) + size), key, inner, found))
        parts += tag, field


@lru_cache(maxsize=1024)
def _key(name: str) -> bytes:
    return _text(b"\x0a", name) + b"\x12"


def _text(tag: bytes, text: str) -> bytes:
    try:
        found = text.encode()
    except UnicodeEncodeError:  # lone surrogates
        found = text.encode(errors="replace")
    size = len(found)
    return tag + (_SHORT[size] if size < 128 else varint(size)) + found


def _field(tag: bytes, content: bytes) -> bytes:
    return tag + varint(len(content)) + content


def _string(value: str) -> bytes:
    return _text(b"\x0a", value)


def _value(value: object) -> bytes:
    """An ``AnyValue``; what OTLP cannot express is written as text."""
    if type(value) is str:
        return _string(value)
    match value:
        case bool():
            return b"\x10\x01" if value else b"\x10\x00"
        case int() if -_INT64 <= value < _INT64:
            return b"\x18" + varint(value & (2 * _INT64 - 1))
        case float():
            return _double(0x21, value)
        case list() | tuple():
            return _field(b"\x2a", b"".join([_field(b"\x0a", _value(inner)) for inner in value]))
    return _string(str(value))


_last: dict[str, tuple[type, str | int, bytes]] = {}
"""Of each attribute by its name: the short text or number that it had last, and its field without the tag."""

_SCOPE = _field(b"\x0a", _text(b"\x0a", SCOPE_NAME) + _text(b"\x12", __version__)) + b"\x12"  # and the span's tag
_SCOPE_SCHEMA = _text(b"\x1a", SCHEMA_URL)
_AROUND_SPAN = len(_SCOPE) + len(_SCOPE_SCHEMA)
