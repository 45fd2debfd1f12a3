"""A server on loopback for what one program posts; whatever comes is bounded, and nothing of it is trusted."""

from __future__ import annotations

import math
import secrets
import socket
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPMessage
from http.server import BaseHTTPRequestHandler
from io import BufferedReader, RawIOBase
from socketserver import ThreadingTCPServer
from threading import Lock, Semaphore, Thread
from typing import Any, Self

from ..errors import ContextcoreError
from .wire import varint

MAX_REQUEST = 8 << 20
"""Bytes of a request's body, as they come and when they are unpacked."""

MAX_CONNECTIONS = 16
"""At once; further ones wait."""

SECONDS = 10.0
"""That a connection may take: as long as exporters wait for an answer."""

JSON, PROTOBUF = "application/json", "application/x-protobuf"

_SHORTLY = 0.05  # for what the system still has on its way from a program that has ended
_AT_LAST = 1.0  # until a receiver that shall end reads no more, though more comes

_now = time.monotonic  # a test of somebody's may replace it in `time`


class Refused(ContextcoreError):
    """A request is not taken, and why."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class Receiver(ThreadingTCPServer):
    """A context manager that takes what is posted to ``url``; when it ends, it has taken what was sent whole.

    Args:
        answer: the body of the answer to a body, of which the second argument says whether it is JSON. It may raise
            `Refused`. It is called in a thread of the receiver's, one request at a time.
        refused: is told why a request was not taken, likewise.

    Raises:
        OSError: this machine has no loopback, or the process too many open files.
    """

    request_queue_size = MAX_CONNECTIONS
    timeout: float | None = 0.5  # until it looks whether it shall end, if it could not be woken

    def __init__(self, answer: Callable[[bytes, bool], bytes], refused: Callable[[str], None]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer, self.refused, self.one_at_a_time = answer, refused, Lock()
        self.path = f"/{secrets.token_urlsafe(24)}/v1/traces"
        self.url = f"http://127.0.0.1:{self.server_address[1]}{self.path}"
        """Nobody can guess it who was not told."""
        self.until = math.inf
        """When nothing is read any more; infinite as long as the program may run."""
        self._free, self._over = Semaphore(MAX_CONNECTIONS), False
        self._thread = Thread(target=self._serve, name="contextcore-receiver", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.until, self.timeout = _now() + _AT_LAST, 0
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.server_address[1]), _SHORTLY):
            pass  # wakes it
        self._thread.join()

    def _serve(self) -> None:
        try:
            while not self._over and _now() < self.until:
                self.handle_request()
        finally:
            self.server_close()  # once all connections have ended

    def handle_timeout(self) -> None:
        """Nobody waits to be let in."""
        self._over = self.until < math.inf

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, once there is room for one more."""
        self._free.acquire()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        super().shutdown_request(request)
        self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection has gone away, or something failed of which people are told."""
        if not isinstance(error := sys.exception(), OSError):
            with self.one_at_a_time:
                self.refused(type(error).__name__)


class _Incoming(RawIOBase):
    """What a connection sends until it has had its time, or until the program has ended and nothing more is there."""

    def __init__(self, connection: socket.socket, server: Receiver) -> None:
        self._connection, self._server, self._until = connection, server, _now() + SECONDS

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while _now() < min(self._until, self._server.until):
            with suppress(TimeoutError):
                return self._connection.recv_into(buffer)
            if self._server.until < math.inf:
                break
        raise TimeoutError


class _Handler(BaseHTTPRequestHandler):
    """One request, one answer."""

    protocol_version, default_request_version = "HTTP/1.1", "HTTP/1.0"
    timeout = _SHORTLY
    headers = HTTPMessage()  # until those of the request are known
    server: Receiver

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.rfile = BufferedReader(_Incoming(self.connection, self.server), 1 << 16)

    def do_POST(self) -> None:
        try:
            if not secrets.compare_digest(self.path.encode(), self.server.path.encode()):
                raise Refused(HTTPStatus.NOT_FOUND, "another address")
            body = _unpacked(self._body(), self.headers.get("Content-Encoding", "").lower())
            with self.server.one_at_a_time:
                found = self.server.answer(body, self._json)
        except Refused as error:
            self._refuse(error.status, str(error))
        else:
            self._reply(HTTPStatus.OK, found)

    @property
    def _json(self) -> bool:
        return self.headers.get_content_type() == JSON

    def _body(self) -> bytes:
        """The body: of a known length, or in chunks, as exporters for Node.js and Go send it."""
        body = bytearray()
        try:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                self._take(int(self.headers.get("Content-Length", 0)), body)
            else:
                while size := int(self.rfile.readline(1 << 10).partition(b";")[0], 16):
                    self._take(size, body)
                    self.rfile.readline(2)
        except ValueError:
            raise Refused(HTTPStatus.BAD_REQUEST, "no HTTP") from None
        return bytes(body)

    def _take(self, size: int, body: bytearray) -> None:
        if not 0 <= size <= MAX_REQUEST - len(body):
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"over {MAX_REQUEST >> 20} MiB")
        body += (found := self.rfile.read(size))
        if len(found) < size:
            raise ConnectionAbortedError

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what http.server cannot read; its own messages have texts of the program's."""
        self._refuse(HTTPStatus(code), f"no HTTP that is read here ({HTTPStatus(code).phrase})")

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        with self.server.one_at_a_time:
            self.server.refused(why)
        text = why.encode()  # in a google.rpc.Status
        self._reply(status, b'{"message":"%b"}' % text if self._json else b"\x12" + varint(len(text)) + text)

    def _reply(self, status: HTTPStatus, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", JSON if self._json else PROTOBUF)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.connection.shutdown(socket.SHUT_WR)
        while self.rfile.read(1 << 16):  # a client that still writes has no error then
            pass

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing on stderr."""


def _unpacked(body: bytes, how: str) -> bytes:
    """A body as it was before it was compressed."""
    if how in ("", "identity"):
        return body
    if how not in ("gzip", "deflate"):
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "neither gzip nor deflate")
    inflate = zlib.decompressobj(wbits=47)  # both of them
    try:
        found = inflate.decompress(body, MAX_REQUEST)
    except zlib.error:
        raise Refused(HTTPStatus.BAD_REQUEST, f"no {how}") from None
    if not inflate.eof:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"torn, or over {MAX_REQUEST >> 20} MiB when unpacked")
    return found
