"""A SIGKILL in the middle of a phase: what had ended below it is kept, what was open is ended, each span once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.export.otlp import decode_line, spans_of
from pytest_contextcore.export.spool import Spool
from pytest_contextcore.ids import traceparent
from pytest_contextcore.recovery.end import end_open_spans
from pytest_contextcore.recovery.read import catch_up, look
from pytest_contextcore.span import INTERRUPTED
from pytest_contextcore.trace.evidence import Result
from pytest_contextcore.trace.file import load_evidence

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

HELP = """
import os, signal
from opentelemetry import trace

def die():
    os.kill(os.getpid(), signal.SIGKILL)
"""
AFTER_GATE = 'with phase.gate("C1"):\n    phase.run(["true"])\nphase.run(["false"])\ndie()'
IN_GATE = 'check(phase, "C1")\nwith phase.gate("C2"):\n    phase.run(["false"])\n    die()'
IN_FIRST_GATE = 'with phase.gate("C1"):\n    phase.run(["true"])\n    die()'
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


def killed(suite: Suite, body: str, *arguments: str) -> Path:
    """Run until the phase T ends its process; the spool of that run."""
    write(suite, body)
    assert run(suite, *arguments).ret == -signal.SIGKILL
    (spool,) = spools(suite)
    return spool


def spools(suite: Suite) -> list[Path]:
    return sorted((suite.pytester.path / "out" / "spool").glob("*.otlp.jsonl"))


def own_file(suite: Suite) -> Path:
    return suite.pytester.path / "out" / "LOAD-7.otlp.jsonl"


def replay(*files: Path, to: Receiver) -> None:
    for file in files:
        done = subprocess.run(
            [sys.executable, "-m", "pytest_contextcore", "replay", str(file), "--endpoint", to.http_endpoint],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")


def replayed(*files: Path) -> list[Sent]:
    """What a collector has after a replay of these files: whole, and each id once."""
    with Receiver() as receiver:
        replay(*files, to=receiver)
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
        pytest.param(AFTER_GATE, {"run true": C1, "run false": T, C1: T}, set(), id="after a gate"),
        pytest.param(IN_GATE, {"run false": C2, C1: T, C2: T}, {C2}, id="in a gate"),
        pytest.param(IN_FIRST_GATE, {"run true": C1, C1: T}, {C1}, id="in the first gate"),
        pytest.param(
            SUBTESTS,
            {"test_load.py::test_transform [one]": T, "test_load.py::test_transform [two]": C1, C1: T},
            set(),
            id="subtests",
        ),
        pytest.param(FOREIGN, {"query": C1, C1: T}, {C1}, id="spans of the code under test"),
        pytest.param(IN_PROGRAM, {"run sh": C1, C1: T}, {C1, "run sh"}, id="in a program"),
    ],
)
@pytest.mark.usefixtures("away")
def test_the_tree_is_whole_after_a_replay(suite: Suite, body: str, below: dict[str, str], open_below: set[str]) -> None:
    spool = killed(suite, body)
    spans = replayed(spool)
    assert names(spans) == {**REST, **dict.fromkeys(below, 1)}
    by_id = {span.id: span.name for span in spans}
    assert {name: by_id[one(spans, name).parent] for name in below} == below
    assert marked(spans) == {"LOAD-7", T, *open_below}
    assert {one(spans, name).description for name in marked(spans)} == {INTERRUPTED}
    assert_nested(spans)
    own = replayed(own_file(suite))
    assert own == [span for span in spans if span.name != "query"]
    assert spools(suite) == []


@pytest.mark.usefixtures("away")
def test_what_had_ended_in_a_phase_is_in_the_spool_before_any_replay(suite: Suite) -> None:
    spool = killed(suite, AFTER_GATE)
    for file in (spool, own_file(suite)):
        lines = file.read_bytes().splitlines()
        found = [span["name"] for line in lines for span in spans_of(decode_line(line))]
        assert found == ["LOAD-7-E-C1", "LOAD-7-E EXTRACT", "run true", C1, "run false"]


def test_without_a_kill_each_span_is_sent_once(suite: Suite, evidence: Read, exporting: Receiver) -> None:
    write(
        suite, f'phase.run(["true"])\nwith phase.gate("C1"):\n    phase.run(["false"])\n{GOOD.replace("C1", "C2", 1)}'
    )
    write(
        suite,
        'with phase.gate("C1"), subtests.test("one"):\n    phase.run(["false"])\n'
        'phase.run(["true"])\ncheck(phase, "C2", "C3")',
    )
    assert run(suite).ret == 0
    assert statuses(evidence()) == DONE
    assert names(sent(exporting)) == {
        **REST,
        **dict.fromkeys(("run true", "run false", "test_load.py::test_transform [one]"), 1),
        **dict.fromkeys(("LOAD-7-T-C1", "LOAD-7-T-C2", "LOAD-7-T-C3", "LOAD-7-P-C1"), 1),
    }
    assert names(replayed(own_file(suite))) == names(sent(exporting))


@pytest.mark.usefixtures("away")
def test_a_killed_attempt_stands_beside_the_one_before_it(suite: Suite) -> None:
    pytest.importorskip("pytest_rerunfailures")
    again = 'again = os.path.exists("again")\nopen("again", "w").close()\n'
    again += (
        'with phase.gate("C1"):\n    phase.run(["true"])\n    assert again or 1\nif not again:\n    raise OSError\n'
    )
    spool = killed(suite, again + 'with phase.gate("C2"):\n    phase.run(["false"])\n    die()', "--reruns=1")
    spans = replayed(spool)
    assert names(spans) == {**REST, T: 2, C1: 2, C2: 1, "run true": 2, "run false": 1}
    assert sorted(span.description for span in spans if span.name == T) == ["OSError", INTERRUPTED]
    assert [span.name for span in spans if span.attributes.get("task.interrupted")] == ["LOAD-7", T, C2]


@pytest.mark.parametrize("body", [AFTER_GATE, IN_GATE, FOREIGN, IN_PROGRAM], ids=["after", "in", "foreign", "program"])
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
    told = {gate["otel_span_id"]: gate["result"] for gate in phase(document)["gates"] if gate["started_at"]}
    assert told == {span.id: span.attributes["gate.result"] for span in spans if span.name.startswith("LOAD-7-T-")}
    expected = {
        AFTER_GATE: {"run true", "run false"},
        IN_GATE: {"run false"},
        FOREIGN: {"query"},
        IN_PROGRAM: {"run sh"},
    }
    assert {span.name for span in spans if span.name.startswith(("run ", "query"))} == expected[body]
    first = {"C1": "not_checked"} if body in (FOREIGN, IN_PROGRAM) else {"C1": "pass"}
    assert gates(document) == {**first, "C2": "not_checked", "C3": "not_checked"}


def test_a_gate_that_failed_right_before_its_worker_died_blocks_its_phase(
    suite: Suite, evidence: Read, exporting: Receiver
) -> None:
    """Its result waits for its write while its span is out already."""
    write(suite, 'check(phase, "C1")\nwith phase.gate("C2"):\n    assert 0, "colour is unknown"\ndie()')
    assert run(suite, "-n1").ret == 1
    found = phase(evidence())
    assert (found["status"], found["blocked_reason"]) == ("blocked", "C2: colour is unknown")
    assert one(sent(exporting), C2).description == "colour is unknown"


@pytest.mark.usefixtures("away")
def test_a_killed_session_of_workers_is_completed_once(suite: Suite) -> None:
    pytest.importorskip("xdist")
    programs = '    phase.run(["true"])\n    phase.run(["false"])\n'
    write(suite, f'with phase.gate("C1"):\n{programs}    open("reached", "w").close()\n    signal.pause()')
    killed_where_it_reached(suite, "-n", "2")
    spans = replayed(*spools(suite))
    assert names(spans) == {**REST, C1: 1, "run true": 1, "run false": 1}
    assert marked(spans) == {"LOAD-7", T, C1}


@pytest.mark.parametrize("option", ["--contextcore-resume", "-q"], ids=["resumed", "anew"])
@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["", "xdist"])
@pytest.mark.usefixtures("away")
def test_a_later_run_ends_what_a_kill_left_before_it_replaces_the_evidence(
    suite: Suite, evidence: Read, option: str, workers: tuple[str, ...]
) -> None:
    spool = killed(suite, IN_GATE)
    write(suite, GOOD)
    assert run(suite, option, *workers).ret == 0
    assert statuses(evidence()) == DONE
    spans = replayed(spool)
    assert names(spans) == {**REST, C1: 1, C2: 1, "run false": 1}
    assert marked(spans) == {"LOAD-7", T, C2}
    assert {span.trace for span in spans}.isdisjoint({evidence()["otel_trace_id"]})
    assert set(names(replayed(*spools(suite))).values()) == {1}


@pytest.mark.usefixtures("away")
def test_a_run_that_goes_on_with_a_killed_trace_leaves_its_parent_open_and_ends_the_phase(
    suite: Suite, evidence: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(suite, IN_GATE)
    cut = evidence()
    monkeypatch.setenv("TRACEPARENT", traceparent(cut["otel_trace_id"], cut["otel_span_id"], sampled=True))
    write(suite, GOOD)
    assert run(suite, "--contextcore-resume").ret == 0
    assert evidence()["otel_trace_id"] == cut["otel_trace_id"]
    spans = replayed(*spools(suite))
    assert names(spans) == {
        **REST, T: 2, C1: 2, C2: 2, "LOAD-7-T-C3": 1, "LOAD-7-P-C1": 1, "run false": 1,
    }  # fmt: skip
    assert [span.name for span in spans if span.attributes.get("task.interrupted")] == [T, C2]
    assert one(spans, "LOAD-7").status == "ok"


@pytest.mark.usefixtures("away")
def test_the_plans_own_file_gets_what_only_the_spool_has(suite: Suite) -> None:
    """A span goes to the one and then to the other; the kill came in between."""
    spool = killed(suite, AFTER_GATE)
    own = own_file(suite)
    lines = own.read_bytes().splitlines(keepends=True)
    own.write_bytes(b"".join(lines[:-2]))  # without the gate C1 and the program behind it
    first = replayed(own)
    assert (one(first, C1).status, one(first, "run false").status) == ("ok", "error")
    assert replayed(spool) == first


PLANS = ("LOAD-7", "LOAD-8")
"""Two plans of one session. The parent of the first stays open until the session ends, which the second one ends."""


def write_both(suite: Suite, first: str, second: str) -> None:
    folder = suite.pytester.path
    (folder / "plan.toml").unlink(missing_ok=True)
    (folder / "test_load.py").unlink(missing_ok=True)
    for name, body in zip(PLANS, (first, second), strict=True):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "plan.toml").write_text(WAREHOUSE.replace(PLANS[0], name), encoding="utf-8")
        (folder / name / f"test_{name[-1]}.py").write_text(transform(body, "phase", HELP), encoding="utf-8")


def kept(suite: Suite) -> list[dict[str, Any]]:
    """All spans in the spools."""
    lines = [line for spool in spools(suite) for line in spool.read_bytes().splitlines()]
    return [span for line in lines for span in spans_of(decode_line(line))]


def counted(spans: list[dict[str, Any]], plan: str) -> Counter[str]:
    return Counter(span["name"].replace(plan, PLANS[0]) for span in spans if span["name"].startswith(plan))


WHOLE = {**REST, C1: 1, C2: 1, "LOAD-7-T-C3": 1, "LOAD-7-P-C1": 1}


@pytest.mark.parametrize(
    ("again", "of_the_first"),
    [
        pytest.param(GOOD, WHOLE, id="both go on"),
        pytest.param(f"{GOOD}  # edited", dict.fromkeys(WHOLE, 2), id="the first begins anew"),
    ],
)
@pytest.mark.usefixtures("away")
def test_a_plan_that_is_run_again_leaves_the_other_plans_of_its_session_alone(
    suite: Suite, evidence: Read, monkeypatch: pytest.MonkeyPatch, again: str, of_the_first: dict[str, int]
) -> None:
    """Each goes on, or begins anew, by itself: what a kill left of the one is not ended for the other."""
    monkeypatch.setenv("TRACEPARENT", traceparent("1" * 32, "2" * 16, sampled=True))
    write_both(suite, GOOD, IN_GATE)
    assert run(suite).ret == -signal.SIGKILL
    assert [evidence(name)["ended_at"] for name in PLANS] == [None, None]
    write_both(suite, again, GOOD)
    assert run(suite, "--contextcore-resume").ret == 0
    assert len(evidence("LOAD-8")["runs"]) == 2
    spans = kept(suite)
    ids = Counter(span["spanId"] for span in spans)
    assert {found: count for found, count in ids.items() if count > 1} == {}
    assert counted(spans, "LOAD-7") == of_the_first
    assert counted(spans, "LOAD-8") == {**WHOLE, T: 2, C1: 2, C2: 2}
    with Receiver() as receiver:
        replay(*spools(suite), to=receiver)
        assert Counter(receiver.ids().values()) == {1: len(spans)}  # nothing is open any more


@pytest.mark.usefixtures("away")
def test_what_another_plan_left_open_is_ended_by_its_own_next_run_or_by_a_replay(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_both(suite, GOOD, IN_GATE)
    assert run(suite).ret == -signal.SIGKILL
    (spool,) = spools(suite)
    write_both(suite, GOOD, GOOD)
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert run(suite, PLANS[0]).ret == 0
    assert (counted(kept(suite), "LOAD-7")["LOAD-7"], counted(kept(suite), "LOAD-8")["LOAD-7"]) == (1, 0)
    monkeypatch.delenv("OTEL_SDK_DISABLED")
    spans = replayed(spool)
    assert (names(spans)["LOAD-7"], names(spans)["LOAD-8"]) == (1, 1)
    assert marked(spans) == {"LOAD-7", "LOAD-8", "LOAD-8-T TRANSFORM", "LOAD-8-T-C2"}


ODD = b'{"resourceSpans":[{"scopeSpans":3}]}'
DAMAGED = [b"{}", b'{"resourceSpans":[]}', ODD, b"\xff", b'"spanId":"0', b"[" * 9999]


@pytest.mark.parametrize("damage", DAMAGED)
@pytest.mark.usefixtures("away")
def test_a_damaged_note_of_what_was_begun_is_left_out(suite: Suite, damage: bytes) -> None:
    spool = killed(suite, AFTER_GATE)
    note = spool.with_name(f"{spool.name}.open")
    note.write_bytes(damage + b"\n" + note.read_bytes())
    assert names(replayed(spool)) == {**REST, C1: 1, "run true": 1, "run false": 1}


def closed(*paths: Path) -> list[int]:
    """How many spans were open in these files, which nobody writes to any more."""
    counts = []
    for path in paths:
        spool = Spool(path)
        assert spool.claim()
        counts.append(end_open_spans(spool))
        spool.close()
    return counts


@pytest.mark.parametrize(
    ("scope", "change"),
    [
        ({"scope": None}, {}),
        ({"scope": [1]}, {}),
        ({"scope": {}}, {"parentSpanId": ["1" * 16]}),
        ({"scope": {}}, {"parentSpanId": {}}),
        ({"scope": {}}, {"endTimeUnixNano": "9" * 5000}),
        ({"scope": {}}, {"endTimeUnixNano": "9" * 4000}),
        ({"scope": {}}, {"startTimeUnixNano": float("inf")}),
    ],
)
@pytest.mark.usefixtures("away")
def test_an_odd_line_does_not_stop_the_end_of_what_was_open(
    suite: Suite, evidence: Read, scope: dict[str, Any], change: dict[str, Any]
) -> None:
    spool = killed(suite, AFTER_GATE)
    document = evidence()
    span = {
        "traceId": document["otel_trace_id"], "spanId": phase(document)["gates"][2]["otel_span_id"], "name": "odd",
        "startTimeUnixNano": "1", "endTimeUnixNano": "2",
        "parentSpanId": phase(document)["otel_span_id"],
        **change,
    }  # fmt: skip
    request = {"resourceSpans": [{"scopeSpans": [{**scope, "spans": [span]}]}]}
    with spool.open("a", encoding="utf-8") as file:
        file.write(json.dumps(request, separators=(",", ":")) + "\n")
    assert closed(spool, own_file(suite)) == [3, 0]
    last = decode_line(spool.read_bytes().splitlines()[-1])
    ended = [(span["name"], len(span["endTimeUnixNano"])) for span in spans_of(last)]
    assert ended == [(T, 19), ("LOAD-7-P PUBLISH", 19), ("LOAD-7", 19)]


@pytest.mark.usefixtures("away")
def test_the_end_of_a_session_is_no_number_that_a_span_cannot_have(suite: Suite) -> None:
    spool = killed(suite, AFTER_GATE)
    (note,) = spool.parent.glob("*.open")
    parent = note.read_bytes()
    note.write_bytes(parent.replace(b'"task.id"', b'"task.no"'))  # like the session's, it is of no plan
    spool.write_bytes(spool.read_bytes().replace(b'"endTimeUnixNano":"', b'"endTimeUnixNano":"%s' % (b"9" * 5000), 1))
    assert closed(spool) == [1]


@pytest.mark.usefixtures("away")
def test_a_program_without_a_name_in_edited_evidence_does_not_stop_the_next_run(suite: Suite, evidence: Read) -> None:
    spool = killed(suite, IN_PROGRAM)
    document = evidence()
    phase(document)["programs"][0]["args"] = []
    (suite.pytester.path / "out" / "LOAD-7.json").write_text(json.dumps(document), encoding="utf-8")
    write(suite, GOOD)
    assert run(suite).ret == 0
    assert marked(replayed(spool)) == {"LOAD-7", T, C1, "run ?"}


@pytest.mark.parametrize("state", ['vendor=a"b', "vendor=a\\b", 'vendor=\\",other=2'])
@pytest.mark.usefixtures("away")
def test_the_vendor_state_of_a_trace_is_that_of_spans_which_a_kill_left_open(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setenv("TRACEPARENT", traceparent("1" * 32, "2" * 16, sampled=True))
    monkeypatch.setenv("TRACESTATE", state)
    assert closed(killed(suite, AFTER_GATE)) == [3]
    assert {span.get("traceState") for span in kept(suite)} == {state}


@pytest.mark.usefixtures("away")
def test_a_link_to_a_span_is_not_that_span(suite: Suite, evidence: Read) -> None:
    """An attempt whose line only the spool has goes to the plan's own file, though the next attempt links to it."""
    pytest.importorskip("pytest_rerunfailures")
    again = 'again = os.path.exists("again")\nopen("again", "w").close()\nif not again:\n    raise OSError\n'
    write(suite, again + GOOD)
    (suite.pytester.path / "test_load.py").write_text(
        (suite.pytester.path / "test_load.py").read_text().replace("phase.record(row_count=3)", "die()"), "utf-8"
    )
    assert run(suite, "--reruns=1").ret == -signal.SIGKILL
    (attempt,) = phase(evidence())["attempts"]
    own = own_file(suite)
    lines = own.read_bytes().splitlines(keepends=True)
    own.write_bytes(b"".join(line for line in lines if f'"{attempt["otel_span_id"]}","name"'.encode() not in line))
    assert attempt["otel_span_id"].encode() in own.read_bytes()
    assert attempt["otel_span_id"] in {span.id for span in replayed(own)}


@pytest.mark.parametrize("run_id", ["/etc", "**", "", "../*"])
@pytest.mark.usefixtures("away")
def test_evidence_that_names_no_run_completes_its_own_file_all_the_same(
    suite: Suite, evidence: Read, run_id: str
) -> None:
    killed(suite, AFTER_GATE)
    path = suite.pytester.path / "out" / "LOAD-7.json"
    path.write_text(json.dumps({**evidence(), "runs": [run_id]}), encoding="utf-8")
    assert names(replayed(own_file(suite))) == {**REST, C1: 1, "run true": 1, "run false": 1}


@pytest.mark.parametrize(
    "change",
    [{"attributes": 3}, {"attributes": [{}]}, {"events": [{}]}, {"startTimeUnixNano": "soon"}, {"attributes": []}],
)
@pytest.mark.usefixtures("away")
def test_a_span_of_a_gate_that_cannot_be_read_is_no_reason_to_stop(suite: Suite, evidence: Read, change: Any) -> None:
    killed(suite, IN_FIRST_GATE)
    found = load_evidence(suite.pytester.path / "out" / "LOAD-7.json")
    gate = found.spans[1].gates[0]
    line = {
        "traceId": found.otel_trace_id, "spanId": gate.otel_span_id, "startTimeUnixNano": "1", "endTimeUnixNano": "2",
        "attributes": [{"key": "gate.result", "value": {"stringValue": "pass"}}],
    }  # fmt: skip
    for spans, expected in ((line, "pass"), ({**line, **change}, "not_checked")):
        path = suite.pytester.path / "some.jsonl"
        request = {"resourceSpans": [{"scopeSpans": [{"spans": [spans]}]}]}
        path.write_text(json.dumps(request, separators=(",", ":")) + "\n", encoding="utf-8")
        gate.ended_at, gate.result = None, Result.NOT_CHECKED
        catch_up(found, look([path], found))
        assert gate.result == expected
