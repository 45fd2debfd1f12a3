"""``examples/joined``: two programs in one trace, the spans of each below the phase that ran it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from ..support.otlp_receiver import Receiver
from ..support.plans import Suite
from ..support.traces import Sent, output, sent

EXAMPLE = Path(__file__).parents[2] / "examples" / "joined"
NAMED = "CONTEXTCORE_PROGRAM"
THEIRS = ("VALIDATE", "EXPORT", "THEIR_CHECK", "OUR_CHECK")
"""Phases that need an export of the other program."""


@pytest.fixture
def joined(suite: Suite) -> Suite:
    """The example in an empty folder."""
    folder = suite.pytester.path
    (folder / "plan.toml").unlink()
    (folder / "test_load.py").unlink()
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("out", "work", "__pycache__"))
    return suite


def above(span: Sent, spans: list[Sent]) -> list[str]:
    """The names of the spans above one, the nearest first."""
    known = {each.id: each for each in spans}
    found = []
    while (parent := known.get(span.parent)) is not None:
        found.append(parent.name)
        span = parent
    return found


def run(suite: Suite, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> tuple[str, list[Sent]]:
    for name, value in receiver.environ("http/protobuf").items():
        monkeypatch.setenv(name, value)
    result = suite.run()
    assert result.ret == 0, output(result)
    return output(result), sent(receiver)


def test_the_pilots_trace_is_a_part_of_the_plans(joined: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NAMED, raising=False)
    with Receiver() as receiver:
        said, spans = run(joined, receiver, monkeypatch)
    assert "JOINED completed: 5 completed" in said
    assert len({span.trace for span in spans}) == 1
    (finalized,) = [span for span in spans if span.name == "PI-101-002-S10-C1"]
    pilot, phases = "PI-101-002", above(finalized, spans)
    assert phases[:2] == ["PI-101-002-S10 FINALIZE_VERIFY", pilot]
    assert phases[-3:] == ["JOINED-PILOT-C1", "JOINED-PILOT PILOT_ON_THE_EXPORT", "JOINED"]
    told = {span.name: span.attributes.get("gate.reason", "") for span in spans}
    assert [str(told[f"JOINED-{name}-C1"]).startswith(f"{NAMED} names no program") for name in THEIRS] == [True] * 4


@pytest.mark.skipif(NAMED not in os.environ, reason=f"{NAMED} names no `contextcore` of the other distribution")
def test_the_other_program_makes_an_export_that_both_checkers_and_the_pilot_take(
    joined: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Receiver() as receiver:
        said, spans = run(joined, receiver, monkeypatch)
    assert "JOINED completed: 5 completed" in said
    ran = {tuple(above(span, spans)[:1]) for span in spans if "process.executable.name" in span.attributes}
    assert ran >= {(f"JOINED-{name}-C1",) for name in (*THEIRS, "PILOT")}
    (held,) = [span for span in spans if span.name == "PI-101-002-S4 INGEST_PARSE_ASSESS"]
    assert held.attributes["task.status"] == "blocked"
    assert "run plan ingestion" in str(held.attributes["task.blocked_reason"])
