"""The collector of the benchmarks, a process of its own: it keeps what it gets and counts it when it is asked.

Run by the interpreter of an environment that has ``grpcio`` and ``opentelemetry-proto``. Its first line on stdout is
``{"http": port, "grpc": port}``; then each line on stdin is a command: ``reset``, or ``count REGEX`` with the pattern
that finds a test's key in the name of its span. Requests are parsed when they are counted, not when they arrive, so
that the receiver takes as little as can be of the core that the measured process may want.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"


class Counter:
    """What arrived: bodies as they are, with whether they are JSON."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bodies: list[tuple[bytes, bool]] = []

    def take(self, body: bytes, *, as_json: bool) -> None:
        """Keep a request."""
        with self._lock:
            self._bodies.append((body, as_json))

    def reset(self) -> None:
        """Forget everything."""
        with self._lock:
            self._bodies.clear()

    def count(self, pattern: str) -> dict[str, Any]:
        """Spans, distinct span ids, distinct tests that have a span, and the attributes that such a span has."""
        find = re.compile(pattern).search
        with self._lock:
            bodies = list(self._bodies)
        spans, ids, keys, attributes = 0, set(), set(), set()
        for body, as_json in bodies:
            for span_id, name, size in _of_json(body) if as_json else _of_protobuf(body):
                spans += 1
                ids.add(span_id)
                if found := find(name):
                    keys.add(found[1])
                    attributes.add(size)
        return {
            "requests": len(bodies),
            "spans": spans,
            "distinct": len(ids),
            "tests": len(keys),
            "attributes": sorted(attributes),
        }


def _of_protobuf(body: bytes) -> list[tuple[str, str, int]]:
    request = ExportTraceServiceRequest.FromString(body)
    return [
        (span.span_id.hex(), span.name, len(span.attributes))
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _of_json(body: bytes) -> list[tuple[str, str, int]]:
    return [
        (span["spanId"], span["name"], len(span.get("attributes", ())))
        for resource in json.loads(body)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    counter: Counter


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        """Take a request and accept it whole."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        kind = self.headers["Content-Type"]
        as_json = kind == "application/json"
        self.server.counter.take(body, as_json=as_json)
        content = b"{}" if as_json else b""
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
        self.wfile.write(head.encode() + content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""


def main() -> None:
    """Serve until stdin ends."""
    counter = Counter()
    http = _Server(("127.0.0.1", 0), _Handler)
    http.counter = counter
    threading.Thread(target=http.serve_forever, daemon=True).start()

    def export(request: bytes, context: object) -> bytes:
        del context
        counter.take(request, as_json=False)
        return b""

    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", -1)])
    handler = grpc.method_handlers_generic_handler(_SERVICE, {"Export": grpc.unary_unary_rpc_method_handler(export)})
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(json.dumps({"http": http.server_address[1], "grpc": port}), flush=True)
    for line in sys.stdin:
        command, _, argument = line.rstrip("\n").partition(" ")
        if command == "reset":
            counter.reset()
            print("{}", flush=True)
        else:
            print(json.dumps(counter.count(argument)), flush=True)
    server.stop(0)


if __name__ == "__main__":
    main()
