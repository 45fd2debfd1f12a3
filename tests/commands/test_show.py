"""``contextcore show`` and ``contextcore diff``: from evidence files, without running anything."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.commands import show
from pytest_contextcore.commands.cli import main

from ..support.plans import PASSING, Suite

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def blocked(suite: Suite, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> Path:
    """The evidence of a blocked run of the warehouse, and what its run printed."""
    suite.write(PASSING.replace("assert rows.count == 3", 'assert False, "a row is lost"'))
    result = suite.pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:hypothesispytest")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(suite.pytester.path)
    (suite.pytester.path / "printed.txt").write_text(result.stdout.str(), encoding="utf-8")
    capsys.readouterr()
    return suite.pytester.path / "out" / "LOAD-7.json"


def altered(path: Path, **changes: Any) -> Path:
    """A copy of the evidence with some keys changed."""
    copy = path.with_name("altered.json")
    copy.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")
    return copy


def test_show_prints_the_table_that_the_run_printed(blocked: Path, capsys: Captured) -> None:
    assert main(["show", str(blocked)]) == 0
    shown = capsys.readouterr().out.splitlines()
    printed = Path("printed.txt").read_text(encoding="utf-8").splitlines()
    assert shown[0] == "trace LOAD-7: Load the nightly orders"
    assert shown[1].startswith("started 20")
    assert [line for line in shown[2:] if line not in printed] == []
    assert any("a row is lost" in line for line in shown)


def test_show_gives_the_evidence_as_json(blocked: Path, capsys: Captured) -> None:
    assert main(["show", "--format", "json", str(blocked)]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(blocked.read_text(encoding="utf-8"))


@pytest.mark.parametrize("command", [["show"], ["diff"]], ids=["show", "diff"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        ("{", "Invalid JSON"),
        ('{"schema_version": "v2"}', "schema_version: Input should be 'v1' (expected v1)"),
        ('{"format": "something else"}', "Field required"),
        ("[]", "document: "),
    ],
    ids=["absent", "damaged", "newer", "foreign", "no object"],
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


def test_evidence_without_phases_is_refused(blocked: Path, capsys: Captured) -> None:
    assert main(["show", str(altered(blocked, spans=[]))]) == 2
    assert "spans: observed none" in capsys.readouterr().err


def test_text_of_foreign_evidence_does_nothing_to_the_terminal(
    blocked: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    hostile = altered(blocked, title="::error::a\x1b[2J\u202e ##[error]b", options={"o": "\x1b[2J ##[x]"})
    for arguments in (
        ["show"],
        ["show", "--format=json"],
        ["diff", str(blocked)],
        ["diff", "--format=json", str(blocked)],
    ):
        main([*arguments, str(hostile)])
        out = capsys.readouterr().out
        assert "\x1b" not in out
        assert "\u202e" not in out
        assert "##[" not in out
        assert not [line for line in out.splitlines() if line.strip().startswith("::")]
        if "--format=json" in arguments:
            assert json.dumps("\x1b[2J ##[x]") in json.dumps(json.loads(out))


def test_a_terminal_without_unicode_gets_ascii(blocked: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest_contextcore", "show", str(blocked)],
        env={"PYTHONIOENCODING": "ascii", "PATH": ""}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert " x T " in done.stdout
    assert done.stdout.isascii()


def test_a_page_is_offered_where_something_can_make_it(
    blocked: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    maker = types.ModuleType("fake_page")
    maker.render = lambda traces: f"<h1>{traces[0].evidence.trace_id}</h1>"  # type: ignore[attr-defined]
    maker.__spec__ = types.SimpleNamespace()  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, "fake_page", maker)
    monkeypatch.setattr(show, "HTML", "fake_page")
    assert main(["show", str(blocked), "--html", str(tmp_path / "p.html")]) == 0
    assert (tmp_path / "p.html").read_text(encoding="utf-8") == "<h1>LOAD-7</h1>"
    assert f"page:     {tmp_path / 'p.html'}" in capsys.readouterr().out
    (tmp_path / "file").touch()
    assert main(["show", str(blocked), "--html", str(tmp_path / "file" / "p.html")]) == 2
    assert "the page cannot be written to" in capsys.readouterr().err


def test_diff_answers_by_its_exit_code(blocked: Path, capsys: Captured) -> None:
    assert main(["diff", str(blocked), str(blocked)]) == 0
    assert capsys.readouterr().out == "LOAD-7: nothing changed (blocked)\n"
    assert main(["diff", str(blocked), str(altered(blocked, options={"n": 1}))]) == 1
    assert capsys.readouterr().out.splitlines()[1:] == ["  option n: none → 1"]
    assert main(["diff", str(blocked), str(altered(blocked, trace_id="LOAD-8"))]) == 2
    assert "A is a run of trace LOAD-7, B of LOAD-8" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["diff", str(blocked)])
