"""What needs OpenTelemetry's own message classes: reading spans, and cutting those that are too long.

To import them takes 30 ms, so whoever needs this module imports it then.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, TracesData

from . import wire
from .otlp_json import spans_of

_LIMITS = (1 << 16, 1 << 12, 1 << 8)
_MOST = {"attributes": 128, "events": 32, "links": 32}
"""How many stay of a span that is too long even with short texts."""


def scope_of(frame: bytes) -> ScopeSpans:
    """The message of a frame; an empty one where it is none."""
    try:
        return next(iter(ResourceSpans.FromString(frame).scope_spans), ScopeSpans())
    except DecodeError:
        return ScopeSpans()


def fitting(frame: bytes) -> bytes:
    """A frame that is no longer than `wire.MAX_FRAME`: long texts are cut, then what is too many is left out."""
    if len(frame) <= wire.MAX_FRAME:
        return frame
    message = scope_of(frame)
    for limit in _LIMITS:
        change_texts(message, lambda text, limit=limit: _cut(text, limit))  # type: ignore[misc]  # a default
        if len(found := wire.frame_of(message.SerializeToString())) <= wire.MAX_FRAME:
            return found
    for span in message.spans:
        for name, most in _MOST.items():
            held, dropped = getattr(span, name), f"dropped_{name}_count"
            setattr(span, dropped, getattr(span, dropped) + max(0, len(held) - most))
            del held[most:]
        for holder in (span, *span.events, *span.links):
            del holder.attributes[_MOST["attributes"] if holder is span else 8 :]
            for pair in holder.attributes:
                pair.key = _cut(pair.key, _LIMITS[-1])
                if (size := pair.value.ByteSize()) > 2 * _LIMITS[-1]:
                    pair.value.string_value = f"left out: {size} bytes"
        for event in span.events:
            event.name = _cut(event.name, _LIMITS[-1])
    return wire.frame_of(message.SerializeToString())


def change_texts(message: ScopeSpans, change: Callable[[str], str]) -> None:
    """Change every text in which something of the code under test may stand."""
    for span in message.spans:
        span.name = change(span.name)
        span.status.message = change(span.status.message)
        for holder in (span, *span.events, *span.links):
            for pair in holder.attributes:
                _change(pair.value, change)


def from_json(request: Any) -> tuple[bytes, list[bytes]]:
    """Head and frames of a request of OTLP/JSON, such as a plan's own file has one a line.

    Raises:
        ValueError: it is no OTLP trace request with one resource.
    """
    try:
        for span in spans_of(request):
            for holder in (span, *span.get("links", ())):
                for name in {"traceId", "spanId", "parentSpanId"} & holder.keys():
                    holder[name] = b64encode(bytes.fromhex(holder[name])).decode()
        message: TracesData = ParseDict(request, TracesData(), ignore_unknown_fields=True)
        (of_resource,) = message.resource_spans
    except (ValueError, TypeError, AttributeError, KeyError, ParseError, RecursionError) as error:
        raise ValueError("no OTLP/JSON") from error
    head = wire.head_of(of_resource.resource.SerializeToString(), of_resource.schema_url)
    found = []
    for scope in of_resource.scope_spans:
        held = list(scope.spans)
        for span in held:
            del scope.spans[:]
            scope.spans.append(span)
            found.append(fitting(wire.frame_of(scope.SerializeToString())))
    return head, found


def _change(value: AnyValue, change: Callable[[str], str]) -> None:
    match value.WhichOneof("value"):
        case "string_value":
            value.string_value = change(value.string_value)
        case "bytes_value" if len(value.bytes_value) > _LIMITS[0]:
            value.bytes_value = value.bytes_value[: _LIMITS[0]]
        case "array_value":
            for inner in value.array_value.values:
                _change(inner, change)
        case "kvlist_value":
            for pair in value.kvlist_value.values:
                _change(pair.value, change)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit} more characters)"
