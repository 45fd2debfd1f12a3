"""``contextcore task``: each command a process of its own, a real receiver, and a state folder that survives all."""

from __future__ import annotations

import errno
import json
import os
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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
SPOOLS = "out/spool/task-*.otlp"
STATE = Path("out/tasks/tasks.json")

Captured = pytest.CaptureFixture[str]
Task = Callable[..., int]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and an environment that says nothing."""
    monkeypatch.chdir(tmp_path)
    for name in ("CONTEXTCORE_PROJECT", "CONTEXTCORE_STATE", "CONTEXTCORE_SEND_SECONDS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A collector that everything is sent to, on a machine that may be slow."""
    with Receiver() as running:
        for name, value in running.environ("http/protobuf").items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("CONTEXTCORE_SEND_SECONDS", "20")
        yield running


def task(*arguments: str) -> int:
    """One command; bad usage is an exit, as in a process."""
    try:
        return main(["task", *arguments])
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 99


def shell(line: str) -> subprocess.CompletedProcess[str]:
    """A line of the seed, as it stands, with the installed program."""
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(["/bin/sh", "-c", line], env=environ, capture_output=True, text=True, check=False, timeout=60)


def spooled() -> dict[str, Any]:
    """The spans in the spools, by name, in the order of their end; none twice."""
    pieces = [piece for path in Path("out/spool").glob("*.otlp") for piece in Spool(path).pieces()]
    spans = sorted((scope_of(piece.data).spans[0] for piece in pieces), key=lambda span: span.end_time_unix_nano)
    assert len({span.span_id for span in spans}) == len(spans)
    return {str(span.name): span for span in spans}


def drawn(receiver: Receiver) -> list[str]:
    """The tree that arrived, as text: names below their parents, with what stands on the spans."""
    spans = sorted(receiver.spans, key=lambda span: span.start_time_unix_nano)
    assert set(receiver.ids().values()) <= {1}
    assert len({span.trace_id for span in spans}) == 1
    depth: dict[bytes, int] = {}
    lines = []
    for span in spans:
        depth[span.span_id] = depth.get(span.parent_span_id, -1) + 1
        values = {a.key.removeprefix("task."): a.value.string_value for a in span.attributes}
        events = [a.value.string_value for e in span.events for a in e.attributes if a.key == "task.status"]
        said = " ".join(
            f"{key}={values[key]!r}" for key in ("project.id", "id", "parent_id", "type", "status") if key in values
        )
        lines.append(f"{'  ' * depth[span.span_id]}{span.name}: {said} events={events}")
    return lines


def test_the_seeds_lines_as_separate_processes_draw_one_tree(receiver: Receiver) -> None:
    for line in SEED.strip().splitlines():
        done = shell(line)
        assert (done.returncode, done.stderr) == (0, ""), line
    assert drawn(receiver) == [
        "PI-101-002: project.id='contextcore' id='PI-101-002' type='story' status='completed' events=['completed']",
        "  PI-101-002-S1 INIT_BASELINE: project.id='contextcore' id='PI-101-002-S1' parent_id='PI-101-002' type='task' "
        "status='completed' events=['in_progress', 'completed']",
    ]
    story, child = sorted(receiver.spans, key=lambda span: span.start_time_unix_nano)
    assert (
        story.end_time_unix_nano >= child.end_time_unix_nano > child.start_time_unix_nano > story.start_time_unix_nano
    )
    assert spooled() == {}


def test_python_dash_m_is_the_same_program() -> None:
    for line in SEED.strip().splitlines()[:2]:
        arguments = shlex.split(line)[1:]
        subprocess.run([sys.executable, "-m", "pytest_contextcore", *arguments], check=True, capture_output=True)
    assert [task.id for task in Store(Path("out")).read()] == ["PI-101-002", "PI-101-002-S1"]


FIFTY = """
import os, sys
import pytest_contextcore.export.http, pytest_contextcore.export.send  # once, and not in each process
from pytest_contextcore.tasks.commands import command as run
rounds = [
    [["start", "--id", f"T-{n}", "--title", f"Task {n}"] for n in range(50)],
    [["comment", "--id", "T", "--text", f"from {n}"] for n in range(50)],
    [["complete", "--id", f"T-{n}"] for n in range(50)],
    [["complete", "--id", "T"]],
]
run(["start", "--id", "T"])
for commands in rounds:
    pids = []
    for command in commands:
        pid = os.fork()
        if not pid:
            os._exit(run(command))
        pids.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    if any(codes):
        sys.exit(f"{commands[0]}: {codes}")
"""


def test_fifty_commands_at_once_lose_nothing(receiver: Receiver) -> None:
    done = subprocess.run([sys.executable, "-c", FIFTY], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    names = [span.name for span in receiver.spans] + list(spooled())  # a command that came too late left it there
    assert sorted(names) == sorted(["T", *(f"T-{n} TASK_{n}" for n in range(50))])
    story = next(t for t in Store(Path("out")).read() if t.id == "T")
    said = {event.attributes.get("task.comment") for event in story.events}
    assert {f"from {n}" for n in range(50)} <= said


def test_fifty_commands_at_once_with_nobody_listening_keep_every_span(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refused_endpoint())
    done = subprocess.run([sys.executable, "-c", FIFTY], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(spooled()) == 51
    assert done.stderr.count("connection refused") > 0


def test_a_command_imports_only_what_it_needs_and_costs_little() -> None:
    assert task("start", "--id", "T", "--title", "A task") == 0
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "pytest_contextcore", "task", "complete", "--id", "T"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert not imported & {
        "pydantic",
        "opentelemetry",
        "google",
        "grpc",
        "pytest",
        "_pytest",
        "yaml",
        "requests",
    }
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert cpu < 0.3, "of processor time: what the clock on the wall shows depends on who else is there"


def test_a_collector_that_refuses_delays_nothing_and_gets_all_of_it_later(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refused_endpoint())
    assert task("start", "--id", "T", "--title", "A task") == 0
    assert task("complete", "--id", "T") == 0
    assert capsys.readouterr().err == (
        f"contextcore task: 1 span not sent to {os.environ['OTEL_EXPORTER_OTLP_ENDPOINT']}/v1/traces: "
        f"connection refused; later: contextcore replay {SPOOLS}\n"
    )
    with Receiver() as receiver:
        assert main(["replay", "--endpoint", receiver.http_endpoint, *map(str, Path().glob(SPOOLS))]) == 0
        assert [span.name for span in receiver.spans] == ["T"]
    assert spooled() == {}


def test_a_collector_that_never_answers_is_asked_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    with silent_endpoint() as endpoint:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        for name in ("A", "B"):
            task("start", "--id", name)
        started = time.monotonic()
        assert task("complete", "--id", "A") == 0
        assert time.monotonic() - started < 2  # a quarter of a second, and what loading the libraries takes
        assert "1 span not sent" in (said := capsys.readouterr().err)
        assert "no answer in time" in said
        assert task("complete", "--id", "B") == 0
        assert "2 spans not sent" in (said := capsys.readouterr().err)
        assert "it gave no answer within the last 60 s" in said
    assert list(spooled()) == ["A", "B"]


@pytest.mark.parametrize("protocol", ["grpc", "http/json"])
def test_spans_that_waited_go_with_the_next_that_ends(
    protocol: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    for name in ("A", "B"):
        task("start", "--id", name)
    assert task("complete", "--id", "A") == 0
    assert "span kept in out/spool/task-" in capsys.readouterr().out
    with Receiver() as receiver:
        for name, value in receiver.environ(protocol).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("CONTEXTCORE_SEND_SECONDS", "20")
        assert task("complete", "--id", "B") == 0
        assert sorted(span.name for span in receiver.spans) == ["A", "B"]
    assert f"span sent to {os.environ['OTEL_EXPORTER_OTLP_ENDPOINT']}" in capsys.readouterr().out
    assert spooled() == {}


def test_spans_that_the_collector_throws_away_are_named(receiver: Receiver, capsys: Captured) -> None:
    receiver.mode = "partial"
    task("start", "--id", "A")
    assert task("complete", "--id", "A") == 0
    assert "1 spans rejected by" in capsys.readouterr().err


def test_a_span_that_was_written_before_a_kill_is_not_written_again() -> None:
    task("start", "--id", "A")
    task("complete", "--id", "A")
    state = json.loads(STATE.read_text(encoding="utf-8"))
    state["tasks"][0]["handed_on"] = False  # as if the note about it was lost
    STATE.write_text(json.dumps(state), encoding="utf-8")
    task("start", "--id", "B")
    task("complete", "--id", "B")
    assert list(spooled()) == ["A", "B"]


def test_what_a_killed_command_left_behind_is_cleared_away() -> None:
    task("start", "--id", "A")
    (STATE.parent / f".{STATE.name}.x1y2z3").write_text('{"half')
    task("start", "--id", "B")
    assert sorted(path.name for path in STATE.parent.iterdir()) == ["lock", "tasks.json"]


def test_a_span_that_could_not_be_written_is_written_by_the_next_command(capsys: Captured) -> None:
    task("start", "--id", "A")
    Path("out/spool").write_text("in the way")
    assert task("complete", "--id", "A") == 0
    assert "1 spans wait in out/tasks/tasks.json" in capsys.readouterr().err
    Path("out/spool").unlink()
    task("start", "--id", "B")
    assert list(spooled()) == ["A"]


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
    for arguments in (
        ["start", "--id", "A"],
        ["start", "--id", "A-1"],
        ["complete", "--id", "A-1"],
        ["complete", "--id", "A"],
    ):
        assert task(*arguments) == 0
    spans = spooled()
    assert spans["A"].parent_span_id.hex() == "b" * 16
    assert spans["A-1 A_1"].parent_span_id == spans["A"].span_id
    assert {span.trace_id.hex() for span in spans.values()} == {"a" * 32}
    assert {span.trace_state for span in spans.values()} == {"vendor=1"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["complete", "--id", "A"], "before its subtasks end"),
        (["complete", "--id", "NOBODY"], "there is no task NOBODY"),
        (["complete", "--id", "A-B"], "cannot become completed (observed: blocked: no schema"),
        (["update", "--id", "A-E", "--status", "in_progress"], "task A-E has ended"),
        (["comment", "--id", "A-E", "--text", "x"], "task A-E has ended"),
        (["cancel", "--id", "A-E"], "task A-E has ended"),
        (["unblock", "--id", "A"], "is not blocked"),
        (["start", "--id", "A"], "was started before"),
        (["start", "--id", "../A"], "--id is no id (observed: '../A'"),
        (["start", "--id", "N", "--parent", "../A"], "--parent is no id"),
        (["start", "--id", "N", "--project", "a/b"], "--project is no id"),
        (["block", "--id", "A", "--reason", "x", "--by", "NOBODY"], "project contextcore has no task NOBODY"),
    ],
)
def test_what_must_not_be_is_refused_and_changes_nothing(arguments: list[str], said: str, capsys: Captured) -> None:
    for setup in (
        ["start", "--id", "A"],
        ["start", "--id", "A-B"],
        ["block", "--id", "A-B", "--reason", "no schema"],
        ["start", "--id", "A-E"],
        ["complete", "--id", "A-E"],
    ):
        assert task(*setup) == 0
    before = {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()}
    capsys.readouterr()
    assert task(*arguments) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert said in shown.err
    assert shown.err.count("\n") == 1
    assert {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["nonsense"], ["start"], ["start", "--id"], ["update", "--id", "A"], ["block", "--id", "A"],
        ["update", "--id", "A", "--status", "done"], ["update", "--id", "A", "--status", "blocked"],
        ["comment", "--id", "A"], ["start", "--id", "A", "--title", " "], ["complete", "--i", "A"],
        ["list", "--format", "xml"], ["complete", "A"],
        ["start", "--id", "A", "--project", ""], ["start", "--id", "A", "--parent", ""], ["list", "--state", " "],
    ],
)  # fmt: skip
def test_bad_usage_is_exit_code_2(arguments: list[str], capsys: Captured) -> None:
    assert task(*arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not Path("out").exists()


def test_a_project_is_named_by_option_or_environment(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    assert task("start", "--id", "A", "--project", "shop") == 0
    assert task("complete", "--id", "A") == 1
    assert "next: add --project shop" in capsys.readouterr().err
    monkeypatch.setenv("CONTEXTCORE_PROJECT", "shop")
    assert task("start", "--id", "A-1") == 0
    assert task("start", "--id", "A", "--project", "other") == 0
    assert [(t.project, t.id, t.parent_id) for t in Store(Path("out")).read()] == [
        ("shop", "A", None), ("shop", "A-1", "A"), ("other", "A", None),
    ]  # fmt: skip


@pytest.mark.parametrize("how", ["option", "variable"])
def test_the_state_may_stand_elsewhere(how: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    if how == "variable":
        monkeypatch.setenv("CONTEXTCORE_STATE", "elsewhere")
    option = ["--state", "elsewhere"] if how == "option" else []
    assert task("start", "--id", "A", *option) == 0
    assert task("complete", "--id", "A", *option) == 0
    assert [path.name[:5] for path in sorted(folder.rglob("*.*")) if path.is_file()] == ["task-", "tasks"]
    assert not Path("out").exists()


def test_the_tree_is_listed_for_people_and_for_programs(capsys: Captured) -> None:
    for arguments in (
        ["start", "--id", "A", "--title", "The story", "--type", "story"],
        ["start", "--id", "A-1", "--title", "First"],
        ["start", "--id", "A-2", "--title", "Second\x1b[31m"],
        ["block", "--id", "A-2", "--reason", "no schema", "--by", "A-1"],
        ["cancel", "--id", "A-1", "--reason", "not needed"],
    ):
        assert task(*arguments) == 0
    capsys.readouterr()
    assert task("list") == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if " s " not in line] == [
        "project contextcore", "cancelled: not needed", "blocked: no schema (by A-1)",
        "next: Complete A-1, then unblock A-2.",
    ]  # fmt: skip
    assert [line.split(" s ")[1] for line in lines if " s " in line] == ["The story", "First", "Second\\x1b[31m"]
    assert task("list", "--status", "blocked", "--format", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [(entry["task_id"], entry["status"], entry["parent_id"]) for entry in document["tasks"]] == [
        ("A", "in_progress", None), ("A-2", "blocked", "A"),
    ]  # fmt: skip
    assert document["tasks"][1]["blocked_on_span_id"] == "A-1"
    assert document["tasks"][1]["events"][0]["name"] == "task.status.changed"
    assert task("list", "--project", "nobody") == 0
    assert capsys.readouterr().out == "no tasks in out/tasks/tasks.json\n"


def test_secrets_reach_neither_file_nor_terminal(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", "hunter2hunter2")
    for arguments in (
        [
            "start",
            "--id",
            "A",
            "--title",
            "Deploy with hunter2hunter2",
            "--type",
            "hunter2hunter2",
            "--by",
            "hunter2hunter2",
        ],
        ["comment", "--id", "A", "--text", "https://me:pass-word@example.com"],
        ["block", "--id", "A", "--reason", "Bearer abcdefgh12345", "--next-action", "use hunter2hunter2"],
        ["cancel", "--id", "A", "--reason", "hunter2hunter2"],
        ["list", "--format", "json"],
    ):
        assert task(*arguments) == 0
    said = capsys.readouterr()
    files = [path.read_text(encoding="utf-8", errors="replace") for path in Path("out").rglob("*") if path.is_file()]
    for text in (said.out, said.err, *files):
        assert not [secret for secret in ("hunter2hunter2", "pass-word", "abcdefgh12345") if secret in text]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "it is no JSON"),
        ("[]", "it holds no list of tasks"),
        ('{"schema_version": "v9", "tasks": []}', "it is of version 'v9'"),
        ('{"schema_version": "v1", "tasks": [3]}', "tasks[0] is damaged: no object"),
        ('{"schema_version": "v1", "tasks": [{"id": "A"}]}', "tasks[0] is damaged: it has no "),
        ("[" * 100_000, "it is no JSON"),
        ("\x00\x1b", "it is no JSON"),
    ],
)
def test_damaged_state_is_refused_and_left_as_it_is(content: str, said: str, capsys: Captured) -> None:
    STATE.parent.mkdir(parents=True)
    STATE.write_text(content, encoding="utf-8")
    for arguments in (["start", "--id", "A"], ["list"]):
        assert task(*arguments) == 1
        assert said in capsys.readouterr().err
    assert STATE.read_text(encoding="utf-8") == content


@pytest.mark.parametrize("name", ["trace_id", "span_id", "parent_span_id"])
def test_an_id_that_no_collector_takes_is_refused(name: str, capsys: Captured) -> None:
    task("start", "--id", "A")
    task("start", "--id", "A-1")
    document = json.loads(STATE.read_text(encoding="utf-8"))
    document["tasks"][1][name] = "0123"
    STATE.write_text(json.dumps(document), encoding="utf-8")
    assert task("complete", "--id", "A-1") == 1
    assert f"tasks[1] is damaged: {name} is no id of OpenTelemetry" in capsys.readouterr().err


def test_a_disk_that_is_full_after_the_task_ended_does_not_say_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver, capsys: Captured
) -> None:
    """Its span is in the spool, and is sent once, by the next command: this one cannot note that it was handed on."""
    task("start", "--id", "A")
    calls = iter([True, False])

    def once(*given: Any, **named: Any) -> None:
        if not next(calls):
            raise OSError(errno.ENOSPC, "No space left on device")
        write_atomic(*given, **named)

    with monkeypatch.context() as full:
        full.setattr("pytest_contextcore.tasks.store.write_atomic", once)
        assert task("complete", "--id", "A") == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-1].startswith("A completed after ")
    assert said.err.startswith("contextcore task: span kept in out/spool/task-")
    assert receiver.requests == []
    for arguments in (["start", "--id", "B"], ["complete", "--id", "B"]):
        assert task(*arguments) == 0
    assert sorted(span.name for span in receiver.spans) == ["A", "B"]


@pytest.mark.parametrize("where", ["out", "out/tasks"])
def test_a_folder_that_cannot_be_made_is_named(where: str, capsys: Captured) -> None:
    Path(where).parent.mkdir(exist_ok=True)
    Path(where).write_text("a file")
    assert task("start", "--id", "A") == 1
    assert "out/tasks" in (said := capsys.readouterr().err)
    assert "next: " in said


def test_a_lock_that_is_never_let_go_is_given_up_on(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    from pytest_contextcore.tasks import store

    monkeypatch.setattr(store, "LOCK_SECONDS", 0.05)
    with Store(Path("out")).locked():
        assert task("start", "--id", "A") == 1
    assert "another command holds the lock since 0.05 s" in capsys.readouterr().err
