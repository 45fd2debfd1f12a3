"""Two runs of a trace in one evidence folder: the second is refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.errors import RunInUse
from pytest_contextcore.session.lock import take

from ..support.plans import PASSING, Suite
from ..support.traces import refusal


def test_a_trace_is_one_runs_until_that_lets_go_and_half_written_files_of_a_killed_run_are_removed(
    tmp_path: Path,
) -> None:
    for name in (".T-1.json.a8f_k2", ".T-1.handoffs.json.k2", ".T-10.json.a8", "T-1.json"):
        (tmp_path / name).write_text("{", encoding="utf-8")
    held, other = take(tmp_path, "T-1"), take(tmp_path, "T-2")
    assert held is not None
    assert other is not None
    with pytest.raises(RunInUse, match=f"process {os.getpid()}"):
        take(tmp_path, "T-1")
    os.close(held)
    again = take(tmp_path, "T-1")
    assert again is not None
    os.close(again)
    os.close(other)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [".T-1.lock", ".T-10.json.a8", ".T-2.lock", "T-1.json"]


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("keep", encoding="utf-8")
    (tmp_path / ".T-1.lock").symlink_to("precious")
    assert take(tmp_path, "T-1") is None
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "keep"


def test_a_second_run_in_the_same_folder_is_refused(suite: Suite, evidence: Callable[[], dict[str, Any]]) -> None:
    assert suite.here().ret == 0
    before, out = evidence(), suite.pytester.path / "out"
    held = take(out, "LOAD-7")
    assert held is not None
    said = refusal(suite.here())
    assert f"process {os.getpid()} is running the trace LOAD-7 with its evidence in {out}" in said
    assert evidence() == before
    assert suite.here("--contextcore-out=other").ret == 0
    os.close(held)


def test_a_session_that_reaches_no_phase_takes_no_lock_and_makes_no_folder(suite: Suite) -> None:
    suite.write(f"{PASSING}\n\ndef test_ordinary():\n    pass\n")
    assert suite.here("-k", "ordinary").ret == 0
    assert not (suite.pytester.path / "out").exists()
