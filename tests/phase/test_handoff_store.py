from __future__ import annotations

from pathlib import Path

import pytest

from pytest_contextcore.phase.handoff import Handoff, accept, emit
from pytest_contextcore.phase.handoff_store import HandoffStore
from pytest_contextcore.trace.evidence import HandoffRecord, SpanEvidence


class Rows(Handoff):
    count: int


def span(digest: str) -> SpanEvidence:
    record = HandoffRecord(name="Rows", direction="emitted", digest=digest)
    return SpanEvidence(span_id="A-1", otel_span_id="0" * 16, parent_id="A", phase="ONE", handoffs=[record])


def test_a_later_run_takes_back_what_a_reused_phase_emitted(tmp_path: Path) -> None:
    emitted = emit(Rows(count=3), "A-1")
    HandoffStore(tmp_path, "A").put(emitted)
    later = HandoffStore(tmp_path, "A")
    later.take_back([span(emitted.digest)])
    assert accept(Rows, later.get("Rows")) == Rows(count=3)


def test_a_handoff_of_another_digest_than_the_evidence_records_is_not_taken(tmp_path: Path) -> None:
    HandoffStore(tmp_path, "A").put(emit(Rows(count=3), "A-1"))
    later = HandoffStore(tmp_path, "A")
    later.take_back([span("f" * 64)])
    assert later.get("Rows") is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"Rows": 3}', '{"Rows": {"colour": "red"}}', "[" * 100_000])
def test_a_damaged_file_gives_nothing_back(tmp_path: Path, text: str) -> None:
    (tmp_path / "A.handoffs.json").write_text(text)
    store = HandoffStore(tmp_path, "A")
    store.take_back([span("f" * 64)])
    assert store.get("Rows") is None


def test_a_folder_that_cannot_be_written_to_is_told_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    store = HandoffStore(tmp_path / "out", "A")
    store.put(emit(Rows(count=3), "A-1"))
    assert store.get("Rows") is not None
    assert "handoffs not written to" in str(store.problem)
