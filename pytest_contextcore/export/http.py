"""OTLP over HTTP by the standard library: to import ``requests`` costs as much as a whole small session."""

from __future__ import annotations

import gzip
import http.client
import socket
import ssl
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from ..version import __version__
from .answer import Answer, judge_content
from .settings import basic_credentials, port_of

if TYPE_CHECKING:
    from .settings import Settings

_MAX_ANSWER = 1 << 16
_RETRYABLE = (429, 502, 503, 504)  # OTLP specification, "Retryable Response Codes"
_REFUSED = (400, 413, 422)


class HttpTransport:
    """OTLP over HTTP/1.1 with a kept connection, JSON or protobuf.

    It belongs to the thread that uses it; only ``abort`` may be called by another.

    Raises:
        OSError: a TLS file cannot be read or used.
    """

    def __init__(self, settings: Settings) -> None:
        self._gzip = settings.gzip
        self._kind = "application/json" if settings.protocol == "http/json" else "application/x-protobuf"
        self._address = address = urlsplit(settings.endpoint or "")
        self._tls = _tls(settings) if address.scheme == "https" else None
        self._proxy = _proxy(address)
        self._connection: http.client.HTTPConnection | None = None
        self._aborted = False
        self._headers = self._make_headers(settings)
        path = f"{address.path or '/'}{f'?{address.query}' if address.query else ''}"
        plain_proxy = self._proxy is not None and self._tls is None
        self._target = f"http://{address.netloc.rpartition('@')[2]}{path}" if plain_proxy else path

    def export(self, body: bytes, timeout: float) -> Answer:
        """Post one request and wait at most so many seconds for each step of the answer.

        A kept connection that the other side has closed meanwhile is opened again, once.
        """
        body = gzip.compress(body, 1) if self._gzip else body
        kept = self._connection is not None
        try:
            try:
                return self._exchange(body, timeout)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                self.close()
                if not kept:
                    raise
                return self._exchange(body, timeout)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            return Answer(accepted=False, problem=_reason(error), retryable=isinstance(error, TimeoutError))

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

    def _exchange(self, body: bytes, timeout: float) -> Answer:
        if self._connection is None:
            self._connection = self._new_connection()
        connection = self._connection
        connection.timeout = timeout
        if connection.sock is None:
            connection.connect()
            if self._aborted:  # while a name was looked up, which nothing can wake up
                raise TimeoutError
        connection.sock.settimeout(timeout)
        connection.request("POST", self._target, body, self._headers)
        response = connection.getresponse()
        content = response.read(_MAX_ANSWER + 1)
        whole = _is_whole(response, content)
        if not whole or response.will_close:
            self.close()
        return self._judge(response, content, whole=whole)

    def _judge(self, response: http.client.HTTPResponse, content: bytes, *, whole: bool) -> Answer:
        status = response.status
        if 200 <= status < 300:
            if len(content) > _MAX_ANSWER:
                return Answer(accepted=False, problem=f"the answer is longer than {_MAX_ANSWER >> 10} KiB")
            if not whole:
                return Answer(accepted=False, problem="the connection was closed within an answer")
            named = "Content-Type" in response.headers
            return judge_content(content, response.headers.get_content_type() if named else self._kind)
        problem = f"HTTP {status} {response.reason}".strip()
        if 300 <= status < 400:
            problem += f", a redirect to {response.headers.get('Location', 'nowhere')}, which is not followed"
        return Answer(
            accepted=False,
            problem=problem,
            refused=status in _REFUSED,
            retryable=status in _RETRYABLE,
            retry_after=_retry_after(response.headers.get("Retry-After")),
        )

    def _new_connection(self) -> http.client.HTTPConnection:
        there = self._proxy or self._address
        host, port = there.hostname or "", port_of(there.geturl())
        if self._tls is None:
            return http.client.HTTPConnection(host, port)
        connection = http.client.HTTPSConnection(host, port, context=self._tls)
        if self._proxy is not None:
            credentials = basic_credentials("Proxy-Authorization", self._proxy)
            connection.set_tunnel(self._address.hostname or "", port_of(self._address.geturl()), credentials)
        return connection

    def _make_headers(self, settings: Settings) -> dict[str, str]:
        headers = {
            "content-type": self._kind,
            "user-agent": f"pytest-contextcore/{__version__}",
            **basic_credentials("authorization", self._address),
        }
        if self._gzip:
            headers["content-encoding"] = "gzip"
        if self._proxy is not None and self._tls is None:
            headers |= basic_credentials("proxy-authorization", self._proxy)
        return headers | dict(settings.headers)


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
    found = getproxies().get(address.scheme)
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


def _reason(error: Exception) -> str:
    """What went wrong, in a few words."""
    match error:
        case TimeoutError():
            return "no answer in time"
        case ConnectionRefusedError():
            return "connection refused"
        case ConnectionResetError() | BrokenPipeError():  # RemoteDisconnected is one, too
            return "the connection was closed before an answer"
        case ssl.SSLError():
            return f"TLS: {error.reason or error}"
        case OSError():
            return error.strerror or type(error).__name__
        case _:
            return f"no HTTP answer ({type(error).__name__})"
