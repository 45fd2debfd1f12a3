"""One OTLP request and what became of it: over HTTP by the standard library, over gRPC by grpcio.

Why not the SDK's exporters: they take spans of the SDK, not lines of a spool; they drop a partial-success answer; and
their retries end neither at a deadline over several requests nor without a line in the user's log. Why not
``requests``: its import alone costs what a whole session may (60 ms), and a deadline over all needs a thread anyway.
"""

from __future__ import annotations

import gzip
import http.client
import json
import os
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from .environment import port_of, split_address
from .otlp import package_version

if TYPE_CHECKING:
    import grpc  # type: ignore[import-untyped]

    from .telemetry import Settings

_MAX_ANSWER = 1 << 16
_RETRYABLE_HTTP = (429, 502, 503, 504)  # OTLP specification, "Retryable Response Codes"
_RETRYABLE_GRPC = ("CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS")
_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a collector made of one request.

    ``problem`` is raw text of one kind of trouble, not yet cleaned of secrets. ``rejected``: spans that it took and
    threw away (OTLP partial success), which must not be sent again. ``retry_after``: seconds it asks to wait;
    ``retryable``: the same request may do later.
    """

    accepted: bool
    problem: str = ""
    rejected: int = 0
    retryable: bool = False
    retry_after: float | None = None


class Transport(Protocol):
    """A way to a collector. It belongs to the thread that uses it; only ``abort`` may be called by another."""

    def export(self, body: bytes, timeout: float) -> Answer:
        """Send one encoded request and wait at most so many seconds for each step of the answer."""

    def close(self) -> None:
        """Let go of the connection."""

    def abort(self) -> None:
        """Wake up a thread that waits in ``export``."""


def open_transport(settings: Settings) -> Transport:
    """The transport for the settings' protocol; nothing is connected yet.

    Raises:
        OSError: a TLS file cannot be read or used.
    """
    return GrpcTransport(settings) if settings.protocol == "grpc" else HttpTransport(settings)


class HttpTransport:
    """OTLP over HTTP/1.1 with a kept connection, JSON or protobuf."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._json = settings.protocol == "http/json"
        self._address = urlsplit(settings.endpoint or "")
        self._tls = _tls(settings) if self._address.scheme.lower() == "https" else None
        self._proxy = _proxy(self._address)
        self._connection: http.client.HTTPConnection | None = None
        self._headers = self._make_headers()
        path = f"{self._address.path or '/'}{f'?{self._address.query}' if self._address.query else ''}"
        plain_proxy = self._proxy is not None and self._tls is None
        host = self._address.netloc.rpartition("@")[2]
        self._target = f"http://{host}{path}" if plain_proxy else path

    def export(self, body: bytes, timeout: float) -> Answer:
        """Post one request; a kept connection that the other side has closed meanwhile is opened again, once."""
        headers = self._headers
        if self._settings.compression == "gzip":
            body = gzip.compress(body, 1)
        reused = self._connection is not None
        try:
            return self._post(body, headers, timeout)
        except TimeoutError:
            self.close()
            return Answer(accepted=False, problem="no answer in time", retryable=True)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as error:
            self.close()
            if reused:
                return self._export_again(body, headers, timeout)
            return Answer(accepted=False, problem=_reason(error))
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            return Answer(accepted=False, problem=_reason(error))

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def abort(self) -> None:
        """Shut the connection down, so that a thread that reads from it wakes up."""
        held = self._connection.sock if self._connection is not None else None
        if held is not None:
            try:
                held.shutdown(socket.SHUT_RDWR)
            except OSError:  # it is closed already, which is what was wanted
                return

    def _export_again(self, body: bytes, headers: Mapping[str, str], timeout: float) -> Answer:
        """The same request over a new connection."""
        try:
            return self._post(body, headers, timeout)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            return Answer(accepted=False, problem=_reason(error))

    def _post(self, body: bytes, headers: Mapping[str, str], timeout: float) -> Answer:
        connection = self._connect(timeout)
        connection.request("POST", self._target, body, dict(headers))
        response = connection.getresponse()
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
            return _partial(content, kind or ("application/json" if self._json else "application/x-protobuf"))
        return Answer(
            accepted=False,
            problem=f"HTTP {response.status} {response.reason}".strip(),
            retryable=response.status in _RETRYABLE_HTTP,
            retry_after=_retry_after(response.headers.get("Retry-After")),
        )

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        if self._connection is None:
            self._connection = self._new_connection()
        self._connection.timeout = timeout
        if self._connection.sock is None:
            self._connection.connect()
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
            connection.set_tunnel(target, port_of(self._address.geturl()), _basic("Proxy-Authorization", self._proxy))
        return connection

    def _make_headers(self) -> dict[str, str]:
        headers = {
            "content-type": "application/json" if self._json else "application/x-protobuf",
            "user-agent": f"pytest-contextcore/{package_version()}",
            **_basic("authorization", self._address),
        }
        if self._settings.compression == "gzip":
            headers["content-encoding"] = "gzip"
        if self._proxy is not None and self._tls is None:
            headers |= _basic("proxy-authorization", self._proxy)
        return headers | dict(self._settings.headers)


class GrpcTransport:
    """OTLP over gRPC: the bytes of a request, sent as they are."""

    def __init__(self, settings: Settings) -> None:
        with _quiet_core():
            import grpc  # noqa: PLC0415  (70 ms, and only for this protocol)
        self._error = grpc.RpcError
        address = split_address(settings.endpoint or "")
        target = address.netloc.rpartition("@")[2]
        if address.scheme and address.port is None:
            target = f"{target}:{port_of(settings.endpoint or '')}"
        options = [
            ("grpc.primary_user_agent", f"pytest-contextcore/{package_version()}"),
            ("grpc.enable_retries", 0),
            ("grpc.max_send_message_length", -1),
        ]
        compression = grpc.Compression.Gzip if settings.compression == "gzip" else grpc.Compression.NoCompression
        self._channel: grpc.Channel = (
            grpc.insecure_channel(target, options, compression)
            if settings.insecure
            else grpc.secure_channel(target, _grpc_credentials(settings), options, compression)
        )
        self._call = self._channel.unary_unary(_EXPORT)
        self._metadata = tuple((_basic("authorization", address) | dict(settings.headers)).items())

    def export(self, body: bytes, timeout: float) -> Answer:
        """Send one request; it ends within the timeout."""
        try:
            content: bytes = self._call(body, timeout=timeout, metadata=self._metadata)
        except self._error as error:
            return _judge_grpc(error)
        except ValueError as error:  # the channel was closed, or metadata that gRPC refuses
            return Answer(accepted=False, problem=type(error).__name__)
        return _partial(content, "application/x-protobuf")

    def close(self) -> None:
        """Close the channel and what runs on it."""
        self._channel.close()

    def abort(self) -> None:
        """Nothing is to be done: a call ends by its own deadline."""


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


def _grpc_credentials(settings: Settings) -> grpc.ChannelCredentials:
    import grpc  # noqa: PLC0415  (only for this protocol)

    def read(name: str | None) -> bytes | None:
        if not name:
            return None
        with open(name, "rb") as file:  # noqa: PTH123  (a name as the environment gives it)
            return file.read()

    return grpc.ssl_channel_credentials(
        read(settings.certificate), read(settings.client_key), read(settings.client_certificate)
    )


@contextmanager
def _quiet_core() -> Iterator[None]:
    """Keep gRPC's C core from writing to stderr, unless the user has set what it writes; it reads this when loaded."""
    if "GRPC_VERBOSITY" in os.environ:
        yield
        return
    os.environ["GRPC_VERBOSITY"] = "NONE"
    try:
        yield
    finally:
        del os.environ["GRPC_VERBOSITY"]


def _basic(name: str, address: SplitResult) -> dict[str, str]:
    """The header for the credentials of an address; none without them."""
    if not address.username:
        return {}
    pair = f"{unquote(address.username)}:{unquote(address.password or '')}"
    return {name: f"Basic {b64encode(pair.encode()).decode()}"}


def _proxy(address: SplitResult) -> SplitResult | None:
    """The proxy that the environment names for an address."""
    found = getproxies().get(address.scheme.lower())
    if not found or proxy_bypass(address.netloc.rpartition("@")[2]):
        return None
    return urlsplit(found if "://" in found else f"http://{found}")


def _partial(content: bytes, kind: str) -> Answer:
    """The judgement of an answer that says the request arrived; what is no OTLP answer is no acceptance."""
    try:
        rejected, message = _partial_json(content) if kind == "application/json" else _partial_protobuf(content, kind)
    except ValueError:
        return Answer(accepted=False, problem="the answer is no OTLP message")
    if rejected:
        return Answer(accepted=True, problem=message or "no reason given", rejected=rejected)
    return Answer(accepted=True, problem=message)


def _partial_json(content: bytes) -> tuple[int, str]:
    answer: Any = json.loads(content or b"{}")
    try:
        partial = answer.get("partialSuccess") or {}
        return int(partial.get("rejectedSpans") or 0), str(partial.get("errorMessage") or "")
    except (AttributeError, TypeError) as error:
        raise ValueError("no OTLP answer") from error


def _partial_protobuf(content: bytes, kind: str) -> tuple[int, str]:
    if not content:
        return 0, ""
    if kind not in ("application/x-protobuf", "application/protobuf", "application/octet-stream"):
        raise ValueError("another content type")
    from google.protobuf.message import (  # type: ignore[import-untyped]  # noqa: PLC0415  (only where it is spoken)
        DecodeError,
    )
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415
        ExportTraceServiceResponse,
    )

    try:
        partial = ExportTraceServiceResponse.FromString(content).partial_success
    except DecodeError as error:
        raise ValueError("no protobuf") from error
    return partial.rejected_spans, partial.error_message


def _judge_grpc(error: Any) -> Answer:
    name = error.code().name
    details = error.details() or ""
    wait = _retry_info(error)
    refused = name == "UNAVAILABLE" and "failed to connect" in details
    if name == "DEADLINE_EXCEEDED":
        return Answer(accepted=False, problem="no answer in time", retryable=True)
    return Answer(
        accepted=False,
        problem="connection refused" if refused and "refused" in details else f"{name} {details}".strip(),
        retryable=not refused and (name in _RETRYABLE_GRPC or (name == "RESOURCE_EXHAUSTED" and wait is not None)),
        retry_after=wait,
    )


def _retry_info(error: Any) -> float | None:
    """Seconds to wait, if the status says so (``google.rpc.RetryInfo``, OTLP specification, "OTLP/gRPC Throttling")."""
    packed = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if packed is None:
        return None
    from google.protobuf.message import DecodeError  # noqa: PLC0415  (only where a server says so)
    from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # noqa: PLC0415
    from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # noqa: PLC0415

    info = RetryInfo()
    try:
        found = any(detail.Unpack(info) for detail in Status.FromString(packed).details)
    except DecodeError:
        return None
    return info.retry_delay.seconds + info.retry_delay.nanos / 1e9 if found else None


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
