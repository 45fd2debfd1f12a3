from __future__ import annotations

from pathlib import Path

import pytest

from pytest_contextcore.trace import history
from pytest_contextcore.trace.blank import fresh_evidence
from pytest_contextcore.trace.evidence import Evidence
from pytest_contextcore.trace.file import EvidenceFile
from pytest_contextcore.trace.history import History, earlier, folder
from pytest_contextcore.trace.recorder import TraceRecorder

from ..support.plans import warehouse

OUT = "out"


def end_run(tmp_path: Path, moment: int, most: int = 3) -> Evidence:
    """A run that began at this second ends."""
    plan = warehouse(tmp_path)
    recorder = TraceRecorder(plan, fresh_evidence(plan), clock=lambda: moment * 10**9)
    file = EvidenceFile(recorder, tmp_path / OUT)
    recorder.subscribe(file)
    recorder.subscribe(kept := History(file, most))
    recorder.start()
    recorder.finish()
    assert kept.problem is None
    return recorder.evidence


def began(tmp_path: Path, last: Evidence, most: int = 3) -> list[int]:
    return [(run.started_at or 0) // 10**9 for run in earlier(tmp_path / OUT, last, most)]


def test_the_newest_files_are_kept_and_read_newest_first(tmp_path: Path) -> None:
    runs = [end_run(tmp_path, second) for second in (7, 8, 9, 10, 11)]
    names = sorted(path.name for path in folder(tmp_path / OUT, "LOAD-7").iterdir())
    ends = [f"{at:02}.000000Z-{run.otel_span_id}.json" for at, run in zip((9, 10, 11), runs[2:], strict=True)]
    assert names == [f"1970-01-01T00-00-{end}" for end in ends]
    assert began(tmp_path, runs[-1]) == [10, 9]  # the last one is no earlier one
    assert began(tmp_path, runs[0]) == [11, 10, 9]
    assert began(tmp_path, runs[-1], most=2) == [10]
    assert end_run(tmp_path, 12, most=0).otel_span_id not in str(list(folder(tmp_path / OUT, "LOAD-7").iterdir()))


def test_their_size_is_bounded_and_what_a_killed_run_left_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_run(tmp_path, 1)
    (first,) = (where := folder(tmp_path / OUT, "LOAD-7")).iterdir()
    monkeypatch.setattr(history, "MAX_BYTES", int(first.stat().st_size * 2.5))
    (where / ".half.json.123").touch()
    last = [end_run(tmp_path, second, most=30) for second in (2, 3, 4)][-1]
    assert (len(list(where.iterdir())), began(tmp_path, last)) == (2, [3])


def test_what_is_damaged_altered_or_no_file_is_left_out(tmp_path: Path) -> None:
    for second in range(1, 6):
        last = end_run(tmp_path, second, most=30)
    paths = sorted(folder(tmp_path / OUT, "LOAD-7").iterdir())
    paths[0].write_text("{")
    paths[1].write_bytes(paths[1].read_bytes().replace(b"LOAD-7", b"LOAD-8", 1))
    paths[3].rename(tmp_path / "moved.json")
    paths[3].symlink_to(tmp_path / "moved.json")
    assert began(tmp_path, last, most=30) == [3]


def test_a_folder_that_cannot_be_written_to_is_a_problem_in_a_line(tmp_path: Path) -> None:
    (tmp_path / OUT).mkdir()
    (tmp_path / OUT / "history").touch()
    plan = warehouse(tmp_path)
    recorder = TraceRecorder(plan)
    file = EvidenceFile(recorder, tmp_path / OUT)
    recorder.subscribe(file)
    recorder.subscribe(kept := History(file, 3))
    recorder.start()
    recorder.finish()
    assert file.problem is None
    assert kept.problem == f"history not written to {folder(tmp_path / OUT, 'LOAD-7')}: Not a directory"
