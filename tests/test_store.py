"""Files that a user names for our output: replaced whole where they are files, written into where they are not."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from pytest_contextcore.store import write_output


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        write_output(path, b"new")
        assert (reader.read(), path.read_bytes()) == (b"old", b"new")


def test_a_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    path, target = tmp_path / "link", tmp_path / "target"
    path.symlink_to(target.name)
    write_output(path, b"new")
    assert path.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_pipe_stays_and_its_reader_gets_it(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(path.read_bytes()))
    reader.start()
    write_output(path, b"new")
    reader.join()
    assert found == [b"new"]
    assert path.is_fifo()


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="directory"):
        write_output(tmp_path, b"new")
