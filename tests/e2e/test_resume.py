"""``--contextcore-resume``: what the last evidence proves is not run again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from ..support.plans import PASSING, Suite
from ..support.traces import otlp_lines, refusal

Read = Callable[..., dict[str, Any]]
RESUME = "--contextcore-resume"
WITH_INPUT = "from pathlib import Path\n" + PASSING.replace(
    "    rows = phase.receive(Rows)\n",
    "    rows = phase.receive(Rows)\n    phase.input('rows.csv')\n    print('transform runs')\n",
).replace(
    "def test_publish(phase):\n",
    "def test_publish(phase):\n    print('publish runs')\n    assert not Path('broken').exists()\n",
)


@pytest.fixture
def loaded(suite: Suite) -> Suite:
    """The suite, run once to its end; its second phase relies on a file."""
    (suite.pytester.path / "rows.csv").write_text("1\n", encoding="utf-8")
    suite.write(WITH_INPUT)
    assert suite.here().ret == 0
    return suite


def reused(found: dict[str, Any]) -> list[str]:
    return [span["span_id"].rpartition("-")[2] for span in found["spans"] if span["reused"]]


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_what_is_proven_is_not_run_again_and_says_so(loaded: Suite, evidence: Read, workers: tuple[str, ...]) -> None:
    before = evidence()
    result = loaded.here(RESUME, "-s", "--junitxml=report.xml", *workers)
    result.assert_outcomes()
    result.stdout.fnmatch_lines(["*completed (reused)*", "*all phases are proven by the trace*", "*3 reused*"])
    result.stdout.no_fnmatch_line("*runs*")
    found = evidence()
    assert found["status"] == "completed"
    assert reused(found) == ["E", "T", "P"]
    assert found["otel_trace_id"] != before["otel_trace_id"]
    assert [span["reused_from"] for span in found["spans"]] == [
        {"otel_trace_id": before["otel_trace_id"], "otel_span_id": span["otel_span_id"]} for span in before["spans"]
    ]
    assert found["attributes"] == before["attributes"]
    cases = list(ElementTree.parse(loaded.pytester.path / "report.xml").iter("testcase"))
    bad = [case for case in cases if case.find("failure") is not None or case.find("skipped") is not None]
    assert bad == []
    phases = [case for case in cases if str(case.get("name")).startswith("test_")]
    said = [{(p.get("name"), p.get("value")) for p in case.iter("property")} for case in phases]
    assert [("task.reused", "True") in properties for properties in said] == [True] * 3


def test_a_changed_input_runs_its_phase_and_all_behind_it(loaded: Suite, evidence: Read) -> None:
    before = evidence()
    (loaded.pytester.path / "rows.csv").write_text("2\n", encoding="utf-8")
    result = loaded.here(RESUME)
    result.assert_outcomes(passed=2)
    assert [handoff["direction"] for handoff in evidence()["spans"][1]["handoffs"]] == ["validated"]
    (reused_span,) = [span for span in otlp_lines(loaded) if span["name"] == "LOAD-7-E EXTRACT"]
    (link,) = reused_span["links"]
    assert (link["traceId"], link["spanId"]) == (before["otel_trace_id"], before["spans"][0]["otel_span_id"])
    result.stdout.fnmatch_lines(["resume:   E reused from the trace *; T runs: its input rows.csv changed"])
    assert reused(evidence()) == ["E"]
    assert evidence()["status"] == "completed"


def test_a_failed_phase_runs_again_and_what_came_before_it_does_not(suite: Suite, evidence: Read) -> None:
    for name in ("rows.csv", "broken"):
        (suite.pytester.path / name).write_text("1\n", encoding="utf-8")
    suite.write(WITH_INPUT)
    assert suite.here().ret == 1
    (suite.pytester.path / "broken").unlink()
    result = suite.here(RESUME, "-s")
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*transform runs*")
    result.stdout.fnmatch_lines(["*publish runs*"])
    assert reused(evidence()) == ["E", "T"]


def test_fixtures_of_a_reused_phase_are_not_set_up(loaded: Suite) -> None:
    loaded.pytester.makeconftest(
        "import pytest\n\n\n@pytest.fixture(autouse=True)\ndef costly():\n    print('costly')\n    yield\n"
    )
    result = loaded.here(RESUME, "-s")
    result.stdout.no_fnmatch_line("*costly*")
    assert result.ret == 0


def edited(old: str, new: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")


def linked(path: Path) -> None:
    path.symlink_to(path.rename(path.with_name("moved.json")).name)


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)  # whoever opens it waits for a writer


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda path: path.write_text("{"), "LOAD-7.json: document: Invalid JSON"),
        (edited('"status": "completed"', '"status": "completed" '), "its seal does not fit"),
        (edited('"LOAD-7"', '"LOAD-8"'), "its seal does not fit"),
        (edited('"schema_version": "v1"', '"schema_version": "v2"'), "(expected v1)"),
        (linked, "LOAD-7.json: it is no regular file"),
        (piped, "LOAD-7.json: it is no regular file"),
    ],
    ids=["damaged", "altered", "foreign", "newer", "link", "pipe"],
)
def test_evidence_that_cannot_be_trusted_is_refused_with_the_reason(
    loaded: Suite, change: Callable[[Path], object], why: str
) -> None:
    change(loaded.pytester.path / "out/LOAD-7.json")
    said = refusal(loaded.here(RESUME))
    assert "--contextcore-resume: evidence" in said
    assert why in said
    assert "to begin anew, run without --contextcore-resume" in said


def test_a_phase_whose_handoff_is_lost_runs_again_if_phases_after_it_run(loaded: Suite, evidence: Read) -> None:
    handoffs = loaded.pytester.path / "out/LOAD-7.handoffs.json"
    handoffs.unlink()
    assert loaded.here(RESUME).ret == 0
    assert reused(evidence()) == ["E", "T", "P"]
    (loaded.pytester.path / "rows.csv").write_text("2\n", encoding="utf-8")
    result = loaded.here(RESUME)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["resume:   nothing can be reused; E runs: its handoff Rows is not in the file *"])
    assert evidence()["status"] == "completed"
    assert handoffs.exists()
