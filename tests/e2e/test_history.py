"""`out/`: what earlier runs left there, for reuse; and that git ignores it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.commands.cli import main

from ..support.plans import PASSING, WAREHOUSE, Suite
from ..support.traces import refusal

Read = Callable[..., dict[str, Any]]

PHASES = """
from pathlib import Path
import pytest

from pytest_contextcore.commands.cli import main
from pytest_contextcore import Handoff

class Rows(Handoff):
    count: int

@pytest.mark.phase("E")
def test_extract(phase):
    check(phase, "C1")
    phase.handoff(Rows(count=3))

@pytest.mark.phase("T")
def test_transform(phase):
    phase.input("rows.csv")
    phase.receive(Rows, name="Rows")
    phase.handoff(Rows(count=len(Path("rows.csv").read_text())), name="loaded")
    with phase.gate("C1"):
        pass
    with phase.gate("C2"):
        assert "bad" not in Path("rows.csv").read_text(), "a column is unknown"
    check(phase, "C3")

@pytest.mark.phase("P")
def test_publish(phase):
    assert phase.receive(Rows, name="loaded").count == len(Path("rows.csv").read_text())
    phase.input("target.txt")
    check(phase, "C1")
    phase.record(row_count=3)

def check(phase, *names):
    for name in names:
        with phase.gate(name):
            pass
"""
OPTION = "def pytest_addoption(parser):\n    parser.addoption('--shop', default='main')\n"


@pytest.fixture
def load(suite: Suite) -> Suite:
    """Everything completed once, with two files that phases rely on."""
    suite.plan(WAREHOUSE.replace('name = "TRANSFORM"', 'name = "TRANSFORM"\noptions = ["shop"]'))
    suite.pytester.makeconftest(OPTION)
    suite.write(PHASES)
    write(suite, "rows.csv", "good")
    write(suite, "target.txt", "1")
    assert suite.here().ret == 0
    return suite


def write(suite: Suite, name: str, text: str) -> None:
    (suite.pytester.path / name).write_text(text)


def states(document: dict[str, Any]) -> list[tuple[str, bool]]:
    return [(span["status"], span["reused"]) for span in document["spans"]]


REUSED, RAN = ("completed", True), ("completed", False)


def test_a_run_in_between_that_was_blocked_costs_nothing(load: Suite, evidence: Read) -> None:
    first = evidence()
    write(load, "rows.csv", "bad")
    assert load.here().ret == 1
    second = evidence()
    write(load, "rows.csv", "good")
    result = load.here("--contextcore-resume")
    assert result.ret == 0
    assert states(evidence()) == [REUSED] * 3
    traces = [span["reused_from"]["otel_trace_id"] for span in evidence()["spans"]]
    assert traces == [second["otel_trace_id"], first["otel_trace_id"], first["otel_trace_id"]]
    said = result.stdout.str()
    assert f"E reused from the trace {second['otel_trace_id']}; T, P reused from the trace {traces[1]}" in said


def test_so_does_one_with_another_option_and_what_was_handed_on_is_still_there(load: Suite, evidence: Read) -> None:
    assert load.here("--shop", "other").ret == 0
    write(load, "target.txt", "2")
    result = load.here("--contextcore-resume")
    assert result.ret == 0
    assert states(evidence()) == [REUSED, REUSED, RAN]
    assert "P runs: its input target.txt changed" in result.stdout.str()


def test_a_deselected_phase_is_reused_of_the_run_that_fits(load: Suite, evidence: Read) -> None:
    write(load, "rows.csv", "bad")
    assert load.here().ret == 1
    assert "needs T" in refusal(load.here("-k", "test_publish"))  # it did not complete with these rows
    write(load, "rows.csv", "good")
    assert load.here("-k", "test_publish").ret == 0
    assert states(evidence()) == [REUSED, REUSED, RAN]


def test_a_failed_integrity_gate_stands_although_an_earlier_run_fits(load: Suite) -> None:
    write(load, "rows.csv", "bad")
    load.plan(
        WAREHOUSE.replace('name = "TRANSFORM"', 'name = "TRANSFORM"\noptions = ["shop"]').replace(
            'purpose = "Columns known"', 'purpose = "Columns known"\nkind = "integrity"'
        )
    )
    assert load.here().ret == 1
    write(load, "rows.csv", "good")
    assert "an integrity gate of T" in refusal(load.here("-k", "test_publish"))
    result = load.here("--contextcore-resume")
    assert result.ret == 0
    assert "T runs: the last evidence says blocked" in result.stdout.str()


def test_history_can_be_turned_off_and_a_bad_number_is_a_usage_error(load: Suite) -> None:
    load.pytester.makeini("[pytest]\ncontextcore_history = 0\n")
    kept = load.pytester.path / "out/history/LOAD-7"
    before = sorted(kept.iterdir())
    write(load, "rows.csv", "bad")
    assert load.here().ret == 1
    write(load, "rows.csv", "good")
    assert "T runs: the last evidence says blocked" in load.here("--contextcore-resume").stdout.str()
    assert sorted(kept.iterdir()) == before
    load.pytester.makeini("[pytest]\ncontextcore_history = some\n")
    assert "contextcore_history = some: it is not a number from 0 on" in refusal(load.here())


def test_git_ignores_the_folder_for_evidence_but_none_in_which_something_lies(suite: Suite) -> None:
    suite.write(PASSING)
    folder = suite.pytester.path
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    (folder / "site").mkdir()
    (folder / "site" / "index.html").touch()
    suite.here()
    suite.here("--contextcore-out", "site")
    assert (folder / "out" / ".gitignore").read_text() == "*\n"
    assert not (folder / "site" / ".gitignore").exists()
    (folder / "out" / ".gitignore").write_text("# mine\n*\n")
    suite.here()
    assert (folder / "out" / ".gitignore").read_text().startswith("# mine")
    assert "out/" not in subprocess.check_output(["git", "-C", str(folder), "status", "--porcelain"], text=True)


def test_only_spans_need_the_folder_too(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    suite.write("def test_a(): pass\n", "test_z.py")
    suite.here("test_z.py")
    assert (Path(suite.pytester.path) / "out" / ".gitignore").read_text() == "*\n"


DRIFT = """
[trace]
id = "WINE"

[[attributes]]
name = "quality.accuracy"

[[phases]]
id = "EVALUATE"
inputs = ["m.json"]
gates = [{ check = { query = "m.json#a != `0`", values = { accuracy = "m.json#a" } } }]

[[phases]]
id = "SHIP"
inputs = ["m.json"]
gates = [{ id = "D", check = { drift = "quality.accuracy", within = "5%" } }]
"""


def drifted(suite: Suite, accuracy: float, *arguments: str) -> tuple[int, str, str]:
    """Run the plan: pytest's exit code, the drift gate's result, and its reason or what it compared."""
    write(suite, "m.json", f'{{"a": {accuracy}}}')
    code = int(suite.here("plan.toml", *arguments).ret)
    (gate,) = json.loads((suite.pytester.path / "out/WINE.json").read_text())["spans"][1]["gates"]
    return code, gate["result"], gate["reason"] or gate["evidence"][0]["description"]


def test_a_drift_gate_holds_a_value_against_earlier_completed_runs(pytester: pytest.Pytester) -> None:
    suite = Suite(pytester)
    suite.plan(DRIFT)
    kept = pytester.path / "out/history/WINE"
    code, result, said = drifted(suite, 0.9)
    assert (code, result) == (0, "not_applicable")
    assert "expected 1 or more to compare 0.9 with" in said
    assert drifted(suite, 0.92)[:2] == (0, "pass")
    code, result, said = drifted(suite, 0.5)
    assert (code, result) == (1, "fail")
    assert "observed 0.5, expected 0.8645 to 0.9555 (the median of 2 earlier runs is 0.91, within 5%)" in said
    code, result, said = drifted(suite, 0.94, "--contextcore-resume")  # the blocked run does not count
    assert (code, result) == (0, "pass")
    assert "the median of 2 earlier runs" in said
    assert drifted(suite, 0.94, "--contextcore-resume") == (code, result, said)  # reused, with its gate
    assert main(["verify", "--out", str(pytester.path / "out")]) == 0
    oldest, *_, newest = sorted(kept.iterdir())
    oldest.write_text("{")
    newest.write_bytes(newest.read_bytes().replace(b"0.94", b"0.54"))  # what was altered proves nothing
    code, result, said = drifted(suite, 0.95, "-n1")
    assert (code, result) == (0, "pass")
    assert "the median of 2 earlier runs is 0.93," in said
    code, result, said = drifted(suite, 0.95, "-o", "contextcore_history=0")
    assert (code, result, "no earlier runs are kept" in said) == (1, "fail", True)
    suite.plan(DRIFT.replace('values = { accuracy = "m.json#a" }', "values = {}"))
    code, result, said = drifted(suite, 0.95)
    assert (code, result, "observed no value by now, expected a number" in said) == (1, "fail", True)
