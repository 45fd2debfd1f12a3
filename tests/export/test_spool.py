"""The spool: what is in it when a process dies, a disk is full, or bytes are damaged."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from pytest_contextcore.export import messages, wire
from pytest_contextcore.export.spool import Spool

from ..support.spools import filled, names, spans


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out" / "spool" / "run.otlp"


def test_a_span_is_in_the_file_when_append_returns_and_the_file_is_one_otlp_message(path: Path) -> None:
    made = spans(3)
    spool = Spool(path, wire.head({"service.name": "shop"}))
    assert not path.exists()
    for count, span in enumerate(made, 1):
        assert spool.append(wire.frame(span))
        found = ResourceSpans.FromString(path.read_bytes())
        assert [held.spans[0].name for held in found.scope_spans] == [span.name for span in made[:count]]
    assert found.resource.attributes[0].value.string_value == "shop"
    assert spool.pending == 3


def test_threads_do_not_mix_their_spans(path: Path) -> None:
    spool = Spool(path, wire.head({}))
    texts = ["x" * n for n in (1, 3_000, 200_000)]
    made = [wire.frame(span) for text in texts for span in spans(40, text)]
    threads = [
        threading.Thread(target=lambda part=part: [*map(spool.append, part)]) for part in (made[::2], made[1::2])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pieces = list(spool.pieces())
    assert sorted(piece.data for piece in pieces) == sorted(made)


def test_what_cannot_be_written_is_told_and_counted_and_never_raised(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file where the folder should be")
    spool = Spool(tmp_path / "spool" / "run.otlp", wire.head({}))
    assert not spool.append(b"x")
    spool.begin(b"x")
    assert spool.lost == 1
    assert "run.otlp: " in str(spool.problem)


def test_a_full_disk_leaves_whole_spans_and_later_ones_follow(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three = map(wire.frame, spans(3))
    spool = Spool(path, wire.head({}))
    spool.append(one)
    real, left = os.write, [10]

    def short(descriptor: int, data: bytes) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        written, left[0] = real(descriptor, data[: left[0]]), 0
        return written

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", short)
        assert not spool.append(two)
    assert spool.append(three)
    assert names(spool) == ["test 0", "test 2"]
    assert spool.lost == 1
    assert all(piece.whole for piece in spool.pieces())


def test_every_torn_end_costs_its_own_span_only(path: Path) -> None:
    filled(path, spans(3))
    data = path.read_bytes()
    ends = [piece.end for piece in Spool(path).pieces()]
    for size in range(len(data)):
        path.write_bytes(data[:size])
        whole = sum(end <= size for end in ends)
        pieces = list(Spool(path).pieces())
        assert sum(piece.whole for piece in pieces) == whole
        assert pieces[-1].end == size if pieces else size <= ends[0]
        filled(path, spans(1))  # a later run goes on behind it
        assert names(Spool(path))[-1] == "test 0"


def test_the_span_behind_a_torn_end_that_lacks_the_byte_with_which_it_begins_is_not_lost(path: Path) -> None:
    torn = next(span for span in spans(10_000) if wire.frame(span)[-1] == wire.FRAME)
    filled(path, [torn])
    path.write_bytes(path.read_bytes()[:-1])
    spool = filled(path, spans(2))
    assert names(spool) == [torn.name, "test 0", "test 1"]
    assert [piece.data for piece in spool.pieces() if not piece.whole] == [b""]


@pytest.mark.parametrize("which", [0, 1])
def test_each_flipped_bit_of_a_frame_costs_that_frame_only(path: Path, which: int) -> None:
    filled(path, spans(3))
    data = path.read_bytes()
    first, second, _ = [piece.end for piece in Spool(path).pieces()]
    start, end = ((first, second), (first - (second - first), first))[which]
    others = [name for name in ("test 0", "test 1", "test 2") if name != f"test {1 - which}"]
    for bit in range(8 * start, 8 * end):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        assert names(Spool(path)) == others, f"bit {bit}"
        assert sum(len(piece.data) for piece in Spool(path).pieces() if not piece.whole) == end - start


def test_each_flipped_bit_of_the_head_loses_no_span(path: Path) -> None:
    filled(path, spans(2))
    data = path.read_bytes()
    head = len(Spool(path).head())
    for bit in range(8 * head):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        assert names(Spool(path)) == ["test 0", "test 1"]
        ResourceSpans.FromString(Spool(path).head())


def test_damage_in_a_long_file_is_found_by_windows(path: Path) -> None:
    filled(path, spans(40, "x" * 300_000))
    data = bytearray(path.read_bytes())
    for at in range(1_000_000, len(data), 2_500_000):
        data[at : at + 700_000] = os.urandom(700_000)
    path.write_bytes(data)
    pieces = list(Spool(path).pieces())
    assert b"".join(piece.data for piece in pieces) == bytes(data)[len(Spool(path).head()) :]
    assert 15 < sum(piece.whole for piece in pieces) < 30
    assert all(messages.scope_of(piece.data).spans for piece in pieces if piece.whole)


def test_the_note_of_what_was_accepted_is_not_believed_of_another_file(path: Path) -> None:
    spool = filled(path, spans(4))
    ends = [piece.end for piece in spool.pieces()]
    spool.accepted(ends[1])
    assert (spool.position(), spool.pending) == (ends[1], 2)
    for note in ("", "x", "-5 7", f"{ends[1]} 7", "999999 7"):
        path.with_name("run.otlp.sent").write_text(note)
        assert (spool.position(), spool.pending) == (0, 4)
    spool.accepted(ends[1])
    path.unlink()
    filled(path, spans(4))
    assert spool.position() == 0


def test_a_file_is_removed_when_all_was_accepted_unless_it_shall_stay(path: Path) -> None:
    for keep in (False, True):
        spool = filled(path, spans(2))
        spool.keep = keep
        spool.begin(b"")
        assert not spool.settle()
        spool.accepted(path.stat().st_size)
        assert spool.settle()
        assert path.exists() == keep
        assert spool.opened.exists() == keep


@pytest.mark.parametrize("content", [b"", b"notes", b"\x12" * 9_000])
def test_a_file_that_is_no_spool_is_never_removed(tmp_path: Path, content: bytes) -> None:
    other = tmp_path / "notes.txt"
    other.write_bytes(content)
    assert Spool(other).settle()
    assert other.read_bytes() == content


def test_a_closed_spool_takes_nothing_more(path: Path) -> None:
    spool = Spool(path, wire.head({}))
    spool.close()
    assert not spool.append(b"x")
    assert not path.exists()


def test_a_file_is_claimed_by_one_and_not_while_its_run_goes_on(path: Path) -> None:
    writer = Spool(path, wire.head({}))
    writer.append(wire.frame(spans(1)[0]))
    first, second = Spool(path), Spool(path)
    assert not first.claim()
    writer.close()
    first.close()
    assert second.claim()
    assert not Spool(path).claim()
    second.close()
