"""What programs print: lines as they come, and the end of it as a terminal shows it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast

import pytest

from pytest_contextcore.phase import output
from pytest_contextcore.phase.output import MAX_OUTPUT, MAX_RECORDED, recorded, wait
from pytest_contextcore.text import printed


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\n  indented\ttab\n", "plain\n  indented\ttab\n"),
        ("\x1b[1;31mred\x1b[0m \x1b]0;title\x07and \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n", "red and link\n"),
        ("10%\r50%\r100%\n", "100%\n"),
        ("10%\r\x1b[2K100%\r\ndone\r\n", "100%\ndone\n"),
        ("\r\n\r", "\n"),
        ("a\x00\x08\x9bb \u202eright", "ab \\u202eright"),
        ("\x1b]never ended\nnext", "\nnext"),
    ],
)
def test_a_text_is_shown_as_a_terminal_shows_it(text: str, shown: str) -> None:
    assert printed(text) == shown


def test_escape_sequences_without_end_take_no_time() -> None:
    for text in ("\x1b]" * 200_000, "\x1b[1" * 200_000, "\r" * 400_000):
        assert set(printed(text)) <= {"1", "["}


def test_the_end_of_an_output_is_kept_whatever_stood_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    bar = "".join(f"\r{n:3}% \x1b[32m{'#' * 50}\x1b[0m" for n in range(101))
    assert recorded(f"the error\n{bar}\n").split("\n") == ["the error", f"100% {'#' * 50}", ""]
    assert recorded("x" * 5000) == f"(904 characters) …{'x' * MAX_RECORDED}"
    monkeypatch.setenv("MY_TOKEN", "hunter2hunter2")
    cut = f"er2hunter2\n{chr(27)}[0m".ljust(MAX_OUTPUT, "\r") + "\nend"  # the stream was cut within a secret
    assert recorded(cut) == "\nend"


class Process:
    """A program that prints a piece whenever somebody waits for it, and then ends, or never does."""

    def __init__(self, streams: Sequence[IO[bytes]], pieces: Sequence[tuple[int, bytes]], *, hangs: bool) -> None:
        self._streams, self._pieces, self._hangs = streams, iter(pieces), hangs

    def wait(self, timeout: float) -> None:
        for stream, piece in self._pieces:
            self._streams[stream].write(piece)
            self._streams[stream].flush()
            raise subprocess.TimeoutExpired("tool", timeout)
        if self._hangs:
            raise subprocess.TimeoutExpired("tool", timeout)


Heard = list[tuple[list[str], str]]


@pytest.fixture
def streams(tmp_path: Path) -> Iterator[list[IO[bytes]]]:
    with (tmp_path / "out").open("w+b") as out, (tmp_path / "err").open("w+b") as err:
        yield [out, err]


def listen(
    streams: list[IO[bytes]], *pieces: tuple[int, bytes], timeout: float | None = None, hangs: bool = False
) -> Heard:
    heard: Heard = []
    process = cast(Any, Process(streams, pieces, hangs=hangs))
    try:
        wait(process, timeout, streams, lambda lines, state: heard.append((lines, state)))
    except subprocess.TimeoutExpired:
        assert hangs
    return heard


def test_lines_are_told_whole_as_they_end_and_bars_as_they_stand(
    streams: list[IO[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "hunter2hunter2")
    pieces = [
        (0, b"epo"),
        (1, b"warn\nsecret hunter2"),
        (0, b"ch 1\n 10%\r 5"),
        (1, b"hunter2\n"),
        (0, b"0%\r\ndo\xc3"),
    ]
    heard = listen(streams, *pieces, (0, b"\xa4"))
    assert heard == [
        (["warn"], ""),
        (["epoch 1"], " 10%"),
        (["secret ***"], ""),
        ([" 50%"], ""),
        (["doä"], ""),
    ]


def test_who_prints_a_lot_at_once_is_shown_in_part_and_that_is_said(
    streams: list[IO[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "_MAX_LOOK", 16)
    heard = listen(streams, (0, b"begun"), (0, b" is cut\n" + b"lost " * 99 + b"in part\n1\n2\n3"), (0, b"4\n"))
    assert heard == [(["(over 500 bytes are not shown)", "1", "2"], ""), (["34"], "")]


def test_what_came_before_a_deadline_is_told(streams: list[IO[bytes]]) -> None:
    assert listen(streams, (0, b"last words"), timeout=0, hangs=True) == [(["last words"], "")]


def test_a_line_without_end_is_neither_kept_nor_shown_in_part(
    streams: list[IO[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "_MAX_LINE", 16)
    heard = listen(
        streams, (0, b"x" * 17), (0, b"y" * 17), (0, b"z\nnext\n"), (0, b"1%\r" * 9 + b"2%"), (0, b"\rend\n")
    )
    assert heard == [
        (["(a line of more than 16 bytes)"], ""),
        (["next"], ""),
        ([], "1%"),
        (["end"], ""),
    ]
