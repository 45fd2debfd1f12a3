from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_contextcore.errors import HandoffRefused
from pytest_contextcore.phase import handoff_store
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


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('\\"count\\":3', '\\"count\\":4'),
        ('"A-1"', '"A-2"'),
        ('"name": "Rows"', '"name": "Rowz"'),
        ('"kind": "R', '"kind": "P'),
    ],
)
def test_a_handoff_that_is_not_whole_is_not_taken(tmp_path: Path, old: str, new: str) -> None:
    emitted = emit(Rows(count=3), "A-1")
    store = HandoffStore(tmp_path, "A")
    store.put(emitted)
    text = store.path.read_text()
    assert old in text
    store.path.write_text(text.replace(old, new))
    later = HandoffStore(tmp_path, "A")
    assert later.lost(span(emitted.digest)) == "Rows"
    later.take_back([span(emitted.digest)])
    with pytest.raises(HandoffRefused, match="handoff Rows was not emitted") as caught:
        later.get("Rows")
    assert "phase.handoff(Rows(…))" in caught.value.next_action


@pytest.mark.parametrize("text", ["", "[]", "{", '{"Rows": 3}', '{"Rows": {"colour": "red"}}', "[" * 100_000])
def test_a_damaged_file_gives_nothing_back(tmp_path: Path, text: str) -> None:
    (tmp_path / "A.handoffs.json").write_text(text)
    store = HandoffStore(tmp_path, "A")
    store.take_back([span("f" * 64)])
    with pytest.raises(HandoffRefused, match="was not emitted"):
        store.get("Rows")


def test_a_folder_that_cannot_be_written_to_is_told_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    store = HandoffStore(tmp_path / "out", "A")
    store.put(emit(Rows(count=3), "A-1"))
    assert store.get("Rows").span_id == "A-1"
    assert "handoffs not written to" in str(store.problem)


def test_what_earlier_runs_handed_on_stays_newest_first_as_far_as_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emitted = [emit(Rows(count=count), "A-1") for count in range(4)]

    def run(number: int, *, earlier: bool = True) -> list[str]:
        store = HandoffStore(tmp_path, "A", earlier=earlier)
        store.put(emitted[number])
        assert store.get("Rows") == emitted[number]  # what an earlier run emitted is not received
        return [emitted["payload"] for emitted, _ in json.loads(store.path.read_bytes())]

    payloads = [each.payload for each in emitted]
    assert [run(number) for number in (0, 1, 0)] == [payloads[:1], [payloads[1], payloads[0]], payloads[:2]]
    monkeypatch.setattr(handoff_store, "_MOST_OF_EARLIER_RUNS", len(payloads[0]))
    assert run(2) == [payloads[2], payloads[0]]
    monkeypatch.setenv("COUNT_TOKEN", payloads[2])
    assert run(3) == [payloads[3], payloads[0]]  # it is a secret now
    assert run(1, earlier=False) == [payloads[1]]
