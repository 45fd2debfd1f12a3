"""``contextcore history``: which files it reads, and what it says of those that it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_contextcore.commands import history
from pytest_contextcore.commands.cli import main
from pytest_contextcore.trace.file import dump

from ..support import page_samples as samples

Captured = pytest.CaptureFixture[str]


def put(folder: Path, number: int, trace_id: str = "WINE", *, last: bool = False) -> Path:
    """Evidence of a run that ended with this number, in a folder's history; of the last one as the evidence, too."""
    evidence = samples.completed(trace_id)
    evidence.started_at, evidence.otel_span_id = samples.BEGIN + number * 10**9, f"{number:016x}"
    evidence.attributes = {"quality.n": number}
    path = folder / "history" / trace_id / f"2026-09-21T14-13-{20 + number}.000000Z-{evidence.otel_span_id}.json"
    for file in (path, folder / f"{trace_id}.json") if last else (path,):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(dump(evidence))
    return path


def read(capsys: Captured, *arguments: object, code: int = 0) -> list[float]:
    """The numbers of the runs that the command tells of."""
    assert main(["history", "--format", "json", *map(str, arguments)]) == code
    said = capsys.readouterr()
    assert bool(said.err) == bool(code)
    return [run["attributes"]["quality.n"] for run in json.loads(said.out)["runs"]]


def test_runs_come_from_the_newest_evidence_a_file_or_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["history"]) == 2
    assert "contextcore history: there is no evidence in out: run a plan first" in capsys.readouterr().err
    out = tmp_path / "out"
    put(out, 9, "OTHER", last=True)
    for number in (1, 2, 3):
        put(out, number, last=number == 3)
    (out / "WINE.handoffs.json").write_text("{}")
    (out / "history" / "WINE" / ".half.json").write_text("{")
    assert read(capsys) == [3, 2, 1]
    assert read(capsys, out / "WINE.json") == [3, 2, 1]
    assert read(capsys, out / "history" / "WINE") == [3, 2, 1]
    assert read(capsys, out / "history" / "OTHER", "--html", tmp_path / "runs.html") == [9]
    assert "<title>History: OTHER</title>" in (tmp_path / "runs.html").read_text(encoding="utf-8")
    assert main(["history", str(out)]) == 2
    assert "these are runs of 2 traces, OTHER, WINE: name files or folders of one" in capsys.readouterr().err
    assert main(["history", "out/WINE.json", "--html", "out"]) == 2
    assert "the page cannot be written to out: Is a directory" in capsys.readouterr().err


def test_folders_of_three_ci_jobs_are_joined(tmp_path: Path, capsys: Captured) -> None:
    for job in (1, 2, 3):
        put(tmp_path / f"job{job}", job, last=job != 2)  # one job kept its history only
    put(tmp_path / "job3", 1)  # which had that run already
    assert read(capsys, *(tmp_path / f"job{job}" for job in (1, 2, 3))) == [3, 2, 1]
    assert read(capsys, *(tmp_path / f"job{job}" / "history" for job in (1, 2, 3))) == [3, 2, 1]
    assert main(["history", *(str(tmp_path / f"job{job}") for job in (2, 3))]) == 0
    assert capsys.readouterr().out.startswith("trace WINE: 3 runs\n")


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    damaged, altered, whole = (put(tmp_path, number) for number in (1, 2, 3))
    damaged.write_text("{")
    altered.write_bytes(altered.read_bytes().replace(b"WINE", b"BEER", 1))
    (tmp_path / "history" / "WINE" / "linked.json").symlink_to(whole)
    assert main(["history", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.out.startswith("trace WINE: 1 run\n")
    assert [line.partition(": ")[0] for line in said.err.splitlines()] == ["contextcore history"] * 3
    for path, why in (
        (damaged, "Invalid JSON"),
        (altered, "its seal does not fit"),
        ("linked.json", "no regular file"),
    ):
        assert any(str(path) in line and why in line for line in said.err.splitlines()), (path, said.err)
    assert main(["history", str(damaged)]) == 2
    assert main(["history", str(tmp_path / "absent.json")]) == 2
    assert "absent.json: cannot be read: No such file or directory" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["history", str(tmp_path / "empty")]) == 2
    assert f"there is no evidence in {tmp_path / 'empty'}: name a folder that has some" in capsys.readouterr().err
    monkeypatch.setattr(history, "MAX_FILES", 2)
    assert main(["history", str(tmp_path)]) == 2
    assert "there are over 2 evidence files: name fewer folders" in capsys.readouterr().err
