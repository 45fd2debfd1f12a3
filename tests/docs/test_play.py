"""Every page is played from top to bottom: its files are written, its commands are run, their outputs are as shown."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.otlp_receiver import Receiver, refused_endpoint
from .pages import PAGES, ROOT, Block, Player, blocks, settled, shown

APART = {"docs/export.md"}
"""Played by a test of their own below."""

PLAYED = [page for page in PAGES if page not in APART and any(block.language == "console" for block in blocks(page))]
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
            printed = (
                player.type(command)
                .replace(str(player.folder), "/builds/shop")
                .replace(sys.executable, "/usr/bin/python")
                .replace(f" {Path(sys.executable).name} ", " python ")
            )
            if WRITE and settled(printed) != settled(expected):
                rewrite(page, block, f"$ {command}\n{shown(printed)}")
            else:
                assert settled(printed) == settled(expected), command


def rewrite(page: str, block: Block, body: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    (ROOT / page).write_text(text.replace(f"console\n{block.body}```\n", f"console\n{body}```\n", 1), encoding="utf-8")


def test_the_page_about_export_shows_what_happens(player: Player, collector: Receiver) -> None:
    """The session has 1000 tests, as the page's figure says: a span for each, and their root."""
    session, left, replay, queries = (b.body for b in blocks("docs/export.md") if b.language in ("console", "text"))
    many = "import pytest\n@pytest.mark.parametrize('n', range(1000))\ndef test_it(n):\n    pass\n"
    player.write(Block("python", "test_many.py", many))
    refused, player.apart = refused_endpoint(), True
    printed = player.type(session.removeprefix("$ ").replace(COLLECTOR, refused))
    (line,) = (line for line in printed.splitlines() if " not sent to " in line)
    line = line.replace(refused, COLLECTOR).replace(str(player.folder), "/builds/shop")
    assert re.sub(r"spool/\S+?\.otlp", "spool/….otlp", line) == left.strip()
    for body in (replay, queries):
        command, _, expected = body.removeprefix("$ ").replace(COLLECTOR, collector.http_endpoint).partition("\n")
        assert player.type(command) == expected
    assert len(collector.spans) == 1001


def test_the_recipe_finds_a_test_by_the_digest_in_its_id(
    player: Player, collector: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [f"test_it.py::test_login[https://{name}:pa55word@host]" for name in ("ann", "bob")]
    values = [nodeid.partition("[")[2][:-1] for nodeid in ids]
    source = f"import pytest\n@pytest.mark.parametrize('at', {values})\ndef test_login(at):\n    pass\n"
    player.write(Block("python", "test_it.py", source))
    player.type("pytest", collector.environ("http/protobuf"))
    shown = sorted({span.name for span in collector.spans if "hidden" in span.name})
    assert len(shown) == 2
    (recipe,) = (block.body for block in blocks("docs/export.md") if block.language == "bash")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    command = ["sh", "-c", recipe.replace("3f2a9c1b", shown[0].partition("hidden:")[2][:8])]
    done = subprocess.run(command, cwd=player.folder, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() in ([ids[0]], [ids[1]])


PLAN = """
trace = {id = "LOAD-8", project_id = "warehouse", title = "The snippet", definition_of_done = [
  {condition = "no order is lost", gates = ["TRANSFORM-C1"], next_action = "Look."}]}
attributes = [{name = "quality.row_count", type = "int", meaning = "Orders"}]
phases = [
  {id = "EXTRACT", name = "TAKE", goal = "Take", exit_criteria = ["there"], gates = [
    {id = "G1", purpose = "There", criterion = "there", next_action = "Look."}]},
  {id = "TRANSFORM", name = "SHAPE", goal = "Shape", exit_criteria = ["no order is lost"], gates = [
    {id = "C1", purpose = "No order is lost", criterion = "no order is lost", next_action = "Look."}]},
]
"""
BEFORE = """
import pytest
from pytest_contextcore import Handoff

class Orders(Handoff):
    ids: list[int]

class Shaped(Handoff):
    ids: list[int]

def find_lost(orders):
    return [order for order in orders.ids if order < 0]

@pytest.mark.phase("EXTRACT")
def test_extract(phase):
    with phase.gate("G1"):
        pass
    phase.handoff(Orders(ids=[1, 2, LAST]))

"""


@pytest.mark.parametrize(
    ("last", "ends"), [("3", "LOAD-8 completed: 2 completed"), ("-3", "C1 No order is lost: 1 ord")]
)
def test_the_snippet_of_the_readme_is_a_phase(player: Player, last: str, ends: str) -> None:
    (snippet,) = (block.body for block in blocks("README.md") if block.language == "python")
    player.write(Block("toml", "plan.toml", PLAN))
    player.write(Block("python", "test_load.py", BEFORE.replace("LAST", last) + snippet))
    assert ends in player.type("pytest")


TRAIN = """
import json
from pathlib import Path

Path("model.pkl").write_bytes(b"model")
Path("metrics.json").write_text(json.dumps({"accuracy": ACCURACY}))
"""


@pytest.mark.parametrize(("accuracy", "ends"), [("0.95", "WINE completed"), ("0.85", "observed 0.85, expected >= 0.9")])
def test_the_plan_of_the_readme_runs(player: Player, accuracy: str, ends: str) -> None:
    (snippet,) = (block.body for block in blocks("README.md") if block.language == "toml")
    player.write(Block("toml", "plan.toml", f'[trace]\nid = "WINE"\n\n{snippet}'))
    player.write(Block("python", "train.py", TRAIN.replace("ACCURACY", accuracy)))
    player.write(Block("", "data/wine.parquet", ""))
    assert ends in player.type("contextcore run")


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum on this machine")
def test_the_rollup_of_the_pilot_is_what_sha256sum_computes(
    player: Player, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    player.copy_pilot()
    player.type("pytest pilot_tests/ -q")
    page = [block for block in blocks("docs/pilot.md") if block.title is None]
    shell, python = (block.body for block in page if block.language in ("sh", "python"))
    summed = subprocess.run(["sh", "-ec", shell], cwd=player.folder, capture_output=True, text=True, check=True).stdout
    monkeypatch.chdir(player.folder)
    capsys.readouterr()
    exec(compile(python, "docs/pilot.md", "exec"), {})
    told = capsys.readouterr().out.splitlines()
    assert told[-1].split()[:2] == ["provenance_rollup", f"sha256:{summed.split()[0]}"]
    paths = [line.rstrip(" \\").split()[-1] for line in shell.replace("| sha256sum", "").splitlines()[1:]]
    assert [line.split()[1] for line in told[:-1]] == paths
