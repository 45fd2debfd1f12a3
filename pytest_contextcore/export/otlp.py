"""Spans ↔ OTLP/JSON lines: one ``ExportTraceServiceRequest`` a line. Pure, and free of the OpenTelemetry SDK.

The format is that of the collector's ``otlpjsonfile`` receiver and of OTLP/HTTP endpoints for JSON (OTLP specification,
"JSON Protobuf Encoding"): ids in hex, 64-bit integers as strings, enums as integers, keys in lowerCamelCase.
"""

from __future__ import annotations

import json
import math
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _ascii
from typing import TYPE_CHECKING, Any

from ..version import __version__
from .sdk_spans import ForeignSpan, from_readable

if TYPE_CHECKING:
    from .sdk_spans import EventLike, LinkLike, SpanLike

__all__ = [
    "KIND_INTERNAL",
    "LINE_END",
    "SCOPE_NAME",
    "SPANS_MARK",
    "ForeignSpan",
    "decode_line",
    "encode_foreign",
    "encode_line",
    "from_readable",
    "head_of",
    "is_ours",
    "join_lines",
    "line_of",
    "placed_spans",
    "span_ids",
    "spans_of",
]

SCOPE_NAME = "pytest_contextcore"
KIND_INTERNAL = 1
"""``SPAN_KIND_INTERNAL``."""

_STATUS = {"unset": "{}", "ok": '{"code":1}'}
_ID = re.compile(rb'"spanId":"([0-9a-f]{16})","name":')  # in a link something else follows; in a text, no bare quote
_INT64 = 1 << 63
_PARENT_IS_KNOWN, _PARENT_IS_REMOTE = 0x100, 0x200  # opentelemetry-proto, SpanFlags
_REQUEST_START, _REQUEST_END = '{"resourceSpans":[', "]}"
_BLOCK_END = "]}]}"
SPANS_MARK, LINE_END = '"spans":[', f"{_BLOCK_END}{_REQUEST_END}"
"""What stands in a line before its first span and behind its last one; in a text the quotes would be escaped."""


def encode_line(spans: Sequence[SpanLike], resource: Mapping[str, Any]) -> str:
    """One request of spans that the plugin made, as JSON without a newline.

    Text that no UTF-8 can express (lone surrogates) becomes question marks; numbers that are not finite and integers
    beyond 64 bits become what OTLP/JSON has for them, text.
    """
    return line_of(spans, head_of(resource))


def head_of(resource: Mapping[str, Any]) -> str:
    """What stands in a line before its spans; for `line_of`, where many lines have the same resource."""
    return f"{_REQUEST_START}{_head(resource, SCOPE_NAME, __version__)}"


def line_of(spans: Sequence[SpanLike], head: str) -> str:
    """A line as `encode_line` makes it, behind a head of `head_of`."""
    return f"{head}{','.join([_span(span) for span in spans])}{LINE_END}"


def encode_foreign(spans: Sequence[ForeignSpan]) -> str:
    """One request of spans that the SDK made, each under its own resource and scope, as JSON without a newline."""
    blocks = [f"{_head(span.resource, span.scope_name, span.scope_version)}{_span(span)}{_BLOCK_END}" for span in spans]
    return f"{_REQUEST_START}{','.join(blocks)}{_REQUEST_END}"


def join_lines(lines: Sequence[str]) -> str:
    """Several lines as one request, in order.

    Raises:
        ValueError: a line is no request as `encode_line` writes it, so that it must be decoded to be joined.
    """
    if not all(line.startswith(_REQUEST_START) and line.endswith(_REQUEST_END) for line in lines):
        raise ValueError("a line that this package did not write")
    inner = (line[len(_REQUEST_START) : -len(_REQUEST_END)] for line in lines)
    return f"{_REQUEST_START}{','.join(filter(None, inner))}{_REQUEST_END}"


def is_ours(line: str) -> bool:
    """Whether a line begins and ends as `encode_line` makes it, so that it can be sent unparsed; torn ones do not."""
    return line.startswith(f'{_REQUEST_START}{{"resource":') and line.endswith(LINE_END)


def decode_line(line: str | bytes) -> dict[str, Any]:
    """The request of a line, checked as far as sending needs it: its shape and its ids.

    Raises:
        ValueError: the line is torn or no OTLP/JSON trace request; the message says what is wrong, not what it holds.
    """
    try:
        request = json.loads(line)
    except UnicodeDecodeError as error:
        raise ValueError(f"no OTLP/JSON: byte {error.start} is no UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"no OTLP/JSON, or torn: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise ValueError("no OTLP/JSON: it is nested too deeply") from None
    if not isinstance(request, dict) or "resourceSpans" not in request:
        raise ValueError("no OTLP trace request: it has no resourceSpans")
    for span in spans_of(request):
        _check_id(span, "traceId", 32)
        _check_id(span, "spanId", 16)
    return request


def span_ids(line: bytes) -> list[str]:
    """The ids of the spans in a line as `encode_line` writes it, without parsing; those in links are of other spans."""
    return [found.decode() for found in _ID.findall(line)]


def spans_of(request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The spans of a decoded request, in order, as the mutable objects that it holds.

    Raises:
        ValueError: a level is not the list of objects that OTLP has there.
    """
    for _, _, span in placed_spans(request):
        yield span


def placed_spans(request: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """Each span of a decoded request after its resource level and its scope level.

    Raises:
        ValueError: a level is not the list of objects that OTLP has there.
    """
    for resource_level in _objects(request, "resourceSpans"):
        for scope_level in _objects(resource_level, "scopeSpans"):
            for span in _objects(scope_level, "spans"):
                yield resource_level, scope_level, span


_Frozen = tuple[tuple[str, type, Any], ...]


def _head(resource: Mapping[str, Any], scope_name: str, scope_version: str) -> str:
    """What stands before the spans of a resource and a scope."""
    frozen = tuple(
        (name, type(value), tuple(value) if isinstance(value, list) else value) for name, value in resource.items()
    )
    return _made_head(frozen, scope_name, scope_version)


@lru_cache(maxsize=32)
def _made_head(frozen: _Frozen, scope_name: str, scope_version: str) -> str:
    resource = {name: value for name, _, value in frozen}
    scope = f'"name":{_quoted(scope_name)}' if scope_name else ""
    if scope_version:
        scope += f'{"," if scope else ""}"version":{_quoted(scope_version)}'
    return f'{{"resource":{{"attributes":[{_attributes(resource)}]}},"scopeSpans":[{{"scope":{{{scope}}},{SPANS_MARK}'


def _span(span: SpanLike) -> str:
    text = (
        f'{{"traceId":"{span.trace_id}","spanId":"{span.span_id}","name":{_quoted(span.name)}'
        f',"kind":{span.kind if isinstance(span, ForeignSpan) else KIND_INTERNAL}'
        f',"startTimeUnixNano":"{span.start}","endTimeUnixNano":"{span.end}"'
    )
    if span.parent_id:
        text += f',"parentSpanId":"{span.parent_id}"'
    if span.trace_state:
        text += f',"traceState":{_quoted(span.trace_state)}'
    if span.attributes:
        text += f',"attributes":[{_attributes(span.attributes)}]'
    if span.events:
        text += f',"events":[{",".join(map(_event, span.events))}]'
    if span.links:
        text += f',"links":[{",".join(map(_link, span.links))}]'
    if isinstance(span, ForeignSpan) and any(span.dropped):
        names = ("droppedAttributesCount", "droppedEventsCount", "droppedLinksCount")
        text += "".join(f',"{name}":{count}' for name, count in zip(names, span.dropped, strict=True))
    code = span.status.code
    status = _STATUS[code] if code != "error" else f'{{"code":2,"message":{_quoted(span.status.description)}}}'
    return f'{text},"status":{status},"flags":{_flags(getattr(span, "parent_remote", False))}}}'


def _flags(remote: bool) -> int:
    return _PARENT_IS_KNOWN | (_PARENT_IS_REMOTE if remote else 0)


def _event(event: EventLike) -> str:
    attributes = f',"attributes":[{_attributes(event.attributes)}]' if event.attributes else ""
    return f'{{"timeUnixNano":"{event.time}","name":{_quoted(event.name)}{attributes}}}'


def _link(link: LinkLike) -> str:
    found = getattr(link, "attributes", None)
    attributes = f',"attributes":[{_attributes(found)}]' if found else ""
    flags = _flags(getattr(link, "parent_remote", False))
    return f'{{"traceId":"{link.trace_id}","spanId":"{link.span_id}"{attributes},"flags":{flags}}}'


def _attributes(attributes: Mapping[str, Any]) -> str:
    found = []
    for name, value in attributes.items():
        if type(value) is str:  # by far the most frequent: no call more than it takes
            text = _ascii(value) if value.isascii() else _quoted(value)
            found.append(f'{_key(name)}{{"stringValue":{text}}}}}')
        else:
            found.append(f"{_key(name)}{_VALUES.get(type(value), _value)(value)}}}")
    return ",".join(found)


@lru_cache(maxsize=1024)
def _key(name: str) -> str:
    return f'{{"key":{_quoted(name)},"value":'


def _value(value: object) -> str:
    """An ``AnyValue``; what OTLP cannot express, such as an integer beyond 64 bits, is written as text."""
    match value:
        case None:
            return "{}"
        case bytes():
            return f'{{"bytesValue":"{b64encode(value).decode()}"}}'
        case Mapping():
            return f'{{"kvlistValue":{{"values":[{_attributes({str(k): v for k, v in value.items()})}]}}}}'
        case Sequence() if not isinstance(value, str):
            return f'{{"arrayValue":{{"values":[{",".join(map(_value, value))}]}}}}'
    return _scalar(value)


def _scalar(value: object) -> str:
    match value:
        case bool():
            return _boolean(value)
        case int():
            return _integer(value)
        case float():
            return _double(value)
    return f'{{"stringValue":{_quoted(str(value))}}}'


def _boolean(value: bool) -> str:
    return '{"boolValue":true}' if value else '{"boolValue":false}'


def _integer(value: int) -> str:
    if -_INT64 <= value < _INT64:
        return f'{{"intValue":"{int(value)}"}}'
    return f'{{"stringValue":{_quoted(str(value))}}}'


def _double(value: float) -> str:
    if math.isfinite(value):
        return f'{{"doubleValue":{float(value)!r}}}'
    return f'{{"doubleValue":"{_odd(value)}"}}'


_VALUES: dict[type, Callable[[Any], str]] = {bool: _boolean, int: _integer, float: _double}
"""Types that need no look at the abstract ones, which costs more than the writing."""


def _odd(value: float) -> str:
    """Proto3's JSON names of the numbers that JSON lacks."""
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _quoted(text: str) -> str:
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return _ascii(text)


def _objects(level: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = level.get(name)
    if found is None:
        return []  # proto3's JSON leaves empty lists out
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ValueError(f"no OTLP trace request: {name} is no list of objects")
    return found


def _check_id(span: Mapping[str, Any], name: str, digits: int) -> None:
    value = span.get(name)
    if isinstance(value, str) and len(value) == digits:
        try:
            if int(value, 16) and "_" not in value:
                return
        except ValueError as error:
            raise ValueError(f"a span's {name} is not {digits} hex digits") from error
    raise ValueError(f"a span's {name} is not {digits} hex digits")
