"""A whole run against a real OTLP receiver: what a backend gets (contract 6 and 7)."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from pytest_contextcore.plan.attributes import registry

from ..support.otlp_receiver import Receiver, refused_endpoint, silent_endpoint
from ..support.plans import PASSING, Suite

Evidence = dict[str, Any]
PROTOCOLS = ["grpc", "http/protobuf", "http/json"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


Export = Callable[..., None]


@pytest.fixture
def export(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Export:
    """Have spans sent to the receiver."""

    def to(protocol: str = "http/protobuf") -> None:
        for name, setting in receiver.environ(protocol).items():
            monkeypatch.setenv(name, setting)

    return to


def value(any_value: AnyValue) -> object:
    kind = any_value.WhichOneof("value")
    assert kind is not None
    return getattr(any_value, kind)


def attributes(span: Span) -> dict[str, object]:
    return {pair.key: value(pair.value) for pair in span.attributes}


def by_name(spans: list[Span]) -> dict[str, Span]:
    found = {span.name: span for span in spans}
    assert len(found) == len(spans)
    return found


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_receiver_gets_the_whole_trace(
    suite: Suite,
    receiver: Receiver,
    evidence: Callable[[], Evidence],
    export: Export,
    protocol: str,
) -> None:
    export(protocol)
    assert suite.run().ret == 0
    recorded = evidence()
    spans = by_name(receiver.spans)
    assert set(spans) == {
        "LOAD-7", "LOAD-7-E EXTRACT", "LOAD-7-T TRANSFORM", "LOAD-7-P PUBLISH",
        "LOAD-7-E-C1", "LOAD-7-T-C1", "LOAD-7-T-C2", "LOAD-7-T-C3", "LOAD-7-P-C1",
    }  # fmt: skip
    assert {span.trace_id.hex() for span in receiver.spans} == {recorded["otel_trace_id"]}
    parent = spans["LOAD-7"]
    for phase in recorded["spans"]:
        span = spans[f"{phase['span_id']} {phase['phase']}"]
        assert (span.span_id.hex(), span.parent_span_id) == (phase["otel_span_id"], parent.span_id)
        for gate in phase["gates"]:
            child = spans[gate["gate_id"]]
            assert (child.span_id.hex(), child.parent_span_id) == (gate["otel_span_id"], span.span_id)
            assert [event.name for event in child.events] == ["gate.check.started", "gate.check.passed"]
            assert span.start_time_unix_nano <= child.start_time_unix_nano <= child.end_time_unix_nano
            assert child.end_time_unix_nano <= span.end_time_unix_nano
        assert parent.start_time_unix_nano <= span.start_time_unix_nano
        assert span.end_time_unix_nano <= parent.end_time_unix_nano
    assert {span.status.code for span in receiver.spans} == {Status.STATUS_CODE_OK}
    assert [event.name for event in spans["LOAD-7-E EXTRACT"].events] == ["handoff.emitted"]
    assert [event.name for event in spans["LOAD-7-T TRANSFORM"].events] == ["handoff.validated"]
    assert not list((suite.pytester.path / "out" / "spool").iterdir())


def test_attributes_have_their_declared_names_and_types(suite: Suite, receiver: Receiver, export: Export) -> None:
    export()
    suite.replace("phase.record(row_count=3)", "phase.record(row_count=3, coverage_percent=85, selected_path='prime')")
    assert suite.run().ret == 0
    spans = by_name(receiver.spans)
    publish = attributes(spans["LOAD-7-P PUBLISH"])
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
        "quality.row_count": 3,
        "quality.coverage_percent": 85.0,
        "routing.selected_path": "prime",
    }
    assert [type(publish[name]) for name in ("quality.row_count", "quality.coverage_percent")] == [int, float]
    assert attributes(spans["LOAD-7"]) == {
        "project.id": "warehouse",
        "task.id": "LOAD-7",
        "task.type": "job",
        "task.title": "Load the nightly orders",
        "task.status": "completed",
        "test.suite.name": "LOAD-7",
        "test.suite.run.status": "success",
        "quality.row_count": 3,
        "quality.coverage_percent": 85.0,
        "routing.selected_path": "prime",
    }
    declared = {*registry(), "quality.row_count"}
    emitted = {name for span in receiver.spans for name in attributes(span)}
    emitted |= {pair.key for span in receiver.spans for event in span.events for pair in event.attributes}
    assert emitted <= declared


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_receiver_sees_where_a_trace_is_blocked(
    suite: Suite, receiver: Receiver, export: Export, protocol: str
) -> None:
    export(protocol)
    suite.replace("assert rows.count == 3", "assert rows.count == 4, 'a row is lost'")
    assert suite.run().ret == 1
    spans = by_name(receiver.spans)
    gate, phase, held, parent = (
        spans[name] for name in ("LOAD-7-T-C1", "LOAD-7-T TRANSFORM", "LOAD-7-P PUBLISH", "LOAD-7")
    )
    assert [event.name for event in gate.events] == ["gate.check.started", "gate.check.failed"]
    assert attributes(gate)["gate.severity"] == "critical"
    for span in (gate, phase, parent):
        assert span.status.code == Status.STATUS_CODE_ERROR
        assert "a row is lost" in span.status.message
        assert attributes(span)["task.status"] == "blocked"
        assert attributes(span)["task.next_action"] == "Look for … in the transformation."
    assert attributes(parent)["task.blocked_on_span_id"] == "LOAD-7-T"
    assert held.status.code == Status.STATUS_CODE_UNSET
    assert held.start_time_unix_nano == held.end_time_unix_nano
    assert attributes(held)["task.status"] == "not_started"
    assert attributes(held)["task.blocked_on_span_id"] == "LOAD-7-T"
    assert held.parent_span_id == parent.span_id
    assert "LOAD-7-P-C1" not in spans


def test_the_otlp_file_has_the_same_spans_as_the_receiver(suite: Suite, receiver: Receiver, export: Export) -> None:
    export()
    suite.run()
    lines = (suite.pytester.path / "out" / "LOAD-7.otlp.jsonl").read_text(encoding="utf-8").splitlines()
    kept = [
        span["spanId"]
        for line in lines
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    assert sorted(kept) == sorted(span.span_id.hex() for span in receiver.spans)


def test_ordinary_tests_are_a_trace_of_their_own_under_one_root(
    suite: Suite, receiver: Receiver, export: Export
) -> None:
    export()
    suite.write("def test_one(): pass\n\n\ndef test_two(): assert 0\n", "test_other.py")
    assert suite.run().ret == 1
    spans = by_name(receiver.spans)
    root, one, two = (spans[name] for name in ("pytest", "test_other.py::test_one", "test_other.py::test_two"))
    assert one.parent_span_id == two.parent_span_id == root.span_id
    assert one.trace_id == root.trace_id != spans["LOAD-7"].trace_id
    assert (one.status.code, two.status.code) == (Status.STATUS_CODE_OK, Status.STATUS_CODE_ERROR)
    assert spans["LOAD-7"].status.code == Status.STATUS_CODE_OK


def test_workers_send_one_trace_without_losing_or_doubling_a_span(
    suite: Suite, receiver: Receiver, export: Export
) -> None:
    export()
    suite.write("import pytest\n@pytest.mark.parametrize('n', range(20))\ndef test_many(n): pass\n", "test_many.py")
    assert suite.run("-n", "2").ret == 0
    names = [span.name for span in receiver.spans]
    assert sorted(set(names)) == sorted(names)
    assert len(names) == 9 + 20 + 1
    assert len({span.trace_id for span in receiver.spans}) == 2


def test_a_parent_of_the_environment_is_the_parent_of_the_trace(
    suite: Suite, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, export: Export
) -> None:
    export()
    monkeypatch.setenv("TRACEPARENT", f"00-{'ab' * 16}-{'cd' * 8}-01")
    suite.run()
    spans = by_name(receiver.spans)
    assert {span.trace_id.hex() for span in receiver.spans} == {"ab" * 16}
    assert spans["LOAD-7"].parent_span_id.hex() == "cd" * 8


@pytest.mark.parametrize(
    ("name", "setting"),
    [("OTEL_TRACES_SAMPLER", "always_off"), ("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")],
)
def test_evidence_does_not_depend_on_whether_spans_are_sent(
    suite: Suite,
    receiver: Receiver,
    evidence: Callable[[], Evidence],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    setting: str,
) -> None:
    for key, given in {**receiver.environ("http/protobuf"), name: setting}.items():
        monkeypatch.setenv(key, given)
    assert suite.run().ret == 0
    assert receiver.spans == []
    assert evidence()["status"] == "completed"
    assert (suite.pytester.path / "out" / "LOAD-7.otlp.jsonl").read_text(encoding="utf-8")


def test_instrumented_code_joins_the_phases_trace(suite: Suite, receiver: Receiver, export: Export) -> None:
    export()
    extract = PASSING.index('@pytest.mark.phase("E")')
    changed = PASSING.replace("assert True\n    phase.handoff", "trace_something()\n    phase.handoff", 1)
    helper = (
        "from opentelemetry import trace\n\n\ndef trace_something():\n"
        "    with trace.get_tracer('app').start_as_current_span('inside'):\n        pass\n\n\n"
    )
    suite.write(changed[:extract] + helper + changed[extract:])
    assert suite.run().ret == 0
    spans = by_name(receiver.spans)
    assert spans["inside"].parent_span_id == spans["LOAD-7-E-C1"].span_id
    assert spans["inside"].trace_id == spans["LOAD-7"].trace_id


def test_a_provider_that_the_user_set_is_left_alone(suite: Suite, receiver: Receiver, export: Export) -> None:
    export()
    suite.pytester.makeconftest(
        "from opentelemetry import trace\nfrom opentelemetry.sdk.trace import TracerProvider\n"
        "mine = TracerProvider()\ntrace.set_tracer_provider(mine)\n"
        "def pytest_sessionfinish():\n    assert trace.get_tracer_provider() is mine\n    print('still mine')\n"
    )
    result = suite.run("-s")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*still mine*"])
    assert len(receiver.spans) == 9


def test_the_ini_setting_keeps_our_provider_from_becoming_global(
    suite: Suite, receiver: Receiver, export: Export
) -> None:
    export()
    suite.pytester.makeini("[pytest]\ncontextcore_global_provider = false\n")
    suite.pytester.makeconftest(
        "from opentelemetry import trace\n"
        "def pytest_sessionfinish():\n    print(type(trace.get_tracer_provider()).__name__)\n"
    )
    suite.run("-s").stdout.fnmatch_lines(["*ProxyTracerProvider*"])


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_collector_that_refuses_changes_nothing_and_loses_nothing(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, protocol: str, receiver: Receiver
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refused_endpoint())
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    result = suite.run()
    assert result.ret == 0
    said = [line for line in result.outlines if "not sent" in line]
    assert len(said) == 1
    command = said[0].partition("contextcore replay ")[2]
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    replayed = suite.pytester.run(
        sys.executable, "-m", "pytest_contextcore", "replay", *command.split(), "--endpoint", receiver.http_endpoint
    )
    assert replayed.ret == 0
    assert len(receiver.ids()) == 9
    assert set(receiver.ids().values()) == {1}
    assert not list((suite.pytester.path / "out" / "spool").iterdir())


def test_a_collector_that_never_answers_is_given_up_and_its_spans_are_kept(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    with silent_endpoint() as endpoint:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        result = suite.run()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["9 spans not sent to*"])


def test_secrets_of_the_export_appear_nowhere(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    address = refused_endpoint().replace("://", "://user:pa55word-of-mine@")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer t0ken-of-mine")
    result = suite.run("-v", "--junitxml", "j.xml")
    files = [*suite.pytester.path.rglob("*.js*"), suite.pytester.path / "j.xml"]
    written = "".join([*(path.read_text(encoding="utf-8") for path in files), *result.outlines, *result.errlines])
    assert "pa55word-of-mine" not in written
    assert "t0ken-of-mine" not in written


def test_the_sdk_is_imported_when_code_under_test_traces_and_its_provider_is_the_sdks(
    suite: Suite, receiver: Receiver, export: Export
) -> None:
    export()
    suite.pytester.makepyfile(
        test_shop=(
            "import sys\nfrom opentelemetry import trace\n"
            "def test_lazy():\n"
            "    assert 'opentelemetry.sdk.trace' not in sys.modules\n"
            "    with trace.get_tracer('shop').start_as_current_span('order'):\n        pass\n"
            "    from opentelemetry.sdk.trace import TracerProvider\n"
            "    assert isinstance(trace.get_tracer_provider(), TracerProvider)\n"
            "    assert trace.get_tracer_provider().force_flush()\n"
        )
    )
    result = suite.run("test_shop.py")
    result.assert_outcomes(passed=1)
    spans = by_name(receiver.spans)
    assert spans["order"].parent_span_id == spans["test_shop.py::test_lazy"].span_id
