"""Digests of files, folders and globs, and when a file is read again."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_contextcore.errors import FileRefused
from pytest_contextcore.tracked import contents
from pytest_contextcore.tracked.contents import Digests

HOUR = 3600 * 10**9


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with files, what does not count as a part of it, and a link to a file elsewhere."""
    folder = tmp_path / "data"
    for name in ("b.csv", "a.csv", "sub/c.csv", ".hidden", "sub/odd\nname", "__pycache__/x", ".git/x", ".x_cache/x"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (tmp_path / "elsewhere").write_text("elsewhere")
    (folder / "link.csv").symlink_to("../elsewhere")
    (folder / "round").symlink_to(".")
    return folder


def by_sha256sum(folder: Path, *names: str) -> str:
    """The digest as a person can compute it."""
    done = subprocess.run(["sha256sum", "--", *names], cwd=folder, capture_output=True, check=True)
    return sha(done.stdout)


def test_a_folder_has_the_digest_of_what_sha256sum_prints(data: Path) -> None:
    names = (".hidden", "a.csv", "b.csv", "link.csv", "sub/c.csv", "sub/odd\nname")
    assert Digests().of(data) == by_sha256sum(data, *names)
    (data / "round").unlink()
    assert Digests().of(data) == by_sha256sum(data, *names)


def test_a_glob_has_the_digest_of_its_files_below_its_fixed_part(data: Path) -> None:
    assert Digests().of(data / "*.csv") == by_sha256sum(data, "a.csv", "b.csv", "link.csv")
    assert Digests().of(data.parent / "d*/sub") == by_sha256sum(data.parent, "data/sub/c.csv", "data/sub/odd\nname")
    (data / "[1].csv").write_text("1")
    assert Digests().of(data / "[1].csv") == sha(b"1")  # a file of that name comes first


def test_the_folder_for_evidence_is_no_part_of_a_folder(data: Path) -> None:
    before = Digests(data / "out").of(data)
    (data / "out").mkdir()
    (data / "out/x.json").write_text("{}")
    assert Digests(data / "out").of(data) == before
    assert Digests(data.parent / "out").of(data) != before


@pytest.mark.parametrize("name", ["missing", "*.tsv", "empty", "loose"])
def test_what_is_not_there_is_said_by_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "loose").symlink_to("nothing")
    with pytest.raises(FileNotFoundError, match=name.replace("*", r"\*")):
        Digests().of(tmp_path / name)
    assert Digests().find(tmp_path / name) is None


def test_a_fifo_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(FileRefused, match="is not a regular file"):
        Digests().of(tmp_path / "fifo")


def test_in_a_workspace_no_link_is_followed(data: Path) -> None:
    digests = Digests(workspace=data)
    assert digests.of(data / "a.csv") == sha(b"a.csv")
    (data / "linked").symlink_to("sub")
    assert digests.of(data / "sub") == by_sha256sum(data / "sub", "c.csv", "odd\nname")
    for name in ("link.csv", "linked/c.csv", "linked", "*.csv"):
        with pytest.raises(FileRefused):
            digests.of(data / name)
    with pytest.raises(FileRefused):
        digests.of(data.parent)
    assert digests.of(data.parent / "elsewhere") == sha(b"elsewhere")
    for name in ("link.csv", "linked", "*.csv"):  # a test names it itself
        digest = digests.of(data / name, trusted=True)
        assert digests.of(data / name) == digest


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were read."""
    names: list[str] = []
    real: Callable[[str, int], str] = contents.digest_file

    def read(name: str, flags: int) -> str:
        names.append(Path(name).name)
        return real(name, flags)

    monkeypatch.setattr(contents, "digest_file", read)
    return names


def test_a_file_is_read_again_only_if_its_state_differs_or_is_too_young(tmp_path: Path, reads: list[str]) -> None:
    file, now = tmp_path / "a", [0]
    file.write_text("1")
    digests = Digests(clock=lambda: now[0])
    changed = max(file.stat().st_mtime_ns, file.stat().st_ctime_ns)
    for now[0], count in ((changed, 1), (changed + 10**9, 2), (changed + HOUR, 3), (changed + 2 * HOUR, 3)):
        assert digests.of(file) == sha(b"1")
        assert len(reads) == count
    os.utime(file, ns=(0, 0))
    assert digests.of(file) == sha(b"1")
    assert len(reads) == 4


def test_the_same_size_and_time_do_not_hide_a_change(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("1")
    digests = Digests(clock=lambda: 10**19)
    before = file.stat()
    assert digests.of(file) == sha(b"1")
    other = tmp_path / "b"
    other.write_text("2")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file)
    assert digests.of(file) == sha(b"2")


def test_a_file_of_any_size_is_hashed_in_blocks(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(5 * 1024 * 1024 + 1)
    assert Digests().of(tmp_path / "large") == sha(bytes(5 * 1024 * 1024 + 1))
