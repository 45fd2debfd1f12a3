"""Spans as OTLP/JSON lines, one request a line, as the collector's ``otlpjsonfile`` receiver reads them.

The format is protobuf's JSON, but for ids in hex (OTLP specification, "JSON Protobuf Encoding").
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..version import __version__
from .wire import SCHEMA_URL, SCOPE_NAME

if TYPE_CHECKING:
    from ..span import Link, SpanData, SpanEvent

_INT64 = 1 << 63
_STATUS = {"unset": 0, "ok": 1, "error": 2}
_Json = dict[str, Any]


def line(spans: Sequence[SpanData], resource: Mapping[str, Any]) -> str:
    """One request of spans that this package made, without a newline.

    It needs none of OpenTelemetry's message classes: a plan's own file is written in every run of the plan.
    """
    scope = {"name": SCOPE_NAME, "version": __version__}
    of_scope = {"scope": scope, "spans": [_span(span) for span in spans], "schemaUrl": SCHEMA_URL}
    of_resource = {"resource": _attributes(resource), "scopeSpans": [of_scope], "schemaUrl": SCHEMA_URL}
    return json.dumps({"resourceSpans": [of_resource]}, separators=(",", ":"))


def message_line(resource_spans: bytes) -> str:
    """An encoded ``ResourceSpans`` as one request, without a newline.

    Raises:
        ValueError: it is no such message.
    """
    # protobuf is imported where JSON is made of a spool, and not by everybody who imports this module
    from google.protobuf.json_format import MessageToDict  # noqa: PLC0415
    from google.protobuf.message import DecodeError  # noqa: PLC0415
    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans  # noqa: PLC0415

    try:
        message = ResourceSpans.FromString(resource_spans)
    except DecodeError as error:
        raise ValueError("no OTLP message") from error
    message.DiscardUnknownFields()
    found: _Json = MessageToDict(message, use_integers_for_enums=True)
    spans = [span for scope in message.scope_spans for span in scope.spans]
    shown = [span for scope in found.get("scopeSpans", ()) for span in scope.get("spans", ())]
    for span, target in zip(spans, shown, strict=True):
        target |= {"traceId": span.trace_id.hex(), "spanId": span.span_id.hex()}
        if span.parent_span_id:
            target["parentSpanId"] = span.parent_span_id.hex()
        for link, other in zip(span.links, target.get("links", ()), strict=True):
            other |= {"traceId": link.trace_id.hex(), "spanId": link.span_id.hex()}
    return json.dumps({"resourceSpans": [found]}, separators=(",", ":"))


def spans_of(request: Any) -> Iterator[_Json]:
    """The spans of a decoded request.

    Raises:
        KeyError, TypeError, AttributeError: it is none.
    """
    for of_resource in request["resourceSpans"]:
        for of_scope in of_resource.get("scopeSpans", ()):
            yield from of_scope.get("spans", ())


def _span(span: SpanData) -> _Json:
    status: _Json = {"code": _STATUS[span.status.code]}
    if span.status.code == "error":
        status["message"] = _clean(span.status.description)
    found = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": _clean(span.name),
        "kind": 1,
        "startTimeUnixNano": str(span.start),
        "endTimeUnixNano": str(span.end),
        **_attributes(span.attributes),
        "status": status,
        "flags": 0x300 if span.parent_remote else 0x100,
    }
    if span.parent_id:
        found["parentSpanId"] = span.parent_id
    if span.trace_state:
        found["traceState"] = _clean(span.trace_state)
    if span.events:
        found["events"] = [_event(event) for event in span.events]
    if span.links:
        found["links"] = [_link(link) for link in span.links]
    return found


def _event(event: SpanEvent) -> _Json:
    return {"timeUnixNano": str(event.time), "name": _clean(event.name), **_attributes(event.attributes)}


def _link(link: Link) -> _Json:
    return {"traceId": link.trace_id, "spanId": link.span_id, "flags": 0x100}


def _attributes(attributes: Mapping[str, Any]) -> _Json:
    found = [{"key": _clean(name), "value": _value(value)} for name, value in attributes.items()]
    return {"attributes": found} if found else {}


def _value(value: object) -> _Json:
    match value:
        case bool():
            return {"boolValue": value}
        case int() if -_INT64 <= value < _INT64:
            return {"intValue": str(int(value))}
        case float():
            return {"doubleValue": float(value) if math.isfinite(value) else _odd(value)}
        case list() | tuple():
            return {"arrayValue": {"values": [_value(inner) for inner in value]}}
    return {"stringValue": _clean(str(value))}


def _odd(value: float) -> str:
    """Protobuf's JSON names of the numbers that JSON lacks."""
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _clean(text: str) -> str:
    """The text without lone surrogates, which no UTF-8 can express."""
    return text if text.isascii() else text.encode(errors="replace").decode()
