"""Killed at any moment, the pilot leaves the truth.

A few transitions are tried; with `CONTEXTCORE_LONG=1` every transition and 200 random moments.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_contextcore.export.spool import Spool
from pytest_contextcore.recovery import end
from pytest_contextcore.recovery.end import end_open_spans
from pytest_contextcore.trace.evidence import Evidence, Status
from pytest_contextcore.trace.file import evidence_path, load_evidence
from pytest_contextcore.trace.rules import CHECKED

from ..support.otlp_receiver import refused_endpoint
from .conftest import LONG, PLUGIN, ROOT

TRACE = "PI-101-002"
RANDOM_MOMENTS = 200
ENDED = "came to its end"
EVERY = 1 if LONG else 58  # of some 230


class Runs:
    """Runs of the pilot in processes that can be killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "OTEL_"))}
        self._server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("killing.py"))],
            cwd=ROOT,
            env={**environ, "OTEL_EXPORTER_OTLP_ENDPOINT": refused_endpoint()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def out(self) -> Path:
        """A new evidence folder."""
        self._count += 1
        return self._folder / f"out-{self._count}"

    def start(self, out: Path, *options: str, moment: int | None = None) -> int:
        """Start a run; its process id."""
        arguments = [
            "pilot_tests", "-q", "-p", PLUGIN, "-p", "no:cacheprovider", "-p", "no:randomly",
            "-p", "no:hypothesispytest",
            f"--config-file={os.devnull}", f"--rootdir={ROOT}", f"--contextcore-out={out}", *options,
        ]  # fmt: skip
        request = {"arguments": arguments, "log": str(self._folder / "log"), "moment": moment}
        assert self._server.stdin is not None
        self._server.stdin.write(f"{json.dumps(request)}\n")
        self._server.stdin.flush()
        return int(self._line())

    def end(self) -> dict[str, int]:
        """How the run that was started last has ended."""
        found: dict[str, int] = json.loads(self._line())
        return found

    def stop(self) -> None:
        """No more runs."""
        self._server.communicate()

    def _line(self) -> str:
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        assert line, "the server of the runs has ended"
        return line


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """The server, for all tests of this module."""
    made = Runs(tmp_path_factory.mktemp("kills"))
    yield made
    made.stop()


def links_in(path: Path) -> list[tuple[str, str]]:
    """The spans in a file, each with its parent's id."""
    return [(span.span_id.hex(), span.parent_span_id.hex()) for span in end.spans_in(path)]


def spans_in(path: Path) -> set[str]:
    """The ids of the spans in a file."""
    return {span_id for span_id, _ in links_in(path)}


def assert_truth(out: Path) -> str:
    """What stands on disk is true; how far the run had come, for the reader."""
    path = evidence_path(out, TRACE)
    kept = spans_in(out / f"{TRACE}.otlp.jsonl")
    if not path.exists():
        assert kept == set()
        return "nothing"
    evidence = load_evidence(path, unaltered=True)
    states = [span.status for span in evidence.spans]
    done = states.count(Status.COMPLETED)
    running = states[done : done + 1] == [Status.IN_PROGRESS]
    assert states == [Status.COMPLETED] * done + [Status.IN_PROGRESS] * running + [Status.NOT_STARTED] * (
        10 - done - running
    )
    assert evidence.status is (Status.COMPLETED if evidence.ended_at else Status.IN_PROGRESS)
    spooled = set().union(*map(spans_in, (out / "spool").glob("*.otlp")))
    for span in evidence.spans[:done]:
        assert all(gate.result in CHECKED for gate in span.gates)
        assert span.ended_at is not None
        ended = {span.otel_span_id, *(gate.otel_span_id for gate in span.gates)}
        assert ended <= kept
        assert ended <= spooled
    if running:
        ended = {gate.otel_span_id for gate in evidence.spans[done].gates if gate.ended_at is not None}
        assert ended <= kept & spooled
    _assert_current(evidence, out)
    return f"{done} completed"


def _assert_current(evidence: Evidence, out: Path) -> None:
    """No phase has its span on disk while the evidence says that it has not begun."""
    kept = spans_in(out / f"{TRACE}.otlp.jsonl")
    begun = [span for span in evidence.spans if span.status is not Status.NOT_STARTED]
    if evidence.ended_at is None and evidence.status is Status.IN_PROGRESS:
        late = [span.span_id for span in evidence.spans if span.otel_span_id in kept and span not in begun]
        assert late == [] or len(begun) == 10


def assert_whole(out: Path) -> None:
    """When what the kill left open is ended, each spool has whole trees, and each span once."""
    spools = sorted((out / "spool").glob("*.otlp"))
    for path in spools:
        spool = Spool(path)
        end_open_spans(spool)
        spool.close()
        found = links_in(path)
        ids = [span_id for span_id, _ in found]
        assert len(ids) == len(set(ids))
        assert {parent for _, parent in found} <= {*ids, ""}
        assert found == [] or len(ids) > 10  # the parent and its phases at least


def test_every_transition_leaves_the_truth(runs: Runs) -> None:
    out = runs.out()
    runs.start(out)
    whole = runs.end()
    assert whole["code"] == 0
    assert whole["moments"] > 180
    seen: dict[str, int] = {}
    for moment in range(0, whole["moments"], EVERY):
        out = runs.out()
        runs.start(out, moment=moment)
        ended = runs.end()
        if ended["code"] == 0:  # gates' results are written together or not, as time goes: this run had fewer moments
            assert ended["moments"] <= moment
            continue
        assert ended["code"] == -signal.SIGKILL
        truth = assert_truth(out)
        if evidence_path(out, TRACE).exists():
            assert_whole(out)
        if moment == 2 * EVERY:
            assert_resumed(runs, out)
        seen[truth] = seen.get(truth, 0) + 1
    print(f"transitions of {whole['moments']}: {seen}")
    assert len(seen) > (3 if LONG else 2)


def assert_resumed(runs: Runs, out: Path) -> None:
    """What was killed is completed by a run that resumes it."""
    runs.start(out, "--contextcore-resume")
    assert runs.end()["code"] == 0
    assert load_evidence(evidence_path(out, TRACE)).status is Status.COMPLETED


@pytest.mark.skipif(not LONG, reason="runs with CONTEXTCORE_LONG=1")
def test_random_moments_leave_the_truth_and_can_be_resumed(runs: Runs) -> None:
    chance = random.Random(20)
    out = runs.out()
    runs.start(out)
    runs.end()
    took = _seconds(out)
    seen: dict[str, int] = {}
    number = 0
    while sum(seen.values()) - seen.get(ENDED, 0) < RANDOM_MOMENTS:  # a run that has ended was not killed
        number += 1
        assert number < 4 * RANDOM_MOMENTS
        out = runs.out()
        process = runs.start(out)
        _wait_for_first_write(out, process)
        _kill_after(process, chance.uniform(0, took))
        code = runs.end()["code"]
        assert code in (0, -signal.SIGKILL)
        truth = assert_truth(out) if code else ENDED
        if not code:
            took = min(took, _seconds(out))
        seen[truth] = seen.get(truth, 0) + 1
        if number % 5 == 0:
            assert_resumed(runs, out)
        if evidence_path(out, TRACE).exists():
            assert_whole(out)
    print(f"random moments: {seen}")
    assert len(seen) > 1


def _seconds(out: Path) -> float:
    """How long a run that has ended took."""
    evidence = load_evidence(evidence_path(out, TRACE))
    return ((evidence.ended_at or 0) - (evidence.started_at or 0)) / 1e9


def _wait_for_first_write(out: Path, process: int) -> None:
    """Until the trace has begun: before that there is nothing to be true."""
    import time

    end = time.monotonic() + 30
    while not evidence_path(out, TRACE).exists() and _lives(process) and time.monotonic() < end:
        os.sched_yield()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _kill_after(process: int, seconds: float) -> None:
    """Kill it then; the waiting is what is tested, not a way to wait for something."""
    import threading

    threading.Event().wait(seconds)
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return
