"""The speed benchmarks: what is computed and counted; measuring itself needs minutes and a package index."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from benchmarks.instructions import Cost, chosen, read_options, replaced, rows
from benchmarks.speed.collector import Collector
from benchmarks.speed.environments import Environment
from benchmarks.speed.subjects import SUBJECTS, TARGETS
from benchmarks.speed.suites import write_suite
from pytest_contextcore.export.send import send
from pytest_contextcore.export.settings import Settings
from pytest_contextcore.span import SpanData

from ..support.spools import filled

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def test_every_command_of_the_page_is_understood() -> None:
    commands = re.findall(r"^python -m benchmarks.instructions(.*)$", PAGE.read_text(encoding="utf-8"), re.M)
    assert len(commands) > 1
    for command in commands:
        assert chosen(read_options(shlex.split(command)).subject)


def test_a_subject_is_measured_with_its_rivals_and_an_unknown_one_is_refused() -> None:
    names = [subject.name for subject in chosen("ten attributes")]
    assert names == ["pytest-otel, HTTP", "SDK floor", "ten attributes, HTTP, wheel"]
    with pytest.raises(ValueError, match=r"begins with 'nobody'.*pytest-otel, HTTP"):
        chosen("nobody")


def test_a_figure_is_what_is_added_to_bare_pytest() -> None:
    ours = Cost.of({10: 150.0, 410: 950.0}.__getitem__, 10, 410)
    assert (ours.test, ours.start) == (2.0, 130.0)
    added = ours.over(Cost(1.5, 30.0))
    assert (added.test, added.start, added.full) == (0.5, 100.0, 0.52)


def test_the_tables_say_which_target_was_met() -> None:
    slow = {subject.name: Cost(1e6, 1e9) for subject in SUBJECTS}
    fast = slow | {TARGETS[0].ours: Cost(0.4e6, 0.4e9)}
    text = "\n".join(rows(fast, slow))
    assert "| yes | - |" in "\n".join(rows(fast, {}))
    assert f"| {TARGETS[0].title} | ≤ 0.50 | **0.40** | yes | 1.00 |" in text
    assert f"| {TARGETS[2].title} | ≤ 0.42 | **1.00** | **no** | 1.00 |" in text
    assert f"| {TARGETS[0].ours} | 400 | 400 | 480 | 1000000000000 | 1000000000000 |" in text


def test_a_page_keeps_all_but_its_tables() -> None:
    page = replaced("a\n<!-- benchmarks: begin -->\nold\n<!-- benchmarks: end -->\nb", "new")
    assert page == "a\n<!-- benchmarks: begin -->\n\nnew\n\n<!-- benchmarks: end -->\nb"
    with pytest.raises(ValueError, match="needs one line"):
        replaced("a", "new")


def test_a_suite_has_as_many_tests_as_asked_for_each_with_its_own_id(pytester: pytest.Pytester) -> None:
    home = write_suite(pytester.path, 103)
    result = pytester.runpytest_subprocess("--collect-only", "-q", "-p", "no:randomly", str(home))
    found = re.findall(r"\[(f\d\dn\d{4})\]", result.stdout.str())
    assert len(found) == len(set(found)) == 103


def test_the_receiver_counts_spans_by_id_and_tests_by_their_name(tmp_path: Path) -> None:
    with Collector(Environment(Path(sys.executable), {})) as collector:
        names = ["test_a.py::test[f00n0000]", "test_a.py::test[f00n0001]", "test_a.py::test[f00n0001]", "pytest"]
        spans = [SpanData(name, "ab" * 16, f"{n + 1:016x}", None, 1, 2, {"a": n}) for n, name in enumerate(names)]
        for mode, protocol in (("http", "http/json"), ("http", "http/protobuf"), ("grpc", "grpc")):
            environ = collector.environ(mode) | {"OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
            collector.reset()
            spool = filled(tmp_path / "x.otlp", [*spans, spans[0]])
            assert send(Settings.from_environ(environ), [spool], seconds=20.0).lines == []
            counted = collector.count()
            assert counted == {"requests": 1, "spans": 5, "distinct": 4, "tests": 2, "attributes": [1]}, protocol
