"""Lines → protobuf without parsing: what is understood says what parsing says, and the rest is left to parsing."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pytest_contextcore.export.batches import Request, requests
from pytest_contextcore.export.otlp import decode_line, encode_foreign, encode_line
from pytest_contextcore.export.protobuf import to_protobuf
from pytest_contextcore.export.sdk_spans import ForeignSpan, ForeignStatus
from pytest_contextcore.export.spool import Position, StoredLine
from pytest_contextcore.export.transcode import NotPlain, Wire, _short_attribute, _short_key, _short_status
from pytest_contextcore.span import OK, UNSET, SpanData, SpanEvent, error_status

TRACE, SPAN, PARENT = "ab" * 16, "cd" * 8, "ef" * 8
RESOURCE = {"service.name": "shop", "process.pid": 7}
KEPT = (_short_attribute, _short_key, _short_status)
PLAIN = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=200)
VALUES = st.one_of(
    st.text(max_size=200), PLAIN, st.booleans(), st.integers(-(1 << 63), (1 << 63) - 1), st.floats(allow_nan=False)
)


def span(**changes: Any) -> SpanData:
    whole = SpanData("test_a.py::test_it", TRACE, SPAN, PARENT, 1_700, 1_800, {"test.case.name": "a"}, status=OK)
    return whole._replace(**changes)


def line(**changes: Any) -> bytes:
    return encode_line([span(**changes)], RESOURCE).encode()


def parsed(*lines: bytes) -> ExportTraceServiceRequest:
    return to_protobuf([decode_line(one) for one in lines])


def transcoded(*lines: bytes) -> ExportTraceServiceRequest:
    wire = Wire()
    for one in lines:
        wire.add(wire.read(one))
    message: ExportTraceServiceRequest = ExportTraceServiceRequest.FromString(wire.request())
    return message


def spans_in(request: ExportTraceServiceRequest) -> list[tuple[Any, Any, Any]]:
    return [
        (level.resource, inner.scope, found)
        for level in request.resource_spans
        for inner in level.scope_spans
        for found in inner.spans
    ]


@given(
    name=st.text(max_size=300),
    attributes=st.dictionaries(st.text(max_size=30), VALUES, max_size=12),
    status=st.one_of(st.just(OK), st.just(UNSET), st.text(max_size=200).map(error_status)),
    state=st.sampled_from(["", "vendor=1,other=a b"]),
    parent=st.sampled_from([None, PARENT]),
    times=st.tuples(st.integers(0, (1 << 63) - 1), st.integers(0, (1 << 63) - 1)),
    remote=st.booleans(),
)
def test_every_span_without_events_arrives_as_parsing_says(
    name: str, attributes: dict[str, Any], status: Any, state: str, parent: str | None, times: Any, remote: bool
) -> None:
    made = line(
        name=name,
        attributes=attributes,
        status=status,
        trace_state=state,
        parent_id=parent,
        start=times[0],
        end=times[1],
        parent_remote=remote,
    )
    assert transcoded(made) == parsed(made)


@pytest.mark.parametrize("number", [math.inf, -math.inf, 0.1, -0.0, 1e300, 5e-324])
def test_every_number_arrives(number: float) -> None:
    made = line(attributes={"x": number})
    assert transcoded(made) == parsed(made)


def test_what_is_no_number_arrives() -> None:
    (*_, found) = spans_in(transcoded(line(attributes={"x": math.nan})))[0]
    assert math.isnan(found.attributes[0].value.double_value)


@pytest.mark.parametrize("resource", [{}, {"a": True, "b": -1, "c": 2.5, "d": "ü", "e": "x" * 300}])
def test_every_resource_arrives(resource: dict[str, Any]) -> None:
    made = encode_line([span()], resource).encode()
    assert transcoded(made) == parsed(made)


@pytest.mark.parametrize(("name", "version"), [("", ""), ("shop", ""), ("", "1.2"), ("shop", "1.2")])
def test_every_scope_arrives(name: str, version: str) -> None:
    foreign = ForeignSpan(
        *("f", TRACE, SPAN, None, 1, 2, {}, (), (), ForeignStatus(), "", 3, False, RESOURCE, name, version)
    )
    made = encode_foreign([foreign]).encode()
    assert transcoded(made) == parsed(made)


@pytest.mark.parametrize(
    "changes",
    [
        {"events": (SpanEvent("exception", 5, {"exception.type": "KeyError"}),)},
        {"attributes": {"x": ["a", "b"]}},
        {"attributes": {"x": {"key": "value"}}},
    ],
)
def test_what_is_not_plain_is_left_to_parsing(changes: dict[str, Any]) -> None:
    with pytest.raises(NotPlain):
        Wire().read(line(**changes))


def test_a_resource_with_a_list_is_left_to_parsing() -> None:
    with pytest.raises(NotPlain):
        Wire().read(encode_line([span()], {"process.command_args": ["a", "b"]}).encode())


def test_several_spans_in_a_line_are_left_to_parsing() -> None:
    with pytest.raises(NotPlain):
        Wire().read(encode_line([span(), span(span_id=PARENT)], RESOURCE).encode())


def test_texts_that_look_like_the_marks_do_no_harm() -> None:
    marks = ['"spans":[', ',{"key":', ',"value":{"', '],"status":', "]}]}]}", '"}}', "\\", '\\"', "}},{"]
    made = line(name="".join(marks), attributes={mark: mark * 3 for mark in marks}, status=error_status("".join(marks)))
    assert transcoded(made) == parsed(made)


def test_no_damaged_line_is_understood_otherwise_than_by_parsing() -> None:
    """Bytes changed, left out and doubled anywhere: what is taken all the same says what parsing says."""
    whole = line(attributes={"test.case.name": 'a "b" \\ c', "n": -5, "x": 0.5, "flag": True}, trace_state="v=1")
    chosen = random.Random(7)
    taken = 0
    for _ in range(6_000):
        at = chosen.randrange(len(whole))
        with_byte = bytes([chosen.choice(b'"\\{}[]:,0129aex \x00\x7f\xff')])
        changed = chosen.choice(
            [
                whole[:at] + with_byte + whole[at + 1 :],
                whole[:at] + with_byte + whole[at:],
                whole[:at] + whole[at + 1 + chosen.randrange(9) :],
            ]
        )
        try:
            found = transcoded(changed)
        except NotPlain:
            continue
        taken += 1
        assert found == parsed(changed), changed
    assert taken > 100


def test_what_is_kept_to_be_used_again_is_bounded_in_size() -> None:
    long = "x" * 300
    before = [kept.cache_info().currsize for kept in KEPT]
    made = line(attributes={long: long}, status=error_status(long))
    assert transcoded(made) == parsed(made)
    assert [kept.cache_info().currsize for kept in KEPT] == before


def test_lines_that_are_parsed_share_their_resource() -> None:
    lines = [line(name=str(n), events=(SpanEvent("e", 5),)) for n in range(9)]
    (request,) = requests([StoredLine(one, end) for end, one in enumerate(lines)], Position(), "http/protobuf")
    assert isinstance(request, Request)
    sent = ExportTraceServiceRequest.FromString(request.body)
    assert (len(sent.resource_spans), request.spans) == (1, 9)


def test_requests_hold_plain_and_other_lines_in_order_each_under_its_own_resource() -> None:
    other = {"service.name": "other"}
    lines = [
        line(name="1"),
        line(name="2", events=(SpanEvent("e", 5),)),
        line(name="3"),
        encode_line([span(name="4")], other).encode(),
        encode_line([span(name="5"), span(name="6")], RESOURCE).encode(),
        line(name="7"),
    ]
    (request,) = requests([StoredLine(one, end) for end, one in enumerate(lines)], Position(), "http/protobuf")
    assert isinstance(request, Request)
    sent = ExportTraceServiceRequest.FromString(request.body)
    assert request.spans == 7
    assert spans_in(sent) == spans_in(parsed(*lines))
    assert [found.name for *_, found in spans_in(sent)] == list("1234567")
