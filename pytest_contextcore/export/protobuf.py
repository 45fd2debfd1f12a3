"""OTLP/JSON requests → protobuf, by the library's own message classes.

``google.protobuf.json_format`` cannot read OTLP/JSON: there, ids are hex and not base64.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_Fields = dict[str, Any]


def to_protobuf(requests: Sequence[Mapping[str, Any]]) -> ExportTraceServiceRequest:
    """Decoded lines as one request, in order.

    Raises:
        ValueError: a field is of another type than OTLP has there, or nested too deeply.
    """
    try:
        # protobuf's constructors take nested dicts, and build messages of them in C; its stubs know messages only
        levels: Any = [_resource_level(level) for request in requests for level in request.get("resourceSpans") or ()]
        return ExportTraceServiceRequest(resource_spans=levels)
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError) as error:
        raise ValueError(f"no OTLP trace request: a field of another type ({type(error).__name__})") from error


def _resource_level(level: Mapping[str, Any]) -> _Fields:
    resource = level.get("resource") or {}
    return {
        "resource": {"attributes": _attributes(resource)},
        "scope_spans": [_scope_level(found) for found in level.get("scopeSpans") or ()],
        "schema_url": level.get("schemaUrl", ""),
    }


def _scope_level(level: Mapping[str, Any]) -> _Fields:
    scope = level.get("scope") or {}
    return {
        "scope": {
            "name": scope.get("name", ""),
            "version": scope.get("version", ""),
            "attributes": _attributes(scope),
        },
        "spans": [_span(span) for span in level.get("spans") or ()],
        "schema_url": level.get("schemaUrl", ""),
    }


def _span(span: Mapping[str, Any]) -> _Fields:
    get = span.get
    status = get("status") or {}
    fields: _Fields = {
        "trace_id": bytes.fromhex(span["traceId"]),
        "span_id": bytes.fromhex(span["spanId"]),
        "parent_span_id": bytes.fromhex(get("parentSpanId", "")),
        "trace_state": get("traceState", ""),
        "name": get("name", ""),
        "kind": get("kind", 0),
        "start_time_unix_nano": int(get("startTimeUnixNano", 0)),
        "end_time_unix_nano": int(get("endTimeUnixNano", 0)),
        "attributes": _attributes(span),
        "status": {"code": status.get("code", 0), "message": status.get("message", "")},
        "flags": get("flags", 0),
    }
    if events := get("events"):
        fields["events"] = [_event(event) for event in events]
    if links := get("links"):
        fields["links"] = [_link(link) for link in links]
    for name, field in _DROPPED:
        if name in span:
            fields[field] = int(span[name])
    return fields


_DROPPED = (
    ("droppedAttributesCount", "dropped_attributes_count"),
    ("droppedEventsCount", "dropped_events_count"),
    ("droppedLinksCount", "dropped_links_count"),
)


def _event(event: Mapping[str, Any]) -> _Fields:
    return {
        "time_unix_nano": int(event.get("timeUnixNano", 0)),
        "name": event.get("name", ""),
        "attributes": _attributes(event),
    }


def _link(link: Mapping[str, Any]) -> _Fields:
    return {
        "trace_id": bytes.fromhex(link["traceId"]),
        "span_id": bytes.fromhex(link["spanId"]),
        "trace_state": link.get("traceState", ""),
        "attributes": _attributes(link),
        "flags": link.get("flags", 0),
    }


def _attributes(owner: Mapping[str, Any]) -> list[_Fields]:
    return [{"key": item["key"], "value": _value(item.get("value") or {})} for item in owner.get("attributes") or ()]


_CONVERTERS: dict[str, tuple[str, Callable[[Any], object]]] = {
    "stringValue": ("string_value", lambda text: text),
    "boolValue": ("bool_value", lambda flag: flag),
    "intValue": ("int_value", int),
    "doubleValue": ("double_value", float),
    "arrayValue": ("array_value", lambda array: {"values": [_value(item) for item in array.get("values") or ()]}),
    "kvlistValue": ("kvlist_value", lambda pairs: {"values": _attributes({"attributes": pairs.get("values")})}),
    "bytesValue": ("bytes_value", b64decode),
}


def _value(value: Mapping[str, Any]) -> _Fields:
    for name, found in value.items():
        if name == "stringValue":  # by far the most frequent
            return {"string_value": found}
        field, converter = _CONVERTERS[name]
        return {field: converter(found)}
    return {}
