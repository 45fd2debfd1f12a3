"""A real OTLP receiver for tests: gRPC and HTTP (protobuf and JSON, gzip, TLS), with bad days on demand.

It reads JSON in a way of its own, through protobuf's ``json_format``, so that it checks what the package writes.
"""

from __future__ import annotations

import atexit
import gzip
import json
import select
import socket
import ssl
import struct
import threading
from base64 import b64encode
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import grpc
from google.protobuf.json_format import ParseDict
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Mode = Literal[
    "ok", "stall", "unavailable", "bad", "garbage", "partial", "overcount", "negative", "leak", "busy", "exhausted",
    "escape", "long",
    "close", "trickle", "drip", "short", "redirect", "502", "504",
]  # fmt: skip
"""``partial`` rejects one span, ``overcount`` more than there were, ``negative`` fewer than none; ``leak`` repeats the
headers; ``busy`` asks to wait for ``retry_after``, ``exhausted`` is that without the asking; ``escape`` says what
would clear a terminal. The last line is of HTTP only: ``short`` breaks off, ``trickle`` has a head without end, and
``drip`` such a body."""

NASTY = "\x1b[2J\x1b]0;mine\x07gone\x9b31m\u202e"
"""A text of a collector that would do something to a terminal."""

_SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"


@dataclass(slots=True)
class Received:
    """One request that arrived, accepted or not."""

    headers: dict[str, str]
    path: str
    size: int
    spans: int


@dataclass(slots=True)
class _Reply:
    request: ExportTraceServiceRequest
    mode: Mode
    body: ExportTraceServiceResponse = field(default_factory=ExportTraceServiceResponse)


def parse_json(text: str | bytes) -> ExportTraceServiceRequest:
    """An OTLP/JSON request: proto3's JSON, but for ids in hex."""
    request: Any = json.loads(text)
    for resource in request.get("resourceSpans", []):
        for scope in resource.get("scopeSpans", []):
            for span in scope.get("spans", []):
                for holder in (span, *span.get("links", [])):
                    for name in {"traceId", "spanId", "parentSpanId"} & holder.keys():
                        holder[name] = b64encode(bytes.fromhex(holder[name])).decode()
    return ParseDict(request, ExportTraceServiceRequest())  # type: ignore[no-any-return]


class Receiver:
    """A collector on two ports of this machine: ``mode`` is what it does, ``script`` overrides that for a while.

    ``tls``: certificate and key. ``client_authority``: who must have signed the certificate of whoever connects.
    """

    def __init__(
        self,
        mode: Mode = "ok",
        *,
        tls: tuple[Path, Path] | None = None,
        client_authority: Path | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.mode: Mode = mode
        self.script: deque[Mode] = deque()
        self.retry_after: float | str = 1.0
        self.poison = ""
        """A request with a span of this name is invalid."""
        self.keep = True
        """Whether what was accepted is kept, and not only counted."""
        self.requests: list[Received] = []
        self.accepted: list[ExportTraceServiceRequest] = []
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._scheme = "http" if tls is None else "https"
        self._host = f"[{host}]" if ":" in host else host
        self._http = (_Server6 if ":" in host else _Server)((host, 0), _Handler)
        self._http.receiver = self
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            if client_authority is not None:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(client_authority)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self._grpc = grpc.server(ThreadPoolExecutor(4))
        handler = grpc.unary_unary_rpc_method_handler(
            self._export, ExportTraceServiceRequest.FromString, lambda content: content
        )
        self._grpc.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, {"Export": handler}),))
        if tls is None:
            self._grpc_port = self._grpc.add_insecure_port(f"{self._host}:0")
        else:
            pair = (tls[1].read_bytes(), tls[0].read_bytes())
            authority = client_authority.read_bytes() if client_authority is not None else None
            credentials = grpc.ssl_server_credentials([pair], authority, authority is not None)
            self._grpc_port = self._grpc.add_secure_port(f"{self._host}:0", credentials)

    def __enter__(self) -> Self:
        self._grpc.start()
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._released.set()
        self._http.shutdown()
        self._http.server_close()
        self._grpc.stop(0).wait()

    @property
    def http_endpoint(self) -> str:
        """Base address for OTLP over HTTP."""
        return f"{self._scheme}://{self._host}:{self._http.server_address[1]}"

    @property
    def grpc_endpoint(self) -> str:
        """Address for OTLP over gRPC."""
        return f"{self._scheme}://{self._host}:{self._grpc_port}"

    def environ(self, protocol: str) -> dict[str, str]:
        """The variables that send everything here."""
        endpoint = self.grpc_endpoint if protocol == "grpc" else self.http_endpoint
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}

    @property
    def spans(self) -> list[Span]:
        """All accepted spans, in order."""
        with self._lock:
            return [
                span
                for request in self.accepted
                for resource in request.resource_spans
                for scope in resource.scope_spans
                for span in scope.spans
            ]

    def ids(self) -> Counter[str]:
        """How often each span id was accepted."""
        return Counter(span.span_id.hex() for span in self.spans)

    def _take(self, request: ExportTraceServiceRequest, headers: dict[str, str], path: str, size: int) -> _Reply:
        spans = sum(len(s.spans) for r in request.resource_spans for s in r.scope_spans)
        with self._lock:
            mode = self.script.popleft() if self.script else self.mode
            if self.poison and any(
                span.name == self.poison for r in request.resource_spans for s in r.scope_spans for span in s.spans
            ):
                mode = "bad"
            self.requests.append(Received(headers, path, size, spans))
            if mode in ("ok", "partial") and self.keep:
                self.accepted.append(request)
        reply = _Reply(request, mode)
        if count := {"partial": 1, "overcount": spans + 1, "negative": -1}.get(mode, 0):
            partial = ExportTracePartialSuccess(rejected_spans=count, error_message="one is\x1b[31m too old")
            reply.body = ExportTraceServiceResponse(partial_success=partial)
        if mode == "stall":
            self._released.wait(60)
        return reply

    def _export(self, request: ExportTraceServiceRequest, context: grpc.ServicerContext) -> bytes:
        headers = {name: str(value) for name, value in context.invocation_metadata()}
        reply = self._take(request, headers, "", request.ByteSize())
        match reply.mode:
            case "unavailable" | "stall":
                context.abort(grpc.StatusCode.UNAVAILABLE, "overloaded")
            case "bad":
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no such field")
            case "exhausted" | "busy":
                context.set_trailing_metadata(_retry_info(float(self.retry_after)) if reply.mode == "busy" else ())
                context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "slow down")
            case "escape":
                context.abort(grpc.StatusCode.INTERNAL, NASTY)
            case "long":
                return b" " * 5_000_000
            case "leak":
                context.abort(grpc.StatusCode.UNAUTHENTICATED, f"denied: {headers}")
            case "garbage":
                return b"<html>no collector</html>"
        content: bytes = reply.body.SerializeToString()
        return content


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    receiver: Receiver

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no error of a test."""


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        size = len(body)
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        as_json = self.headers["Content-Type"] == "application/json"
        request = parse_json(body) if as_json else ExportTraceServiceRequest.FromString(body)
        headers = {name.lower(): value for name, value in self.headers.items()}
        receiver = self.server.receiver
        reply = receiver._take(request, headers, self.path, size)
        content = _json(reply.body) if as_json else reply.body.SerializeToString()
        match reply.mode:
            case "close" | "stall":
                self.close_connection = True
            case "trickle" | "drip":  # a byte now and then, so that no single read times out
                self.close_connection = True
                self.wfile.write(b"HTTP/1.1 200 OK\r\n" + (b"X-Slow: " if reply.mode == "trickle" else b"\r\n"))
                while not receiver._released.wait(0.02):
                    self.wfile.write(b"x")
            case "long":
                self._answer(200, b" " * 100_000, {"Content-Type": self.headers["Content-Type"]})
            case "redirect":
                self._answer(302, b"", {"Location": "http://elsewhere/"})
            case "short":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n")
                self.close_connection = True
            case "unavailable":
                self._answer(503, b"", {})
            case "502" | "504":
                self._answer(int(reply.mode), b"", {})
            case "busy" | "exhausted":
                asked = receiver.retry_after if isinstance(receiver.retry_after, str) else f"{receiver.retry_after:g}"
                self._answer(429, b"", {"Retry-After": asked} if reply.mode == "busy" else {})
            case "escape":
                self.wfile.write(f"HTTP/1.1 500 {NASTY}\r\nContent-Length: 0\r\n\r\n".encode())
            case "bad":
                self._answer(400, b"", {})
            case "leak":
                self._answer(401, str(headers).encode(), {})
            case "garbage":
                self._answer(200, b"<html>no collector</html>", {"Content-Type": "text/html"})
            case _:
                self._answer(200, content, {"Content-Type": self.headers["Content-Type"]})

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""


def _retry_info(seconds: float) -> tuple[tuple[str, bytes], ...]:
    """Trailing metadata that asks to wait, as google.rpc defines it."""
    info, status = RetryInfo(), Status(code=grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
    info.retry_delay.FromNanoseconds(int(seconds * 1e9))
    status.details.add().Pack(info)
    return (("grpc-status-details-bin", status.SerializeToString()),)


def _json(body: ExportTraceServiceResponse) -> bytes:
    partial = body.partial_success
    if not partial.rejected_spans:
        return b"{}"
    return json.dumps(
        {"partialSuccess": {"rejectedSpans": str(partial.rejected_spans), "errorMessage": partial.error_message}}
    ).encode()


def has_ipv6() -> bool:
    """Whether this machine can connect to itself by IPv6."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def refused_endpoint() -> str:
    """An address at which nobody listens, and nobody else can begin to while this process lives."""
    held = socket.socket()
    atexit.register(held.close)
    held.bind(("127.0.0.1", 0))
    return f"http://127.0.0.1:{held.getsockname()[1]}"


@contextmanager
def silent_endpoint() -> Iterator[str]:
    """An address at which connections are accepted and nothing is ever answered, not even a TLS greeting."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield f"http://127.0.0.1:{found.getsockname()[1]}"


@contextmanager
def blunt_endpoint(content: bytes = b"", *, reset: bool = True) -> Iterator[str]:
    """An address at which each connection is read from once, answered with these bytes, and reset or closed."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, suppress(OSError):
                    connection.recv(1_000)
                    connection.sendall(content)
                    if reset:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    else:
                        connection.shutdown(socket.SHUT_WR)
                        while connection.recv(65_536):
                            pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)  # ends the waiting for another one
    thread.join()


@contextmanager
def tunnel(to: str) -> Iterator[tuple[str, list[str]]]:
    """A proxy that knows CONNECT alone and connects everybody with one address; and what it was asked for."""
    asked: list[str] = []
    target = urlsplit(to)

    class Connect(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            asked.append(self.path)
            with socket.create_connection((target.hostname or "", target.port or 0)) as there:
                self.send_response(200)
                self.end_headers()
                ends = {self.connection: there, there: self.connection}
                with suppress(OSError):
                    while True:
                        for ready in select.select([*ends], [], [])[0]:
                            if not (data := ready.recv(65_536)):
                                return
                            ends[ready].sendall(data)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Connect) as proxy:
        proxy.daemon_threads = True
        proxy.block_on_close = False
        threading.Thread(target=proxy.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{proxy.server_address[1]}", asked
        proxy.shutdown()
