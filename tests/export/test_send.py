"""Sending a spool to real receivers, on good and on bad days."""

from __future__ import annotations

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

from pytest_contextcore.export import send as sending
from pytest_contextcore.export import wire
from pytest_contextcore.export.answer import judge_content
from pytest_contextcore.export.send import Outcome, send, verify
from pytest_contextcore.export.settings import Settings
from pytest_contextcore.export.spool import Spool

from ..support.otlp_receiver import Mode, Receiver, refused_endpoint, silent_endpoint
from ..support.spools import filled, names, spans

PROTOCOLS = ["grpc", "http/protobuf", "http/json"]
SECRET = "s3cr3t-t0ken-value"
SLACK = 0.5
"""Seconds beyond a bound that a loaded machine may take to notice it."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out" / "spool" / "run.otlp"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


def settings_for(receiver: Receiver, protocol: str, **more: str) -> Settings:
    return Settings.from_environ({**receiver.environ(protocol), **more})


def patiently(settings: Settings, *spools: Spool) -> Outcome:
    """Send where the machine's load is not the subject."""
    return send(settings, spools, seconds=30.0)


def bad_day(path: Path, receiver: Receiver, protocol: str, mode: Mode) -> str:
    """What is said when a collector takes nothing; it is one line without secrets, in time, and nothing is lost."""
    receiver.mode = mode
    settings = settings_for(receiver, protocol, OTEL_EXPORTER_OTLP_HEADERS=f"authorization=Bearer {SECRET}")
    began = time.monotonic()
    done = send(settings, [filled(path, spans(7))], seconds=1.0)
    assert time.monotonic() - began < 1.0 + SLACK
    assert (done.sent, done.left) == (0, 7)
    (line,) = done.lines
    assert line.startswith("7 spans not sent to ")
    assert line.endswith(f"later: contextcore replay {path}")
    assert SECRET not in line
    assert "\n" not in line
    assert names(Spool(path)) == [f"test {n}" for n in range(7)]
    return line


@pytest.mark.parametrize("protocol", PROTOCOLS)
class TestAnyProtocol:
    @pytest.mark.parametrize("compression", ["none", "gzip"])
    def test_every_span_arrives_once_in_order_and_nothing_stays(
        self, path: Path, receiver: Receiver, protocol: str, compression: str
    ) -> None:
        made = spans(2_000)
        settings = settings_for(receiver, protocol, OTEL_EXPORTER_OTLP_COMPRESSION=compression)
        other = filled(path.with_name("other.otlp"), spans(3))
        assert patiently(settings, filled(path, made), other) == Outcome(2_003, 0, None, [])
        assert [span.name for span in receiver.spans][:2_000] == [span.name for span in made]
        assert set(receiver.ids().values()) == {1}
        assert list(path.parent.iterdir()) == []
        assert [thread for thread in threading.enumerate() if thread.name == "contextcore-send"] == []

    def test_requests_are_of_a_size_that_collectors_take_and_a_refusal_is_gone_on_from(
        self, path: Path, receiver: Receiver, protocol: str
    ) -> None:
        made = filled(path, spans(60, "x" * 150_000))
        receiver.script.extend(["ok", "leak"])
        settings = settings_for(receiver, protocol)
        first = patiently(settings, made)
        assert 0 < first.sent < 60
        assert first.left == 60 - first.sent
        assert patiently(settings, Spool(path)).left == 0
        assert list(receiver.ids().values()) == [1] * 60
        assert max(request.size for request in receiver.requests) < 4_000_000

    def test_a_span_that_the_collector_calls_invalid_is_put_aside_and_the_others_arrive(
        self, path: Path, receiver: Receiver, protocol: str
    ) -> None:
        made = filled(path, spans(1_000))
        receiver.poison = "test 613"
        done = patiently(settings_for(receiver, protocol), made)
        assert (done.sent, done.left, done.problem) == (999, 0, None)
        (line,) = done.lines
        assert line.startswith("1 spans refused by ")
        assert line.endswith("run.otlp.refused")
        assert len(receiver.requests) < 30
        assert list(receiver.ids().values()) == [1] * 999
        receiver.poison = ""
        assert patiently(settings_for(receiver, protocol), Spool(path.with_name("run.otlp.refused"))).sent == 1

    def test_who_calls_everything_invalid_gets_nothing_put_aside(
        self, path: Path, receiver: Receiver, protocol: str
    ) -> None:
        receiver.mode = "bad"
        done = patiently(settings_for(receiver, protocol), filled(path, spans(100)))
        assert (done.sent, done.left) == (0, 100)
        assert not path.with_name("run.otlp.refused").exists()

    def test_rejected_spans_are_told_and_not_sent_again(self, path: Path, receiver: Receiver, protocol: str) -> None:
        receiver.script.append("partial")
        done = patiently(settings_for(receiver, protocol), filled(path, spans(5)))
        where = settings_for(receiver, protocol).describe()
        assert done == Outcome(4, 0, None, [f"1 spans rejected by {where}: one is [31m too old"])

    @pytest.mark.parametrize("mode", ["stall", "unavailable", "bad", "garbage", "overcount", "leak"])
    def test_no_bad_day_loses_a_span_or_takes_longer_than_the_bound(
        self, path: Path, receiver: Receiver, protocol: str, mode: Mode
    ) -> None:
        said = {"overcount": "a wrong answer: 8 of 7", "garbage": "no OTLP message"}
        assert said.get(mode, "") in bad_day(path, receiver, protocol, mode)

    def test_who_is_not_there_costs_nothing_and_who_is_silent_costs_the_bound(
        self, path: Path, receiver: Receiver, protocol: str
    ) -> None:
        settings = replace(settings_for(receiver, protocol), endpoint=f"{refused_endpoint()}/v1/traces")
        began = time.monotonic()
        assert send(settings, [filled(path, spans(7))]).problem == "connection refused"
        assert time.monotonic() - began < 1.0
        with silent_endpoint() as endpoint:
            began = time.monotonic()
            spools = [Spool(path), *(filled(path.with_name(f"{n}.otlp"), spans(1)) for n in range(3))]
            done = send(replace(settings, endpoint=f"{endpoint}/v1/traces"), spools, seconds=0.5)
            assert time.monotonic() - began < 0.5 + SLACK
        assert (done.left, done.problem) == (10, "no answer in time")

    def test_the_timeout_of_a_request_is_kept(self, path: Path, receiver: Receiver, protocol: str) -> None:
        receiver.mode = "stall"
        settings = settings_for(receiver, protocol, OTEL_EXPORTER_OTLP_TIMEOUT="0.2")
        began = time.monotonic()
        assert patiently(settings, filled(path, spans(1))).problem == "no answer in time"
        assert time.monotonic() - began < 3.0

    def test_headers_and_credentials_of_the_address_are_sent(
        self, path: Path, receiver: Receiver, protocol: str
    ) -> None:
        settings = settings_for(receiver, protocol, OTEL_EXPORTER_OTLP_HEADERS="x-scope=team%201")
        address = str(settings.endpoint).replace("://", "://me:p%40ss@")
        assert patiently(replace(settings, endpoint=address), filled(path, spans(1))).sent == 1
        headers = receiver.requests[0].headers
        assert (headers["x-scope"], headers["authorization"]) == ("team 1", "Basic bWU6cEBzcw==")

    def test_verify_asks_with_a_request_of_no_spans(self, receiver: Receiver, protocol: str) -> None:
        settings = settings_for(receiver, protocol, OTEL_EXPORTER_OTLP_HEADERS=f"x-key={SECRET}")
        assert verify(settings, 10.0) is None
        assert [request.spans for request in receiver.requests] == [0]
        for mode in ("stall", "bad", "garbage", "leak"):
            receiver.mode = mode
            reason = str(verify(settings, 0.7))
            assert "127.0.0.1" in reason
            assert SECRET not in reason

    def test_a_process_ends_at_the_bound_with_nothing_on_its_terminal(
        self, path: Path, receiver: Receiver, protocol: str
    ) -> None:
        filled(path, spans(5))
        receiver.mode = "stall"
        program = (
            "import os, sys, time\nfrom pathlib import Path\n"
            "from pytest_contextcore.export import send, settings, spool\n"
            "began = time.monotonic()\nfound = settings.Settings.from_environ(os.environ)\n"
            "print(send.send(found, [spool.Spool(Path(sys.argv[1]))]).problem, time.monotonic() - began < 2.0)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, str(path)],
            env={**os.environ, **receiver.environ(protocol)},
            capture_output=True, text=True, timeout=20, check=True,
        )  # fmt: skip
        assert (done.stdout, done.stderr) == ("no answer in time True\n", "")


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("close", "Remote end closed connection"),
        ("short", "the connection was closed within an answer"),
        ("long", "the answer is longer than 64 KiB"),
        ("redirect", "redirect to http://elsewhere/, which is not followed"),
        ("trickle", "no answer in time"),
    ],
)
def test_no_bad_day_of_http_loses_a_span_either(path: Path, receiver: Receiver, mode: Mode, said: str) -> None:
    assert said in bad_day(path, receiver, "http/protobuf", mode)


def test_the_pause_that_a_busy_collector_asks_for_is_kept_if_there_is_time(path: Path, receiver: Receiver) -> None:
    receiver.script.extend(["busy"])
    settings = settings_for(receiver, "http/protobuf")
    began = time.monotonic()
    assert patiently(settings, filled(path, spans(1))).sent == 1
    assert time.monotonic() - began >= 1.0
    receiver.retry_after, receiver.mode = 60.0, "busy"
    began = time.monotonic()
    assert send(settings, [filled(path, spans(1))]).left == 1
    assert time.monotonic() - began < 1.0 + SLACK


def test_damaged_and_torn_bytes_are_left_out_and_the_others_arrive(path: Path, receiver: Receiver) -> None:
    filled(path, spans(2))
    with path.open("ab") as file:
        file.write(b"rubbish")
    filled(path, spans(2))
    with path.open("ab") as file:
        file.write(wire.frame(spans(1)[0])[:-9])
    done = patiently(settings_for(receiver, "http/protobuf"), Spool(path))
    assert done == Outcome(4, 0, None, [f"2 damaged pieces of {path} were left out"])
    assert not path.exists()


def test_a_slow_collector_gets_what_the_bound_allows_and_a_quick_one_all(
    path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(receiver, "http/protobuf")
    assert send(settings, [filled(path, spans(1_000, "x" * 30_000))], seconds=0.6).left == 0
    take = receiver._take

    def slowly(*arguments: Any) -> Any:
        time.sleep(0.25)
        return take(*arguments)

    monkeypatch.setattr(receiver, "_take", slowly)
    began = time.monotonic()
    done = send(settings, [filled(path, spans(1_000, "x" * 30_000))], seconds=0.6)
    assert time.monotonic() - began < 0.6 + SLACK
    assert done.left > 500
    assert done.problem == "time ran out"


def test_a_proxy_is_used_where_the_environment_names_one(
    path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", receiver.http_endpoint)
    monkeypatch.setenv("no_proxy", "")
    settings = Settings.from_environ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.invalid:4318"})
    assert patiently(settings, filled(path, spans(1))).sent == 1
    assert receiver.requests[0].path == "http://collector.invalid:4318/v1/traces"


def test_a_name_that_does_not_resolve_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: object, **more: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    settings = Settings.from_environ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.invalid:4318"})
    assert send(settings, [filled(path, spans(1))]).problem == "Name or service not known"


def test_what_hangs_notes_nothing_once_it_was_given_up(
    path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    released, opened = threading.Event(), sending._open_transport

    def late(settings: Settings) -> Any:
        released.wait(30)
        return opened(settings)

    monkeypatch.setattr(sending, "_open_transport", late)
    assert send(settings_for(receiver, "http/protobuf"), [filled(path, spans(1))], seconds=0.2).left == 1
    released.set()
    for thread in threading.enumerate():
        if thread.name == "contextcore-send":
            thread.join(10)
    assert Spool(path).pending == 1


def test_lost_spans_are_told_and_without_an_endpoint_nothing_is_tried(path: Path) -> None:
    spool = filled(path, spans(2))
    spool.lost, spool.problem = 3, f"{path}: No space left on device"
    lost, left = send(Settings(), [spool]).lines
    assert lost == f"spool {path}: No space left on device; 3 spans are lost"
    assert left == f"2 spans not sent to no endpoint: no endpoint is configured; later: contextcore replay {path}"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"[]", "application/json"),
        (b'{"partialSuccess":{"rejectedSpans":"many"}}', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"<html>", "application/x-protobuf"),
        (b"<html>", "text/html"),
    ],
)
def test_what_is_no_otlp_answer_is_no_acceptance(content: bytes, kind: str) -> None:
    assert not judge_content(content, kind).accepted
