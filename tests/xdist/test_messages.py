"""What a worker tells comes out at the controller as it went in."""

from __future__ import annotations

import pytest

from pytest_contextcore.xdist.messages import CannotRun, GateDecided, Message, PlanEnded, PlanFound, from_text, to_text


@pytest.mark.parametrize(
    "message",
    [
        PlanFound("/a b/plan.toml", ["test_it.py::test_ü[\ud800]@group"], "{}"),
        PlanEnded("{}", ["evidence not written: no space\nleft"]),
        GateDecided("LOAD-7-T-C1", "fail", "a row is lost: \x1b[31m7"),
        GateDecided("LOAD-7-T-C2", "pass", ""),
        CannotRun("plan.toml: no such phase"),
    ],
)
def test_a_message_is_the_same_after_its_way(message: Message) -> None:
    text = to_text(message)
    assert text.isascii()
    again = from_text(text)
    assert again == message
    assert type(again) is type(message)
