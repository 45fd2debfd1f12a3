from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.errors import EvidenceError
from pytest_contextcore.trace.evidence import Result
from pytest_contextcore.trace.file import EvidenceFile, dump, load_evidence
from pytest_contextcore.trace.recorder import TraceRecorder

from ..support.plans import warehouse


@pytest.fixture
def recorder(tmp_path: Path) -> TraceRecorder:
    return TraceRecorder(warehouse(tmp_path))


@pytest.fixture
def path(tmp_path: Path, recorder: TraceRecorder) -> Path:
    """Where the recorder's evidence is written."""
    written = EvidenceFile(recorder, tmp_path / "out")
    recorder.subscribe(written)
    return written.path


def check(recorder: TraceRecorder, phase: str, gate: str, result: Result = Result.PASS) -> None:
    recorder.begin_gate(phase, gate)
    recorder.end_gate(phase, gate, result, "no" if result is Result.FAIL else None)


def run(recorder: TraceRecorder, phase: str) -> None:
    recorder.begin_phase(phase, f"t.py::{phase}")
    for gate in recorder.plan.by_id[phase].gates:
        check(recorder, phase, gate.id)
    recorder.end_phase(phase)


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def test_the_file_is_current_at_every_transition_and_as_a_whole_dump_would_be(
    recorder: TraceRecorder, path: Path
) -> None:
    def is_current() -> bool:
        load_evidence(path, unaltered=True)
        return path.read_bytes() == dump(recorder.evidence)

    recorder.start()
    assert is_current()
    for phase in ("E", "T"):
        recorder.begin_phase(phase, "t")
        assert is_current()
        recorder.add_values(phase, {"quality.row_count": 3})
        check(recorder, phase, "C1")
        recorder.end_phase(phase)
        assert is_current()
    run(recorder, "T")  # once more, such as rerunfailures does
    assert is_current()
    assert len(read(path)["spans"][1]["attempts"]) == 1
    recorder.finish()
    assert is_current()
    assert [span["status"] for span in read(path)["spans"]] == ["completed", "completed", "not_started"]


def test_a_record_that_another_process_left_is_written_whole(recorder: TraceRecorder, path: Path) -> None:
    recorder.start()
    run(recorder, "E")
    recorder.begin_phase("T", "t")
    taken = TraceRecorder(recorder.plan, load_evidence(path))
    taken.subscribe(EvidenceFile(taken, path.parent))
    taken.end_phase("T")
    assert path.read_bytes() == dump(taken.evidence)
    assert [span["status"] for span in read(path)["spans"]] == ["completed", "failed", "not_started"]


def test_a_gate_that_blocks_its_phase_is_written_at_once(recorder: TraceRecorder, path: Path) -> None:
    recorder.start()
    recorder.begin_phase("T", "t")
    check(recorder, "T", "C3", Result.FAIL)
    check(recorder, "T", "C2", Result.FAIL)
    assert [gate["result"] for gate in read(path)["spans"][1]["gates"]] == ["not_checked", "fail", "fail"]
    assert read(path)["summary"]["gates"]["fail"] == 2


def test_a_folder_that_cannot_be_written_to_is_told_and_changes_nothing(
    recorder: TraceRecorder, tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("a file")
    written = EvidenceFile(recorder, tmp_path / "out")
    recorder.subscribe(written)
    recorder.start()
    assert str(written.problem).startswith("evidence not written to ")


def test_evidence_comes_back_from_its_file(recorder: TraceRecorder, path: Path) -> None:
    recorder.start()
    assert dump(load_evidence(path)) == path.read_bytes()


def test_the_seal_is_over_every_byte(recorder: TraceRecorder, path: Path) -> None:
    recorder.start()
    good = path.read_bytes()
    assert load_evidence(path, unaltered=True).seal
    first, second = good.index(b'    {\n      "span_id"'), good.rindex(b'    {\n      "span_id"')
    swapped = good[:first] + good[second : second + 40] + good[first + 40 :]
    for bad in (good + b" ", good.replace(b"  ", b" "), good.replace(b"EXTRACT", b"EXTRACK"), swapped):
        path.write_bytes(bad)
        with pytest.raises(EvidenceError, match="seal"):
            load_evidence(path, unaltered=True)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("otel_trace_id", "00"),
        ("otel_span_id", "x" * 16),
        ("started_at", "1960-01-01T00:00:00.000000Z"),
        ("started_at", "soon"),
        ("started_at", -1),
        ("ended_at", "2300-01-01T00:00:00.000000Z"),
    ],
)
def test_an_id_or_a_time_that_no_span_can_have_is_refused(
    recorder: TraceRecorder, path: Path, key: str, value: object
) -> None:
    recorder.start()
    path.write_text(json.dumps({**read(path), key: value}))
    with pytest.raises(EvidenceError, match=f"{key}: "):
        load_evidence(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "Invalid JSON"),
        (b"{}", "Field required; if it is no evidence"),
        (b'{"schema_version": "v9"}', r"\(expected v1\)"),
        (b"[]", "document"),
        (None, "No such file"),
    ],
)
def test_damaged_or_foreign_evidence_is_refused(tmp_path: Path, text: bytes | None, said: str) -> None:
    if text is not None:
        (tmp_path / "e.json").write_bytes(text)
    with pytest.raises(EvidenceError, match=said):
        load_evidence(tmp_path / "e.json")
