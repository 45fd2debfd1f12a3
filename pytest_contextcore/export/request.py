"""An HTTP request as its bytes arrive, no larger than it may be."""

from __future__ import annotations

import zlib
from collections.abc import Generator
from http import HTTPStatus

from ..errors import ContextcoreError

MAX_REQUEST = 8 << 20
"""Bytes of a request's body, as they come and when they are unpacked."""

JSON = "application/json"

_MAX_HEAD = 1 << 14
_TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class Refused(ContextcoreError):
    """A request is not taken, and why."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class Request:
    """Bytes that become a request; ``target`` is method and path once they are known."""

    def __init__(self) -> None:
        self.target = ""
        self._headers: dict[str, str] = {}
        self._data, self._body = bytearray(), bytearray()
        self._steps = self._parse()

    @property
    def json(self) -> bool:
        """Whether the body is JSON."""
        return self._header("content-type").partition(";")[0].strip() == JSON

    def feed(self, data: bytes) -> bool:
        """Take more bytes; whether the request is whole.

        Raises:
            Refused: it is no HTTP, or too large.
        """
        self._data += data
        try:
            next(self._steps)
        except StopIteration:
            return True
        except ValueError:
            raise Refused(HTTPStatus.BAD_REQUEST, "no HTTP") from None
        return False

    def unpacked(self) -> bytes:
        """The body as it was before it was compressed.

        Raises:
            Refused: it is damaged, too large, or compressed in a way that is not known here.
        """
        if (how := self._header("content-encoding")) in ("", "identity"):
            return bytes(self._body)
        if how not in ("gzip", "deflate"):
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "neither gzip nor deflate")
        inflate = zlib.decompressobj(wbits=47)  # both of them
        try:
            found = inflate.decompress(self._body, MAX_REQUEST)
        except zlib.error:
            raise Refused(HTTPStatus.BAD_REQUEST, f"no {how}") from None
        if not inflate.eof:
            raise Refused(_TOO_LARGE, f"torn, or over {MAX_REQUEST >> 20} MiB when unpacked")
        return found

    def _header(self, name: str) -> str:
        return self._headers.get(name, "").lower()

    # -- each step waits for the bytes that it needs -------------------------------------------------------------------
    def _parse(self) -> Generator[None]:
        first, *lines = (yield from self._until(b"\r\n\r\n")).split("\r\n")
        pairs = (line.partition(":") for line in lines)
        self._headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        self.target = first.rpartition(" ")[0]
        if self._header("transfer-encoding") != "chunked":
            yield from self._take(int(self._header("content-length") or 0))
            return
        while size := int((yield from self._until(b"\r\n")).partition(";")[0], 16):
            yield from self._take(size)
            yield from self._until(b"\r\n")

    def _until(self, mark: bytes) -> Generator[None, None, str]:
        while (end := self._data.find(mark, 0, _MAX_HEAD)) < 0:
            if len(self._data) >= _MAX_HEAD:
                raise Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "no HTTP, or its head is too long")
            yield
        found = self._data[:end].decode("latin-1")
        del self._data[: end + len(mark)]
        return found

    def _take(self, size: int) -> Generator[None]:
        """Bytes of the body."""
        if not 0 <= size <= MAX_REQUEST - len(self._body):
            raise Refused(_TOO_LARGE, f"over {MAX_REQUEST >> 20} MiB")
        while len(self._data) < size:
            yield
        self._body += self._data[:size]
        del self._data[:size]
