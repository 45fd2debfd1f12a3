"""``exists``, ``sha256``, outputs, and which files a check reads at all."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.checks import paths
from pytest_contextcore.checks.files import attached, check_outputs
from pytest_contextcore.checks.verdict import CheckFailed, failure
from pytest_contextcore.plan.checks import AttachPlan, OutputPlan
from pytest_contextcore.trace.evidence import Result

from .conftest import Check

FILES = {"a.txt": "a", "b.txt": "b", "deep/c.txt": "c", "deep/er/d.txt": "d"}
LONG_AGO = 1_000_000_000_000_000_000


@pytest.mark.parametrize(
    "plan",
    [
        {"exists": "a.txt"}, {"exists": "*.txt"}, {"exists": "*.txt", "count": 2}, {"exists": "**/*.txt", "count": 4},
        {"exists": "deep/**", "count": 2}, {"exists": "*.txt", "min": 2, "max": 2}, {"exists": "*.tmp", "count": 0},
        {"exists": "*.tmp", "max": 3}, {"exists": "[ab].txt", "min": 2}, {"exists": "deep/*/d.txt"},
    ],
)  # fmt: skip
def test_files_are_there(check: Check, plan: dict[str, Any]) -> None:
    assert check(plan, FILES).result is Result.PASS


@pytest.mark.parametrize(
    ("plan", "said", "type"),
    [
        ({"exists": "x.txt"}, "x.txt: observed 0 files, expected at least 1", "missing_file"),
        ({"exists": "deep"}, "deep: observed 0 files, expected at least 1", "missing_file"),
        ({"exists": "*.txt", "count": 3}, "*.txt: observed 2 files, expected exactly 3", "matching_file"),
        ({"exists": "*.txt", "min": 3}, "*.txt: observed 2 files, expected at least 3", "matching_file"),
        ({"exists": "*.txt", "max": 1}, "*.txt: observed 2 files, expected at most 1", "matching_file"),
        (
            {"exists": "*.txt", "min": 3, "max": 4},
            "observed 2 files, expected at least 3 and at most 4",
            "matching_file",
        ),
        ({"exists": "../*"}, "observed a path out of the plan's folder", "outside_file"),
        ({"exists": "/etc/passwd"}, "observed a path out of the plan's folder", "outside_file"),
        ({"exists": "a\0b"}, "a\0b: observed", "missing_file"),
        ({"exists": "."}, ".: observed 0 files, expected at least 1", "missing_file"),
        ({"exists": "./"}, "./: observed 0 files, expected at least 1", "missing_file"),
    ],
)
def test_files_are_not_there(check: Check, plan: dict[str, Any], said: str, type: str) -> None:
    verdict = check(plan, FILES)
    assert said in verdict.reason or "cannot be read" in verdict.reason
    assert verdict.findings[0].type == type or "cannot be read" in verdict.reason
    assert len(verdict.findings) == (2 if type == "matching_file" else 1)


def test_a_link_that_leads_out_is_no_file_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inner").mkdir()
    outside = tmp_path / "secret.json"
    outside.write_text("true", encoding="utf-8")
    folder = tmp_path / "inner"
    (folder / "link.json").symlink_to(outside)
    (folder / "own.json").write_text("true", encoding="utf-8")
    (folder / "inside.json").symlink_to(folder / "own.json")
    (folder / "loop.json").symlink_to(folder / "loop.json")
    home = paths.Folder(folder)
    assert [path.name for path in home.matches("*.json")] == ["inside.json", "own.json"]
    assert home.read("inside.json") == b"true"
    for name, said in [
        ("link.json", "a link out of the plan's folder"),
        ("loop.json", "cannot be read"),
        ("../secret.json", "a path out of the plan's folder"),
        (str(outside), "a path out of the plan's folder"),
        ("x" * 300, "cannot be read (File name too long)"),
    ]:
        with pytest.raises(CheckFailed, match="expected") as caught:
            home.read(name)
        assert said in caught.value.verdict.reason
    monkeypatch.setattr(home, "inside", lambda name: folder / name)  # a link that was put there meanwhile
    for read in (home.read, home.digest):
        with pytest.raises(CheckFailed, match="cannot be read"):
            read("link.json")


@pytest.mark.parametrize("error", [OSError("it broke"), ValueError("no pattern"), RecursionError("deep")])
def test_where_a_pattern_cannot_be_followed_its_check_fails(
    check: Check, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Path, "glob", fail)
    assert f"observed that it cannot be read ({error})" in check({"exists": "*"}).reason


def test_a_name_that_is_no_text_can_be_written_into_evidence() -> None:
    verdict = failure("missing_file", "\udcff.txt", "observed no such file").verdict
    assert verdict.findings[0].model_dump()["file"] == "\\udcff.txt"
    assert verdict.reason == "\\udcff.txt: observed no such file"


def test_a_fifo_a_folder_and_a_huge_file_are_refused_at_once(check: Check, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.json")
    (tmp_path / "folder.json").mkdir()
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(1 << 40)
    for name, said in [
        ("fifo.json", "observed that it cannot be read (is not a regular file), expected a regular file"),
        ("folder.json", "observed that it cannot be read (Is a directory)"),
        ("huge.json", "observed 1099511627776 bytes, expected at most 33554432"),
        ("absent.json", "absent.json: observed no such file, expected it to be there"),
    ]:
        assert said in check({"query": f"{name}#yes"}).reason
        if name != "huge.json":
            assert check({"sha256": {"file": name, "is": "0" * 64}}).result is Result.FAIL


DIGEST = hashlib.sha256(b"model").hexdigest()


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        (DIGEST, None),
        (f"sha256:{DIGEST.upper()}", None),
        ("sums.json#model", None),
        ("0" * 64, f"model: observed sha256 {DIGEST}, expected {'0' * 64}"),
        ("f" * 64, f"model: observed sha256 {DIGEST}, expected {'f' * 64}"),
        ("sums.json#old", f"model: observed sha256 {DIGEST}, expected {'1' * 64} (stated in sums.json#old)"),
        ("sums.json#short", "sums.json: sums.json#short: observed 'abc', expected a SHA-256 of 64 hex digits"),
        ("sums.json#number", "sums.json: sums.json#number: observed 3, expected a SHA-256"),
        ("sums.json#absent", "sums.json: absent: observed nothing (null), expected a value"),
        ("absent.json#x", "absent.json: observed no such file"),
    ],
)
def test_the_bytes_of_a_file(check: Check, stated: str, said: str | None) -> None:
    sums = {"model": f"sha256:{DIGEST}", "old": "1" * 64, "short": "abc", "number": 3}
    verdict = check({"sha256": {"file": "model", "is": stated}}, {"model": "model", "sums.json": sums})
    assert (verdict.result is Result.PASS) is (said is None)
    assert said is None or said in verdict.reason


def set_time(path: Path, nanoseconds: int) -> None:
    os.utime(path, ns=(nanoseconds, nanoseconds))


def test_an_output_must_be_written_since_the_program_began(tmp_path: Path) -> None:
    began = time.time_ns()
    (tmp_path / "dist").mkdir()
    for name in ("model.pkl", "dist/a.whl", "dist/b.whl"):
        (tmp_path / name).touch()
    outputs = ("model.pkl", "dist/*.whl", "dist")
    assert check_outputs(outputs, tmp_path, began).result is Result.PASS
    set_time(tmp_path / "dist/b.whl", began - 1_000_000_001)
    verdict = check_outputs(outputs, tmp_path, began)
    assert verdict.reason == (
        "dist/b.whl: observed a file that was not written since the phase's program began, "
        "expected a new one (or kept = true)"
    )
    set_time(tmp_path / "dist/a.whl", LONG_AGO)
    verdict = check_outputs((*outputs, "absent.csv"), tmp_path, began)
    assert verdict.reason == "3 outputs are missing or were not written"
    assert [(item.type, item.file) for item in verdict.findings] == [
        ("stale_file", "dist/a.whl"), ("stale_file", "dist"), ("missing_output", "absent.csv"),
    ]  # fmt: skip
    kept = (OutputPlan(path="dist/*.whl", kept=True), OutputPlan(path="dist", kept=True))
    assert check_outputs(kept, tmp_path, began).result is Result.PASS
    assert check_outputs(("dist/*.whl",), tmp_path, None).result is Result.PASS
    assert check_outputs(("../*",), tmp_path, None).result is Result.FAIL


def test_what_a_phase_shows_is_there_and_was_written_since_it_began(tmp_path: Path) -> None:
    began, plan = time.time_ns(), AttachPlan(path="*.png")
    with pytest.raises(CheckFailed, match=r"\*\.png: observed no file, expected one to show"):
        attached(plan, tmp_path, None)
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    assert attached(plan, tmp_path, began) == [tmp_path / "a.png", tmp_path / "b.png"]
    set_time(tmp_path / "b.png", LONG_AGO)
    with pytest.raises(CheckFailed, match=r"b\.png: observed a file that was not written since"):
        attached(plan, tmp_path, began)
    assert len(attached(AttachPlan(path="*.png", kept=True), tmp_path, began)) == len(attached(plan, tmp_path, None))


@pytest.mark.parametrize(
    ("written", "began", "new"),
    [
        (10_500_000_001, 10_500_000_000, True),
        (10_490_000_001, 10_500_000_001, True),  # the file system's clock ticks every few milliseconds
        (10_490_000_001, 10_500_000_002, False),
        (9_000_000_000, 11_000_000_000, True),  # a file system that knows whole seconds only
        (9_000_000_000, 11_000_000_001, False),
    ],
)
def test_the_clock_of_the_file_system_may_be_coarse(tmp_path: Path, written: int, began: int, new: bool) -> None:
    path = tmp_path / "x"
    path.touch()
    set_time(path, LONG_AGO + written)
    assert paths.written_since(path, LONG_AGO + began) is new
