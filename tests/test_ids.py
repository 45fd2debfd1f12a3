from __future__ import annotations

import random

import pytest

from pytest_contextcore.ids import new_span_id, new_trace_id, remote_parent, traceparent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_ids_do_not_depend_on_the_random_seed() -> None:
    random.seed(1)
    first = new_trace_id(), new_span_id()
    random.seed(1)
    assert (new_trace_id(), new_span_id()) != first


def test_ids_have_the_w3c_lengths() -> None:
    assert len(new_trace_id()) == 32
    assert len(new_span_id()) == 16


def test_a_traceparent_comes_back_as_it_went_out() -> None:
    remote = remote_parent({"TRACEPARENT": traceparent(TRACE, SPAN, sampled=True), "TRACESTATE": "a=b"})
    assert remote is not None
    assert (remote.trace_id, remote.span_id, remote.sampled, remote.state) == (TRACE, SPAN, True, "a=b")


def test_an_unsampled_parent_is_known_as_such() -> None:
    remote = remote_parent({"TRACEPARENT": traceparent(TRACE, SPAN, sampled=False)})
    assert remote is not None
    assert not remote.sampled


@pytest.mark.parametrize(
    "value",
    [
        "",
        "rubbish",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-x",
    ],
)
def test_a_malformed_traceparent_is_ignored(value: str) -> None:
    assert remote_parent({"TRACEPARENT": value}) is None


def test_a_later_version_of_the_header_is_read() -> None:
    assert remote_parent({"TRACEPARENT": f"01-{TRACE}-{SPAN}-01-more"}) is not None
