"""Names and ids: what a person may give, W3C trace context, and the parent that the environment names."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

PLAN_FILE = "plan.toml"
"""What a plan is called."""

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""What an id that a person gives looks like: of a trace, a phase, a gate, a task."""

ID_RULE = "an id starts with a letter or digit and has only letters, digits and . _ -"
MAX_ID = 80

_TRACEPARENT = r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"


class Remote(NamedTuple):
    """The span that the environment names as parent: ids in lower-case hex, flags, vendor state."""

    trace_id: str
    span_id: str
    sampled: bool
    state: str = ""


def new_trace_id() -> str:
    """A random trace id, 32 hex digits, never zero.

    From the operating system: plugins such as pytest-randomly seed the ``random`` module the same in every run.
    """
    return _random_hex(16)


def new_span_id() -> str:
    """A random span id, 16 hex digits, never zero."""
    return _random_hex(8)


def remote_parent(environ: Mapping[str, str]) -> Remote | None:
    """The parent in ``TRACEPARENT``; None where there is none or it is malformed (W3C: then ignore it)."""
    match = re.fullmatch(_TRACEPARENT, environ.get("TRACEPARENT", "").strip())
    if match is None or (match[4] and environ["TRACEPARENT"].startswith("00")):
        return None
    return Remote(match[1], match[2], bool(int(match[3], 16) & 1), environ.get("TRACESTATE", "").strip())


def traceparent(trace_id: str, span_id: str, *, sampled: bool) -> str:
    """The header for a child of this span."""
    return f"00-{trace_id}-{span_id}-{'01' if sampled else '00'}"


def _random_hex(size: int) -> str:
    zero = bytes(size)
    while (value := os.urandom(size)) == zero:
        pass
    return value.hex()


def short_id(ident: str, parent: str) -> str:
    """An id without that of what it is a part of: ``S3`` of ``PI-101-002-S3``, ``C2`` of ``PI-101-002-S3-C2``."""
    return ident.removeprefix(f"{parent}-")


def named(ident: str, name: str) -> str:
    """An id with a name behind it, unless the name is the end of the id, as where a plan gives none."""
    return ident if f"-{ident}".endswith(f"-{name}") else f"{ident} {name}".rstrip()
