"""Ways to a collector: one OTLP request and what became of it.

Why not the SDK's exporters: they take spans of the SDK, not lines of a spool; they drop a partial-success answer; and
their retries end neither at a deadline over several requests nor without a line in the user's log.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Protocol
from urllib.parse import SplitResult, unquote

if TYPE_CHECKING:
    from .answer import Answer
    from .settings import Settings


class Transport(Protocol):
    """A way to a collector. It belongs to the thread that uses it; only ``abort`` may be called by another."""

    def export(self, body: bytes, timeout: float) -> Answer:
        """Send one encoded request and wait at most so many seconds for each step of the answer."""

    def post(self, body: bytes, timeout: float) -> Answer | None:
        """Send one encoded request and do not wait for the answer, if that can be done without threads.

        None: the answer is to be read; the transport is used for nothing else until then.
        """

    def answered(self) -> bool:
        """Whether the answer to what was posted has begun to come, or the connection ended."""

    def read_answer(self, timeout: float) -> Answer:
        """The answer to what was posted; wait at most so many seconds for each step of it."""

    def close(self) -> None:
        """Let go of the connection."""

    def abort(self) -> None:
        """Wake up a thread that waits in ``export``."""


def open_transport(settings: Settings) -> Transport:
    """The transport for the settings' protocol; nothing is connected yet.

    Raises:
        OSError: a TLS file cannot be read or used.
    """
    # Imported here, since a session needs one of them and each imports this module.
    if settings.protocol == "grpc":
        from .grpc import GrpcTransport  # noqa: PLC0415

        return GrpcTransport(settings)
    from .http import HttpTransport  # noqa: PLC0415

    return HttpTransport(settings)


def basic_credentials(name: str, address: SplitResult) -> dict[str, str]:
    """The header for the credentials of an address; none without them."""
    if not address.username:
        return {}
    pair = f"{unquote(address.username)}:{unquote(address.password or '')}"
    return {name: f"Basic {b64encode(pair.encode()).decode()}"}
