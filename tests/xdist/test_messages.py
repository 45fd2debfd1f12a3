"""What a worker tells comes out at the controller as it went in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_contextcore.trace.evidence import Evidence, Result
from pytest_contextcore.trace.file import dump
from pytest_contextcore.trace.recorder import TraceRecorder
from pytest_contextcore.xdist.messages import CannotRun, GateDecided, Message, PlanEnded, PlanFound, from_text, to_text

from ..support.plans import warehouse


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
    assert isinstance(json.loads(text), list)
    again = from_text(text)
    assert again == message
    assert type(again) is type(message)


def test_evidence_is_the_same_after_its_way(tmp_path: Path) -> None:
    recorder = TraceRecorder(warehouse(tmp_path))
    recorder.start()
    recorder.begin_phase("E", "test_load.py::test_extract")
    recorder.begin_gate("E", "C1")
    recorder.end_gate("E", "C1", Result.FAIL, "no answer from “db”")
    recorder.end_phase("E")
    told = from_text(to_text(PlanEnded(dump(recorder.evidence).decode(), [])))
    assert isinstance(told, PlanEnded)
    assert dump(Evidence.model_validate_json(told.evidence)) == dump(recorder.evidence)
