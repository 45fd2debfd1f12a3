from __future__ import annotations

from pathlib import Path

import pytest

from pytest_contextcore.plan.model import Plan
from pytest_contextcore.trace import file as evidence_file
from pytest_contextcore.trace.blank import fresh_evidence
from pytest_contextcore.trace.evidence import Evidence, SpanEvidence, SpanReference, Status
from pytest_contextcore.trace.file import EvidenceFile, earlier, load_evidence
from pytest_contextcore.trace.file import history_folder as folder
from pytest_contextcore.trace.recorded import recorded
from pytest_contextcore.trace.recorder import TraceRecorder

from ..support.plans import warehouse

OUT = "out"


def end_run(tmp_path: Path, moment: int, most: int = 3) -> Evidence:
    """A run that began at this second ends."""
    plan = warehouse(tmp_path)
    recorder = TraceRecorder(plan, fresh_evidence(plan), clock=lambda: moment * 10**9)
    recorder.subscribe(file := EvidenceFile(recorder, tmp_path / OUT, most))
    recorder.start()
    recorder.finish()
    assert file.problem is None
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
    first_size = first.stat().st_size
    monkeypatch.setattr(evidence_file, "MAX_HISTORY_BYTES", int(first_size * 2.5))
    (where / ".half.json.123").touch()
    last = [end_run(tmp_path, second, most=30) for second in (2, 3, 4)][-1]
    assert (len(list(where.iterdir())), began(tmp_path, last)) == (2, [3])
    monkeypatch.setattr(evidence_file, "MAX_HISTORY_BYTES", int(first_size * 1.5))
    assert began(tmp_path, last) == []  # nor is more read, whoever put it there


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
    recorder.subscribe(file := EvidenceFile(recorder, tmp_path / OUT, 3))
    recorder.start()
    recorder.finish()
    assert Status.NOT_STARTED in [span.status for span in load_evidence(file.path).spans]
    assert file.problem == f"history not written to {folder(tmp_path / OUT, 'LOAD-7')}: Not a directory"


def run(number: int, status: Status, *phases: tuple[str, float | None, str]) -> Evidence:
    """A run of a plan: of each phase its id, what it recorded, and the span that it was reused from."""
    spans = [
        SpanEvidence(
            span_id=f"W-{name}",
            otel_span_id=f"{number:015d}{at}",
            parent_id="W",
            phase=name,
            attributes={} if value is None else {"quality.n": value},
            reused_from=SpanReference(otel_trace_id="0" * 32, otel_span_id=source) if source else None,
        )
        for at, (name, value, source) in enumerate(phases)
    ]
    made = fresh_evidence(Plan.model_validate({"trace": {"id": "W"}, "phases": [{"id": "A"}]}))
    return made.model_copy(update={"spans": spans, "status": status})


DONE, BLOCKED = Status.COMPLETED, Status.FAILED


def test_a_phase_sees_what_it_or_the_last_phase_before_it_recorded_in_completed_runs() -> None:
    now = run(9, Status.IN_PROGRESS, ("A", 1.0, ""), ("B", 2.0, ""), ("C", None, ""), ("D", 4.0, ""))
    before = [
        run(8, DONE, ("A", 10.0, ""), ("B", 20.0, ""), ("C", None, ""), ("D", 40.0, "")),
        run(7, BLOCKED, ("A", 11.0, ""), ("B", 21.0, ""), ("C", None, "")),
        run(6, DONE, ("A", 12.0, ""), ("B", None, ""), ("C", None, "")),
        run(5, DONE, ("A", None, ""), ("B", None, "")),
    ]
    assert recorded("quality.n", "W-C", now, before) == (2.0, [20.0, 12.0])
    assert recorded("quality.n", "W-A", now, before) == (1.0, [10.0, 12.0])
    assert recorded("quality.n", "W-D", now, before) == (4.0, [40.0, 12.0])
    assert recorded("quality.m", "W-D", now, before) == (None, [])


def test_a_value_counts_once_however_often_it_was_reused_and_not_against_itself() -> None:
    before = [
        run(8, DONE, ("A", 1.0, f"{7:015d}0")),
        run(7, BLOCKED, ("A", 1.0, f"{6:015d}0")),
        run(6, DONE, ("A", 1.0, "")),
        run(5, BLOCKED, ("A", 2.0, f"{4:015d}0")),  # says nothing of the run that it was reused from
        run(4, DONE, ("A", 2.0, "")),
    ]
    assert recorded("quality.n", "W-A", run(9, DONE, ("A", 3.0, "")), before) == (3.0, [1.0, 2.0])
    assert recorded("quality.n", "W-A", run(9, DONE, ("A", 1.0, f"{8:015d}0")), before) == (1.0, [2.0])
