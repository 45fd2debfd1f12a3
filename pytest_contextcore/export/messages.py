"""What needs OpenTelemetry's own message classes: reading spans, cutting those that are too long, JSON of a spool.

To import them takes 25 ms, so whoever needs this module imports it then.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, TracesData

from . import wire

_IDS = {"traceId", "spanId", "parentSpanId"}
_LONGEST = 4_000
"""Characters that stay of a text in a span that is too long."""


def scope_of(frame: bytes) -> ScopeSpans:
    """The message of a frame; an empty one where it is none."""
    try:
        return next(iter(ResourceSpans.FromString(frame).scope_spans), ScopeSpans())
    except DecodeError:
        return ScopeSpans()


def fitting(frame: bytes) -> bytes:
    """A frame that is no longer than `wire.MAX_FRAME`: texts are cut; else attributes, events and links are dropped.

    The type of an error stays.
    """
    if len(frame) <= wire.MAX_FRAME:
        return frame
    message = scope_of(frame)
    change_texts(message, _cut)
    if len(found := wire.frame_of(message.SerializeToString())) <= wire.MAX_FRAME:
        return found
    for span in message.spans:
        kept = [pair for pair in span.attributes if pair.key == "error.type"]
        for name in ("attributes", "events", "links"):
            setattr(span, f"dropped_{name}_count", len(getattr(span, name)))
            span.ClearField(name)
        span.attributes.extend(kept)
        span.dropped_attributes_count -= len(kept)
    return wire.frame_of(message.SerializeToString())


def change_texts(message: Message, change: Callable[[str], str]) -> None:
    """Change every text in a message, names and keys too: something of the code under test may stand in any of them."""
    for field, value in message.ListFields():
        if isinstance(value, str):
            setattr(message, field.name, change(value))
        elif isinstance(value, Message):
            change_texts(value, change)
        elif field.type == field.TYPE_MESSAGE:
            for inner in value:
                change_texts(inner, change)
        elif field.type == field.TYPE_STRING:
            value[:] = map(change, value)
        elif field.name == "bytes_value":  # of an attribute; other bytes are ids
            message.bytes_value = change(value.decode("latin-1")).encode("latin-1", "replace")


def message_line(resource_spans: bytes) -> str:
    """An encoded ``ResourceSpans`` as one request of OTLP/JSON, without a newline.

    Raises:
        ValueError: it is no such message.
    """
    try:
        message = ResourceSpans.FromString(resource_spans)
    except DecodeError as error:
        raise ValueError("no OTLP message") from error
    message.DiscardUnknownFields()
    request: dict[str, Any] = {"resourceSpans": [MessageToDict(message, use_integers_for_enums=True)]}
    for holder in _holders_of_ids(request):  # protobuf's JSON has them in base64
        holder |= {name: b64decode(holder[name]).hex() for name in _IDS & holder.keys()}
    text = json.dumps(request, separators=(",", ":"))
    return text.replace('"arrayValue":{}', '"arrayValue":{"values":[]}')  # some collectors want the empty list itself


def request_from_json(request: Any) -> TracesData:
    """A request of OTLP/JSON as a message, such as a plan's own file has one a line.

    Raises:
        ValueError: it is no OTLP trace request.
    """
    try:
        for holder in _holders_of_ids(request):
            holder |= {name: b64encode(bytes.fromhex(holder[name])).decode() for name in _IDS & holder.keys()}
        return ParseDict(request, TracesData(), ignore_unknown_fields=True)  # type: ignore[no-any-return]
    except (ValueError, TypeError, AttributeError, KeyError, ParseError, RecursionError) as error:
        raise ValueError("no OTLP/JSON") from error


def from_json(request: Any) -> tuple[bytes, list[bytes]]:
    """Head and frames of a request of OTLP/JSON that has one resource.

    Raises:
        ValueError: it is no such request.
    """
    found = list(request_from_json(request).resource_spans)
    if len(found) != 1:
        raise ValueError("no OTLP/JSON with one resource")
    return head_of(found[0]), list(frames_of(found[0]))


def head_of(of_resource: ResourceSpans) -> bytes:
    """What a spool for spans of this resource begins with."""
    return wire.head_of(of_resource.resource.SerializeToString(), of_resource.schema_url)


def frames_of(of_resource: ResourceSpans) -> Iterator[bytes]:
    """A frame for each span."""
    for scope in of_resource.scope_spans:
        held = list(scope.spans)
        for span in held:
            del scope.spans[:]
            scope.spans.append(span)
            yield fitting(wire.frame_of(scope.SerializeToString()))


def _holders_of_ids(request: Any) -> Iterator[dict[str, Any]]:
    """The spans and links of a request of OTLP/JSON."""
    for of_resource in request["resourceSpans"]:
        for of_scope in of_resource.get("scopeSpans", ()):
            for span in of_scope.get("spans", ()):
                yield span
                yield from span.get("links", ())


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text) - _LONGEST} more characters)"
