"""One trace over several CI jobs: runs in folders of their own that share evidence and TRACEPARENT alone."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pytest_contextcore.commands.cli import main
from pytest_contextcore.errors import JoinRefused
from pytest_contextcore.ids import Remote, remote_parent
from pytest_contextcore.plan.model import Plan
from pytest_contextcore.trace.evidence import Evidence, Result, Status
from pytest_contextcore.trace.file import load_evidence
from pytest_contextcore.trace.recorder import TraceRecorder
from pytest_contextcore.trace.resume import Kept, Reuse, header, joins
from pytest_contextcore.trace.times import MICROSECOND

from ..support.otlp_receiver import Receiver
from ..support.plans import PASSING, WAREHOUSE, Suite, warehouse
from ..support.traces import output, refusal

READS_A_FILE = PASSING.replace(
    "    phase.handoff(Rows(count=3))\n", '    phase.handoff(Rows(count=3))\n    phase.input("rows.csv")\n'
).replace("assert rows.count == 3", "assert not os.path.exists('lost'), 'a row is lost'")
READS_A_FILE = f"import os\n{READS_A_FILE}"


@dataclass
class Job:
    """A CI job: a checkout in a folder of its own."""

    suite: Suite
    folder: Path

    def pytest(self, *arguments: str, traceparent: str | None = None) -> pytest.RunResult:
        """Run pytest there."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            if traceparent is not None:
                patch.setenv("TRACEPARENT", traceparent)
            return self.suite.here("-p", "no:cacheprovider", *arguments)

    @property
    def traceparent(self) -> str:
        """What the next job is given."""
        return header(load_evidence(self.folder / "out" / "LOAD-7.json"), sampled=True)

    def evidence(self) -> dict[str, Any]:
        """The evidence that stands there."""
        found: dict[str, Any] = json.loads((self.folder / "out" / "LOAD-7.json").read_bytes())
        return found

    def download(self, other: Job) -> None:
        """Take over the other job's evidence folder, as an artifact."""
        shutil.copytree(other.folder / "out", self.folder / "out")


Checkout = Callable[[str], Job]


@pytest.fixture
def receiver(exporting: Receiver) -> Receiver:
    return exporting


@pytest.fixture
def checkout(suite: Suite, tmp_path: Path, receiver: Receiver) -> Checkout:
    """A checkout of the warehouse's suite under a name; its runs send their spans."""
    assert receiver.spans == []

    def make(name: str) -> Job:
        folder = tmp_path / name / "checkout"
        folder.mkdir(parents=True)
        (folder / "plan.toml").write_text(WAREHOUSE, encoding="utf-8")
        (folder / "test_load.py").write_text(READS_A_FILE, encoding="utf-8")
        (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        (folder / "rows.csv").write_text("1\n2\n3\n", encoding="utf-8")
        return Job(suite, folder)

    return make


@pytest.fixture
def first(checkout: Checkout) -> Job:
    """The first job: it has run the first phase."""
    job = checkout("one")
    done = job.pytest("-k", "extract")
    assert done.ret == 0, output(done)
    return job


@pytest.fixture
def second(checkout: Checkout, first: Job) -> Job:
    """The second job: another folder, with the first one's evidence."""
    job = checkout("two")
    job.download(first)
    return job


def named(spans: list[Span]) -> dict[str, Span]:
    """The spans by name, none of which comes twice."""
    assert Counter(span.name for span in spans).most_common(1)[0][1] == 1
    return {span.name: span for span in spans}


# --- two folders, one trace ------------------------------------------------------------------------------------------


def test_two_processes_in_two_folders_make_one_trace(first: Job, second: Job, receiver: Receiver) -> None:
    before = first.evidence()
    assert {span.name for span in receiver.spans} == {"LOAD-7-E EXTRACT", "LOAD-7-E-C1"}
    done = second.pytest("-k", "transform or publish", traceparent=first.traceparent)
    assert done.ret == 0, output(done)
    after = second.evidence()
    assert [event["name"] for event in after["spans"][1]["events"]] == ["handoff.validated"]
    spans = named(receiver.spans)
    assert set(spans) == {
        "LOAD-7", "LOAD-7-E EXTRACT", "LOAD-7-T TRANSFORM", "LOAD-7-P PUBLISH",
        "LOAD-7-E-C1", "LOAD-7-T-C1", "LOAD-7-T-C2", "LOAD-7-T-C3", "LOAD-7-P-C1",
    }  # fmt: skip
    assert {span.trace_id.hex() for span in spans.values()} == {before["otel_trace_id"]} == {after["otel_trace_id"]}
    parent = spans["LOAD-7"]
    assert parent.span_id.hex() == before["otel_span_id"] == after["otel_span_id"]
    assert parent.parent_span_id == b""
    phases = [span for name, span in spans.items() if " " in name]
    assert {span.parent_span_id for span in phases} == {parent.span_id}
    assert [span["otel_span_id"] for span in after["spans"]] == [
        spans[f"{span['span_id']} {span['phase']}"].span_id.hex() for span in after["spans"]
    ]
    assert parent.start_time_unix_nano <= min(span.start_time_unix_nano for span in phases)
    assert parent.end_time_unix_nano >= max(span.end_time_unix_nano for span in phases)
    assert after["started_at"] == before["started_at"]
    assert (after["status"], [span["reused"] for span in after["spans"]]) == ("completed", [True, False, False])
    assert after["runs"][:1] == before["runs"]


def test_a_job_in_which_a_phase_is_blocked_ends_the_trace(first: Job, second: Job, receiver: Receiver) -> None:
    (second.folder / "lost").touch()
    done = second.pytest("-k", "transform or publish", traceparent=first.traceparent)
    assert done.ret == 1, output(done)
    spans = named(receiver.spans)
    assert spans["LOAD-7"].span_id.hex() == first.evidence()["otel_span_id"]
    assert "a row is lost" in spans["LOAD-7"].status.message
    assert spans["LOAD-7-P PUBLISH"].start_time_unix_nano == spans["LOAD-7-P PUBLISH"].end_time_unix_nano
    said = refusal(second.pytest("-k", "transform or publish", traceparent=first.traceparent))
    assert "has ended (blocked)" in said


def test_jobs_join_under_the_trace_that_the_whole_ci_run_has(checkout: Checkout, receiver: Receiver) -> None:
    of_the_run = f"00-{'ab' * 16}-{'cd' * 8}-01"
    one, two = checkout("one"), checkout("two")
    assert one.pytest("-k", "extract", traceparent=of_the_run).ret == 0
    two.download(one)
    assert two.pytest("-k", "transform or publish", traceparent=of_the_run).ret == 0
    spans = named(receiver.spans)
    assert len(spans) == 9
    assert spans["LOAD-7"].parent_span_id.hex() == "cd" * 8
    assert {span.trace_id.hex() for span in spans.values()} == {"ab" * 16}


def test_a_partial_run_says_how_to_go_on_and_so_does_the_command(
    first: Job, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = output(first.pytest("-k", "extract"))
    given, path = first.traceparent, first.folder / "out" / "LOAD-7.json"
    assert f"go on:    TRACEPARENT={given}" in said
    capsys.readouterr()
    assert main(["traceparent", str(path)]) == 0
    assert capsys.readouterr().out == f"TRACEPARENT={given}\n"
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    assert main(["traceparent", str(path), "--value"]) == 0
    assert capsys.readouterr().out == f"{given.removesuffix('01')}00\n"


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [f"00-{'ab' * 16}-{'cd' * 8}-01", "nonsense"])
def test_a_traceparent_of_another_trace_is_refused_with_the_right_one(first: Job, second: Job, given: str) -> None:
    said = refusal(second.pytest("-k", "transform or publish", traceparent=given))
    assert first.traceparent in said
    assert second.evidence() == first.evidence()


def another_plan(job: Job) -> None:
    (job.folder / "plan.toml").write_text(WAREHOUSE.replace("Make them visible", "Make all visible"), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "arguments", "why"),
    [
        (another_plan, ["-k", "transform"], "another version of"),
        (lambda job: None, [], "E has its span in it already and cannot be kept: it runs now"),
    ],
    ids=["another plan", "a phase twice"],
)
def test_what_does_not_fit_the_trace_is_refused(
    first: Job, second: Job, change: Callable[[Job], None], arguments: list[str], why: str
) -> None:
    given = first.traceparent
    change(second)
    assert why in refusal(second.pytest(*arguments, traceparent=given))


# --- pure ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return warehouse(tmp_path)


@pytest.fixture
def unfinished(plan: Plan) -> Evidence:
    """The evidence of a run that ran the first phase only."""
    recorder = TraceRecorder(plan)
    for phase_id in ("T", "P"):
        recorder.leave_out(phase_id)
    recorder.start()
    recorder.begin_phase("E", "t.py::e")
    recorder.begin_gate("E", "C1")
    recorder.end_gate("E", "C1", Result.PASS)
    recorder.end_phase("E")
    recorder.finish()
    return recorder.evidence


def proof(last: Evidence | None) -> Reuse:
    return Reuse(last, {"E": Kept(last.spans[0], last)} if last else {}, {"T": "it runs now", "P": "T is before it"})


def parsed(value: str) -> Remote | None:
    return remote_parent({"TRACEPARENT": value})


def test_the_own_parent_span_joins(plan: Plan, unfinished: Evidence) -> None:
    value = header(unfinished, sampled=True)
    assert joins(plan, proof(unfinished), value, parsed(value))
    assert not joins(plan, proof(None), value, parsed(value))
    assert not joins(plan, proof(unfinished), None, None)


def test_the_same_parent_is_a_new_execution_where_nothing_is_taken_over(plan: Plan, unfinished: Evidence) -> None:
    value = f"00-{unfinished.otel_trace_id}-{'cd' * 8}-01"
    nothing = Reuse(unfinished, {}, {"E": "it runs now"})
    assert not joins(plan, nothing, value, parsed(value))
    assert joins(plan, proof(unfinished), value, parsed(value))


def test_an_ended_trace_is_not_joined_but_may_have_siblings(plan: Plan, unfinished: Evidence) -> None:
    ended = unfinished.model_copy(update={"ended_at": 1})
    own, other = header(ended, sampled=True), f"00-{ended.otel_trace_id}-{'cd' * 8}-01"
    with pytest.raises(JoinRefused, match="has ended"):
        joins(plan, proof(ended), own, parsed(own))
    assert not joins(plan, proof(ended), other, parsed(other))


def test_a_killed_jobs_trace_can_be_gone_on_with_unless_a_phase_of_it_was_stopped(
    plan: Plan, unfinished: Evidence
) -> None:
    """The span of the phase that ran is not out; that of a phase that was blocked is."""
    value = header(unfinished, sampled=True)
    unfinished.spans[1].status = Status.IN_PROGRESS
    assert joins(plan, proof(unfinished), value, parsed(value))
    unfinished.spans[1].status = Status.BLOCKED
    with pytest.raises(JoinRefused, match="T has its span in it already"):
        joins(plan, proof(unfinished), value, parsed(value))


def test_another_machines_clock_cannot_turn_the_parent_around(plan: Plan, unfinished: Evidence) -> None:
    """The second machine's clock is behind: the parent begins before its phases all the same, and ends after them."""
    recorder = TraceRecorder(plan, clock=lambda: 1_000)
    recorder.join(unfinished)
    recorder.adopt("E", unfinished.spans[0], unfinished)
    recorder.start()
    recorder.finish()
    assert recorder.evidence.started_at == 1_000
    ended, waiting = unfinished.spans[0].ended_at, 2
    assert ended is not None
    assert recorder.evidence.ended_at == ended + waiting * MICROSECOND
