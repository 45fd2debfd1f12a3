"""A SIGKILL in the middle of a phase: what had ended below it is kept, what was open is ended, each span once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest

from pytest_contextcore.commands.cli import main
from pytest_contextcore.export.spool import Spool
from pytest_contextcore.ids import traceparent
from pytest_contextcore.recovery.end import end_before_another_run, end_open_spans
from pytest_contextcore.span import INTERRUPTED

from ..support import spools as spool_files
from ..support.otlp_receiver import Receiver, refused_endpoint
from ..support.plans import WAREHOUSE, Suite
from ..support.traces import (
    DONE,
    FAILED,
    GOOD,
    Sent,
    gates,
    killed_where_it_reached,
    names,
    one,
    phase,
    run,
    sent,
    statuses,
    transform,
)

Read = Callable[..., dict[str, Any]]
T, C1, C2 = "LOAD-7-T TRANSFORM", "LOAD-7-T-C1", "LOAD-7-T-C2"
REST = {"LOAD-7": 1, "LOAD-7-E EXTRACT": 1, "LOAD-7-E-C1": 1, T: 1, "LOAD-7-P PUBLISH": 1}
"""What every trace has that was begun."""

WHOLE = {**REST, C1: 1, C2: 1, "LOAD-7-T-C3": 1, "LOAD-7-P-C1": 1}

HELP = """
import os, signal
from opentelemetry import trace

def die():
    os.kill(os.getpid(), signal.SIGKILL)
"""
AFTER_GATE = 'with phase.gate("C1"):\n    phase.run(["true"])\nphase.run(["false"])\ndie()'
IN_GATE = 'check(phase, "C1")\nwith phase.gate("C2"):\n    phase.run(["false"])\n    die()'
SUBTESTS = 'with subtests.test("one"):\n    pass\nwith phase.gate("C1"), subtests.test("two"):\n    assert 0\ndie()'
FOREIGN = 'with phase.gate("C1"):\n    trace.get_tracer("shop").start_span("query").end()\n    die()'
WAITS = "until grep -q 'did not finish' out/LOAD-7.json; do :; done; kill -9 $PPID"
IN_PROGRAM = f'with phase.gate("C1"):\n    phase.run(["sh", "-c", {WAITS!r}], timeout=20)'


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that is down while the tests run."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refused_endpoint())


def write(suite: Suite, body: str) -> None:
    suite.write(transform(body, "phase, subtests" if "subtests" in body else "phase", HELP))


def killed(suite: Suite, body: str, *arguments: str) -> list[Path]:
    """Run until the phase T ends its process; the spools of that run."""
    write(suite, body)
    assert run(suite, *arguments).ret == -signal.SIGKILL
    return spools(suite)


def spools(suite: Suite) -> list[Path]:
    return sorted((suite.pytester.path / "out" / "spool").glob("*.otlp"))


def own_file(suite: Suite) -> Path:
    return suite.pytester.path / "out" / "LOAD-7.otlp.jsonl"


def replayed(*files: Path) -> list[Sent]:
    """What a collector has after a replay of these files: whole, and each id once."""
    with Receiver() as receiver:
        assert main(["replay", *map(str, files), "--endpoint", receiver.http_endpoint]) == 0
        return sent(receiver)


def marked(spans: list[Sent]) -> set[str]:
    return {span.name for span in spans if span.attributes.get("task.interrupted")}


def assert_nested(spans: list[Sent]) -> None:
    by_id = {span.id: span for span in spans}
    for span in spans:
        if (parent := by_id.get(span.parent)) is not None:
            assert parent.start <= span.start <= span.end <= parent.end, (parent.name, span.name)


@pytest.mark.parametrize(
    ("body", "below", "open_below"),
    [
        pytest.param(AFTER_GATE, {"true": C1, "false": T, C1: T}, set(), id="after a gate"),
        pytest.param(IN_GATE, {"false": C2, C1: T, C2: T}, {C2}, id="in a gate"),
        pytest.param(
            SUBTESTS,
            {"test_load.py::test_transform [one]": T, "test_load.py::test_transform [two]": C1, C1: T},
            set(),
            id="subtests",
        ),
        pytest.param(FOREIGN, {"query": C1, C1: T}, {C1}, id="spans of the code under test"),
        pytest.param(IN_PROGRAM, {"sh": C1, C1: T}, {C1, "sh"}, id="in a program"),
    ],
)
@pytest.mark.usefixtures("away")
def test_the_tree_is_whole_after_a_replay(
    suite: Suite, evidence: Read, body: str, below: dict[str, str], open_below: set[str]
) -> None:
    files = killed(suite, body)
    ended = [*below.keys() - open_below, "LOAD-7-E-C1", "LOAD-7-E EXTRACT"]
    assert sorted(name for file in files for name in spool_files.names(Spool(file))) == sorted(ended)
    before = evidence()
    spans = replayed(*files)
    assert names(spans) == {**REST, **dict.fromkeys(below, 1)}
    by_id = {span.id: span.name for span in spans}
    assert {name: by_id[one(spans, name).parent] for name in below} == below
    assert marked(spans) == {"LOAD-7", T, *open_below}
    assert {one(spans, name).description for name in marked(spans)} == {INTERRUPTED}
    assert_nested(spans)
    assert evidence() == before
    assert spools(suite) == []
    own = replayed(own_file(suite))
    assert {span.parent for span in own} <= {"", *(span.id for span in own)}
    assert marked(own) >= {"LOAD-7", T}


@pytest.mark.parametrize("body", [IN_GATE, FOREIGN, IN_PROGRAM], ids=["in a gate", "foreign", "program"])
def test_the_controller_ends_what_a_dead_worker_left_open(
    suite: Suite, evidence: Read, exporting: Receiver, body: str
) -> None:
    write(suite, body)
    assert run(suite, "-n1").ret == 1
    document = evidence()
    assert statuses(document) == FAILED
    spans = sent(exporting)
    assert set(names(spans).values()) == {1}
    assert_nested(spans)
    assert {span.parent for span in spans} <= {"", *(span.id for span in spans)}
    expected = {IN_GATE: {"false"}, FOREIGN: {"query"}, IN_PROGRAM: {"sh"}}
    assert {span.name for span in spans if span.name in ("true", "false", "sh", "query")} == expected[body]
    assert "fail" not in gates(document).values()


def test_a_gate_that_failed_right_before_its_worker_died_blocks_its_phase(
    suite: Suite, evidence: Read, exporting: Receiver
) -> None:
    write(suite, 'check(phase, "C1")\nwith phase.gate("C2"):\n    assert 0, "colour is unknown"\ndie()')
    assert run(suite, "-n1").ret == 1
    found = phase(evidence())
    assert (found["status"], found["blocked_reason"]) == ("blocked", "C2: colour is unknown")
    assert one(sent(exporting), C2).description == "colour is unknown"


def test_a_gate_that_passed_right_before_its_worker_died_has_passed(
    suite: Suite, evidence: Read, exporting: Receiver
) -> None:
    """Its span says so, though the evidence had no time to."""
    write(suite, 'check(phase, "C1", "C2")\ndie()')
    assert run(suite, "-n1").ret == 1
    document = evidence()
    assert gates(document) == {"C1": "pass", "C2": "pass", "C3": "not_checked"}
    counted = document["summary"]["gates"]
    assert (counted["pass"], counted["not_checked"]) == (3, 2)
    (gate,) = [found for found in phase(document)["gates"] if found["gate_id"] == C2]
    assert [event["name"] for event in gate["events"]] == ["gate.check.started", "gate.check.passed"]
    found = one(sent(exporting), C2)
    assert (found.status, [name for name, _ in found.events]) == ("ok", [event["name"] for event in gate["events"]])


@pytest.mark.usefixtures("away")
def test_a_killed_session_of_workers_is_completed_once_file_by_file(suite: Suite) -> None:
    programs = '    phase.run(["true"])\n    phase.run(["false"])\n'
    write(suite, f'with phase.gate("C1"):\n{programs}    open("reached", "w").close()\n    signal.pause()')
    killed_where_it_reached(suite, "-n", "2")
    with Receiver() as receiver:
        for file in spools(suite):
            while not (free := Spool(file)).claim():  # its process is about to end
                free.close()
            free.close()
            assert main(["replay", str(file), "--endpoint", receiver.http_endpoint]) == 0
        spans = sent(receiver)
    assert names(spans) == {**REST, C1: 1, "true": 1, "false": 1}
    assert marked(spans) == {"LOAD-7", T, C1}


@pytest.mark.parametrize("options", [["--contextcore-resume"], ["-q"], ["-n1"]], ids=["resumed", "anew", "xdist"])
@pytest.mark.usefixtures("away")
def test_a_later_run_ends_what_a_kill_left_before_it_replaces_the_evidence(
    suite: Suite, evidence: Read, options: list[str]
) -> None:
    files = killed(suite, IN_GATE)
    write(suite, GOOD)
    assert run(suite, *options).ret == 0
    assert statuses(evidence()) == DONE
    spans = replayed(*files)
    assert names(spans) == {**REST, C1: 1, C2: 1, "false": 1}
    assert marked(spans) == {"LOAD-7", T, C2}
    assert {span.trace for span in spans}.isdisjoint({evidence()["otel_trace_id"]})
    assert set(names(replayed(*spools(suite))).values()) == {1}


@pytest.mark.usefixtures("away")
def test_a_run_that_goes_on_with_a_killed_trace_leaves_its_parent_open_and_ends_the_phase(
    suite: Suite, evidence: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadly = suite.pytester.path / "deadly"
    deadly.touch()
    killed(suite, f"if os.path.exists('deadly'):\n{indent(IN_GATE, '    ')}\nelse:\n    {GOOD}")
    cut = evidence()
    monkeypatch.setenv("TRACEPARENT", traceparent(cut["otel_trace_id"], cut["otel_span_id"], sampled=True))
    deadly.unlink()
    assert run(suite, "--contextcore-resume").ret == 0
    assert evidence()["otel_trace_id"] == cut["otel_trace_id"]
    spans = replayed(*spools(suite))
    assert names(spans) == {**WHOLE, T: 2, C1: 2, C2: 2, "false": 1}
    assert [span.name for span in spans if span.attributes.get("task.interrupted")] == [T, C2]
    assert one(spans, "LOAD-7").status == "ok"


# -- one killed run, and what may have become of its files ------------------------------------------------------------
@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``out`` folder of a run that was killed in its second gate, below a parent."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "plan.toml").write_text(WAREHOUSE, encoding="utf-8")
    (folder / "test_load.py").write_text(transform(IN_GATE, "phase", HELP), encoding="utf-8")
    told = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": refused_endpoint(),
        "TRACEPARENT": traceparent("1" * 32, "2" * 16, sampled=True),
    }
    command = [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=folder, env={**os.environ, **told}, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    return folder / "out"


@pytest.fixture
def out(left: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(left, tmp_path / "out"))


def ended(out: Path) -> Counter[str]:
    """End what is open in the spool, as replay does; all names in it."""
    (file,) = (out / "spool").glob("*.otlp")
    spool = Spool(file)
    assert spool.claim()
    end_open_spans(spool)
    spool.close()
    return Counter(spool_files.names(Spool(file)))


CUT = {**REST, C1: 1, C2: 1, "false": 1}


def test_open_spans_are_ended_once(out: Path) -> None:
    assert ended(out) == CUT
    assert ended(out) == CUT


@pytest.mark.parametrize("damage", [b"", b"\0" * 40, b'{"resourceSpans":[{"scopeSpans":3}]}\n'])
def test_damage_beside_what_counts_is_left_out(out: Path, damage: bytes) -> None:
    (note,) = (out / "spool").glob("*.open")
    note.write_bytes(damage + note.read_bytes())
    with (out / "LOAD-7.otlp.jsonl").open("ab") as file:
        file.write(damage)
    assert ended(out) == CUT


@pytest.mark.parametrize(
    ("change", "spans"),
    [
        ({"runs": ["**"]}, {}), ({"runs": []}, {}),
        ({"trace_id": "../LOAD-7"}, {"LOAD-7": 1}), ({"spans": 3}, {"LOAD-7": 1}),
    ],
)  # fmt: skip
def test_evidence_that_was_edited_is_no_reason_to_stop(
    out: Path, change: dict[str, Any], spans: dict[str, int]
) -> None:
    path = out / "LOAD-7.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **change}), encoding="utf-8")
    kept = {"LOAD-7-E EXTRACT": 1, "LOAD-7-E-C1": 1, C1: 1, "false": 1}
    assert ended(out) == {**kept, **spans}
    end_before_another_run(out, "LOAD-7", joined=False)
