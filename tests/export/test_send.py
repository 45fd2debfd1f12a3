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
import trustme

from pytest_contextcore.export import send as sending
from pytest_contextcore.export import wire
from pytest_contextcore.export.answer import judge_content
from pytest_contextcore.export.send import Outcome, send, verify
from pytest_contextcore.export.settings import Settings
from pytest_contextcore.export.spool import Spool

from ..support.otlp_receiver import Mode, Receiver, blunt_endpoint, has_ipv6, refused_endpoint, silent_endpoint, tunnel
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


def test_a_span_that_cannot_be_put_aside_stays_in_the_spool(path: Path, receiver: Receiver) -> None:
    made, settings = filled(path, spans(20)), settings_for(receiver, "http/protobuf")
    aside = path.with_name("run.otlp.refused")
    aside.mkdir()
    receiver.poison = "test 7"
    done = patiently(settings, made)
    assert (done.sent, done.left) == (7, 13)
    assert done.lines[0] == f"spool {aside}: Is a directory; 0 spans are lost"
    assert f"a span that was refused cannot be put aside in {aside}; later: " in done.lines[1]
    aside.rmdir()
    assert patiently(settings, Spool(path)).sent == 12
    assert names(Spool(aside)) == ["test 7"]


def bad_day(path: Path, receiver: Receiver, protocol: str, mode: Mode) -> str:
    """What is said when a collector takes nothing; it is one line without secrets, in time, and nothing is lost."""
    receiver.mode = mode
    settings = settings_for(receiver, protocol, OTEL_EXPORTER_OTLP_HEADERS=f"authorization=Bearer {SECRET}")
    seconds = 0.6 if mode in ("stall", "trickle", "drip") else 3.0
    began = time.monotonic()
    done = send(settings, [filled(path, spans(7))], seconds=seconds)
    assert time.monotonic() - began < seconds + SLACK
    assert (done.sent, done.left) == (0, 7)
    (line,) = done.lines
    assert line.startswith("7 spans not sent to ")
    assert line.endswith(f"later: contextcore replay {path}")
    assert SECRET not in line
    assert line.isprintable()
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
        made = filled(path, spans(3_000))
        receiver.poison = "test 613"
        done = patiently(settings_for(receiver, protocol), made)
        assert (done.sent, done.left, done.problem) == (2_999, 0, None)
        (line,) = done.lines
        assert line.startswith("1 spans refused by ")
        assert line.endswith("run.otlp.refused")
        assert len(receiver.requests) < 30
        assert list(receiver.ids().values()) == [1] * 2_999
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

    @pytest.mark.parametrize(
        ("mode", "said", "tries"),
        [
            ("stall", "no answer in time", 1),
            ("unavailable", "", 3),
            ("bad", "", 3),
            ("garbage", "no OTLP message", 1),
            ("overcount", "a wrong answer: 8 of 7", 1),
            ("negative", "a wrong answer: -1 of 7", 1),
            ("leak", "", 1),
            ("long", "the answer is longer than 64 KiB", 1),
            ("escape", "gone", 1),
        ],
    )
    def test_no_bad_day_loses_a_span_or_takes_longer_than_the_bound(
        self, path: Path, receiver: Receiver, protocol: str, mode: Mode, said: str, tries: int
    ) -> None:
        assert said in bad_day(path, receiver, protocol, mode)
        assert len([request for request in receiver.requests if request.spans]) == tries

    def test_who_is_not_there_costs_nothing_and_who_is_silent_costs_the_bound(
        self, path: Path, receiver: Receiver, protocol: str
    ) -> None:
        settings = replace(settings_for(receiver, protocol), endpoint=f"{refused_endpoint()}/v1/traces")
        began = time.monotonic()
        assert send(settings, [filled(path, spans(7))]).problem == "connection refused"
        assert time.monotonic() - began < 1.0
        spools = [Spool(path), *(filled(path.with_name(f"{n}.otlp"), spans(1)) for n in range(3))]
        with silent_endpoint() as endpoint:
            for silent in (endpoint, endpoint.replace("http:", "https:")):
                there = replace(settings, endpoint=f"{silent}/v1/traces", insecure=silent == endpoint)
                began = time.monotonic()
                done = send(there, spools, seconds=0.3)
                assert time.monotonic() - began < 0.3 + SLACK
                assert (done.left, done.problem) == (10, "no answer in time")

    def test_a_reset_within_a_request_or_an_answer_loses_nothing(
        self, path: Path, receiver: Receiver, protocol: str
    ) -> None:
        made = filled(path, spans(20, "x" * 150_000))
        there = receiver.environ(protocol)
        answers = [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf"]
        for content in answers:
            with blunt_endpoint(content) as endpoint:
                settings = Settings.from_environ(there | {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})
                done = send(settings, [made], seconds=1.0)
            assert (done.sent, done.left) == (0, 20)
            assert len(done.lines) == 1
        assert patiently(settings_for(receiver, protocol), made).left == 0
        assert list(receiver.ids().values()) == [1] * 20

    def test_an_address_of_ipv6_is_taken(self, path: Path, protocol: str) -> None:
        if not has_ipv6():
            pytest.skip("this machine has no IPv6")
        with Receiver(host="::1") as receiver:
            assert patiently(settings_for(receiver, protocol), filled(path, spans(1))) == Outcome(1, 0, None, [])
            assert verify(settings_for(receiver, protocol), 10.0) is None

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
    ("mode", "said", "tries"),
    [
        ("close", "Remote end closed connection", 1),
        ("short", "the connection was closed within an answer", 1),
        ("redirect", "redirect to http://elsewhere/, which is not followed", 1),
        ("trickle", "no answer in time", 1),
        ("drip", "no answer in time", 1),
        ("502", "HTTP 502 Bad Gateway", 3),
        ("504", "HTTP 504 Gateway Timeout", 3),
        ("exhausted", "HTTP 429 Too Many Requests", 3),
    ],
)
def test_no_bad_day_of_http_loses_a_span_either(
    path: Path, receiver: Receiver, mode: Mode, said: str, tries: int
) -> None:
    assert said in bad_day(path, receiver, "http/protobuf", mode)
    assert len(receiver.requests) == tries


def test_grpcs_resource_exhausted_may_do_later_only_if_the_collector_says_so(path: Path, receiver: Receiver) -> None:
    assert "RESOURCE_EXHAUSTED slow down" in bad_day(path, receiver, "grpc", "exhausted")
    assert len(receiver.requests) == 1
    receiver.retry_after = 0.05
    bad_day(path.with_name("other.otlp"), receiver, "grpc", "busy")
    assert len(receiver.requests) == 1 + 3


@pytest.mark.parametrize(
    ("protocol", "short", "long"),
    [
        ("grpc", 0.3, 60.0),
        ("http/protobuf", 1.0, 60.0),
        ("http/protobuf", "Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"),
        ("http/protobuf", "soon", "9" * 400),
    ],
)
def test_the_pause_that_a_busy_collector_asks_for_is_kept_if_there_is_time(
    path: Path, receiver: Receiver, protocol: str, short: float | str, long: float | str
) -> None:
    settings, receiver.retry_after = settings_for(receiver, protocol), short
    receiver.script.extend(["busy"])
    began = time.monotonic()
    assert patiently(settings, filled(path, spans(1))).sent == 1
    assert time.monotonic() - began >= (short if isinstance(short, float) else 0)
    receiver.retry_after, receiver.mode = long, "busy"
    before = len(receiver.requests)
    assert send(settings, [filled(path, spans(1))]).left == 1
    assert len(receiver.requests) == before + 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"220 mail.example ESMTP \x1b[2Jready\r\n", "the answer is no HTTP: 220 mail.example ESMTP [2Jready"),
        (b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64", "the answer is no HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Y: z\r\n" * 200, "the answer is no HTTP: got more than 100 headers"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf", "closed within an answer"),
    ],
    ids=["mail", "http2", "headers", "chunk"],
)
def test_an_answer_that_is_no_http_is_called_so(path: Path, content: bytes, said: str) -> None:
    with blunt_endpoint(content, reset=False) as endpoint:
        settings = Settings.from_environ({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})
        done = send(settings, [filled(path, spans(1))])
    assert said in str(done.problem)
    assert str(done.problem).isprintable()


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
    assert done.problem in ("time ran out", "no answer in time")  # the latter if the machine is slow as well


def test_a_proxy_is_used_where_the_environment_names_one(
    path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", receiver.http_endpoint)
    monkeypatch.setenv("no_proxy", "")
    settings = Settings.from_environ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.invalid:4318"})
    assert patiently(settings, filled(path, spans(1))).sent == 1
    assert receiver.requests[0].path == "http://collector.invalid:4318/v1/traces"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tls_goes_through_a_proxy_to_a_name_that_the_proxy_alone_can_resolve(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    authority = trustme.CA()
    made = authority.issue_cert("collector.invalid")
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    made.cert_chain_pems[0].write_to_path(tmp_path / "server.pem")
    made.private_key_pem.write_to_path(tmp_path / "server.key")
    with Receiver(tls=(tmp_path / "server.pem", tmp_path / "server.key")) as receiver:
        there = receiver.environ(protocol)
        with tunnel(there["OTEL_EXPORTER_OTLP_ENDPOINT"]) as (proxy, asked):
            monkeypatch.setenv("https_proxy", proxy)
            monkeypatch.setenv("no_proxy", "")
            there["OTEL_EXPORTER_OTLP_ENDPOINT"] = "https://collector.invalid:4318"
            there["OTEL_EXPORTER_OTLP_CERTIFICATE"] = str(tmp_path / "authority.pem")
            assert patiently(Settings.from_environ(there), filled(path, spans(1))) == Outcome(1, 0, None, [])
        assert len(receiver.spans) == 1
    assert asked == ["collector.invalid:4318"]


def test_a_name_that_does_not_resolve_is_told_and_a_look_up_that_hangs_is_given_up(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def unknown(*args: object, **more: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    def hanging(*args: object, **more: object) -> object:
        released.wait(30)
        return unknown()

    settings = Settings.from_environ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.invalid:4318"})
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert send(settings, [filled(path, spans(1))]).problem == "Name or service not known"
    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    began = time.monotonic()
    assert send(settings, [Spool(path)], seconds=0.3).problem == "no answer in time"
    assert time.monotonic() - began < 0.3 + SLACK
    released.set()


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
        (b'{"partialSuccess":{"rejectedSpans":1.5}}', "application/json"),
        (b'{"partialSuccess":{"rejectedSpans":true}}', "application/json"),
        (b'{"partialSuccess":{"rejectedSpans":1e999}}', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"<html>", "application/x-protobuf"),
        (b"<html>", "text/html"),
    ],
)
def test_what_is_no_otlp_answer_is_no_acceptance(content: bytes, kind: str) -> None:
    assert not judge_content(content, kind).accepted
