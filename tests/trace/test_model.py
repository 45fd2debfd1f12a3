from __future__ import annotations

import pytest
from pydantic import ValidationError

from pytest_contextcore.text import format_time
from pytest_contextcore.trace.evidence import Event, Evidence, SpanEvidence, Status


def span(**changes: object) -> dict[str, object]:
    return {"span_id": "A-1", "otel_span_id": "0" * 16, "parent_id": "A", "phase": "ONE", **changes}


def test_a_blocked_span_without_a_reason_is_refused() -> None:
    with pytest.raises(ValidationError, match="needs a reason and a next action"):
        SpanEvidence.model_validate(span(status="blocked", blocked_reason="why"))


def test_a_blocked_trace_without_a_next_action_is_refused() -> None:
    with pytest.raises(ValidationError, match="needs a reason and a next action"):
        Evidence(
            trace_id="A",
            otel_trace_id="0" * 32,
            otel_span_id="0" * 16,
            project_id="p",
            title="t",
            type="story",
            plan_digest="",
            status=Status.BLOCKED,
            blocked_reason="why",
        )


def test_times_are_rfc_3339_in_files_and_nanoseconds_in_memory() -> None:
    event = Event(name="x", time=1_700_000_000_123_456_000)
    assert event.model_dump(mode="json")["time"] == "2023-11-14T22:13:20.123456Z"
    assert Event.model_validate_json(event.model_dump_json()) == event


@pytest.mark.parametrize("moment", [0, 999, 1_000_000_000, 4_102_444_799_999_999_000])
def test_any_time_comes_back_to_the_microsecond(moment: int) -> None:
    assert Event.model_validate({"name": "x", "time": format_time(moment)}).time == moment // 1000 * 1000


def test_unknown_keys_of_a_newer_release_are_ignored() -> None:
    assert SpanEvidence.model_validate(span(colour="red")).phase == "ONE"
