"""OTLP over HTTP by the standard library.

Why not ``requests``: its import alone costs what a whole session may (60 ms), and a deadline over all needs a thread
anyway.
"""

from __future__ import annotations

import gzip
import http.client
import select
import socket
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from ..version import __version__
from .answer import Answer, judge_content
from .environment import port_of
from .transport import basic_credentials

if TYPE_CHECKING:
    from .settings import Settings

_MAX_ANSWER = 1 << 16
_ERRORS = (OSError, http.client.HTTPException, ValueError)
_RETRYABLE = (429, 502, 503, 504)  # OTLP specification, "Retryable Response Codes"


class HttpTransport:
    """OTLP over HTTP/1.1 with a kept connection, JSON or protobuf."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._json = settings.protocol == "http/json"
        self._address = urlsplit(settings.endpoint or "")
        self._tls = _tls(settings) if self._address.scheme.lower() == "https" else None
        self._proxy = _proxy(self._address)
        self._connection: http.client.HTTPConnection | None = None
        self._aborted = False
        self._headers = self._make_headers()
        path = f"{self._address.path or '/'}{f'?{self._address.query}' if self._address.query else ''}"
        plain_proxy = self._proxy is not None and self._tls is None
        host = self._address.netloc.rpartition("@")[2]
        self._target = f"http://{host}{path}" if plain_proxy else path

    def export(self, body: bytes, timeout: float) -> Answer:
        """Post one request; a kept connection that the other side has closed meanwhile is opened again, once."""
        body = self._packed(body)
        reused = self._connection is not None

        def exchange() -> Answer:
            self._send(body, timeout)
            return self._receive()

        try:
            return exchange()
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as error:
            self.close()
            return self._answered_by(exchange) if reused else _failed(error)
        except _ERRORS as error:
            self.close()
            return _failed(error)

    def post(self, body: bytes, timeout: float) -> Answer | None:
        """Send one request; `read_answer` reads what becomes of it."""
        try:
            self._send(self._packed(body), timeout)
        except _ERRORS as error:
            self.close()
            return _failed(error)
        return None

    def answered(self) -> bool:
        """Whether there is something to read."""
        held = self._connection.sock if self._connection is not None else None
        if held is None:
            return True
        poll = select.poll()
        poll.register(held, select.POLLIN)
        return bool(poll.poll(0))

    def read_answer(self, timeout: float) -> Answer:
        """Read the answer to what was posted."""
        if self._connection is None or self._connection.sock is None:
            return _failed(ConnectionResetError())
        self._connection.sock.settimeout(timeout)
        return self._answered_by(self._receive)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def abort(self) -> None:
        """Shut the connection down, so that a thread that reads from it wakes up."""
        self._aborted = True
        held = self._connection.sock if self._connection is not None else None
        if held is not None:
            try:
                held.shutdown(socket.SHUT_RDWR)
            except OSError:  # it is closed already, which is what was wanted
                return

    def _packed(self, body: bytes) -> bytes:
        return gzip.compress(body, 1) if self._settings.compression == "gzip" else body

    def _answered_by(self, exchange: Callable[[], Answer]) -> Answer:
        try:
            return exchange()
        except _ERRORS as error:
            self.close()
            return _failed(error)

    def _send(self, body: bytes, timeout: float) -> None:
        self._connect(timeout).request("POST", self._target, body, dict(self._headers))

    def _receive(self) -> Answer:
        if self._connection is None:
            raise http.client.NotConnected
        response = self._connection.getresponse()
        content = response.read(_MAX_ANSWER)
        whole = _is_whole(response, content)
        if not whole or response.will_close:
            self.close()
        return self._judge(response, content, whole=whole)

    def _judge(self, response: http.client.HTTPResponse, content: bytes, *, whole: bool) -> Answer:
        if 200 <= response.status < 300:
            if not whole:
                return Answer(accepted=False, problem="the connection was closed within an answer")
            kind = response.headers.get_content_type() if response.headers.get("Content-Type") else ""
            return judge_content(content, kind or ("application/json" if self._json else "application/x-protobuf"))
        return Answer(
            accepted=False,
            problem=f"HTTP {response.status} {response.reason}".strip(),
            retryable=response.status in _RETRYABLE,
            retry_after=_retry_after(response.headers.get("Retry-After")),
        )

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        if self._connection is None:
            self._connection = self._new_connection()
        self._connection.timeout = timeout
        if self._connection.sock is None:
            self._connection.connect()
            if self._aborted:  # while a name was looked up, which nothing can wake up
                raise TimeoutError
        self._connection.sock.settimeout(timeout)
        return self._connection

    def _new_connection(self) -> http.client.HTTPConnection:
        there = self._proxy or self._address
        host, port = there.hostname or "", port_of(there.geturl())
        connection = (
            http.client.HTTPConnection(host, port)
            if self._tls is None
            else http.client.HTTPSConnection(host, port, context=self._tls)
        )
        if self._tls is not None and self._proxy is not None:
            target = self._address.hostname or ""
            connection.set_tunnel(
                target, port_of(self._address.geturl()), basic_credentials("Proxy-Authorization", self._proxy)
            )
        return connection

    def _make_headers(self) -> dict[str, str]:
        headers = {
            "content-type": "application/json" if self._json else "application/x-protobuf",
            "user-agent": f"pytest-contextcore/{__version__}",
            **basic_credentials("authorization", self._address),
        }
        if self._settings.compression == "gzip":
            headers["content-encoding"] = "gzip"
        if self._proxy is not None and self._tls is None:
            headers |= basic_credentials("proxy-authorization", self._proxy)
        return headers | dict(self._settings.headers)


def _is_whole(response: http.client.HTTPResponse, content: bytes) -> bool:
    """Whether the answer arrived to its end; for ``http.client`` one that breaks off may be a short or empty one."""
    if response.length is None and not response.chunked:
        return bool(content)
    return response.isclosed() and not response.length


def _tls(settings: Settings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.certificate)
    if settings.client_certificate:
        context.load_cert_chain(settings.client_certificate, settings.client_key)
    return context


def _proxy(address: SplitResult) -> SplitResult | None:
    """The proxy that the environment names for an address."""
    found = getproxies().get(address.scheme.lower())
    if not found or proxy_bypass(address.netloc.rpartition("@")[2]):
        return None
    return urlsplit(found if "://" in found else f"http://{found}")


def _retry_after(value: str | None) -> float | None:
    """Seconds, from a number or an HTTP date (RFC 9110, 10.2.3)."""
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.fromtimestamp(time.time(), UTC)).total_seconds())


def _failed(error: Exception) -> Answer:
    """The judgement of a request that got no answer."""
    return Answer(accepted=False, problem=_reason(error), retryable=isinstance(error, TimeoutError))


def _reason(error: Exception) -> str:
    """What went wrong, in a few words."""
    match error:
        case TimeoutError():
            return "no answer in time"
        case ConnectionRefusedError():
            return "connection refused"
        case http.client.RemoteDisconnected() | ConnectionResetError() | BrokenPipeError():
            return "the connection was closed before an answer"
        case ssl.SSLError():
            return f"TLS: {error.reason or error}"
        case OSError():
            return error.strerror or type(error).__name__
        case _:
            return f"no HTTP answer ({type(error).__name__})"
