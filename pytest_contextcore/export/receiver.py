"""A small HTTP server on loopback for what one program posts; whatever comes is bounded, and nothing of it is trusted.

One thread serves all connections, so that at the end it is known whether everything was read that had been sent.
"""

from __future__ import annotations

import secrets
import selectors
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Self

from .request import JSON, Refused, Request
from .wire import varint

MAX_CONNECTIONS = 16
"""At once; further ones wait."""

SECONDS = 10.0
"""That a connection may take: as long as exporters wait for an answer."""

PROTOBUF = "application/x-protobuf"

_SHORTLY = 0.05  # for what the system still has on its way from a program that has ended
_AT_LAST = 1.0  # until a receiver that shall end reads no more, though more comes

_now = time.monotonic  # a test of somebody's may replace it in `time`


class _Connection:
    """An open connection; ``answered``: what still comes is read and thrown away."""

    def __init__(self, held: socket.socket) -> None:
        self.socket, self.until, self.answered = held, _now() + SECONDS, False
        self.request = Request()


class Receiver:
    """A context manager that takes what is posted to ``url``; when it ends, it has taken what was sent whole.

    Args:
        answer: the body of the answer to a body, of which the second argument says whether it is JSON. It is called in
            the receiver's thread, and may raise `Refused`.
        refused: is told why a request was not taken.

    Raises:
        OSError: this machine has no loopback, or the process too many open files.
    """

    def __init__(self, answer: Callable[[bytes, bool], bytes], refused: Callable[[str], None]) -> None:
        self._answer, self._refused = answer, refused
        self._path = f"/{secrets.token_urlsafe(24)}/v1/traces"
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=MAX_CONNECTIONS)
        self._listener.setblocking(False)
        self._listening = False
        self._waker, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._open: set[_Connection] = set()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}{self._path}"
        """Nobody can guess it who was not told."""
        self._thread = threading.Thread(target=self._serve, name="contextcore-receiver", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._waker.send(b"x")
        self._thread.join()
        self._waker.close()

    # -- in the thread -----------------------------------------------------------------------------------------------
    def _serve(self) -> None:
        end: float | None = None
        """When nothing is read any more; None as long as the program may run."""
        try:
            while end is None or _now() < end:
                self._listen(len(self._open) < MAX_CONNECTIONS)
                ready = [key.fileobj for key, _ in self._selector.select(self._patience(end is not None))]
                if end is not None and not ready:
                    break
                if self._woken in ready:
                    self._selector.unregister(self._woken)
                    end = _now() + _AT_LAST
                if self._listener in ready:
                    self._accept()
                for connection in list(self._open):
                    if connection.socket in ready:
                        self._read(connection)
                    if connection.until < _now():
                        self._close(connection)
        finally:
            self._selector.close()
            for held in (self._listener, self._woken, *(connection.socket for connection in self._open)):
                held.close()

    def _patience(self, ending: bool) -> float | None:
        """How long to wait for the next event."""
        if ending:
            return _SHORTLY if any(not connection.answered for connection in self._open) else 0
        first = min((connection.until for connection in self._open), default=None)
        return None if first is None else max(0.0, first - _now())

    def _listen(self, listening: bool) -> None:
        if listening and not self._listening:
            self._selector.register(self._listener, selectors.EVENT_READ)
        elif self._listening and not listening:
            self._selector.unregister(self._listener)
        self._listening = listening

    def _accept(self) -> None:
        try:
            found, _ = self._listener.accept()
        except OSError:  # it has gone away again; or there are too many open files, which may pass
            time.sleep(_SHORTLY)
            return
        found.setblocking(False)
        self._open.add(connection := _Connection(found))
        self._selector.register(connection.socket, selectors.EVENT_READ)

    def _read(self, connection: _Connection) -> None:
        try:
            data = connection.socket.recv(1 << 16)
            if not data:
                self._close(connection)
            elif not connection.answered and (reply := self._reply(connection.request, data)):
                connection.answered = True
                connection.socket.send(reply)  # shorter than what the system takes at once
                connection.socket.shutdown(socket.SHUT_WR)  # and reads on: a client that still writes has no error then
        except OSError:  # it has gone
            self._close(connection)

    def _reply(self, request: Request, data: bytes) -> bytes | None:
        """The answer to a request that is whole now, or refused."""
        try:
            if not request.feed(data):
                return None
            if not secrets.compare_digest(request.target.encode(), f"POST {self._path}".encode()):
                raise Refused(HTTPStatus.NOT_FOUND, "another address")
            return _response(HTTPStatus.OK, self._answer(request.unpacked(), request.json), request.json)
        except Refused as error:
            self._refused(str(error))
            why = str(error).encode()  # in a google.rpc.Status
            body = b'{"message":"%b"}' % why if request.json else b"\x12" + varint(len(why)) + why
            return _response(error.status, body, request.json)

    def _close(self, connection: _Connection) -> None:
        self._open.discard(connection)
        self._selector.unregister(connection.socket)
        connection.socket.close()


def _response(status: HTTPStatus, body: bytes, json: bool) -> bytes:
    lines = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Content-Type: {JSON if json else PROTOBUF}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    return "\r\n".join([*lines, "", ""]).encode() + body
