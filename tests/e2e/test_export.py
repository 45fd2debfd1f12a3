"""A whole run against a real OTLP receiver: what a backend gets, and what may go wrong on the way."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.commands.cli import main
from pytest_contextcore.export.spool import Spool
from pytest_contextcore.span import INTERRUPTED

from ..support import spools as spool_files
from ..support.otlp_receiver import Receiver, refused_endpoint, silent_endpoint
from ..support.plans import PASSING, Suite
from ..support.traces import names, one, otlp_lines, sent

Read = Callable[..., dict[str, Any]]
KILLS = 60 if os.environ.get("CONTEXTCORE_LONG") == "1" else 2
"""How many random moments are tried; all of them with ``CONTEXTCORE_LONG=1``."""

MANY = "import pytest\n@pytest.mark.parametrize('n', range({count}))\ndef test_many(n):\n    pass\n"
LOGGING = """
import os

def pytest_runtest_logstart(nodeid):
    if "PYTEST_XDIST_WORKER" in os.environ or "-n" not in os.environ["HOW"]:
        with open(f"began-{os.getpid()}", "a") as log:
            log.write(f"{nodeid}\\n")
"""


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that is down while the tests run."""
    exporting_to(monkeypatch, refused_endpoint())


def exporting_to(monkeypatch: pytest.MonkeyPatch, endpoint: str, protocol: str = "http/protobuf") -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)


def spools(folder: Path) -> list[Path]:
    return sorted((folder / "out" / "spool").glob("*.otlp"))


# -- what a backend gets -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf", "http/json"])
def test_a_receiver_gets_the_whole_trace_and_the_plans_own_file_has_the_same_spans(
    suite: Suite, exporting: Receiver, evidence: Read, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    for name, setting in exporting.environ(protocol).items():
        monkeypatch.setenv(name, setting)
    assert suite.run().ret == 0
    recorded = evidence()
    spans = sent(exporting)
    assert set(names(spans)) == {
        "LOAD-7", "LOAD-7-E EXTRACT", "LOAD-7-T TRANSFORM", "LOAD-7-P PUBLISH",
        "LOAD-7-E-C1", "LOAD-7-T-C1", "LOAD-7-T-C2", "LOAD-7-T-C3", "LOAD-7-P-C1",
    }  # fmt: skip
    assert {(span.trace, span.status) for span in spans} == {(recorded["otel_trace_id"], "ok")}
    parent = one(spans, "LOAD-7")
    for phase in recorded["spans"]:
        span = one(spans, f"{phase['span_id']} {phase['phase']}")
        assert (span.id, span.parent) == (phase["otel_span_id"], parent.id)
        assert parent.start <= span.start <= span.end <= parent.end
        for gate in phase["gates"]:
            child = one(spans, gate["gate_id"])
            assert (child.id, child.parent) == (gate["otel_span_id"], span.id)
            assert [name for name, _ in child.events] == ["gate.check.started", "gate.check.passed"]
            assert span.start <= child.start <= child.end <= span.end
    assert [name for name, _ in one(spans, "LOAD-7-E EXTRACT").events] == ["handoff.emitted"]
    assert [name for name, _ in one(spans, "LOAD-7-T TRANSFORM").events] == ["handoff.validated"]
    assert sorted(span["spanId"] for span in otlp_lines(suite)) == sorted(span.id for span in spans)
    assert list((suite.pytester.path / "out" / "spool").iterdir()) == []


def test_a_phases_span_has_these_attributes_and_the_parent_has_what_was_recorded(
    suite: Suite, exporting: Receiver
) -> None:
    suite.replace("phase.record(row_count=3)", "phase.record(row_count=3, coverage_percent=85, selected_path='prime')")
    assert suite.run().ret == 0
    spans = sent(exporting)
    publish, parent = one(spans, "LOAD-7-P PUBLISH").attributes, one(spans, "LOAD-7").attributes
    recorded = {"quality.row_count": 3, "quality.coverage_percent": 85.0, "routing.selected_path": "prime"}
    assert publish == {
        "project.id": "warehouse",
        "task.id": "LOAD-7-P",
        "task.parent_id": "LOAD-7",
        "task.phase": "PUBLISH",
        "task.status": "completed",
        "test.case.name": "test_load.py::test_publish",
        "test.case.result.status": "pass",
        "code.file.path": "test_load.py",
        "code.function.name": "test_load.test_publish",
        "code.line.number": publish["code.line.number"],
        **recorded,
    }
    assert [type(publish[name]) for name in recorded] == [int, float, str]
    assert {name: parent[name] for name in recorded} == recorded


def test_a_receiver_sees_where_a_trace_is_blocked(suite: Suite, exporting: Receiver) -> None:
    suite.replace("assert rows.count == 3", "assert rows.count == 4, 'a row is lost'")
    assert suite.run().ret == 1
    spans = sent(exporting)
    assert "LOAD-7-P-C1" not in names(spans)
    gate, parent, held = one(spans, "LOAD-7-T-C1"), one(spans, "LOAD-7"), one(spans, "LOAD-7-P PUBLISH")
    assert [name for name, _ in gate.events] == ["gate.check.started", "gate.check.failed"]
    assert gate.attributes["gate.severity"] == "critical"
    for span in (gate, one(spans, "LOAD-7-T TRANSFORM"), parent):
        assert span.status == "error"
        assert "a row is lost" in span.description
        assert span.attributes["task.status"] == "blocked"
        assert span.attributes["task.next_action"] == "Look for … in the transformation."
    assert (held.status, held.start, held.parent) == ("unset", held.end, parent.id)
    assert held.attributes["task.status"] == "not_started"
    assert {span.attributes["task.blocked_on_span_id"] for span in (held, parent)} == {"LOAD-7-T"}


def test_ordinary_tests_are_a_trace_of_their_own_and_workers_neither_lose_nor_double_a_span(
    suite: Suite, exporting: Receiver
) -> None:
    suite.write(f"{MANY.format(count=20)}\n\ndef test_two(): assert 0\n", "test_other.py")
    assert suite.run("-n", "2").ret == 1
    spans = sent(exporting)
    assert len(spans) == 9 + 21 + 1
    root = one(spans, "pytest")
    good, bad = one(spans, "test_other.py::test_many[3]"), one(spans, "test_other.py::test_two")
    assert {span.parent for span in spans if span.name.startswith("test_other")} == {root.id}
    assert {span.trace for span in spans} == {root.trace, one(spans, "LOAD-7").trace}
    assert (good.trace, good.status, bad.status, one(spans, "LOAD-7").status) == (root.trace, "ok", "error", "ok")


@pytest.mark.parametrize(
    ("name", "setting"),
    [("OTEL_TRACES_SAMPLER", "always_off"), ("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")],
)
def test_evidence_does_not_depend_on_whether_spans_are_sent(
    suite: Suite, exporting: Receiver, evidence: Read, monkeypatch: pytest.MonkeyPatch, name: str, setting: str
) -> None:
    monkeypatch.setenv(name, setting)
    assert suite.run().ret == 0
    assert exporting.spans == []
    assert evidence()["status"] == "completed"
    assert len(otlp_lines(suite)) == 9


# -- code under test that traces ---------------------------------------------------------------------------------------
def test_code_under_test_joins_the_phases_trace_through_a_provider_that_is_the_sdks(
    suite: Suite, exporting: Receiver
) -> None:
    first = '@pytest.mark.phase("E")'
    helper = (
        "import sys\nfrom opentelemetry import trace\n\n\ndef trace_something():\n"
        "    assert 'opentelemetry.sdk.trace' not in sys.modules\n"
        "    with trace.get_tracer('app').start_as_current_span('inside'):\n        pass\n"
        "    from opentelemetry.sdk.trace import TracerProvider\n"
        "    assert isinstance(trace.get_tracer_provider(), TracerProvider)\n"
        "    assert trace.get_tracer_provider().force_flush()\n\n\n"
    )
    changed = PASSING.replace("assert True\n    phase.handoff", "trace_something()\n    phase.handoff", 1)
    suite.write(changed.replace(first, helper + first, 1))
    assert suite.run().ret == 0
    spans = sent(exporting)
    inside, gate = one(spans, "inside"), one(spans, "LOAD-7-E-C1")
    assert (inside.parent, inside.trace) == (gate.id, gate.trace)


TRACING = """
import asyncio, sys

def traces(name):
    from opentelemetry import trace
    with trace.get_tracer("app").start_as_current_span(name):
        pass

async def in_a_task():
    await asyncio.create_task(asyncio.to_thread(traces, "task")) if {thread} else traces("task")

def test_one():
    assert "opentelemetry.trace" not in sys.modules
    {first}

def test_two():
    traces("two")
"""


@pytest.mark.parametrize(
    ("first", "thread"),
    [("traces('one')", False), ("asyncio.run(in_a_task())", False), ("asyncio.run(in_a_task())", True)],
)
def test_code_that_imports_opentelemetry_in_a_test_joins_it_wherever_that_is(
    pytester: pytest.Pytester, exporting: Receiver, first: str, thread: bool
) -> None:
    pytester.makepyfile(TRACING.format(first=first, thread=thread))
    assert pytester.runpytest_subprocess("-p", "no:randomly", "--log-file=log.txt").ret == 0
    assert "detach" not in Path("log.txt").read_text(encoding="utf-8")
    spans = {span.name.rpartition("::")[2]: span for span in sent(exporting)}
    inner = next(name for name in ("one", "task") if name in spans)
    assert (spans[inner].parent, spans["two"].parent) == (spans["test_one"].id, spans["test_two"].id)


def test_an_ini_setting_keeps_our_provider_from_becoming_global(suite: Suite, exporting: Receiver) -> None:
    suite.pytester.makeini("[pytest]\ncontextcore_global_provider = false\n")
    suite.pytester.makeconftest(
        "from opentelemetry import trace\n"
        "def pytest_sessionfinish():\n    print('still', type(trace.get_tracer_provider()).__name__)\n"
    )
    suite.run("-s").stdout.fnmatch_lines(["*still ProxyTracerProvider*"])
    assert len(exporting.spans) == 9


# -- bad days ----------------------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("away")
def test_a_collector_that_is_down_changes_nothing_and_loses_nothing_and_no_secret_is_told(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"].replace("://", "://user:pa55word-of-mine@")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer t0ken-of-mine")
    result = suite.run("-v", "--junitxml", "j.xml")
    assert result.ret == 0
    (said,) = [line for line in result.outlines if "not sent" in line]
    files = [*suite.pytester.path.rglob("*.js*"), suite.pytester.path / "j.xml"]
    written = "".join([*(path.read_text(encoding="utf-8") for path in files), *result.outlines, *result.errlines])
    assert "pa55word-of-mine" not in written
    assert "t0ken-of-mine" not in written
    monkeypatch.undo()
    command = [sys.executable, "-m", "pytest_contextcore", *said.partition("contextcore ")[2].split()]
    with Receiver() as receiver:
        assert suite.pytester.run(*command, "--endpoint", receiver.http_endpoint).ret == 0
        assert len(sent(receiver)) == 9
    assert list((suite.pytester.path / "out" / "spool").iterdir()) == []


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_wrong_protocol_and_a_silent_collector_are_one_line_each(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    pytester.makepyfile(MANY.format(count=3))
    with Receiver() as receiver, silent_endpoint() as silent:
        for endpoint in (receiver.http_endpoint if protocol == "grpc" else receiver.grpc_endpoint, silent):
            exporting_to(monkeypatch, endpoint, protocol)
            result = pytester.runpytest_subprocess("-p", "no:randomly")
            assert result.ret == 0
            assert len([line for line in result.outlines if line.startswith("4 spans not sent")]) == 1
            assert result.errlines == []


@pytest.mark.parametrize("how", [["-q"], []], ids=["quiet", "header"])
def test_an_endpoint_that_cannot_be_used_is_said_in_one_line(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, how: list[str]
) -> None:
    exporting_to(monkeypatch, "ftp://collector")
    pytester.makepyfile(MANY.format(count=3))
    result = pytester.runpytest_subprocess("-p", "no:randomly", *how)
    assert len([line for line in result.outlines if "OTEL_EXPORTER_OTLP_ENDPOINT is no http" in line]) == 1


@pytest.mark.usefixtures("away")
def test_a_spool_that_is_removed_while_the_run_goes_on_is_told(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import shutil\ndef test_a(): pass\ndef test_b(): shutil.rmtree('out')\n")
    result = pytester.runpytest_subprocess("-p", "no:randomly")
    assert result.ret == 0
    assert len([line for line in result.outlines if "it was removed while the run went on" in line]) == 1


def test_a_spool_is_kept_if_the_ini_setting_says_so(exporting: Receiver, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MANY.format(count=3))
    pytester.makeini("[pytest]\ncontextcore_keep_spool = true\n")
    assert pytester.runpytest_subprocess("-p", "no:randomly").ret == 0
    (file,) = spools(pytester.path)
    assert sorted(spool_files.names(Spool(file))) == sorted(span.name for span in exporting.spans)
    assert Spool(file).pending == 0


def test_a_span_of_5_mb_arrives_cut_and_so_does_all_around_it(
    suite: Suite, exporting: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, setting in exporting.environ("grpc").items():
        monkeypatch.setenv(name, setting)
    suite.replace("assert rows.count == 3", "assert rows.count == 4, 'lost ' + 'x' * 5_000_000")
    suite.write(
        "from opentelemetry import trace\n\n\ndef test_one():\n"
        "    with trace.get_tracer('app').start_as_current_span('inside') as span:\n"
        "        span.set_attribute('body', 'y' * 5_000_000)\n"
        "        for n in range(500):\n            span.add_event(f'e{n}', {'body': 'z' * 10_000})\n",
        "test_other.py",
    )
    result = suite.run()
    assert result.ret == 1
    assert "spans " not in "".join(line for line in result.outlines if "sent" in line or "refused" in line)
    spans = sent(exporting)
    assert len(spans) == 9 - 1 + 3  # the last phase does not start, nor does its gate
    gate, inside = one(spans, "LOAD-7-T-C1"), one(spans, "inside")
    assert gate.description.startswith("lost xxx")
    assert len(gate.description) < 1_000_000
    assert inside.parent == one(spans, "test_other.py::test_one").id
    assert str(inside.attributes["body"]).endswith("y… (4996000 more characters)")
    assert len(inside.events) == 128  # the SDK's own limit
    assert list((suite.pytester.path / "out" / "spool").iterdir()) == []


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "xdist"])
@pytest.mark.usefixtures("away")
def test_every_ended_span_is_on_disk_when_all_is_killed_at_a_random_moment_and_a_replay_sends_the_whole_trace_once(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: list[str]
) -> None:
    monkeypatch.setenv("HOW", " ".join(workers))
    pytester.makepyfile(MANY.format(count=2_000))
    pytester.makeconftest(LOGGING)
    chance = random.Random(7)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", *workers]
    for _ in range(KILLS):
        for left in pytester.path.glob("began-*"):
            left.unlink()
        with subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL) as session:
            while len(list(pytester.path.glob("began-*"))) < max(1, len(workers)):
                assert session.poll() is None
                threading.Event().wait(0.01)
            threading.Event().wait(chance.uniform(0, 0.5))  # what is tested, not a way to wait for something
            os.killpg(session.pid, signal.SIGKILL)
        for file in spools(pytester.path):
            while not (free := Spool(file)).claim():  # its process is about to end
                free.close()
            free.close()
        kept = Counter(name for file in spools(pytester.path) for name in spool_files.names(Spool(file)))
        ended = [name for log in pytester.path.glob("began-*") for name in log.read_text().splitlines()[:-1]]
        assert ended
        assert set(ended) <= kept.keys()
        assert set(kept.values()) == {1}
        with Receiver() as receiver:
            files = map(str, spools(pytester.path))
            assert main(["replay", *files, "--endpoint", receiver.http_endpoint]) == 0
            spans = sent(receiver)
        root = one(spans, "pytest")
        assert names(spans) == {**kept, "pytest": 1}
        assert {span.parent for span in spans} == {"", root.id}
        assert (root.status, root.description) == ("error", INTERRUPTED)
        assert spools(pytester.path) == []


def test_what_workers_write_after_a_stop_is_sent_too(exporting: Receiver, pytester: pytest.Pytester) -> None:
    """With -x the controller is done before its workers are."""
    pytester.makepyfile(
        "import pathlib, time\nhere = pathlib.Path(__file__).parent\n"
        "def test_a():\n"
        "    end = time.monotonic() + 20\n"
        "    while not (here / 'b').exists():\n        assert time.monotonic() < end\n"
        "    assert 0\n"
        "def test_c(): pass\n"
        "def test_b():\n    (here / 'b').touch(); time.sleep(0.5); (here / 'ended').touch()\n"
        "def test_d(): pass\n"
    )
    assert pytester.runpytest_subprocess("-p", "no:randomly", "-n", "2", "-x").ret != 0
    assert (pytester.path / "ended").exists()
    assert any(span.name.endswith("test_b") for span in sent(exporting))
    assert list((pytester.path / "out" / "spool").iterdir()) == []
