"""``contextcore task``: what its commands take, say, keep and refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_contextcore.commands.cli import main
from pytest_contextcore.tasks import store
from pytest_contextcore.tasks.store import Store

STATE = Path("out/tasks/tasks.json")

Captured = pytest.CaptureFixture[str]


def task(*arguments: str) -> int:
    return main(["task", *arguments])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["complete", "--id", "A"], "before its subtasks end"),
        (["update", "--id", "A-E", "--status", "in_progress"], "task A-E has ended"),
        (
            ["start", "--id", "N", "--parent", "../A"],
            "--parent is no id (observed: '../A', expected: an id starts with",
        ),
    ],
)
def test_what_must_not_be_is_refused_and_changes_nothing(arguments: list[str], said: str, capsys: Captured) -> None:
    for name, task_id in (("start", "A"), ("start", "A-B"), ("start", "A-E"), ("complete", "A-E")):
        assert task(name, "--id", task_id) == 0
    before = {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()}
    capsys.readouterr()
    assert task(*arguments) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"contextcore task {arguments[0]}: ")
    assert said in shown.err
    assert shown.err.count("\n") == 1
    assert {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["start"], ["block", "--id", "A"], ["comment", "--id", "A"], ["update", "--id", "A", "--status", "done"],
        ["update", "--id", "A", "--status", "blocked"], ["start", "--id", "A", "--title", " "], ["complete", "A"],
        ["start", "--id", "A", "--parent", ""], ["list", "--state", " "],
    ],
)  # fmt: skip
def test_bad_usage_is_exit_code_2(arguments: list[str], capsys: Captured) -> None:
    assert task(*arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not Path("out").exists()


def test_a_project_is_named_by_option_or_environment(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    assert task("start", "--id", "A", "--project", "shop") == 0
    monkeypatch.setenv("CONTEXTCORE_PROJECT", "other")
    assert task("complete", "--id", "A") == 1
    assert "next: add --project shop" in capsys.readouterr().err
    assert task("start", "--id", "A") == 1
    assert "was started before (observed: it is in_progress, in project shop" in capsys.readouterr().err
    monkeypatch.setenv("CONTEXTCORE_PROJECT", "shop")
    assert task("start", "--id", "A-1") == 0
    assert [(t.project, t.id, t.parent_id) for t in Store(Path("out")).read().values()] == [
        ("shop", "A", None), ("shop", "A-1", "A"),
    ]  # fmt: skip


def test_the_state_may_stand_elsewhere(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("CONTEXTCORE_STATE", "elsewhere")
    assert task("start", "--id", "A") == 0
    monkeypatch.delenv("CONTEXTCORE_STATE")
    assert task("complete", "--id", "A", "--state", "elsewhere") == 0
    assert [path.name[:5] for path in sorted(folder.rglob("[!.]*.*")) if path.is_file()] == ["task-", "tasks"]
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
    assert [line.split()[0] for line in lines] == ["project", "A", "A-1", "cancelled:", "A-2", "blocked:", "next:"]
    assert lines[4].endswith("Second\\x1b[31m")
    assert task("list", "--status", "blocked", "--format", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [(entry["task_id"], entry["status"], entry["parent_id"]) for entry in document["tasks"]] == [
        ("A", "in_progress", None), ("A-2", "blocked", "A"),
    ]  # fmt: skip
    assert document["tasks"][1]["blocked_on_span_id"] == "A-1"
    assert document["tasks"][1]["events"][0]["name"] == "task.status.changed"
    assert task("list", "--project", "nobody") == 0
    assert capsys.readouterr().out == "no such tasks in out/tasks/tasks.json\n"
    assert task("cancel", "--id", "A-2") == task("list") == 0
    assert "then unblock" not in capsys.readouterr().out  # it has ended


def test_secrets_reach_neither_file_nor_terminal(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", "hunter2hunter2")
    secret = "hunter2hunter2"
    for arguments in (
        ["start", "--id", "A", "--title", f"Deploy with {secret}", "--type", secret, "--by", secret],
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


def test_a_command_waits_for_another_one_for_a_while(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    assert task("start", "--id", "A") == 0
    capsys.readouterr()
    monkeypatch.setattr(store, "PATIENCE", 0.02)
    with Store(Path("out")).locked():
        assert task("complete", "--id", "A") == 1
    said = capsys.readouterr().err
    assert said.startswith("contextcore task complete: out/tasks/lock: another command has held it for 0.02 s; next: ")
    assert task("complete", "--id", "A") == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "line 1 column 2"),
        ("[]", "TypeError"),
        ('{"schema_version": "v9", "tasks": []}', "it is of version 'v9', not v1"),
        ('{"schema_version": "v1", "tasks": [3]}', "TypeError"),
        ('{"schema_version": "v1", "tasks": [{"events": []}]}', "KeyError('project')"),
        ("[" * 100_000, "RecursionError"),
    ],
)
def test_damaged_state_is_refused_and_left_as_it_is(content: str, said: str, capsys: Captured) -> None:
    STATE.parent.mkdir(parents=True)
    STATE.write_text(content, encoding="utf-8")
    for arguments in (["start", "--id", "A"], ["list"]):
        assert task(*arguments) == 1
        assert said in (told := capsys.readouterr().err)
        assert told.startswith(f"contextcore task {arguments[0]}: {STATE} is damaged: ")
    assert STATE.read_text(encoding="utf-8") == content


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("started_at", 10**30, "a time is none in nanoseconds since 1970, in task 'A'"),
        ("started_at", -1, "a time is none in nanoseconds since 1970, in task 'A'"),
        ("trace_id", "0123", "an id of OpenTelemetry is none, in task 'A'"),
        ("parent_span_id", "0123", "an id of OpenTelemetry is none, in task 'A'"),
        ("started_at", "now", "started_at of a task is of another type"),
        ("status", "done", "the status is unknown, in task 'A'"),
    ],
)
def test_a_value_that_no_collector_takes_is_refused(name: str, value: str, said: str, capsys: Captured) -> None:
    task("start", "--id", "A")
    document = json.loads(STATE.read_text(encoding="utf-8"))
    document["tasks"][0][name] = value
    STATE.write_text(json.dumps(document), encoding="utf-8")
    assert task("complete", "--id", "A") == 1
    assert said in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_named(capsys: Captured) -> None:
    Path("out").write_text("a file")
    assert task("start", "--id", "A") == 1
    assert "out: cannot be written to: File exists; next: " in capsys.readouterr().err
