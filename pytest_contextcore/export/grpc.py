"""OTLP over gRPC: the bytes of a request, sent as they are by the stack of OpenTelemetry's exporter."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..version import __version__
from .answer import MAX_ANSWER, TOO_LONG, Answer, judge_content
from .settings import basic_credentials, port_of, split_address

if TYPE_CHECKING:
    import grpc

    from .settings import Settings

_RETRYABLE = ("CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS")
_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class GrpcTransport:
    """A channel to a collector.

    Raises:
        OSError: a TLS file cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # else its C core writes to stderr; it reads this when loaded
        import grpc  # noqa: PLC0415  (70 ms, and only for this protocol)

        self._error = grpc.RpcError
        address = split_address(settings.endpoint or "")
        target = address.netloc.rpartition("@")[2]
        if address.scheme and address.port is None:
            target = f"{target}:{port_of(settings.endpoint or '')}"
        options = [
            ("grpc.primary_user_agent", f"pytest-contextcore/{__version__}"),
            ("grpc.enable_retries", 0),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", MAX_ANSWER),
        ]
        files = settings.certificate, settings.client_key, settings.client_certificate
        compression = grpc.Compression.Gzip if settings.gzip else grpc.Compression.NoCompression
        self._channel: grpc.Channel = (
            grpc.insecure_channel(target, options, compression)
            if settings.insecure
            else grpc.secure_channel(target, grpc.ssl_channel_credentials(*map(_read, files)), options, compression)
        )
        self._call = self._channel.unary_unary(_EXPORT)
        self._metadata = tuple((basic_credentials(address) | dict(settings.headers)).items())

    def export(self, body: bytes, timeout: float) -> Answer:
        """Send one request; it ends within the timeout."""
        try:
            content: bytes = self._call(body, timeout=timeout, metadata=self._metadata)
        except self._error as error:
            return _judge(error)
        except ValueError as error:  # the channel was closed, or metadata that gRPC refuses
            return Answer(accepted=False, problem=type(error).__name__)
        return judge_content(content, "application/x-protobuf")

    def close(self) -> None:
        """Close the channel and what runs on it."""
        self._channel.close()


def _read(name: str | None) -> bytes | None:
    return Path(name).read_bytes() if name else None


def _judge(error: Any) -> Answer:
    name = error.code().name
    details = error.details() or ""
    if name == "DEADLINE_EXCEEDED":
        return Answer(accepted=False, problem="no answer in time", retryable=True)
    if "CLIENT: Received message larger" in details:
        return Answer(accepted=False, problem=TOO_LONG)
    unreachable = name == "UNAVAILABLE" and "failed to connect" in details
    too_large = "larger than" in details or "too large" in details  # each implementation has a code of its own for it
    pause = _asked_pause(error)
    return Answer(
        accepted=False,
        problem="connection refused" if unreachable and "refused" in details else f"{name} {details}".strip(),
        refused=name == "INVALID_ARGUMENT" or too_large,
        retryable=not unreachable and (name in _RETRYABLE or (name == "RESOURCE_EXHAUSTED" and pause is not None)),
        retry_after=pause,
    )


def _asked_pause(error: Any) -> float | None:
    """The seconds to wait that a collector names in a ``RetryInfo``."""
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if details is None:
        return None
    from google.protobuf.message import DecodeError  # noqa: PLC0415  (only for a collector that says more)
    from google.rpc.error_details_pb2 import RetryInfo  # noqa: PLC0415
    from google.rpc.status_pb2 import Status  # noqa: PLC0415

    info = RetryInfo()
    try:
        found = any(detail.Unpack(info) for detail in Status.FromString(details).details)
    except DecodeError:
        return None
    return max(0.0, info.retry_delay.seconds + info.retry_delay.nanos / 1e9) if found else None
