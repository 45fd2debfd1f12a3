"""OTLP over HTTP by the standard library: to import ``requests`` costs as much as a whole small session."""

from __future__ import annotations

import gzip
import http.client
import ssl
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from ..version import __version__
from .answer import MAX_ANSWER, TOO_LONG, Answer, judge_content
from .settings import basic_credentials, split_address

if TYPE_CHECKING:
    from .settings import Settings

_RETRYABLE = (429, 502, 503, 504)  # OTLP specification, "Retryable Response Codes"
_REFUSED = (400, 413, 422)


class HttpTransport:
    """Requests by HTTP, JSON or protobuf, a connection each; through the proxy that the environment names.

    Raises:
        OSError: a TLS file cannot be read or used.
    """

    def __init__(self, settings: Settings) -> None:
        address = split_address(settings.endpoint or "")
        self._kind = "application/json" if settings.protocol == "http/json" else "application/x-protobuf"
        self._gzip = settings.gzip
        self._address = address._replace(netloc=address.netloc.rpartition("@")[2], fragment="").geturl()
        self._opener = OpenerDirector()  # that of `build_opener` reads certificates, whatever the address
        kinds = ProxyHandler, HTTPHandler, HTTPDefaultErrorHandler, _NoRedirect, HTTPErrorProcessor
        handlers: list[Any] = [kind() for kind in kinds]
        if address.scheme == "https":
            context = ssl.create_default_context(cafile=settings.certificate)
            if settings.client_certificate:
                context.load_cert_chain(settings.client_certificate, settings.client_key)
            handlers.append(HTTPSHandler(context=context))
        for handler in handlers:
            self._opener.add_handler(handler)
        self._headers = {
            "content-type": self._kind,
            "user-agent": f"pytest-contextcore/{__version__}",
            **basic_credentials(address),
            **({"content-encoding": "gzip"} if settings.gzip else {}),
            **settings.headers,
        }

    def export(self, body: bytes, timeout: float) -> Answer:
        """Post one request and wait at most so many seconds for each step of the answer."""
        body = gzip.compress(body, 1) if self._gzip else body
        request = Request(self._address, body, self._headers, method="POST")  # noqa: S310  (settings let http(s) pass)
        try:
            with self._opener.open(request, timeout=timeout) as found:
                return self._judge_success(found)
        except HTTPError as error:
            with error:
                return _judge_failure(error)
        except (OSError, http.client.HTTPException, ValueError) as error:
            cause = error.reason if isinstance(error, URLError) and isinstance(error.reason, Exception) else error
            return Answer(accepted=False, problem=_reason(cause), retryable=isinstance(cause, TimeoutError))

    def close(self) -> None:
        """Nothing is held."""

    def _judge_success(self, found: http.client.HTTPResponse) -> Answer:
        content = found.read(MAX_ANSWER + 1)
        if len(content) > MAX_ANSWER:
            return Answer(accepted=False, problem=TOO_LONG)
        if found.length:
            return Answer(accepted=False, problem="the connection was closed within an answer")
        return judge_content(
            content, found.headers.get_content_type() if "Content-Type" in found.headers else self._kind
        )


class _NoRedirect(HTTPRedirectHandler):
    """Spans and credentials go to the named address only."""

    def redirect_request(self, *request: Any, **more: Any) -> None:
        """No request: the redirect is the answer."""


def _judge_failure(error: HTTPError) -> Answer:
    problem = f"HTTP {error.code} {error.reason}".strip()
    if 300 <= error.code < 400:
        problem += f", a redirect to {error.headers.get('Location', 'nowhere')}, which is not followed"
    return Answer(
        accepted=False,
        problem=problem,
        refused=error.code in _REFUSED,
        retryable=error.code in _RETRYABLE,
        retry_after=_pause(error.headers.get("Retry-After", "").strip()),
    )


def _pause(after: str) -> float | None:
    """The seconds to wait that a ``Retry-After`` names, as a number or as a date."""
    try:
        return float(after) if after.isdecimal() else max(0.0, parsedate_to_datetime(after).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _reason(error: Exception) -> str:
    """What went wrong, in a few words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, http.client.IncompleteRead):
        return "the connection was closed within an answer"
    if isinstance(error, http.client.HTTPException) and not isinstance(error, http.client.RemoteDisconnected):
        return f"the answer is no HTTP: {error}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
