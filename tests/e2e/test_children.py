"""Spans of programs that a phase runs: whatever they know of the trace, they become part of it."""

from __future__ import annotations

import ast
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.export import children
from pytest_contextcore.span import INTERRUPTED

from ..support.otlp_receiver import Receiver, refused_endpoint
from ..support.plans import Suite
from ..support.traces import one, refusal, sent

Read = Callable[..., dict[str, Any]]

APP = """
import os, signal, sys
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

how, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
provider = TracerProvider()
provider.add_span_processor((SimpleSpanProcessor if how == "killed" else BatchSpanProcessor)(OTLPSpanExporter()))
tracer = provider.get_tracer("app")
context = extract({"traceparent": os.environ["TRACEPARENT"]}) if how == "honours" else None
with tracer.start_as_current_span(how, context=context) as outer:
    outer.set_attribute("token", os.environ.get("DEPLOY_TOKEN", ""))
    for number in range(count):
        with tracer.start_as_current_span(f"{how} {number}"):
            pass
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
"""
"""A program with the stock SDK and the stock exporter. It takes up the trace that it is given only if told so."""

TESTS = """
import os, sys, threading
import pytest

def app(phase, *arguments, **keywords):
    return phase.run([sys.executable, "app.py", *arguments], timeout=60, **keywords)

@pytest.mark.phase("E")
def test_extract(phase):
    with phase.gate("C1"):
        {first}

@pytest.mark.phase("T")
def test_transform(phase):
    {second}
    for name in ("C1", "C2", "C3"):
        with phase.gate(name):
            pass

@pytest.mark.phase("P")
def test_publish(phase):
    {third}
    with phase.gate("C1"):
        pass
    phase.record(row_count=3)
"""
OURS = 9
"""Spans that the plan has by itself."""


@pytest.fixture
def programs(suite: Suite) -> Callable[..., Suite]:
    """A suite whose phases run this."""

    def write(first: str = "pass", second: str = "pass", third: str = "pass") -> Suite:
        (suite.pytester.path / "app.py").write_text(APP, encoding="utf-8")
        suite.write(TESTS.format(first=first, second=second, third=third))
        return suite

    return write


def test_spans_of_programs_stand_below_the_programs_in_the_one_trace(
    programs: Callable[..., Suite], exporting: Receiver, monkeypatch: pytest.MonkeyPatch, evidence: Read
) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", "s3cr3t-of-the-shop")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "argument=s3cr3t-of-the-shop")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    suite = programs(
        'assert app(phase, "ignores").returncode == 0',
        'assert app(phase, "honours", "2").stderr == ""',
        'both = [threading.Thread(target=app, args=(phase, f"thread {n}")) for n in "ab"]\n'
        "    [one.start() for one in both] + [one.join() for one in both]",
    )
    assert suite.here().ret == 0
    spans = sent(exporting)
    assert {span.trace for span in spans} == {evidence()["otel_trace_id"]}
    recorded = [program["otel_span_id"] for phase in evidence()["spans"] for program in phase["programs"]]
    ignores, honours, *threads = (one(spans, name) for name in ("ignores", "honours", "thread a", "thread b"))
    assert [ignores.parent, honours.parent] == recorded[:2]
    assert {thread.parent for thread in threads} == set(recorded[2:])
    assert one(spans, "ignores 0").parent == ignores.id
    assert (one(spans, "honours 1").parent, len(spans)) == (honours.id, OURS + 4 + 2 + 3 + 2 + 2)
    assert (ignores.links, honours.links) == ([ignores.id], [])
    assert ignores.attributes["token"] == "***"
    assert "s3cr3t" not in str(exporting.accepted)
    services = {
        pair.value.string_value
        for request in exporting.accepted
        for resource in request.resource_spans
        for pair in resource.resource.attributes
        if pair.key == "service.name"
    }
    assert services == {"contextcore", f"unknown_service:{Path(sys.executable).name}"}
    assert list((suite.pytester.path / "out" / "spool").iterdir()) == []


def test_without_a_collector_they_wait_in_spools_and_a_killed_program_loses_only_what_it_had_not_sent(
    programs: Callable[..., Suite], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refused_endpoint())
    suite = programs(
        'assert app(phase, "killed", "3").returncode == -9', 'assert app(phase, "ignores").returncode == 0'
    )
    result = suite.run()
    assert result.ret == 0
    monkeypatch.undo()
    files = sorted(map(str, (suite.pytester.path / "out" / "spool").glob("*.otlp")))
    assert len(files) == 3
    (said,) = [line for line in result.outlines if "not sent" in line]
    assert all(file in said for file in files)
    command = [sys.executable, "-m", "pytest_contextcore"]
    shown = [suite.pytester.run(*command, "show", "--spans", file).stdout.str() for file in files]
    assert sum('"killed 2"' in text for text in shown) == 1
    with Receiver() as receiver:
        assert suite.pytester.run(*command, "replay", *files, "--endpoint", receiver.http_endpoint).ret == 0
        found = sorted(span.name for span in receiver.spans)
        assert len({span.trace_id for span in receiver.spans}) == 1
    assert {"killed 0", "killed 1", "killed 2", "ignores", "ignores 0"} < set(found)
    assert len(found) == OURS + 2 + 5


FORGES = """
import json, os, signal, urllib.request
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
evidence = json.load(open("out/LOAD-7.json"))
ours = bytes.fromhex(evidence["otel_trace_id"]), bytes.fromhex(evidence["spans"][0]["otel_span_id"])
request = TracesData()
spans = request.resource_spans.add().scope_spans.add().spans
for name, (trace_id, span_id) in {"forged": ours, "honest": (b"1" * 16, b"2" * 8)}.items():
    spans.add(name=name, trace_id=trace_id, span_id=span_id)
urllib.request.urlopen(os.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"], request.SerializeToString())
os.kill(os.getppid(), signal.SIGKILL)
"""


def test_after_a_kill_a_program_has_its_span_and_is_not_believed_about_others(
    programs: Callable[..., Suite], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the kill comes before the evidence is written again."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refused_endpoint())
    suite = programs('phase.run([sys.executable, "forges.py"])')
    (suite.pytester.path / "forges.py").write_text(FORGES, encoding="utf-8")
    suite.pytester.makeconftest("from pytest_contextcore.trace import file\n\nfile.GATE_DELAY = 60.0")
    assert suite.run().ret == -signal.SIGKILL
    files = map(str, (suite.pytester.path / "out" / "spool").glob("*.otlp"))
    with Receiver() as receiver:
        replay = [sys.executable, "-m", "pytest_contextcore", "replay", *files, "--endpoint", receiver.http_endpoint]
        assert suite.pytester.run(*replay).ret == 0
        found = {span.name: span for span in receiver.spans}
    assert found["forged"].status.message == ""
    assert found["LOAD-7-E EXTRACT"].status.message == INTERRUPTED
    program = found[Path(sys.executable).name]
    assert (program.status.message, program.span_id) == (INTERRUPTED, found["honest"].parent_span_id)


def test_a_program_that_floods_is_cut_off_and_told_so_and_one_line_says_how_much(
    programs: Callable[..., Suite], exporting: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "MAX_SPANS", 100)
    for name, setting in exporting.environ("grpc").items():  # ours go on by gRPC; what programs send is asked for
        monkeypatch.setenv(name, setting)
    body = 'done = app(phase, "floods", "2000")\n        assert done.returncode == 0, done.stderr'
    suite = programs(body)
    suite.pytester.makeini("[pytest]\ncontextcore_children = on\n")
    result = suite.here()
    assert result.ret == 0
    assert len(exporting.spans) == OURS + 1 + 100
    (said,) = [line for line in result.outlines if "refused" in line]
    assert said.startswith("1901 spans of python")
    assert "refused: of a program 100 spans" in said


def test_under_xdist_they_arrive_too_and_what_was_refused_is_told(
    programs: Callable[..., Suite], exporting: Receiver, evidence: Read
) -> None:
    suite = programs('assert app(phase, "ignores").returncode == 0', second='phase.run([sys.executable, "-c", BAD])')
    bad = "BAD = \"import os, urllib.request as r; r.urlopen(os.environ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'], b'?')\""
    suite.write(f"{bad}\n{(suite.pytester.path / 'test_load.py').read_text()}")
    result = suite.run("-n", "2")
    assert result.ret == 0
    spans = sent(exporting)
    assert one(spans, "ignores").parent == evidence()["spans"][0]["programs"][0]["otel_span_id"]
    result.stdout.fnmatch_lines(["*1 request of python* refused: no spans by OTLP*"])


OWN = """own = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": os.environ["OWN"]}
        assert app(phase, "ignores", env=own).returncode == 0"""


def test_a_program_with_an_endpoint_of_its_own_is_left_alone(
    programs: Callable[..., Suite], exporting: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Receiver() as own:
        monkeypatch.setenv("OWN", own.http_endpoint)
        assert programs(OWN).here().ret == 0
        assert sorted(span.name for span in own.spans) == ["ignores", "ignores 0"]
    assert len(sent(exporting)) == OURS + 1


def test_what_belongs_to_a_trace_that_is_not_sampled_is_not_kept(
    programs: Callable[..., Suite], exporting: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    body = (
        "alone = {name: value for name, value in os.environ.items() if 'SAMPLER' not in name}\n"
        "        assert app(phase, 'ignores', env=alone).stderr == ''"
    )
    assert programs(body).here().ret == 0
    assert exporting.requests == []


@pytest.mark.parametrize(
    ("protocol", "setting", "received"),
    [
        ("http/protobuf", "auto", True), ("http/json", "AUTO", True), ("http/protobuf", "off", False),
        ("grpc", "auto", False), ("grpc", "on", True), ("", "on", False),
    ],
)  # fmt: skip
def test_whether_they_are_received_is_a_matter_of_protocol_and_setting(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, protocol: str, setting: str, received: bool
) -> None:
    """The program only tells what its environment says."""
    if protocol:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refused_endpoint())
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20s3cr3t-of-mine")
        monkeypatch.setenv("http_proxy", "http://proxy:3128")
        monkeypatch.setenv("NO_PROXY", "intern")
    suite.pytester.makeini(f"[pytest]\ncontextcore_children = {setting}\n")
    suite.replace(
        "assert True",
        "import pathlib, sys\n        said = phase.run([sys.executable, '-c', 'import os; print(dict(os.environ))'])\n"
        "        pathlib.Path('said.txt').write_text(said.stdout)",
    )
    assert suite.here().ret == 0
    told = ast.literal_eval((suite.pytester.path / "said.txt").read_text())
    assert ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" in told) is received
    if received:
        assert told["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] == "http/protobuf"
        assert "s3cr3t" not in told["OTEL_EXPORTER_OTLP_TRACES_HEADERS"]
        assert (told["no_proxy"], told["NO_PROXY"]) == ("intern,127.0.0.1", "intern,127.0.0.1")


def test_a_setting_that_is_none_is_refused(suite: Suite) -> None:
    suite.pytester.makeini("[pytest]\ncontextcore_children = perhaps\n")
    assert "contextcore_children = perhaps: it is one of auto, on, off" in refusal(suite.here())
