"""The environment's telemetry settings, the spool, and sending on good and on bad days."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.export import deadline as bounded
from pytest_contextcore.export import settings as telemetry
from pytest_contextcore.export.batches import REQUEST_BYTES
from pytest_contextcore.export.budget import Budget
from pytest_contextcore.export.delivery import Delivery
from pytest_contextcore.export.otlp import encode_line, is_ours
from pytest_contextcore.export.resource import resource
from pytest_contextcore.export.sender import SendResult, send, verify
from pytest_contextcore.export.settings import Settings, sampled
from pytest_contextcore.export.spool import Position, Spool
from pytest_contextcore.ids import Remote, new_span_id, new_trace_id
from pytest_contextcore.plan.attributes import registry
from pytest_contextcore.span import OK, SpanData

from ..support.otlp_receiver import Mode, Receiver, refused_endpoint, silent_endpoint

PROTOCOLS = ["grpc", "http/protobuf", "http/json"]
HTTP = ["http/protobuf", "http/json"]
SECRET = "s3cr3t-t0ken-value"
TRACE = new_trace_id()
SLACK = 0.5
"""Seconds beyond a deadline that a loaded machine may take to notice it."""


def spans(count: int, text: str = "") -> list[SpanData]:
    return [
        SpanData(f"test {n}", TRACE, new_span_id(), None, 1, 2, {"test.case.name": text or "t"}, (), (), OK)
        for n in range(count)
    ]


def filled(path: Path, *lines: list[SpanData]) -> Spool:
    made = Spool(path)
    for line in lines:
        made.append(encode_line(line, {"service.name": "contextcore"}), len(line))
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out" / "spool" / "run.otlp.jsonl"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


def settings_for(receiver: Receiver, protocol: str, **more: str) -> Settings:
    return Settings.from_environ({**receiver.environ(protocol), **more})


class TestSettings:
    def test_nothing_is_exported_where_no_endpoint_is_named(self) -> None:
        assert not Settings.from_environ({}).exporting
        assert Settings.from_environ({}).problems == ()

    @pytest.mark.parametrize(
        "environ",
        [
            {"OTEL_SDK_DISABLED": "TRUE"},
            {"OTEL_TRACES_EXPORTER": "none"},
            {"OTEL_TRACES_EXPORTER": "console"},
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "carrier-pigeon"},
        ],
    )
    def test_an_endpoint_alone_does_not_suffice(self, environ: dict[str, str]) -> None:
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}
        assert Settings.from_environ(endpoint).exporting
        assert not Settings.from_environ({**endpoint, **environ}).exporting

    @pytest.mark.parametrize("exporter", ["", "otlp", " OTLP , console"])
    def test_otlp_among_the_exporters_exports(self, exporter: str) -> None:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": exporter}
        assert Settings.from_environ(environ).exporting

    @pytest.mark.parametrize(
        ("endpoint", "protocol"),
        [
            ("http://c:4317", "grpc"),
            ("c:4317", "grpc"),
            ("http://c:4318", "http/protobuf"),
            ("https://c", "http/protobuf"),
        ],
    )
    def test_the_port_tells_the_protocol_if_nothing_else_does(self, endpoint: str, protocol: str) -> None:
        settings = Settings.from_environ({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})
        assert (settings.protocol, settings.exporting) == (protocol, True)

    def test_variables_for_traces_beat_those_for_all_signals(self) -> None:
        settings = Settings.from_environ(
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://all:4317",
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://traces/exactly/here",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json",
                "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
                "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "0.5",
                "OTEL_EXPORTER_OTLP_HEADERS": "a=b",
                "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "X-Key=v%201, y = z",
                "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            }
        )
        assert (settings.endpoint, settings.protocol, settings.timeout) == (
            "https://traces/exactly/here",
            "http/json",
            0.5,
        )
        assert settings.headers == {"x-key": "v 1", "y": "z"}
        assert settings.compression == "gzip"
        assert not settings.insecure

    @pytest.mark.parametrize(
        ("base", "full"),
        [("http://c:4318", "http://c:4318/v1/traces"), ("http://c/otlp/", "http://c/otlp/v1/traces")],
    )
    def test_an_endpoint_for_all_signals_gets_the_path_for_traces(self, base: str, full: str) -> None:
        assert Settings.from_environ({"OTEL_EXPORTER_OTLP_ENDPOINT": base}).endpoint == full

    @pytest.mark.parametrize("endpoint", ["c:4318", "ftp://c", "http://", "http://c:port", "http://[::1", "unix:/x"])
    def test_an_endpoint_that_cannot_be_used_is_a_problem_and_no_crash(self, endpoint: str) -> None:
        settings = Settings.from_environ({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})
        assert not settings.exporting
        assert "OTEL_EXPORTER_OTLP_ENDPOINT" in settings.problems[0]
        assert settings.describe() == "no endpoint"

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("OTEL_TRACES_EXPORTER", "console"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "smtp"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "soon"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "-1"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "brotli"),
            ("OTEL_TRACES_SAMPLER", "dice"),
        ],
    )
    def test_an_unsupported_value_is_told_in_one_line(self, variable: str, value: str) -> None:
        (problem,) = Settings.from_environ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", variable: value}).problems
        assert f"{variable}={value}" in problem
        assert "\n" not in problem

    def test_the_endpoint_is_shown_without_credentials_and_query(self) -> None:
        endpoint = f"https://me:{SECRET}@c:4318/in?key={SECRET}#x"
        settings = Settings.from_environ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint})
        assert settings.describe() == "https://c:4318/in"
        assert SECRET not in repr(settings)

    def test_reading_settings_needs_the_standard_library_only(self) -> None:
        code = (
            "import sys, os, pytest_contextcore.export.settings as t; t.Settings.from_environ(os.environ);"
            "t.resource(os.environ); t.sampled(os.environ, None, '1' * 32);"
            "print([m for m in sys.modules if m in ('opentelemetry', 'pydantic', 'requests', 'grpc', 'google')])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"


class TestResource:
    def test_without_anything_said_it_is_contextcore(self) -> None:
        made = resource({})
        assert made["service.name"] == "contextcore"
        assert made["telemetry.sdk.language"] == "python"

    @pytest.mark.parametrize(
        ("environ", "name"),
        [
            ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=shop"}, "shop"),
            ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=shop", "OTEL_SERVICE_NAME": "till"}, "till"),
        ],
    )
    def test_the_service_is_named_by_the_standard_variables(self, environ: dict[str, str], name: str) -> None:
        assert resource(environ)["service.name"] == name
        assert Settings.from_environ(environ).service_name == name

    @pytest.mark.parametrize(
        "environ",
        [
            {
                "GITHUB_ACTIONS": "true",
                "GITHUB_WORKFLOW": "build",
                "GITHUB_RUN_ID": "7",
                "GITHUB_JOB": "test",
                "GITHUB_SERVER_URL": f"https://x:{SECRET}@forge",
                "GITHUB_REPOSITORY": "o/r",
                "GITHUB_REF_NAME": "main",
                "GITHUB_SHA": "abc",
            },
            {
                "GITLAB_CI": "true",
                "CI_PIPELINE_NAME": "build",
                "CI_PIPELINE_ID": "7",
                "CI_PIPELINE_URL": "https://forge/o/r/actions/runs/7",
                "CI_JOB_NAME": "test",
                "CI_REPOSITORY_URL": f"https://gitlab-ci-token:{SECRET}@forge/o/r",
                "CI_COMMIT_REF_NAME": "main",
                "CI_COMMIT_SHA": "abc",
            },
            {
                "JENKINS_URL": "https://ci",
                "JOB_NAME": "build",
                "BUILD_ID": "7",
                "BUILD_URL": "https://forge/o/r/actions/runs/7",
                "STAGE_NAME": "test",
                "GIT_URL": f"https://me:{SECRET}@forge/o/r",
                "BRANCH_NAME": "main",
                "GIT_COMMIT": "abc",
            },
        ],
        ids=["github", "gitlab", "jenkins"],
    )
    def test_ci_and_vcs_are_told_by_the_environment_without_credentials(self, environ: dict[str, str]) -> None:
        made = resource(environ)
        assert {name: made[name] for name in made if name.startswith(("cicd.", "vcs."))} == {
            "cicd.pipeline.name": "build",
            "cicd.pipeline.run.id": "7",
            "cicd.pipeline.run.url.full": "https://forge/o/r/actions/runs/7",
            "cicd.pipeline.task.name": "test",
            "vcs.repository.url.full": "https://forge/o/r",
            "vcs.ref.head.name": "main",
            "vcs.ref.head.revision": "abc",
        }

    def test_what_the_user_says_beats_what_is_detected(self) -> None:
        environ = {
            "JENKINS_URL": "x",
            "GIT_COMMIT": "abc",
            "OTEL_RESOURCE_ATTRIBUTES": "vcs.ref.head.revision=d%20f,x=1",
        }
        assert resource(environ)["vcs.ref.head.revision"] == "d f"
        assert resource(environ)["x"] == "1"

    def test_every_attribute_is_in_the_registry(self) -> None:
        environ = {"GITHUB_ACTIONS": "true", "GITHUB_SHA": "abc", "GITHUB_JOB": "j", "GITHUB_REPOSITORY": "o/r"}
        unknown = resource(environ).keys() - registry().keys()
        assert unknown == set()


class TestSampling:
    @pytest.mark.parametrize(
        ("name", "argument", "parent", "taken"),
        [
            ("", "", None, True),
            ("", "", False, False),
            ("", "", True, True),
            ("always_on", "", False, True),
            ("always_off", "", True, False),
            ("parentbased_always_off", "", None, False),
            ("parentbased_always_off", "", True, True),
            ("traceidratio", "0", True, False),
            ("traceidratio", "1", False, True),
            ("parentbased_traceidratio", "0", True, True),
            ("parentbased_traceidratio", "0", None, False),
            ("parentbased_traceidratio", "rubbish", None, True),
            ("dice", "", None, True),
        ],
    )
    def test_the_named_sampler_decides(self, name: str, argument: str, parent: bool | None, taken: bool) -> None:
        remote = None if parent is None else Remote(TRACE, "00f067aa0ba902b7", parent)
        environ = {"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": argument}
        assert sampled(environ, remote, TRACE) is taken


class TestSpool:
    def test_a_line_is_in_the_file_when_append_returns(self, path: Path) -> None:
        made = filled(path, spans(2))
        assert path.read_text().count("\n") == 1
        assert made.pending == 2
        assert Spool(path).pending == 2

    def test_no_file_is_made_where_nothing_is_written(self, path: Path) -> None:
        made = Spool(path)
        assert (made.pending, made.settle(), path.parent.exists()) == (0, True, False)

    def test_lines_are_counted_by_themselves(self, path: Path) -> None:
        tricky = spans(3, '"startTimeUnixNano":')
        made = Spool(path)
        made.append(encode_line(tricky, {}))
        assert made.pending == 3

    def test_threads_do_not_mix_their_lines(self, path: Path) -> None:
        made = Spool(path)

        def write() -> None:
            for _ in range(50):
                made.append(encode_line(spans(1, "x" * 5000), {}), 1)

        threads = [threading.Thread(target=write) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(is_ours(line) for line in path.read_text().splitlines())
        assert made.pending == 200

    def test_what_cannot_be_written_is_told_and_counted_and_never_raised(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        made = Spool(tmp_path / "file" / "run.otlp.jsonl")
        assert not made.append(encode_line(spans(3), {}), 3)
        assert (made.lost, made.pending) == (3, 0)
        assert made.problem is not None
        assert made.problem.endswith(": File exists")

    def test_a_full_disk_leaves_no_torn_line(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        made = filled(path, spans(1))
        before = path.read_bytes()
        real = os.write

        def full(descriptor: int, data: bytes) -> int:
            monkeypatch.setattr(os, "write", no_space)
            return real(descriptor, data[:10])

        def no_space(descriptor: int, data: bytes) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "write", full)
        assert not made.append(encode_line(spans(1), {}))
        assert path.read_bytes() == before
        assert "No space left" in str(made.problem)

    def test_a_torn_line_does_not_spoil_the_next_one(self, path: Path) -> None:
        filled(path, spans(1)).close()
        with path.open("a") as file:
            file.write('{"resourceSpans":[{"resou')
        filled(path, spans(1))
        assert len(path.read_text().splitlines()) == 3

    @pytest.mark.parametrize(
        "note", ["", "rubbish", "-1 0 {}", "5 0 {}", "99999999 0 {}", "0 -2 {}", "{end} 0 0123456789abcdef", "{end} 0"]
    )
    def test_a_note_that_does_not_fit_the_file_is_not_believed(self, path: Path, note: str) -> None:
        made = filled(path, spans(1))
        made.accepted(Position(path.stat().st_size), 1)
        sidecar = path.with_name(f"{path.name}.sent")
        digest = sidecar.read_text().split()[2]
        assert made.position() == Position(path.stat().st_size)
        sidecar.write_text(note.format(digest, end=path.stat().st_size))
        assert made.position() == Position()

    def test_a_closed_spool_takes_nothing_more(self, path: Path) -> None:
        made = filled(path, spans(1))
        made.close()
        assert not made.append(encode_line(spans(1), {}))
        assert len(path.read_text().splitlines()) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
class TestSending:
    @pytest.mark.parametrize("compression", ["none", "gzip"])
    def test_every_span_arrives_once_and_the_spool_is_gone(
        self, path: Path, receiver: Receiver, protocol: str, compression: str
    ) -> None:
        batches = [spans(400) for _ in range(5)]
        made = filled(path, *batches)
        settings = settings_for(receiver, protocol, OTEL_EXPORTER_OTLP_COMPRESSION=compression)
        result = send(settings, made)
        assert (result.sent, result.left, result.problem) == (2000, 0, None)
        assert receiver.ids() == {span.span_id: 1 for batch in batches for span in batch}
        assert [span.name for span in receiver.spans] == [span.name for batch in batches for span in batch]
        assert list(path.parent.iterdir()) == []

    def test_a_spool_of_another_process_is_sent(self, path: Path, receiver: Receiver, protocol: str) -> None:
        filled(path, spans(3))
        assert send(settings_for(receiver, protocol), Spool(path)).sent == 3
        assert not path.exists()

    def test_appending_goes_on_after_sending(self, path: Path, receiver: Receiver, protocol: str) -> None:
        made = filled(path, spans(1))
        settings = settings_for(receiver, protocol)
        assert send(settings, made).sent == 1
        made.append(encode_line(spans(2), {}), 2)
        assert send(settings, made).sent == 2
        assert set(receiver.ids().values()) == {1}

    def test_a_line_longer_than_a_request_is_cut_and_what_was_accepted_of_it_is_not_sent_again(
        self, path: Path, receiver: Receiver, protocol: str
    ) -> None:
        made = filled(path, spans(1), spans(40, "x" * (REQUEST_BYTES // 15)), spans(1))
        receiver.script.extend(["ok", "ok", "bad"])
        settings = settings_for(receiver, protocol)
        first = send(settings, made)
        assert 1 < first.sent < 42
        assert first.left == 42 - first.sent
        assert send(settings, Spool(path)).left == 0
        assert set(receiver.ids().values()) == {1}
        assert len(receiver.spans) == 42
        assert max(request.size for request in receiver.requests) < 4_000_000

    def test_it_stops_at_a_refusal_and_goes_on_there_next_time(
        self, path: Path, receiver: Receiver, protocol: str
    ) -> None:
        made = filled(path, spans(20, "x" * (REQUEST_BYTES // 25)), spans(20, "x" * (REQUEST_BYTES // 25)))
        receiver.script.extend(["ok", "bad"])
        settings = settings_for(receiver, protocol)
        result = send(settings, made)
        assert (result.sent, result.left) == (20, 20)
        assert result.problem is not None
        assert send(settings, Spool(path)).sent == 20
        assert set(receiver.ids().values()) == {1}

    def test_rejected_spans_are_told_and_not_sent_again(self, path: Path, receiver: Receiver, protocol: str) -> None:
        made = filled(path, spans(5))
        receiver.script.append("partial")
        settings = settings_for(receiver, protocol)
        result = send(settings, made)
        assert (result.sent, result.rejected, result.left) == (4, 1, 0)
        assert (result.problem, result.rejection) == (None, "one is too old")
        assert not path.exists()

    def test_a_busy_collector_gets_the_pause_that_it_asks_for(
        self, path: Path, receiver: Receiver, protocol: str
    ) -> None:
        receiver.retry_after = 1.0
        receiver.script.append("busy")
        began = time.monotonic()
        assert send(settings_for(receiver, protocol), filled(path, spans(1)), Budget(5.0)).sent == 1
        assert time.monotonic() - began >= 1.0

    def test_a_pause_beyond_the_deadline_is_not_waited_for(self, path: Path, receiver: Receiver, protocol: str) -> None:
        receiver.mode, receiver.retry_after = "busy", 60.0
        result = send(settings_for(receiver, protocol), filled(path, spans(1)), Budget(2.0))
        assert result.left == 1
        assert result.waited < 1.0 + SLACK

    def test_an_overloaded_collector_is_asked_again(self, path: Path, receiver: Receiver, protocol: str) -> None:
        receiver.script.append("unavailable")
        assert send(settings_for(receiver, protocol), filled(path, spans(1))).sent == 1

    @pytest.mark.parametrize("mode", ["stall", "unavailable", "bad", "garbage", "close", "trickle", "short", "leak"])
    def test_no_bad_day_loses_a_span_or_takes_longer_than_the_deadline(
        self, path: Path, receiver: Receiver, protocol: str, mode: Mode
    ) -> None:
        if protocol == "grpc" and mode in ("close", "trickle", "short"):
            pytest.skip("a mode of HTTP")
        receiver.mode = mode
        made = filled(path, spans(7))
        settings = settings_for(receiver, protocol, OTEL_EXPORTER_OTLP_HEADERS=f"authorization=Bearer {SECRET}")
        began = time.monotonic()
        result = send(settings, made, Budget(1.0))
        assert time.monotonic() - began < 1.0 + SLACK
        assert (result.sent, result.left) == (0, 7)
        assert result.problem is not None
        assert SECRET not in result.problem
        assert "\n" not in result.problem
        assert Spool(path).pending == 7
        receiver.mode = "ok"
        assert len(receiver.requests[0].headers["authorization"]) > 7

    def test_a_collector_that_is_down_costs_no_time(self, path: Path, receiver: Receiver, protocol: str) -> None:
        settings = replace(settings_for(receiver, protocol), endpoint=f"{refused_endpoint()}/v1/traces")
        result = send(settings, filled(path, spans(7)))
        assert (result.left, result.problem) == (7, "connection refused")
        assert result.waited < 1.0

    def test_a_socket_that_never_answers_costs_the_deadline(
        self, path: Path, receiver: Receiver, protocol: str
    ) -> None:
        with silent_endpoint() as endpoint:
            settings = replace(settings_for(receiver, protocol), endpoint=f"{endpoint}/v1/traces")
            result = send(settings, filled(path, spans(7)), Budget(0.5))
        assert (result.left, result.problem) == (7, "no answer in time")
        assert result.waited < 0.5 + SLACK

    def test_the_timeout_of_a_request_is_kept(self, path: Path, receiver: Receiver, protocol: str) -> None:
        receiver.mode = "stall"
        settings = settings_for(receiver, protocol, OTEL_EXPORTER_OTLP_TIMEOUT="0.2")
        result = send(settings, filled(path, spans(1)), Budget(10.0))
        assert (result.left, result.problem) == (1, "no answer in time")
        assert result.waited < 3.0

    def test_damaged_lines_are_put_aside_and_the_others_arrive(
        self, path: Path, receiver: Receiver, protocol: str
    ) -> None:
        filled(path, spans(2)).close()
        with path.open("ab") as file:
            file.write(b"rubbish\n" + b'{"resourceSpans": []}\n')
        filled(path, spans(2)).close()
        with path.open("ab") as file:
            file.write(b'{"resourceSpans":[{"resource":{"attr')
        result = send(settings_for(receiver, protocol), Spool(path))
        assert (result.sent, result.damaged, result.left) == (4, 2, 0)
        assert not path.exists()
        aside = path.with_name(f"{path.name}.damaged").read_text().splitlines()
        assert aside == ["rubbish", '{"resourceSpans":[{"resource":{"attr']

    def test_headers_and_credentials_of_the_address_are_sent(
        self, path: Path, receiver: Receiver, protocol: str
    ) -> None:
        settings = settings_for(receiver, protocol, OTEL_EXPORTER_OTLP_HEADERS="x-scope=team%201")
        address = str(settings.endpoint).replace("://", "://me:p%40ss@")
        assert send(replace(settings, endpoint=address), filled(path, spans(1))).sent == 1
        headers = receiver.requests[0].headers
        assert (headers["x-scope"], headers["authorization"]) == ("team 1", "Basic bWU6cEBzcw==")

    def test_verify_says_nothing_of_a_good_collector(self, receiver: Receiver, protocol: str) -> None:
        assert verify(settings_for(receiver, protocol)) is None
        assert [request.spans for request in receiver.requests] == [0]

    @pytest.mark.parametrize("mode", ["stall", "bad", "garbage", "leak", "unavailable"])
    def test_verify_says_what_is_wrong_in_one_line(self, receiver: Receiver, protocol: str, mode: Mode) -> None:
        receiver.mode = mode
        settings = settings_for(receiver, protocol, OTEL_EXPORTER_OTLP_HEADERS=f"x-key={SECRET}")
        began = time.monotonic()
        reason = verify(settings, 0.7)
        assert time.monotonic() - began < 0.7 + SLACK
        assert reason is not None
        assert "127.0.0.1" in reason
        assert SECRET not in reason
        assert "\n" not in reason

    def test_nothing_is_left_running(self, path: Path, receiver: Receiver, protocol: str) -> None:
        send(settings_for(receiver, protocol), filled(path, spans(1)))
        assert [t for t in threading.enumerate() if t.name == "contextcore-send"] == []

    def test_a_process_ends_at_the_deadline_with_nothing_on_its_terminal(
        self, path: Path, receiver: Receiver, protocol: str
    ) -> None:
        filled(path, spans(5))
        receiver.mode = "stall"
        took, problem = in_a_process_of_its_own(path, receiver.environ(protocol))
        assert problem == "no answer in time"
        assert took < 0.8 + SLACK


_SEND = """
import os, sys
from pathlib import Path
from pytest_contextcore import budget, telemetry, spool, sender
result = sender.send(telemetry.Settings.from_environ(os.environ), spool.Spool(Path(sys.argv[1])), budget.Budget(0.8))
print(result.waited, result.problem)
"""


def in_a_process_of_its_own(path: Path, environ: dict[str, str]) -> tuple[float, str]:
    """Seconds of the budget, and problem of sending there; nothing may be on its stderr, and it has to end."""
    command = [sys.executable, "-c", _SEND, str(path)]
    done = subprocess.run(
        command, env={**os.environ, **environ}, capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stderr == ""
    seconds, _, problem = done.stdout.strip().partition(" ")
    return float(seconds), problem


def finished(settings: Settings, spools: list[Spool], seconds: float = 2.0) -> list[str]:
    return Delivery(settings, lambda: spools, budget=Budget(seconds)).finish()


class TestTheEndOfARun:
    def test_nothing_is_said_where_all_arrived(self, tmp_path: Path, receiver: Receiver) -> None:
        made = [filled(tmp_path / f"{n}.otlp.jsonl", spans(2)) for n in range(3)]
        assert finished(settings_for(receiver, "http/json"), made) == []
        assert len(receiver.ids()) == 6

    def test_one_line_tells_what_is_left_and_how_to_send_it(self, tmp_path: Path, receiver: Receiver) -> None:
        made = [filled(tmp_path / f"{n}.otlp.jsonl", spans(2)) for n in range(2)]
        settings = replace(settings_for(receiver, "http/json"), endpoint=f"{refused_endpoint()}/v1/traces")
        (line,) = finished(settings, made)
        assert line.startswith("4 spans not sent to http://127.0.0.1:")
        assert "connection refused" in line
        assert line.endswith(f"contextcore replay {made[0].path} {made[1].path}")

    def test_several_spools_share_one_deadline(self, tmp_path: Path, receiver: Receiver) -> None:
        receiver.mode = "stall"
        made = [filled(tmp_path / f"{n}.otlp.jsonl", spans(2)) for n in range(4)]
        began = time.monotonic()
        (line,) = finished(settings_for(receiver, "http/json"), made, 0.5)
        assert time.monotonic() - began < 0.5 + SLACK
        assert line.startswith("8 spans")

    def test_rejected_and_lost_spans_are_told(self, tmp_path: Path, receiver: Receiver) -> None:
        made = filled(tmp_path / "a.otlp.jsonl", spans(2))
        made.lost, made.problem = 3, f"{made.path}: No space left on device"
        receiver.mode = "partial"
        rejected, lost = finished(settings_for(receiver, "http/json"), [made])
        assert rejected.startswith("1 spans rejected")
        assert lost.endswith("No space left on device; 3 spans are lost")

    def test_without_an_endpoint_nothing_is_tried(self, path: Path) -> None:
        assert send(Settings(), filled(path, spans(1))) == SendResult(left=1, problem="no endpoint is configured")


def test_a_collector_that_dies_between_requests_is_found_out_over_a_new_connection(path: Path) -> None:
    with Receiver() as first:
        made = filled(path, spans(20, "x" * (REQUEST_BYTES // 25)), spans(20, "x" * (REQUEST_BYTES // 25)))
        first.script.extend(["ok", "close"])
        result = send(settings_for(first, "http/json"), made)
    assert result.sent == 40  # asked again at once: the answer to a kept connection may just have been lost
    assert set(first.ids().values()) == {1}


def test_a_proxy_is_used_where_the_environment_names_one(
    path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", receiver.http_endpoint)
    monkeypatch.setenv("no_proxy", "")
    settings = Settings.from_environ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.invalid:4318"})
    assert send(settings, filled(path, spans(1))).sent == 1
    assert receiver.requests[0].path == "http://collector.invalid:4318/v1/traces"


def test_a_name_that_does_not_resolve_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: object, **more: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    settings = Settings.from_environ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.invalid:4318"})
    assert send(settings, filled(path, spans(1))).problem == "Name or service not known"


def test_work_that_hangs_outside_of_sockets_is_left_behind(
    path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def hangs(settings: Settings) -> Any:
        released.wait(30)
        raise OSError("too late")

    monkeypatch.setattr(bounded, "open_transport", hangs)
    result = send(settings_for(receiver, "http/json"), filled(path, spans(1)), Budget(0.2))
    released.set()
    assert (result.left, result.problem) == (1, "no answer in time")
    assert result.waited < 0.2 + SLACK


_INSTALL = """
import sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from pytest_contextcore.export.settings import Settings, install_global
environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}
own = TracerProvider()
if sys.argv[1] == "taken":
    trace.set_tracer_provider(own)
if sys.argv[1] == "silent":
    environ = {}
if sys.argv[1] == "unsampled":
    environ["OTEL_TRACES_SAMPLER"] = "always_off"
print(install_global(Settings.from_environ(environ), {"service.name": "shop", "telemetry.sdk.name": "x"}, print))
print(trace.get_tracer_provider() is own)
with trace.get_tracer("shop.http", "3").start_as_current_span("GET", kind=trace.SpanKind.CLIENT) as span:
    span.set_attribute("url.full", "https://me:s3cr3t-t0ken-value@shop/")
    span.set_attribute("names", ["https://me:s3cr3t-t0ken-value@shop/", "b"])
"""


class TestInstallingAProvider:
    def run(self, case: str) -> list[str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        command = [sys.executable, "-c", _INSTALL, case]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return done.stdout.splitlines()

    def test_spans_of_code_under_test_become_lines_without_secrets(self) -> None:
        installed, _, line = self.run("free")
        assert installed == "True"
        assert '"kind":3' in line
        assert '"name":"shop.http","version":"3"' in line
        assert '"key":"telemetry.sdk.name","value":{"stringValue":"opentelemetry"}' in line
        assert SECRET not in line
        assert line.count("https://***@shop/") == 2

    def test_a_provider_that_is_set_stays(self) -> None:
        assert self.run("taken") == ["False", "True"]

    def test_nothing_is_set_where_nothing_is_exported(self) -> None:
        assert self.run("silent") == ["False", "False"]

    def test_the_sampler_is_asked(self) -> None:
        assert self.run("unsampled") == ["True", "False"]


def test_a_header_with_a_line_break_is_refused() -> None:
    settings = Settings.from_environ({"OTEL_EXPORTER_OTLP_HEADERS": "x=a%0D%0Ab: c"})
    assert settings.headers == {}
    assert settings.problems == ("OTEL_EXPORTER_OTLP_HEADERS holds a line break; it is not used",)


def test_the_module_names_what_others_use() -> None:
    assert set(telemetry.__all__) >= {"Settings", "install_global", "resource", "sampled"}
