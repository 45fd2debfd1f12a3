"""Two runs of a trace in one evidence folder: the second is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.errors import RunInUse
from pytest_contextcore.session.lock import RunLock

from ..support.plans import PASSING, Suite
from ..support.traces import refusal

WAITING = PASSING.replace(
    "    rows = phase.receive(Rows)\n",
    "    rows = phase.receive(Rows)\n    import os\n    os.write(1, b'here')\n    os.read(0, 1)\n",
)


def test_the_lock_is_free_again_when_its_holder_has_let_go(tmp_path: Path) -> None:
    first = RunLock.take(tmp_path / "out", "T-1")
    assert first is not None
    other = RunLock.take(tmp_path / "out", "T-2")
    assert other is not None
    with pytest.raises(RunInUse, match=f"process {os.getpid()}"):
        RunLock.take(tmp_path / "out", "T-1")
    first.close()
    again = RunLock.take(tmp_path / "out", "T-1")
    assert again is not None
    again.close()
    other.close()
    assert list((tmp_path / "out").iterdir()) == []


def test_what_a_killed_run_left_half_written_is_removed(tmp_path: Path) -> None:
    for name in (".T-1.json.a8f_k2", ".T-1.handoffs.json.k2", ".T-10.json.a8", "T-1.json"):
        (tmp_path / name).write_text("{", encoding="utf-8")
    lock = RunLock.take(tmp_path, "T-1")
    assert lock is not None
    lock.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".T-10.json.a8", "T-1.json"]


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("keep", encoding="utf-8")
    (tmp_path / ".T-1.lock").symlink_to("precious")
    assert RunLock.take(tmp_path, "T-1") is None
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "keep"


def test_a_second_run_in_the_same_folder_is_refused(suite: Suite, evidence: Callable[[], dict[str, Any]]) -> None:
    suite.write(WAITING)
    command = [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider", "-p", "no:randomly"]
    with subprocess.Popen(command, cwd=suite.pytester.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdin is not None
        assert first.stdout is not None
        seen = b""
        while b"here" not in seen:
            seen += os.read(first.stdout.fileno(), 4096)
        running = evidence()
        suite.write(PASSING)
        said = refusal(suite.here())
        assert f"process {first.pid} is running the trace LOAD-7 with its evidence in {suite.pytester.path}/out" in said
        assert evidence() == running
        assert suite.here("--contextcore-out=other").ret == 0
        first.communicate(b"x")
    assert first.returncode == 0
    assert evidence()["status"] == "completed"


def test_a_session_that_reaches_no_phase_takes_no_lock_and_makes_no_folder(suite: Suite) -> None:
    suite.write(f"{PASSING}\n\ndef test_ordinary():\n    pass\n")
    assert suite.here("-k", "ordinary").ret == 0
    assert not (suite.pytester.path / "out").exists()
