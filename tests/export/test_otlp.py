"""Spans as OTLP/JSON lines: the same data as the SDK's own encoder, one line each, and nothing that cannot be read."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest
from google.protobuf.json_format import ParseError
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event as SdkEvent
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link as SdkLink
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags, TraceState
from opentelemetry.trace.status import Status, StatusCode

from pytest_contextcore import __version__
from pytest_contextcore.export.batches import Damaged, Request, requests
from pytest_contextcore.export.otlp import (
    SCOPE_NAME,
    decode_line,
    encode_foreign,
    encode_line,
    from_readable,
    is_ours,
    join_lines,
    span_ids,
    spans_of,
)
from pytest_contextcore.export.protobuf import to_protobuf
from pytest_contextcore.export.settings import Protocol
from pytest_contextcore.export.spool import Position, StoredLine
from pytest_contextcore.span import OK, Link, SpanData, error_status
from pytest_contextcore.trace.evidence import Attributes, Event

from ..support.otlp_receiver import parse_json

RESOURCE: Attributes = {"service.name": "contextcore", "cicd.pipeline.run.id": "7"}
TRACE, SPAN, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7"
START = 1_700_000_000_123_456_789


def span_data(**changes: object) -> SpanData:
    values: dict[str, object] = {
        "name": 'tests/test_a.py::test_b[ü\n"]',
        "trace_id": TRACE,
        "span_id": SPAN,
        "parent_id": PARENT,
        "start": START,
        "end": START + 1,
        "attributes": {"text": "a", "flag": True, "count": -(2**63), "share": 0.1, "names": ["a", "b"], "none": []},
        "events": (Event(name="exception", time=START, attributes={"exception.type": "ValueError"}),),
        "links": (Link(TRACE[::-1], SPAN[::-1]),),
        "status": error_status("went wrong"),
        "trace_state": "vendor=1",
    }
    return SpanData(**{**values, **changes})  # type: ignore[arg-type]


def context(span_id: str, *, remote: bool = False, trace_id: str = TRACE, state: str = "") -> SpanContext:
    return SpanContext(
        int(trace_id, 16), int(span_id, 16), remote, TraceFlags(1), TraceState.from_header([state] if state else [])
    )


def readable(**changes: object) -> ReadableSpan:
    data = span_data()
    values: dict[str, object] = {
        "name": data.name,
        "context": context(SPAN, state="vendor=1"),
        "parent": context(PARENT),
        "resource": Resource(RESOURCE),
        "attributes": data.attributes,
        "events": [SdkEvent("exception", {"exception.type": "ValueError"}, START)],
        "links": [SdkLink(context(SPAN[::-1], trace_id=TRACE[::-1]))],
        "status": Status(StatusCode.ERROR, "went wrong"),
        "start_time": data.start,
        "end_time": data.end,
        "instrumentation_scope": InstrumentationScope(SCOPE_NAME, __version__),
    }
    return ReadableSpan(**{**values, **changes})  # type: ignore[arg-type]


def test_a_line_is_what_the_sdk_encodes_of_the_same_span() -> None:
    line = encode_line([span_data()], RESOURCE)
    expected = encode_spans([readable()])
    assert parse_json(line) == expected
    assert to_protobuf([decode_line(line)]) == expected


def test_a_bare_root_span_is_what_the_sdk_encodes() -> None:
    bare = span_data(parent_id=None, attributes={}, events=(), links=(), status=OK, trace_state="")
    expected = encode_spans(
        [
            readable(
                parent=None,
                attributes={},
                events=[],
                links=[],
                status=Status(StatusCode.OK),
                context=context(SPAN),
            )
        ]
    )
    assert parse_json(encode_line([bare], RESOURCE)) == expected


@pytest.mark.parametrize("kind", list(SpanKind))
def test_a_span_of_code_under_test_keeps_kind_scope_resource_and_values_of_every_type(kind: SpanKind) -> None:
    span = readable(
        kind=kind,
        parent=context(PARENT, remote=True),
        resource=Resource({"service.name": "shop", "n": 1}),
        instrumentation_scope=InstrumentationScope("shop.http", "3.1"),
        attributes={"raw": b"\0\xff", "map": {"a": [1, 2.5, None]}, "ints": (1, 2), "nan": 1e300, "big": 2**63 - 1},
        links=[SdkLink(context(SPAN, remote=True), {"why": "retry"})],
        status=Status(StatusCode.UNSET),
    )
    line = encode_foreign([from_readable(span)])
    expected = encode_spans([span])
    assert parse_json(line) == expected
    assert to_protobuf([decode_line(line)]) == expected


def test_a_span_that_has_not_ended_is_no_span_to_write() -> None:
    with pytest.raises(ValueError, match="has not ended"):
        from_readable(readable(end_time=None))


def test_ids_are_hex_and_times_and_integers_are_strings_and_enums_are_numbers() -> None:
    (span,) = spans_of(decode_line(encode_line([span_data(attributes={"n": 5})], RESOURCE)))
    assert (span["traceId"], span["spanId"], span["parentSpanId"]) == (TRACE, SPAN, PARENT)
    assert span["startTimeUnixNano"] == str(START)
    assert span["kind"] == 1
    assert span["status"]["code"] == 2
    assert span["attributes"] == [{"key": "n", "value": {"intValue": "5"}}]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_arrive(number: float) -> None:
    line = encode_line([span_data(attributes={"x": number})], RESOURCE)
    json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    for request in (parse_json(line), to_protobuf([decode_line(line)])):
        arrived = request.resource_spans[0].scope_spans[0].spans[0].attributes[0].value.double_value
        assert arrived == number or (math.isnan(arrived) and math.isnan(number))


def test_an_integer_beyond_64_bits_arrives_as_text() -> None:
    line = encode_line([span_data(attributes={"x": 2**63})], RESOURCE)
    assert next(spans_of(decode_line(line)))["attributes"][0]["value"] == {"stringValue": str(2**63)}


@given(st.text(st.characters(exclude_categories=())), st.text())
def test_any_text_makes_one_line_that_arrives(name: str, value: str) -> None:
    line = encode_line([span_data(name=name, attributes={value: value})], {"service.name": value})
    assert line.isascii()
    assert len(line.splitlines()) == 1
    arrived = to_protobuf([decode_line(line)])
    assert arrived == parse_json(line)
    assert arrived.resource_spans[0].scope_spans[0].spans[0].name == name.encode("utf-8", "replace").decode()


def test_every_torn_line_is_refused() -> None:
    line = encode_line([span_data(), span_data()], RESOURCE)
    assert is_ours(line)
    for length in range(len(line)):
        assert not is_ours(line[:length])
        with pytest.raises(ValueError, match="torn"):
            decode_line(line[:length])


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "{}",
        "null",
        '{"resourceMetrics":[]}',
        '{"resourceSpans":{}}',
        '{"resourceSpans":[1]}',
        '{"resourceSpans":[{"scopeSpans":[{"spans":[{}]}]}]}',
        '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"zz","spanId":"b7ad6b7169203331"}]}]}]}',
        '{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":7}]}]}]}',
        b"\xff\xfe",
        pytest.param("[" * 100_000, id="nested"),
    ],
)
def test_a_foreign_line_is_refused_without_repeating_what_it_holds(line: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"^(no OTLP|a span's)"):
        decode_line(line)


@pytest.mark.parametrize(
    "text",
    ["a", '"spanId":"00f067aa0ba902b7","name":"', f'{{"spanId":"{PARENT}","name":"b"}}'],
    ids=["", "open", "whole"],
)
def test_ids_are_found_without_parsing_and_those_of_links_are_none_of_them(text: str) -> None:
    spans = [span_data(name=text), span_data(name="two", span_id="00" * 7 + "aa", attributes={text: text})]
    line = encode_line(spans, {**RESOURCE, "text": text})
    assert span_ids(line.encode()) == [span["spanId"] for span in spans_of(decode_line(line))]


@pytest.mark.parametrize("depth", [100, 480, 1500])
@pytest.mark.parametrize("protocol", ["http/json", "http/protobuf"])
def test_a_line_that_is_nested_too_deeply_is_put_aside_and_stops_none_behind_it(protocol: Protocol, depth: int) -> None:
    value = '{"arrayValue":{"values":[' * depth + '{"stringValue":"x"}' + "]}}" * depth
    good = encode_line([span_data(attributes={})], RESOURCE)
    deep = good.replace('"events":', f'"attributes":[{{"key":"deep","value":{value}}}],"events":')
    assert deep != good
    foreign = deep.replace('{"resource":', '{"schemaUrl":"a","resource":', 1)  # that is parsed for JSON as well
    lines = [StoredLine(line.encode(), end) for end, line in enumerate((foreign, good), 1)]
    found = list(requests(lines, Position(), protocol))
    if depth > 1000:
        assert [type(one) for one in found] == [Damaged, Request]
    assert found[-1].reached == Position(2)


def test_a_field_of_another_type_is_refused_when_it_is_turned_into_protobuf() -> None:
    line = encode_line([span_data()], RESOURCE).replace('"kind":1', '"kind":"odd"')
    with pytest.raises(ValueError, match="no OTLP trace request"):
        to_protobuf([decode_line(line)])
    with pytest.raises(ParseError):
        parse_json(line)


def test_joined_lines_are_one_request_in_order() -> None:
    lines = [encode_line([span_data(name=str(number))], RESOURCE) for number in range(3)]
    joined = decode_line(join_lines(lines))
    assert [span["name"] for span in spans_of(joined)] == ["0", "1", "2"]
    with pytest.raises(ValueError, match="did not write"):
        join_lines(["{}"])


def test_writing_a_line_needs_neither_the_sdk_nor_pydantic() -> None:
    heavy = "('opentelemetry', 'pydantic')"
    code = f"import sys, pytest_contextcore.export.otlp; print([m for m in sys.modules if m in {heavy}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
