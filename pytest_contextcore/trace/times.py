"""Times as a trace keeps them: nanoseconds since the epoch in memory, RFC 3339 in files."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from ..text import format_time

MICROSECOND: Final = 1_000
"""In nanoseconds: the least that evidence files and trace stores tell apart."""


_END = 1 << 63
"""In the year 2262: trace stores keep nanoseconds in 64 bits."""


def _parse_time(value: object) -> object:
    """Nanoseconds since the epoch from an RFC 3339 text; other values are left to pydantic."""
    if isinstance(value, str):
        whole, _, fraction = value.removesuffix("Z").partition(".")
        moment = datetime.fromisoformat(whole).replace(tzinfo=UTC)
        value = int(moment.timestamp()) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9] or 0)
    if isinstance(value, int) and not 0 <= value < _END:
        raise ValueError("a time before 1970 or after 2262")
    return value


Time = Annotated[
    int,
    BeforeValidator(_parse_time, json_schema_input_type=str),
    PlainSerializer(format_time, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$",
        }
    ),
]
"""Nanoseconds since the epoch in memory, RFC 3339 UTC in files."""
