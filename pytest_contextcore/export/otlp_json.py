"""Spans that this package made as OTLP/JSON lines, a request each, as the receiver ``otlpjsonfile`` reads them.

The format is protobuf's JSON, but for ids in hex (OTLP specification, "JSON Protobuf Encoding"). It is written by hand,
since a plan's own file is written in every run of the plan, and OpenTelemetry's message classes take 25 ms to import.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..version import __version__
from .wire import SCHEMA_URL, SCOPE_NAME

if TYPE_CHECKING:
    from ..span import SpanData

_INT64 = 1 << 63
_ODD = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
"""Protobuf's JSON names of the numbers that JSON lacks."""

_STATUS = {"unset": 0, "ok": 1, "error": 2}
_Json = dict[str, Any]


def line(spans: Sequence[SpanData], resource: Mapping[str, Any]) -> str:
    """One request of these spans, without a newline."""
    scope = {"name": SCOPE_NAME, "version": __version__}
    of_scope = {"scope": scope, "spans": [_span(span) for span in spans], "schemaUrl": SCHEMA_URL}
    of_resource = {"resource": _attributes(resource), "scopeSpans": [of_scope], "schemaUrl": SCHEMA_URL}
    return json.dumps({"resourceSpans": [of_resource]}, separators=(",", ":"))


def _span(span: SpanData) -> _Json:
    found = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": _clean(span.name),
        "kind": 1,
        "startTimeUnixNano": str(span.start),
        "endTimeUnixNano": str(span.end),
        **_attributes(span.attributes),
        "status": {"code": _STATUS[span.status.code], "message": _clean(span.status.description)},
        "flags": 0x300 if span.parent_remote else 0x100,
    }
    if span.parent_id:
        found["parentSpanId"] = span.parent_id
    if span.trace_state:
        found["traceState"] = _clean(span.trace_state)
    if span.events:
        found["events"] = [
            {"timeUnixNano": str(event.time), "name": _clean(event.name), **_attributes(event.attributes)}
            for event in span.events
        ]
    if span.links:
        found["links"] = [{"traceId": link.trace_id, "spanId": link.span_id, "flags": 0x100} for link in span.links]
    return found


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
            return {"doubleValue": _ODD.get(str(value), value)}
        case list() | tuple():
            return {"arrayValue": {"values": [_value(inner) for inner in value]}}
    return {"stringValue": _clean(str(value))}


def _clean(text: str) -> str:
    """The text without lone surrogates, which no UTF-8 can express."""
    return text if text.isascii() else text.encode(errors="replace").decode()
