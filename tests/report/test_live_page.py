"""What the page is made of while a run goes on, and where it is not written."""

from __future__ import annotations

import os
import threading
from itertools import repeat
from pathlib import Path

from pytest_contextcore.report.page.live import LivePage, news
from pytest_contextcore.report.verdict import of_trace
from pytest_contextcore.trace.file import dump, evidence_path

from ..support import page_samples as samples

OURS, OTHERS = "a" * 32, "b" * 32


def test_only_evidence_of_this_run_is_news_and_each_state_of_it_once(tmp_path: Path) -> None:
    found = news(tmp_path, OURS, ["LOAD-7", "LOAD-8"], of_trace)
    assert next(found) == ()
    evidence = samples.running(1)
    evidence_path(tmp_path, "LOAD-8").write_bytes(b"damaged")
    for run, expected in ((OTHERS, []), (OURS, ["LOAD-7"])):
        evidence.runs = [run]
        evidence_path(tmp_path, "LOAD-7").write_bytes(dump(evidence))
        assert [verdict.evidence.trace_id for verdict in next(found)] == expected
        assert next(found) == ()


def test_what_a_killed_run_left_half_written_beside_the_page_is_removed(tmp_path: Path) -> None:
    for name in (".page.html.123-456", ".page.html.bak", ".other.html.123-456"):
        (tmp_path / name).touch()
    LivePage(tmp_path / "page.html", repeat(()), tmp_path).stop()
    assert {path.name for path in tmp_path.iterdir()} == {".page.html.bak", ".other.html.123-456"}


def test_into_a_pipe_goes_no_page_of_a_run_that_goes_on(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "page.html")
    page = LivePage(tmp_path / "page.html", iter(()), tmp_path)
    assert "contextcore-page" not in {thread.name for thread in threading.enumerate()}
    page.stop()
