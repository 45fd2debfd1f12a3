"""What a program may post while it is waited for, and what becomes of it."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from pytest_contextcore.export import children, receiver, wire
from pytest_contextcore.export.messages import scope_of
from pytest_contextcore.export.receiver import MAX_REQUEST, Receiver
from pytest_contextcore.export.spool import Spool
from pytest_contextcore.ids import Remote

from ..support import spools as spool_files

PARENT = Remote("ab" * 16, "cd" * 8, sampled=True, state="vendor=1")
OWN = bytes.fromhex("12" * 16)
ROOT, CHILD = bytes.fromhex("34" * 8), bytes.fromhex("56" * 8)


def request(*spans: Span, service: str = "app") -> TracesData:
    found = TracesData()
    of_resource = found.resource_spans.add()
    of_resource.resource.attributes.add(key="service.name").value.string_value = service
    of_resource.scope_spans.add().spans.extend(spans)
    return found


def span(name: str, own_id: bytes = ROOT, trace: bytes = OWN, parent: bytes = b"") -> Span:
    return Span(name=name, trace_id=trace, span_id=own_id, parent_span_id=parent)


ONE: bytes = request(span("root")).SerializeToString()
JSON = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"%b","spanId":"%b","name":"root"}]}]}]}' % (
    OWN.hex().encode(), ROOT.hex().encode(),
)  # fmt: skip


class Program(NamedTuple):
    """What a program knows, and what became of what it sent."""

    url: str
    folder: Path
    remarks: list[str]

    def post(self, body: object, path: str | None = None, **headers: str) -> tuple[int, bytes]:
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST", path or parts.path, body, named)  # type: ignore[arg-type]
        with connection.getresponse() as answer:
            return answer.status, answer.read()

    def connect(self) -> socket.socket:
        parts = urlsplit(self.url)
        return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20)

    def head(self, size: int) -> bytes:
        return f"POST {urlsplit(self.url).path} HTTP/1.1\r\nContent-Length: {size}\r\n\r\n".encode()

    def kept(self) -> list[Span]:
        files = [Spool(path) for path in sorted(self.folder.iterdir())]
        return [one for file in files for piece in file.pieces() for one in scope_of(piece.data).spans]


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., AbstractContextManager[Program]]:
    @contextmanager
    def run(parent: Remote = PARENT) -> Iterator[Program]:
        remarks: list[str] = []
        folder = tmp_path / "spool"
        folder.mkdir(exist_ok=True)
        with children.received(
            {}, parent, "app.py", lambda what, head: Spool(folder / f"run-{what}.otlp", head), remarks.append
        ) as environ:
            yield Program(environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", ""), folder, remarks)

    return run


Run = Callable[..., AbstractContextManager[Program]]


# -- what is sent ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (ONE, {}),
        (gzip.compress(ONE), {"Content_Encoding": "gzip"}),
        (zlib.compress(ONE), {"Content_Encoding": "deflate"}),
        (JSON, {"Content_Type": "application/json; charset=utf-8"}),
        ([ONE[:5], ONE[5:]], {}),
        (ONE, {"Expect": "100-continue"}),
    ],
    ids=["protobuf", "gzip", "deflate", "json", "chunked", "expecting"],
)
def test_spans_are_taken_however_they_are_sent(program: Run, body: object, headers: dict[str, str]) -> None:
    with program() as run:
        status, answer = run.post(body, **headers)
    assert (status, answer.strip()) == (200, b"{}" if "Content_Type" in headers else b"")
    (found,) = run.kept()
    assert (found.name, found.trace_id.hex(), found.trace_state) == ("root", PARENT.trace_id, "vendor=1")
    assert run.remarks == []


@pytest.mark.parametrize(
    ("body", "headers", "status", "why"),
    [
        (b"\x0a\xff", {}, 400, "no spans by OTLP"),
        (b"[]", {"Content_Type": "application/json"}, 400, "no spans by OTLP"),
        (b"[" * 100_000, {"Content_Type": "application/json"}, 400, "no spans by OTLP"),
        (ONE, {"Content_Encoding": "gzip"}, 400, "no gzip"),
        (ONE, {"Content_Encoding": "br"}, 415, "neither gzip nor deflate"),
        (gzip.compress(b"\0" * (MAX_REQUEST + 1)), {"Content_Encoding": "gzip"}, 413, "8 MiB when unpacked"),
        (b"\0" * (MAX_REQUEST + 1), {}, 413, "over 8 MiB"),
        ([b"\0" * (MAX_REQUEST // 2)] * 3, {}, 413, "over 8 MiB"),
        (ONE, {"path": "/v1/traces"}, 404, "another address"),
        (ONE, {"Content_Length": "-1"}, 413, "8 MiB"),
        (ONE, {"Content_Length": "many"}, 400, "no HTTP"),
        (b"?\r\n", {"Transfer_Encoding": "chunked"}, 400, "no HTTP"),
        (ONE, {"X_Long": "x" * 70_000}, 431, "no HTTP"),
    ],
)
def test_what_cannot_be_taken_is_answered_and_told_in_a_line(
    program: Run, body: object, headers: dict[str, str], status: int, why: str
) -> None:
    with program() as run:
        found, answer = run.post(body, **headers)
        assert found == status
        assert why.encode() in answer
        if "Content_Type" in headers:
            assert why in json.loads(answer)["message"]
        assert run.post(ONE)[0] == 200
    assert [one.name for one in run.kept()] == ["root"]
    (line,) = run.remarks
    assert line.startswith("1 request of app.py refused: ")
    assert why in line


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"400"),
        (b"POST\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"501"),
        (b"POST / HTTP/2.0\r\n\r\n", b"505"),
        (b"POST /" + b"x" * 70_000, b"414"),
        (b"POST / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", b"431"),
        (b"POST / HTTP/1.1\r\n\xff\xfe: \x00\r\n\r\n", b"404"),
    ],
)
def test_what_is_no_request_is_answered_and_nothing_is_printed(
    program: Run, capfd: pytest.CaptureFixture[str], data: bytes, status: bytes
) -> None:
    with program() as run:
        with run.connect() as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            assert connection.makefile("rb").read().startswith(b"HTTP/1.1 " + status)
        assert run.post(ONE)[0] == 200
    assert len(run.kept()) == len(run.remarks) == 1
    assert capfd.readouterr() == ("", "")


# -- what becomes of spans ---------------------------------------------------------------------------------------------
def test_a_trace_of_its_own_becomes_part_of_ours(program: Run) -> None:
    root, child = span("root"), span("child", CHILD, parent=ROOT)
    child.links.add(trace_id=OWN, span_id=ROOT)
    child.links.add(trace_id=b"x" * 16, span_id=ROOT)
    ours = span("ours", b"o" * 8, bytes.fromhex(PARENT.trace_id), parent=bytes.fromhex(PARENT.span_id))
    with program() as run:
        run.post(request(child, root, ours).SerializeToString())
    found = {one.name: one for one in run.kept()}
    assert {one.trace_id.hex() for one in found.values()} == {PARENT.trace_id}
    assert (found["root"].parent_span_id.hex(), found["root"].flags) == (PARENT.span_id, 0x300)
    assert [(link.trace_id, link.span_id) for link in found["root"].links] == [(OWN, ROOT)]
    assert found["child"].parent_span_id == ROOT
    assert [link.trace_id.hex() for link in found["child"].links] == [PARENT.trace_id, (b"x" * 16).hex()]
    assert found["ours"] == ours


def test_a_trace_that_is_not_sampled_keeps_nothing_and_refuses_nothing(program: Run) -> None:
    with program(PARENT._replace(sampled=False)) as run:
        assert run.post(ONE) == (200, b"")
    assert (run.kept(), run.remarks) == ([], [])


def test_spans_without_ids_or_with_the_programs_own_are_refused_and_the_others_are_kept(program: Run) -> None:
    bad = [
        span("short", b"x"), span("zero", bytes(8)), span("no trace", trace=b""), span("ours", bytes.fromhex("cd" * 8)),
    ]  # fmt: skip
    with program() as run:
        status, answer = run.post(request(*bad, span("good")).SerializeToString())
    assert status == 200
    assert ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans == 4
    assert [one.name for one in run.kept()] == ["good"]
    assert [line.partition(" refused")[0] for line in run.remarks] == ["4 spans of app.py"]


@pytest.mark.parametrize(
    ("limit", "number", "kept"),
    [("MAX_SPANS", 3, 3), ("MAX_BYTES", 200, 2), ("MAX_RESOURCES", 2, 2), ("_MAX_HEAD", 9, 0)],
)
def test_what_is_too_much_is_refused_and_counted(
    program: Run, monkeypatch: pytest.MonkeyPatch, limit: str, number: int, kept: int
) -> None:
    monkeypatch.setattr(children, limit, number)
    with program() as run:
        answers = [
            run.post(request(span("one", bytes([n + 1]) * 8), service=f"app {n}").SerializeToString())[1]
            for n in range(5)
        ]
    refused = [ExportTraceServiceResponse.FromString(answer).partial_success for answer in answers]
    assert [one.rejected_spans for one in refused] == [0] * kept + [1] * (5 - kept)
    assert "are taken" in refused[-1].error_message
    assert len(run.kept()) == kept
    assert [line.partition(" refused")[0] for line in run.remarks] == [f"{5 - kept} spans of app.py"]


def test_texts_are_without_secrets_and_fit_wherever_they_stand(program: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "s3cr3t-of-the-shop"
    monkeypatch.setenv("DEPLOY_TOKEN", secret)
    one = span(secret)
    one.status.message = secret
    one.attributes.add(key="long").value.string_value = secret * 100_000
    one.attributes.add(key="bytes").value.bytes_value = secret.encode()
    one.attributes.add(key=secret).value.array_value.values.add().kvlist_value.values.add(key=secret)
    one.events.add(name=secret).attributes.add(key=secret).value.string_value = secret
    body = request(one, service=secret)
    body.resource_spans[0].scope_spans[0].scope.name = secret
    with program() as run:
        assert run.post(body.SerializeToString()) == (200, b"")
    (path,) = run.folder.iterdir()
    assert secret.encode() not in path.read_bytes()
    assert spool_files.names(Spool(path)) == ["***"]
    assert max(len(piece.data) for piece in Spool(path).pieces()) <= wire.MAX_FRAME


def test_a_fault_of_ours_is_told_and_the_others_are_kept(
    program: Run, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object) -> None:
        raise KeyError("s3cr3t")

    with program() as run:
        with monkeypatch.context() as patched:
            patched.setattr(receiver, "_unpacked", fail)
            with pytest.raises(ConnectionError):
                run.post(ONE)
        assert run.post(ONE)[0] == 200
    assert (len(run.kept()), run.remarks) == (1, ["1 request of app.py refused: KeyError"])
    assert capfd.readouterr() == ("", "")


# -- how long it is waited for -----------------------------------------------------------------------------------------
def test_what_was_sent_whole_before_the_end_is_kept_and_nothing_else_is_waited_for(program: Run) -> None:
    with program() as run:
        silent, half, slow = run.connect(), run.connect(), run.connect()
        half.sendall(run.head(len(ONE)) + ONE[:-1])
        slow.sendall(run.head(1_000_000))
        for n in range(receiver.MAX_CONNECTIONS - 3):
            with run.connect() as quick:
                body = request(span(f"last {n}", bytes([n + 1]) * 8)).SerializeToString()
                quick.sendall(run.head(len(body)) + body)
    assert len(run.kept()) == receiver.MAX_CONNECTIONS - 3
    for connection in (silent, half, slow):
        with connection:
            assert connection.recv(1) == b""


def test_a_connection_takes_no_longer_than_it_may_and_then_others_have_their_turn(
    program: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver, "SECONDS", 0.2)
    monkeypatch.setattr(receiver, "MAX_CONNECTIONS", 2)
    with program() as run, run.connect() as first, run.connect() as second:
        first.sendall(b"POST ")
        second.sendall(run.head(MAX_REQUEST))
        with suppress(ConnectionError):
            for _ in range(MAX_REQUEST):
                second.sendall(b"x")
            pytest.fail("it was read for as long as it came")
        assert run.post(ONE)[0] == 200
        assert first.recv(1) == b""


def test_where_nothing_can_be_received_the_program_runs_all_the_same(
    program: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **keywords: object) -> None:
        raise OSError(99, "no such address")

    monkeypatch.setattr(Receiver, "server_bind", refuse)
    with program() as run:
        assert run.url == ""
    assert run.remarks == ["spans of app.py are not received: no such address"]
