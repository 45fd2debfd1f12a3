"""Every page is played from top to bottom: its files are written, its commands are run, their outputs are as shown."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from ..support.otlp_receiver import Receiver, refused_endpoint
from .pages import PAGES, ROOT, Block, Player, blocks, settled, shown

PLAYED = [page for page in PAGES if any(block.language == "console" for block in blocks(page))]
BEGINS_WITH = {"docs/ci.md": "docs/runs.md"}
"""A page that uses the files of another one."""

WITH_THE_PILOT = ("README.md", "docs/pilot.md")
COLLECTOR = "http://localhost:4318"
WRITE = os.environ.get("CONTEXTCORE_WRITE_PAGES") == "1"
"""Write what happened into the pages instead; read the difference before you commit it."""


@pytest.fixture
def player(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Player:
    return Player(pytester, monkeypatch)


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.mark.parametrize("page", PLAYED)
def test_what_a_page_shows_is_what_happens(page: str, player: Player) -> None:
    if page in WITH_THE_PILOT:
        player.copy_pilot()
    if page in BEGINS_WITH:
        player.write_files(BEGINS_WITH[page])
    for block in blocks(page):
        if block.title is not None:
            player.write(block)
        elif block.language == "console":
            command, _, expected = block.body.removeprefix("$ ").partition("\n")
            printed = player.type(command).replace(str(player.folder), "/builds/shop")
            if WRITE and settled(printed) != settled(expected):
                rewrite(page, block, f"$ {command}\n{shown(printed)}")
            else:
                assert settled(printed) == settled(expected), command


def rewrite(page: str, block: Block, body: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    (ROOT / page).write_text(text.replace(f"console\n{block.body}```\n", f"console\n{body}```\n", 1), encoding="utf-8")
