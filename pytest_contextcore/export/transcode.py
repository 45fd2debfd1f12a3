"""Lines of `otlp` → protobuf, without parsing their JSON (OTLP, "Binary Protobuf").

Most lines of a spool hold one span, and most of its attributes are those of the span before it. So a line is cut at
marks that no text in it can hold, since there each quote is escaped, and what was encoded before is not encoded again.

Only what is plain is understood: a span without events and links, scalar attributes, text in printable ASCII.
`Wire.read` refuses the rest, and its caller goes the long way, `export.protobuf`. Field numbers are those
of opentelemetry-proto 1.x.
"""

from __future__ import annotations

import json
import re
import struct
from binascii import unhexlify
from functools import lru_cache
from typing import NamedTuple

from .otlp import LINE_END, SPANS_MARK

_HEAD_END, _TAIL = SPANS_MARK.encode(), LINE_END.encode()
_PRINTABLE = bytes(range(0x20, 0x7F))
_TEXT = rb'("[^"\\]*(?:\\.[^"\\]*)*")'
_START = re.compile(
    rb'\{"traceId":"(?!0{32})([0-9a-f]{32})","spanId":"(?!0{16})([0-9a-f]{16})","name":'
    + _TEXT
    + rb',"kind":([0-5]),"startTimeUnixNano":"(\d{1,19})","endTimeUnixNano":"(\d{1,19})"'
    rb'(?:,"parentSpanId":"([0-9a-f]{16})")?(?:,"traceState":' + _TEXT + rb")?"
)
_HEAD = re.compile(
    rb'\{"resourceSpans":\[\{"resource":\{"attributes":\[(\{"key":.*\})?\]\},"scopeSpans":\[\{"scope":\{'
    rb'(?:"name":' + _TEXT + rb')?(?:(?:(?<=\{)|(?<!\{),)"version":' + _TEXT + rb')?\},"spans":\['
)
_KEY = b'{"key":'
_FIRST, _NEXT, _END = b',"attributes":[' + _KEY, b"," + _KEY, b',"status":'
_STATUS = re.compile(rb'\{(?:"code":([0-2])(?:,"message":' + _TEXT + rb')?)?\},"flags":(\d{1,9})\}')
_VALUE, _KIND, _CLOSED = b',"value":{"', b'Value":', b"}}"
_STRING_PAIR = re.compile(rb'("[^"\\]*"),"value":\{"stringValue":"([^"\\]*)"\}\}').fullmatch
_UNESCAPED = re.compile(rb'"([^"\\]*)"').fullmatch
_INTEGER = re.compile(rb'"-?\d{1,19}"')
_NUMBER = re.compile(rb'-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|"(?:NaN|-?Infinity)"')
_TIMES = struct.Struct("<BQBQ").pack
_FLAGS = struct.Struct("<HI").pack
_DOUBLE = struct.Struct("<Bd").pack
_KEPT = 256  # bytes: what is longer is not kept, so that what is kept is bounded in memory too
_LENGTHS = tuple(bytes((number,)) for number in range(128))


class NotPlain(ValueError):
    """The line is none of those that are understood here; nothing of it was taken."""


class Plain(NamedTuple):
    """A line that was understood: what stands before its span, and its span as protobuf."""

    head: bytes
    span: bytes


class Wire:
    """Plain lines as one request; what follows each other under one resource and scope shares its head."""

    def __init__(self) -> None:
        self._done: list[bytes] = []
        self._head = b""
        self._spans: list[bytes] = []

    def read(self, line: bytes) -> Plain:
        """Understand a line of one span; nothing is taken yet.

        Raises:
            NotPlain: it has to be parsed.
        """
        head = self._head
        if not head or not line.startswith(head):
            head = line[: line.find(_HEAD_END) + len(_HEAD_END)]
            _levels(head)  # understood?
        if not line.endswith(_TAIL) or line.translate(None, _PRINTABLE):
            raise NotPlain
        return Plain(head, _span(line[len(head) : -len(_TAIL)]))

    def add(self, plain: Plain) -> None:
        """Take what was read."""
        if plain.head != self._head:
            self._close()
            self._head = plain.head
        self._spans.append(plain.span)

    def add_message(self, message: bytes) -> None:
        """Take what was encoded otherwise: a request of its own."""
        self._close()
        self._done.append(message)

    def request(self) -> bytes:
        """All that was taken, in order; one message behind the other is one message with all of them."""
        self._close()
        return b"".join(self._done)

    def _close(self) -> None:
        if self._spans:
            resource, scope = _levels(self._head)
            self._done.append(_field(b"\x0a", resource + _field(b"\x12", scope + b"".join(self._spans))))
        self._spans, self._head = [], b""


@lru_cache(maxsize=8)
def _levels(head: bytes) -> tuple[bytes, bytes]:
    """The field ``resource`` of ``ResourceSpans`` and the field ``scope`` of ``ScopeSpans`` that a line begins with."""
    found = _HEAD.fullmatch(head)
    if found is None or head.translate(None, _PRINTABLE):
        raise NotPlain
    pairs, name, version = found.groups()
    fields = [_attribute(pair)[1:] for pair in pairs[len(_KEY) :].split(_NEXT)] if pairs else []
    scope = [_field(tag, _text(text)) for tag, text in ((b"\x0a", name), (b"\x12", version)) if text is not None]
    resource = b"".join(b"\x0a" + field for field in fields)  # an attribute has another number in `Span`
    return _field(b"\x0a", resource), _field(b"\x0a", b"".join(scope))


def _span(text: bytes) -> bytes:
    """A field ``spans`` of ``ScopeSpans``."""
    start = _START.match(text)
    if start is None:
        raise NotPlain
    trace, span, name, kind, begun, ended, parent, state = start.groups()
    parts = [b"\x0a\x10", unhexlify(trace), b"\x12\x08", unhexlify(span)]
    if state is not None:
        parts.append(_field(b"\x1a", _text(state)))
    if parent is not None:
        parts += (b"\x22\x08", unhexlify(parent))
    parts += (
        _field(b"\x2a", _text(name)),
        b"\x30",
        _LENGTHS[int(kind)],
        _TIMES(0x39, int(begun), 0x41, int(ended)),
    )
    at = start.end()
    if text.startswith(_FIRST, at):
        end = text.find(b"]" + _END, at)
        parts += map(_attribute, text[at + len(_FIRST) : end].split(_NEXT))
        at = end + 1
    if not text.startswith(_END, at):
        raise NotPlain
    parts.append(_status(text[at + len(_END) :]))
    return _field(b"\x12", b"".join(parts))


def _attribute(pair: bytes) -> bytes:
    """A field ``attributes`` of ``Span``, from what stands behind ``{"key":``; only short ones are kept."""
    return _short_attribute(pair) if len(pair) <= _KEPT else _new_attribute(pair)


def _new_attribute(pair: bytes) -> bytes:
    if (found := _STRING_PAIR(pair)) is not None:  # most are, and short
        name, text = found.groups()
        key = _key(name)
        size, before = len(text), len(key)
        if before + size < 120:
            outer, inner = _LENGTHS[before + size + 4], _LENGTHS[size + 2]
            return b"".join((b"\x4a", outer, key, b"\x12", inner, b"\x0a", _LENGTHS[size], text))
    name, _, rest = pair.partition(_VALUE)
    kind, _, value = rest.partition(_KIND)
    encoder = _VALUES.get(kind)
    if encoder is None or not value.endswith(_CLOSED):
        raise NotPlain
    return _field(b"\x4a", _key(name) + _field(b"\x12", encoder(value[: -len(_CLOSED)])))


def _key(name: bytes) -> bytes:
    """The field ``key`` of ``KeyValue``."""
    return _short_key(name) if len(name) <= _KEPT else _string(name)


def _status(text: bytes) -> bytes:
    """The fields ``status`` and ``flags`` of ``Span``."""
    return _short_status(text) if len(text) <= _KEPT else _new_status(text)


def _new_status(text: bytes) -> bytes:
    found = _STATUS.fullmatch(text)
    if found is None:
        raise NotPlain
    code, message, flags = found.groups()
    said = _field(b"\x12", _text(message)) if message is not None else b""
    if code is not None:
        said += b"\x18" + _LENGTHS[int(code)]
    return _field(b"\x7a", said) + _FLAGS(0x0185, int(flags))


def _string(value: bytes) -> bytes:
    """Field 1 of ``AnyValue``, and of ``KeyValue`` too."""
    return _field(b"\x0a", _text(value))


_short_attribute = lru_cache(maxsize=1024)(_new_attribute)
_short_key = lru_cache(maxsize=256)(_string)
_short_status = lru_cache(maxsize=64)(_new_status)


def _boolean(value: bytes) -> bytes:
    if value not in (b"true", b"false"):
        raise NotPlain
    return b"\x10\x01" if value == b"true" else b"\x10\x00"


def _integer(value: bytes) -> bytes:
    number = int(value[1:-1]) if _INTEGER.fullmatch(value) else 1 << 63
    if not -(1 << 63) <= number < 1 << 63:
        raise NotPlain
    return b"\x18" + _varint(number & 0xFFFF_FFFF_FFFF_FFFF)  # a negative one has all ten bytes


def _double(value: bytes) -> bytes:
    if not _NUMBER.fullmatch(value):
        raise NotPlain
    return _DOUBLE(0x21, float(value.strip(b'"')))


_VALUES = {b"string": _string, b"bool": _boolean, b"int": _integer, b"double": _double}


def _text(token: bytes) -> bytes:
    """A JSON string, quotes and all, as UTF-8."""
    if (found := _UNESCAPED(token)) is not None:
        return found[1]
    try:
        text = json.loads(token)
        return str.encode(text)
    except (ValueError, TypeError) as error:  # no string of JSON's, or a lone surrogate
        raise NotPlain from error


def _field(tag: bytes, data: bytes) -> bytes:
    """A field with a length."""
    size = len(data)
    return tag + (_LENGTHS[size] if size < 128 else _varint(size)) + data


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)
