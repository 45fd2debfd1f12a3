"""Files that a user names for our output: replaced whole where they are files, written into where they are not."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pytest_contextcore.files import write_output


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        write_output(path, b"new")
        assert (reader.read(), path.read_bytes()) == (b"old", b"new")


def test_a_link_to_a_file_is_replaced_and_what_it_leads_to_is_left_alone(tmp_path: Path) -> None:
    """It may lie in a folder that somebody else made, such as a workspace."""
    path, target = tmp_path / "link", tmp_path / "target"
    target.write_bytes(b"another's")
    path.symlink_to(target.name)
    write_output(path, b"new")
    assert not path.is_symlink()
    assert (path.read_bytes(), target.read_bytes()) == (b"new", b"another's")


def test_standard_output_is_written_even_where_it_is_a_file(tmp_path: Path) -> None:
    program = "from pathlib import Path; from pytest_contextcore.files import write_output; "
    with (tmp_path / "said").open("wb") as file:
        subprocess.run(
            [sys.executable, "-c", f"{program}write_output(Path('/dev/stdout'), b'new')"], stdout=file, check=True
        )
    assert (tmp_path / "said").read_bytes() == b"new"
    assert Path("/dev/stdout").is_symlink()


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
