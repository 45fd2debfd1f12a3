"""Frames by hand, held to OpenTelemetry's own message classes by generated spans; JSON and cutting by those classes."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, Status

from pytest_contextcore.export import messages, wire
from pytest_contextcore.span import OK, UNSET, Link, SpanData, SpanEvent, error_status

from ..support.otlp_receiver import parse_json

TEXTS = st.text(st.characters(), max_size=40) | st.text(st.characters(categories=["Cs"]), max_size=3)
PLAIN: Any = TEXTS | st.booleans() | st.floats() | st.integers(-(1 << 70), 1 << 70)
VALUES = PLAIN | st.lists(PLAIN, max_size=3)
IDS, TIMES = st.binary(min_size=8, max_size=8).map(bytes.hex), st.integers(0, (1 << 64) - 1)
TRACE_IDS = st.binary(min_size=16, max_size=16).map(bytes.hex)
STATUSES = st.sampled_from([UNSET, OK]) | st.builds(error_status, TEXTS, TEXTS.filter(bool))


def spans(values: Any) -> st.SearchStrategy[SpanData]:
    attributes = st.dictionaries(TEXTS, values, max_size=4)
    return st.builds(
        SpanData,
        name=TEXTS,
        trace_id=TRACE_IDS,
        span_id=IDS,
        parent_id=st.none() | IDS,
        start=TIMES,
        end=TIMES,
        attributes=attributes,
        events=st.lists(st.builds(SpanEvent, TEXTS, TIMES, attributes), max_size=3).map(tuple),
        links=st.lists(st.builds(Link, TRACE_IDS, IDS), max_size=2).map(tuple),
        status=STATUSES,
        trace_state=TEXTS,
        parent_remote=st.booleans(),
        kind=st.sampled_from(["internal", "client"]),
    )


def written(text: str) -> str:
    return text.encode(errors="replace").decode()


def value(given: Any) -> AnyValue:
    """What a value is, said with the official classes."""
    match given:
        case bool():
            return AnyValue(bool_value=given)
        case int() if -(1 << 63) <= given < 1 << 63:
            return AnyValue(int_value=given)
        case float():
            return AnyValue(double_value=given)
        case list():
            found = AnyValue()
            found.array_value.values.extend(map(value, given))
            found.array_value.SetInParent()
            return found
    return AnyValue(string_value=written(str(given)))


def fill(target: Any, attributes: dict[str, Any]) -> None:
    for name, held in attributes.items():
        target.add(key=written(name)).value.CopyFrom(value(held))


def official(span: SpanData) -> Span:
    code = Status.StatusCode.Value(f"STATUS_CODE_{span.status.code.upper()}")
    found = Span(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_id or ""),
        name=written(span.name),
        kind=Span.SpanKind.Value(f"SPAN_KIND_{span.kind.upper()}"),
        start_time_unix_nano=span.start,
        end_time_unix_nano=span.end,
        trace_state=written(span.trace_state),
        status=Status(code=code, message=written(span.status.description)),
        flags=0x300 if span.parent_remote else 0x100,
    )
    fill(found.attributes, span.attributes)
    if span.status.code == "error":
        fill(found.attributes, {"error.type": span.status.error_type})
    for event in span.events:
        fill(found.events.add(time_unix_nano=event.time, name=written(event.name)).attributes, event.attributes)
    for link in span.links:
        found.links.add(trace_id=bytes.fromhex(link.trace_id), span_id=bytes.fromhex(link.span_id), flags=0x100)
    return found


def read(data: bytes) -> ResourceSpans:
    found: ResourceSpans = ResourceSpans.FromString(data)
    found.DiscardUnknownFields()
    return found


def text(message: Any) -> str:
    """A message as text: unlike messages, two of them are the same although a number is no number."""
    return str(message)


@settings(deadline=None, max_examples=60)
@given(spans(VALUES), st.dictionaries(TEXTS, PLAIN, max_size=3))
def test_a_frame_says_what_the_official_classes_say(span: SpanData, resource: dict[str, Any]) -> None:
    found = read(wire.head(resource) + wire.frame(span))
    (scope,) = found.scope_spans
    assert text(scope.spans[0]) == text(official(span))
    assert (scope.scope.name, scope.schema_url) == (wire.SCOPE_NAME, wire.SCHEMA_URL)
    expected = Span()
    fill(expected.attributes, resource)
    assert text(found.resource.attributes) == text(expected.attributes)


@settings(deadline=None, max_examples=60)
@given(spans(PLAIN | st.lists(TEXTS, max_size=3)), st.dictionaries(TEXTS, PLAIN, max_size=2))
def test_a_line_says_the_same_as_a_frame(span: SpanData, resource: dict[str, Any]) -> None:
    data = wire.head(resource) + wire.frame(span)
    line = messages.message_line(data)
    assert "\n" not in line
    (found,) = parse_json(line).resource_spans
    assert text(found) == text(read(data))
    head, frames = messages.from_json(json.loads(line))
    assert text(read(head + b"".join(frames))) == text(read(data))


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 300_000])
def test_texts_of_every_length_are_whole(size: int) -> None:
    span = SpanData("n" * size, "ab" * 16, "cd" * 8, None, 1, 2, {"k" * size: "v" * size, "f": math.pi})
    assert read(wire.head({}) + wire.frame(span)).scope_spans[0].spans[0] == official(span)


@pytest.mark.parametrize(
    ("attributes", "left"),
    [
        ({"text": "x" * 5_000_000, "short": "kept"}, 3),
        ({f"name {n}": "z" * 300 for n in range(10_000)}, 1),
    ],
)
def test_a_span_that_is_too_long_for_a_frame_is_cut_and_says_so(attributes: dict[str, Any], left: int) -> None:
    event = SpanEvent("e", 1, attributes)
    failed = error_status("no", "KeyError")
    whole = wire.frame(SpanData("n" * 2_000_000, "ab" * 16, "cd" * 8, None, 1, 2, attributes, (event,), status=failed))
    found = messages.fitting(whole)
    assert len(found) <= wire.MAX_FRAME
    (span,) = messages.scope_of(found).spans
    assert span.span_id.hex() == "cd" * 8
    assert "more characters" in span.name
    assert (len(span.attributes), span.dropped_attributes_count) == (left, 0 if left > 1 else 10_000)
    assert span.attributes[-1].value.string_value == "KeyError"


def test_an_error_without_a_type_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="needs the type"):
        error_status("it failed", "")


def test_damaged_lines_are_refused_without_a_traceback_of_another_kind() -> None:
    for line in ("{}", "[]", "3", '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xy"}]}]}]}'):
        with pytest.raises(ValueError, match="no OTLP/JSON"):
            messages.from_json(json.loads(line))
    with pytest.raises(ValueError, match="no OTLP message"):
        messages.message_line(b"\x0a\xff")
