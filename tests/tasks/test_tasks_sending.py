"""Finished spans of tasks: kept, sent, and never lost or doubled, whatever becomes of collectors and commands."""

from __future__ import annotations

import errno
import os
import resource
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.commands.cli import main
from pytest_contextcore.export.messages import scope_of
from pytest_contextcore.export.spool import Spool
from pytest_contextcore.files import write_atomic
from pytest_contextcore.tasks.store import Store

from ..support.otlp_receiver import Receiver, refused_endpoint, silent_endpoint

SEED = """
contextcore task start --id PI-101-002 --title "Fix file composition and assembly via observable handoffs" --type story
contextcore task start --id PI-101-002-S1 --title "Init baseline" --type task
contextcore task update --id PI-101-002-S1 --status in_progress
contextcore task complete --id PI-101-002-S1
contextcore task complete --id PI-101-002
"""
STORY = {"project.id": "contextcore", "task.id": "PI-101-002", "task.type": "story", "task.status": "completed"}
CHILD = {"task.id": "PI-101-002-S1", "task.parent_id": "PI-101-002", "task.type": "task", "task.status": "completed"}
SPOOLS = "out/spool/task-*.otlp"
STATE = Path("out/tasks/tasks.json")

Captured = pytest.CaptureFixture[str]


def task(*arguments: str) -> int:
    return main(["task", *arguments])


def spooled() -> dict[str, Any]:
    """The spans in the spools, by name, in the order of their end; none twice."""
    pieces = [piece for path in Path("out/spool").glob("*.otlp") for piece in Spool(path).pieces()]
    spans = sorted((scope_of(piece.data).spans[0] for piece in pieces), key=lambda span: span.end_time_unix_nano)
    assert len({span.span_id for span in spans}) == len(spans)
    return {str(span.name): span for span in spans}


def test_the_seeds_lines_as_separate_processes_draw_one_tree(receiver: Receiver) -> None:
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for line in SEED.strip().splitlines():
        done = subprocess.run(["/bin/sh", "-c", line], env=environ, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), line
    story, child = sorted(receiver.spans, key=lambda span: span.start_time_unix_nano)
    assert set(receiver.ids().values()) == {1}
    assert (story.name, child.name) == ("PI-101-002", "PI-101-002-S1 INIT_BASELINE")
    assert (child.trace_id, child.parent_span_id) == (story.trace_id, story.span_id)
    for span, expected, changes in ((story, STORY, ["completed"]), (child, CHILD, ["completed"])):
        values = {a.key: a.value.string_value for a in span.attributes}
        assert {key: values.get(key) for key in expected} == expected
        assert [a.value.string_value for e in span.events for a in e.attributes if a.key == "task.status"] == changes
    assert story.start_time_unix_nano < child.start_time_unix_nano
    assert child.end_time_unix_nano <= story.end_time_unix_nano
    assert spooled() == {}


def test_the_seeds_lines_again_in_the_same_folder_draw_a_new_trace(capsys: Captured) -> None:
    lines = [shlex.split(line)[2:] for line in SEED.strip().splitlines()]
    for _ in range(2):
        assert [task(*line) for line in lines] == [0] * len(lines)
    first, second = [line for line in capsys.readouterr().out.splitlines() if "(story, trace " in line]
    assert first != second
    pieces = [piece for path in Path("out/spool").glob("*.otlp") for piece in Spool(path).pieces()]
    spans = [scope_of(piece.data).spans[0] for piece in pieces]
    assert len(spans) == 4
    for trace_id in {span.trace_id for span in spans}:
        story, child = sorted((s for s in spans if s.trace_id == trace_id), key=lambda span: str(span.name))
        assert (story.parent_span_id, child.parent_span_id) == (b"", story.span_id)


AT_ONCE = """
import os, sys
import pytest_contextcore.export.http, pytest_contextcore.export.send  # once, and not in each process
from pytest_contextcore.commands.cli import main
rounds = [
    [["start", "--id", f"T-{n}", "--title", f"Task {n}"] for n in range(20)],
    [["comment", "--id", "T", "--text", f"from {n}"] for n in range(20)],
    [["complete", "--id", f"T-{n}"] for n in range(20)],
    [["complete", "--id", "T"]],
]
main(["task", "start", "--id", "T"])
for commands in rounds:
    pids = []
    for command in commands:
        pid = os.fork()
        if not pid:
            os._exit(main(["task", *command]))
        pids.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    if any(codes):
        sys.exit(f"{commands[0]}: {codes}")
"""


def test_twenty_commands_at_once_lose_nothing(receiver: Receiver) -> None:
    done = subprocess.run([sys.executable, "-c", AT_ONCE], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    names = [span.name for span in receiver.spans] + list(spooled())  # a command that came too late left it there
    assert sorted(names) == sorted(["T", *(f"T-{n} TASK_{n}" for n in range(20))])
    story = Store(Path("out")).read()["T"]
    said = {event.attributes.get("task.comment") for event in story.events}
    assert {f"from {n}" for n in range(20)} <= said


def test_a_command_imports_only_what_it_needs_and_costs_little() -> None:
    assert task("start", "--id", "T", "--title", "A task") == 0
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "pytest_contextcore", "task", "complete", "--id", "T"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert not imported & {"pydantic", "opentelemetry", "google", "grpc", "pytest", "_pytest", "yaml", "requests"}
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert cpu < 0.3, "of processor time: what the clock on the wall shows depends on who else is there"


def test_a_collector_that_refuses_delays_nothing_and_gets_all_of_it_later(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refused_endpoint())
    assert task("start", "--id", "T", "--title", "A task") == 0
    assert task("complete", "--id", "T") == 0
    assert capsys.readouterr().err == (
        f"contextcore task complete: 1 span not sent to {os.environ['OTEL_EXPORTER_OTLP_ENDPOINT']}/v1/traces: "
        f"connection refused; later: contextcore replay {SPOOLS}\n"
    )
    with Receiver() as receiver:
        assert main(["replay", "--endpoint", receiver.http_endpoint, *map(str, Path().glob(SPOOLS))]) == 0
        assert [span.name for span in receiver.spans] == ["T"]
    assert spooled() == {}


def test_a_collector_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    with silent_endpoint() as endpoint:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        task("start", "--id", "A")
        started = time.monotonic()
        assert task("complete", "--id", "A") == 0
        assert time.monotonic() - started < 2  # a quarter of a second, and what loading the libraries takes
        assert "no answer in time" in capsys.readouterr().err
    assert list(spooled()) == ["A"]


def test_spans_that_waited_go_with_the_next_that_ends(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    for name in ("A", "B"):
        task("start", "--id", name)
    assert task("complete", "--id", "A") == 0
    assert "span kept in out/spool/task-" in capsys.readouterr().out
    with Receiver() as receiver:
        for name, value in receiver.environ("grpc").items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("CONTEXTCORE_SEND_SECONDS", "20")
        assert task("complete", "--id", "B") == 0
        assert sorted(span.name for span in receiver.spans) == ["A", "B"]
    assert f"span sent to {os.environ['OTEL_EXPORTER_OTLP_ENDPOINT']}" in capsys.readouterr().out
    assert spooled() == {}


@pytest.mark.parametrize("which", [0, 1])
def test_a_task_whose_end_cannot_be_written_goes_on(
    which: int, monkeypatch: pytest.MonkeyPatch, receiver: Receiver, capsys: Captured
) -> None:
    """Neither without its span, nor without its entry among the tasks."""
    refusals = [False, False]
    refusals[which] = True

    def full(*given: Any, **named: Any) -> None:
        if refusals.pop(0):
            raise OSError(errno.ENOSPC, "No space left on device")
        write_atomic(*given, **named)

    task("start", "--id", "A")
    with monkeypatch.context() as patch:
        patch.setattr("pytest_contextcore.tasks.store.write_atomic", full)
        assert task("complete", "--id", "A") == 1
    assert "cannot be written to: No space left" in capsys.readouterr().err
    assert spooled() == {}
    assert task("complete", "--id", "A") == 0
    assert [span.name for span in receiver.spans] == ["A"]


@pytest.mark.parametrize(
    "variables",
    [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}, {"TRACEPARENT": f"00-{'a' * 32}-{'b' * 16}-00"}],
)
def test_no_span_is_made_where_the_environment_says_so(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert (task("start", "--id", "A"), task("complete", "--id", "A")) == (0, 0)
    monkeypatch.undo()
    assert spooled() == {}


def test_the_parent_that_the_environment_names_is_a_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEPARENT", f"00-{'a' * 32}-{'b' * 16}-01")
    monkeypatch.setenv("TRACESTATE", "vendor=1")
    for name, task_id in (("start", "A"), ("start", "A-1"), ("complete", "A-1"), ("complete", "A")):
        assert task(name, "--id", task_id) == 0
    spans = spooled()
    assert spans["A"].parent_span_id.hex() == "b" * 16
    assert spans["A-1 A_1"].parent_span_id == spans["A"].span_id
    assert {span.trace_id.hex() for span in spans.values()} == {"a" * 32}
    assert {span.trace_state for span in spans.values()} == {"vendor=1"}
