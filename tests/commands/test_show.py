"""``contextcore show`` and ``contextcore diff``: from evidence files, without running anything."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.commands.cli import main

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def altered(path: Path, folder: Path, **changes: Any) -> str:
    """A copy of the evidence with some keys changed."""
    copy = folder / "altered.json"
    copy.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")
    return str(copy)


def test_show_prints_the_table_that_the_run_printed(finished: Path, blocked: Path, capsys: Captured) -> None:
    assert main(["show", str(blocked)]) == 0
    shown = capsys.readouterr().out.splitlines()
    printed = (finished / "printed.txt").read_text(encoding="utf-8").splitlines()
    assert shown[0] == "trace LOAD-9: Load the nightly orders"
    assert shown[1].startswith("started 20")
    assert [line for line in shown[2:] if line not in printed] == []
    assert any("a row is lost" in line for line in shown)
    assert main(["show", "--format", "json", str(blocked)]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(blocked.read_text(encoding="utf-8"))


def test_without_files_they_take_the_newest_evidence(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in ("show", "diff"):
        assert main([command]) == 2
        said = "there is no evidence in out: run a plan first (contextcore run), "
        said += "go to the folder in which it ran, or name another with --out\n"
        assert capsys.readouterr().err == f"contextcore {command}: {said}"
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "LOAD-9.handoffs.json").write_text("{}")
    for age, name in enumerate(("LOAD-9", "LOAD-7")):
        copy = shutil.copy(finished / "out" / f"{name}.json", tmp_path / "out" / f"{name}.json")
        os.utime(copy, (1_000_000 - age, 1_000_000 - age))
    assert main(["diff"]) == 2
    assert "there is no run before out/LOAD-9.json in out/history/LOAD-9: run the plan again" in capsys.readouterr().err
    (kept,) = shutil.copytree(finished / "out/history/LOAD-9", tmp_path / "out/history/LOAD-9").iterdir()
    before, older = (kept.with_name(f"{year}-{'0' * 16}.json") for year in (1971, 1970))
    shutil.copy(kept, before)
    older.write_text("{")
    assert main(["show"]) == 0
    assert capsys.readouterr().out.startswith("trace LOAD-9")
    for option in ("--out", "--contextcore-out"):
        assert main(["diff", option, str(tmp_path / "out"), "--format", "json"]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert [Path(side["file"]).name for side in (shown["a"], shown["b"])] == [before.name, "LOAD-9.json"]


@pytest.mark.parametrize("command", [["show"], ["diff"]], ids=["show", "diff"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        ("{", "Invalid JSON"),
        ('{"schema_version": "v2"}', "schema_version: Input should be 'v1' (expected v1)"),
        ("[]", "document: "),
    ],
    ids=["absent", "damaged", "newer", "no object"],
)
def test_what_is_no_evidence_is_refused_in_a_line(
    tmp_path: Path, capsys: Captured, command: list[str], content: str | None, said: str
) -> None:
    path = tmp_path / "e.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert main([*command, str(path), *([str(path)] if command == ["diff"] else [])]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith(f"contextcore {command[0]}: evidence {path}: ")
    assert said in captured.err


@pytest.mark.parametrize("options", [[], ["--spans"]], ids=["evidence", "spool"])
def test_a_pipe_that_nobody_may_ever_write_to_is_refused(tmp_path: Path, capsys: Captured, options: list[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert main(["show", str(tmp_path / "pipe"), *options]) == 2
    assert "no regular file" in capsys.readouterr().err


def test_text_of_foreign_evidence_does_nothing_to_the_terminal(
    blocked: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    title, option = "::error::a\x1b[2J\u202e ##[error]b", "\x1b[2J ##[x]"
    hostile = altered(blocked, tmp_path, title=title, options={"o": option})
    for arguments in (
        ["show"],
        ["show", "--format=json"],
        ["diff", str(blocked)],
        ["diff", "--format=json", str(blocked)],
    ):
        main([*arguments, hostile])
        out = capsys.readouterr().out
        assert not [sign for sign in ("\x1b", "\u202e", "##[") if sign in out]
        assert not [line for line in out.splitlines() if line.strip().startswith("::")]
        if "--format=json" in arguments:
            assert json.dumps(option) in json.dumps(json.loads(out))


def test_a_terminal_without_unicode_gets_ascii(blocked: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest_contextcore", "show", str(blocked)],
        env={"PYTHONIOENCODING": "ascii", "PATH": ""}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert " x T " in done.stdout
    assert done.stdout.isascii()


def test_show_writes_the_page(blocked: Path, capsys: Captured, tmp_path: Path) -> None:
    assert main(["show", str(blocked), "--html", str(tmp_path / "p.html")]) == 0
    assert "LOAD-9" in (tmp_path / "p.html").read_text(encoding="utf-8")
    assert f"page:     {tmp_path / 'p.html'}" in capsys.readouterr().out
    (tmp_path / "file").touch()
    assert main(["show", str(blocked), "--html", str(tmp_path / "file" / "p.html")]) == 2
    assert "the page cannot be written to" in capsys.readouterr().err


def test_a_time_that_no_calendar_knows_is_refused_in_a_line(blocked: Path, tmp_path: Path, capsys: Captured) -> None:
    assert main(["show", altered(blocked, tmp_path, started_at=10**30)]) == 2
    assert "started_at: Value error, a time before 1970 or after 2262" in capsys.readouterr().err


def test_diff_answers_by_its_exit_code(blocked: Path, tmp_path: Path, capsys: Captured) -> None:
    assert main(["diff", str(blocked), str(blocked)]) == 0
    assert capsys.readouterr().out == "LOAD-9: nothing changed (blocked)\n"
    assert main(["diff", str(blocked), altered(blocked, tmp_path, options={"n": 1})]) == 1
    assert capsys.readouterr().out.splitlines()[1:] == ["option n: none → 1"]
    assert main(["diff", str(blocked), altered(blocked, tmp_path, trace_id="LOAD-8")]) == 2
    assert "A is a run of trace LOAD-9, B of LOAD-8" in capsys.readouterr().err


def test_evidence_is_shown_as_documents_for_other_programs_and_those_are_valid(
    finished: Path, tmp_path: Path, capsys: Captured
) -> None:
    found: dict[str, list[dict[str, Any]]] = {}
    for option, kind in (
        ("gate-results", "GateResult"),
        ("task-spans", "TaskSpanContract"),
        ("handoffs", "HandoffContract"),
    ):
        for name in ("LOAD-7", "LOAD-9"):
            assert main(["show", f"--{option}", str(finished / "out" / f"{name}.json")]) == 0
            (tmp_path / "documents.json").write_text(capsys.readouterr().out, encoding="utf-8")
            assert main(["contract", "a2a-validate", kind, str(tmp_path / "documents.json")]) == 0
            found[f"{name} {kind}"] = json.loads((tmp_path / "documents.json").read_text(encoding="utf-8"))
            capsys.readouterr()
    whole, *phases = found["LOAD-9 TaskSpanContract"]
    assert (whole["task_id"], whole["status"], whole["phase"]) == ("LOAD-9", "blocked", "OTHER")
    assert [span["status"] for span in phases] == ["completed", "blocked", "not_started"]
    assert (phases[2]["blocked_on_span_id"], phases[1]["parent_task_id"]) == ("LOAD-9-T", "LOAD-9")
    assert phases[0]["checksums"] == {"source_checksum": "sha256:1"}
    (failed,) = (gate for gate in found["LOAD-9 GateResult"] if gate["result"] == "fail")
    assert (failed["gate_id"], failed["severity"], failed["blocking"]) == ("LOAD-9-T-C1", "critical", True)
    assert "a row is lost" in failed["reason"]
    assert all(gate["severity"] == "info" for gate in found["LOAD-7 GateResult"])
    (handoff,) = found["LOAD-7 HandoffContract"]
    assert (handoff["from_agent"], handoff["to_agent"], handoff["status"]) == ("LOAD-7-E", "LOAD-7-T", "completed")
    assert handoff["inputs"] == {"count": 3}


def test_documents_that_cannot_be_made_are_refused_in_one_line(
    finished: Path, tmp_path: Path, capsys: Captured
) -> None:
    copy = shutil.copy(finished / "out" / "LOAD-7.json", tmp_path / "LOAD-7.json")
    assert main(["show", "--handoffs", str(copy)]) == 1
    assert capsys.readouterr().err.endswith("has none of these; run the plan with pytest first\n")
