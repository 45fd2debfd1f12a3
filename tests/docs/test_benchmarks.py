"""The speed benchmarks: what is computed and counted; measuring itself needs hours and a package index."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from benchmarks.compare import read_options
from benchmarks.speed import cases, subjects
from benchmarks.speed.collectors import Collectors
from benchmarks.speed.environments import Environment
from benchmarks.speed.suites import write_suite
from benchmarks.speed.table import added, markdown, replaced
from pytest_contextcore.export.send import send
from pytest_contextcore.export.settings import Settings
from pytest_contextcore.span import SpanData

from ..support.spools import filled

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
CASE = cases.Case("x", "x", "http", 1_000, "µs CPU a test", "live")


def test_every_command_of_the_page_is_understood() -> None:
    commands = re.findall(r"^python -m benchmarks.compare(.*)$", PAGE.read_text(encoding="utf-8"), re.M)
    assert len(commands) > 3
    for command in commands:
        options = read_options(shlex.split(command))
        assert cases.chosen(options.case, quick=options.quick)[0]
        assert subjects.chosen(options.subject, everything=options.all)


def test_an_unknown_case_or_subject_is_refused_with_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"no such case: http-7.*http-5000"):
        cases.chosen(["http-7"], quick=False)
    with pytest.raises(ValueError, match=r"no subject is named 'nobody'.*pytest-otel"):
        subjects.chosen(["nobody"], everything=False)


def test_a_run_is_compared_with_bare_pytest_of_its_own_round() -> None:
    bare = [{"cpu": 1.0}, {"cpu": 2.0}, {"cpu": 9.0}]
    figure = added(CASE, [{"cpu": 1.1}, {"cpu": 2.3}, {"cpu": 9.2}], bare)
    assert figure is not None
    assert round(figure.median) == 200
    assert figure.pairs == 3


def test_the_tables_say_what_was_lost_and_replace_the_old_ones() -> None:
    run = {"cpu": 1.0, "wall": 1.0, "memory": 50.0, "requests": 1, "spans": 5001, "distinct": 5001, "attributes": [2]}
    cell = {
        "bare 9": [{"cpu": 0.5, "wall": 0.5, "memory": 40.0}] * 2,
        "contextcore": [{**run, "tests": 5000}] * 2,
        "pytest-otel": [{**run, "cpu": 1.5, "tests": 5000}, {**run, "cpu": 1.5, "tests": 4000}],
    }
    data = {
        "about": {"platform": "x", "cores": 2, "sources": "d"},
        "versions": {"contextcore": {"pytest": "9"}, "pytest-otel": {"pytest": "9"}},
        "cells": {"http-5000": cell},
        "extra": {},
    }
    text = markdown(data)
    assert "up to 1,000 (1 of 2 runs)" in text
    assert "| **contextcore** | 100 |" in text
    assert "200 (pytest-otel) | 2.0 |" in text
    assert "| **100** µs CPU a test | yes | 400 |" in text  # bare is four times as fast as where the target was set
    page = replaced("a\n<!-- benchmarks: begin -->\nold\n<!-- benchmarks: end -->\nb", "new")
    assert page == "a\n<!-- benchmarks: begin -->\n\nnew\n\n<!-- benchmarks: end -->\nb"


def test_a_suite_has_as_many_tests_as_asked_for_each_with_its_own_id(pytester: pytest.Pytester) -> None:
    home = write_suite(pytester.path, "plain", 103)
    result = pytester.runpytest_subprocess("--collect-only", "-q", "-p", "no:randomly", str(home))
    found = re.findall(r"\[(f\d\dn\d{4})\]", result.stdout.str())
    assert len(found) == len(set(found)) == 103


def test_the_receiver_counts_spans_by_id_and_tests_by_their_name(tmp_path: Path) -> None:
    with Collectors(Environment("this", Path(sys.executable), {})) as collectors:
        names = ["test_a.py::test[f00n0000]", "test_a.py::test[f00n0001]", "test_a.py::test[f00n0001]", "pytest"]
        spans = [SpanData(name, "ab" * 16, f"{n + 1:016x}", None, 1, 2, {"a": n}) for n, name in enumerate(names)]
        for mode, protocol in (("http", "http/json"), ("http", "http/protobuf"), ("grpc", "grpc")):
            environ = collectors.environ("live", mode) | {"OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
            collectors.reset()
            spool = filled(tmp_path / "x.otlp", [*spans, spans[0]])
            assert send(Settings.from_environ(environ), [spool], seconds=20.0).lines == []
            counted = collectors.count(subjects.SUBJECTS[0].test_span)
            assert counted == {"requests": 1, "spans": 5, "distinct": 4, "tests": 2, "attributes": [1]}, protocol
