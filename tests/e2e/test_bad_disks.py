"""Disks that fill up, folders that go away, clocks that go backwards: outcomes stay what they are, and a line says it.

A limit of the size of files stands in for a full disk: writing fails midway, with what came before in the file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.export.spool import Spool
from pytest_contextcore.trace.resume import load_evidence

from ..support.otlp_receiver import Receiver, refused_endpoint
from ..support.plans import PASSING, Suite
from ..support.spools import names

Read = Callable[..., dict[str, Any]]

LARGE = PASSING.replace("    count: int\n", "    count: int\n    text: str = 'x' * 8000\n")
LOSING = LARGE.replace("assert rows.count == 3", "assert rows.count == 4, 'a row is lost'")
LIMIT = """
    import resource
    from pathlib import Path
    files = list(Path("out").glob({pattern!r}))
    assert files or {extra} == 0
    size = max((path.stat().st_size for path in files), default=0) + {extra}
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
"""
FREE = """
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""
HOW_EACH_ENDS = {LARGE: (0, {"passed": 3}), LOSING: (1, {"passed": 1, "failed": 1, "skipped": 1})}
either_way = pytest.mark.parametrize("source", HOW_EACH_ENDS, ids=["completed", "blocked"])
with_and_without_workers = pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "xdist"])


def at(phase: str, lines: str, source: str) -> str:
    """The tests, with these lines at the beginning of one of them."""
    head = f"def test_{phase}(phase):\n"
    assert head in source
    return source.replace(head, head + lines.lstrip("\n"))


def full_from(phase: str, source: str, pattern: str, extra: int) -> str:
    """From this phase on no file grows larger than the largest of this pattern is then, and so many bytes."""
    return at(phase, LIMIT.format(pattern=pattern, extra=extra), source)


def said_of(result: pytest.RunResult) -> str:
    return result.stdout.str() + result.stderr.str()


def assert_undisturbed(result: pytest.RunResult, source: str) -> str:
    """Exit code and outcomes are those of a run with a good disk; what it said."""
    said = said_of(result)
    code, outcomes = HOW_EACH_ENDS[source]
    assert result.ret == code, said
    result.assert_outcomes(**outcomes)
    assert "Traceback" not in said
    assert "INTERNALERROR" not in said
    assert "contextcore" not in "".join(line for line in said.splitlines() if "Warning" in line)
    return said


def names_in(path: Path) -> list[str]:
    """The names of the spans in a file, each line of which must be whole."""
    text = path.read_text(encoding="utf-8")
    assert text == "" or text.endswith("\n")
    return [
        span["name"]
        for line in text.splitlines()
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def no_leftovers(out: Path) -> bool:
    """Nothing half written lies about."""
    return not [path.name for path in out.iterdir() if path.name.startswith(".")]


@either_way
@with_and_without_workers
def test_a_disk_that_fills_up_leaves_the_last_evidence_that_fitted(
    suite: Suite, source: str, workers: tuple[str, ...]
) -> None:
    suite.write(full_from("transform", source, "LOAD-7.json", 60))
    said = assert_undisturbed(suite.run(*workers), source)
    out = suite.pytester.path / "out"
    assert re.search(r"^evidence not written to .*/out/LOAD-7.json: File too large$", said, re.M)
    found = load_evidence(out / "LOAD-7.json", unaltered=True)
    assert [str(span.status) for span in found.spans] == ["completed", "in_progress", "not_started"]
    assert no_leftovers(out)


@either_way
@with_and_without_workers
def test_a_disk_that_fills_up_leaves_whole_lines_of_spans(suite: Suite, source: str, workers: tuple[str, ...]) -> None:
    suite.write(full_from("transform", source, "LOAD-7.otlp.jsonl", 60))
    said = assert_undisturbed(suite.run(*workers), source)
    assert re.search(r"^spans not written to .*/out/LOAD-7.otlp.jsonl: File too large$", said, re.M)
    assert names_in(suite.pytester.path / "out/LOAD-7.otlp.jsonl") == ["LOAD-7-E-C1", "LOAD-7-E EXTRACT"]


def test_spans_that_come_after_room_was_made_are_whole_lines(suite: Suite) -> None:
    source = full_from("transform", LARGE, "LOAD-7.otlp.jsonl", 60)
    suite.write(at("publish", FREE, source))
    said = assert_undisturbed(suite.run(), LARGE)
    assert "spans not written to" in said
    found = names_in(suite.pytester.path / "out/LOAD-7.otlp.jsonl")
    assert found == ["LOAD-7-E-C1", "LOAD-7-E EXTRACT", "LOAD-7-P-C1", "LOAD-7-P PUBLISH", "LOAD-7"]
    assert load_evidence(suite.pytester.path / "out/LOAD-7.json", unaltered=True).status == "completed"


@either_way
@with_and_without_workers
def test_a_disk_that_fills_up_leaves_whole_spans_in_the_spool(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, source: str, workers: tuple[str, ...]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refused_endpoint())
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", f"note={'x' * 3900}")  # what the terminal shows fits into a file
    suite.write(full_from("transform", source, "spool/*.otlp", 60))
    said = assert_undisturbed(suite.run(*workers), source)
    assert re.search(r"^spool .*\.otlp: File too large; \d+ spans are lost$", said, re.M)
    (line,) = [line for line in said.splitlines() if "contextcore replay" in line]
    (spool,) = (suite.pytester.path / "out/spool").glob("*.otlp")
    assert names(Spool(spool)) == ["LOAD-7-E-C1", "LOAD-7-E EXTRACT"]
    assert line.startswith("2 spans not sent to ")


@either_way
def test_a_handoff_that_does_not_fit_is_received_all_the_same_and_a_line_says_so(suite: Suite, source: str) -> None:
    suite.write(full_from("extract", source, "*.nothing", 0).replace("+ 0\n", "+ 7000\n"))
    said = assert_undisturbed(suite.run(), source)
    out = suite.pytester.path / "out"
    assert re.search(r"^handoffs not written to .*/out/LOAD-7.handoffs.json: File too large$", said, re.M)
    assert not (out / "LOAD-7.handoffs.json").exists()
    assert no_leftovers(out)


def test_a_limit_from_the_start_leaves_nothing_and_changes_no_outcome(suite: Suite) -> None:
    suite.pytester.makeconftest(
        "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.RLIM_INFINITY))\n"
    )
    suite.write(LOSING)
    said = assert_undisturbed(suite.run("-p", "no:cacheprovider", "--contextcore-html=page.html"), LOSING)
    assert "evidence not written to" in said
    assert "ERROR: --contextcore-html: no page" in said
    assert not (suite.pytester.path / "out/LOAD-7.json").exists()
    assert not (suite.pytester.path / "page.html").exists()


# --- folders ---------------------------------------------------------------------------------------------------------


NOTHING_FITS = Path("/proc/contextcore")
"""A file system that can only be read, for root too."""


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="there is no /proc, which takes no new folder")
@either_way
@with_and_without_workers
def test_a_folder_that_cannot_be_made_changes_no_outcome(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, source: str, workers: tuple[str, ...]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refused_endpoint())
    suite.write(source)
    said = assert_undisturbed(suite.run(f"--contextcore-out={NOTHING_FITS}", *workers), source)
    for beginning in ("evidence not written to ", "spans not written to ", "handoffs not written to ", "spool "):
        assert len([line for line in said.splitlines() if line.startswith(beginning)]) == 1, beginning
    assert not NOTHING_FITS.exists()


REPLACING = "    import shutil\n    from pathlib import Path\n    shutil.rmtree('out')\n    Path('out').touch()\n"


def test_a_file_that_comes_to_stand_in_the_place_of_the_folder_changes_no_outcome(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refused_endpoint())
    suite.write(at("transform", REPLACING, LARGE))
    said = assert_undisturbed(suite.run(), LARGE)
    for beginning in ("evidence not written to ", "spans not written to ", "spool "):
        assert len([line for line in said.splitlines() if line.startswith(beginning)]) == 1, beginning
    assert (suite.pytester.path / "out").is_file()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes where the permission bits forbid it")
@either_way
def test_a_folder_that_may_only_be_read_changes_no_outcome(suite: Suite, source: str) -> None:
    suite.pytester.mkdir("out").chmod(0o555)
    suite.write(source)
    said = assert_undisturbed(suite.run(), source)
    assert re.search(r"^evidence not written to .*: Permission denied$", said, re.M)
    assert list((suite.pytester.path / "out").iterdir()) == []


REMOVING = "    import shutil\n    shutil.rmtree('out')\n"


@either_way
@with_and_without_workers
def test_a_folder_that_a_phase_removes_is_made_anew_and_a_line_says_what_is_gone(
    suite: Suite, evidence: Read, source: str, workers: tuple[str, ...]
) -> None:
    suite.write(at("transform", REMOVING, source))
    said = assert_undisturbed(suite.run(*workers), source)
    out = suite.pytester.path / "out"
    found = load_evidence(out / "LOAD-7.json", unaltered=True)
    assert found.status == ("completed" if source is LARGE else "blocked")
    assert re.search(r"^spans: .*/out/LOAD-7.otlp.jsonl was removed while the run went on; .*$", said, re.M)
    assert "LOAD-7-T TRANSFORM" in names_in(out / "LOAD-7.otlp.jsonl")
    assert no_leftovers(out)


@pytest.mark.parametrize("up", [True, False], ids=["collector", "no collector"])
def test_spans_of_a_spool_that_a_phase_removes_are_said_to_be_lost(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, up: bool
) -> None:
    suite.write(at("transform", REMOVING, LARGE))
    with Receiver() as receiver:
        endpoint = receiver.environ("http/protobuf") if up else {"OTEL_EXPORTER_OTLP_ENDPOINT": refused_endpoint()}
        for name, value in endpoint.items():
            monkeypatch.setenv(name, value)
        said = assert_undisturbed(suite.run(), LARGE)
    (line,) = [line for line in said.splitlines() if line.startswith("spool ")]
    assert re.search(r"it was removed while the run went on; \d+ spans are lost$", line)


# --- clocks ----------------------------------------------------------------------------------------------------------

BACKWARDS = """
import itertools
import time

_now, _hours = time.time_ns(), itertools.count()
time.time_ns = lambda: _now - next(_hours) * 3_600_000_000_000
time.time = lambda: time.time_ns() / 1e9
"""


@either_way
@with_and_without_workers
def test_a_clock_that_goes_backwards_changes_no_outcome_and_makes_no_span_end_before_it_began(
    suite: Suite, exporting: Receiver, source: str, workers: tuple[str, ...]
) -> None:
    suite.pytester.makeconftest(BACKWARDS)
    suite.write(source + "\n\ndef test_ordinary(subtests):\n    with subtests.test('part'):\n        pass\n")
    result = suite.run(*workers)
    said = said_of(result)
    assert result.ret == HOW_EACH_ENDS[source][0], said
    assert "Traceback" not in said
    found = load_evidence(suite.pytester.path / "out/LOAD-7.json", unaltered=True)
    assert [str(span.status) for span in found.spans] == (
        ["completed"] * 3 if source is LARGE else ["completed", "blocked", "not_started"]
    )
    moments = [(found.started_at, found.ended_at)]
    moments += [(span.started_at, span.ended_at) for span in found.spans]
    moments += [(gate.started_at, gate.ended_at) for span in found.spans for gate in span.gates]
    assert all(begun <= ended for begun, ended in moments if begun is not None and ended is not None)
    spans = exporting.spans
    assert len(spans) >= 9
    assert all(0 < span.start_time_unix_nano <= span.end_time_unix_nano for span in spans)


def test_evidence_from_the_future_can_be_resumed(suite: Suite, evidence: Read) -> None:
    (suite.pytester.path / "broken").touch()
    suite.pytester.makeconftest("import time\n_then = time.time_ns() + 10**18\ntime.time_ns = lambda: _then\n")
    suite.write(at("publish", "    from pathlib import Path\n    assert not Path('broken').exists()\n", LARGE))
    assert suite.run().ret == 1
    suite.pytester.makeconftest("")
    (suite.pytester.path / "broken").unlink()
    assert suite.run("--contextcore-resume").ret == 0
    found = evidence()
    assert [span["reused"] for span in found["spans"]] == [True, True, False]
    assert found["status"] == "completed"
    assert found["started_at"] <= found["ended_at"]
