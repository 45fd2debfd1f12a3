"""Keeping secrets out of spans, files and the terminal."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from urllib.parse import quote

HIDDEN = "***"
MAX_TEXT = 4000
NO_LIMIT = 1 << 30

_SECRET_NAME = re.compile(
    r"(TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|(^|_)PASS$|API_?KEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIAL|AUTHORIZATION"
    r"|OTLP_(TRACES_)?HEADERS)",
    re.I,
)
_PATTERNS = (
    (re.compile(r"(?<=://)[^/\s:@]+(:[^/\s@]*)?@"), f"{HIDDEN}@"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?i)([?&](?:access_token|token|api_?key|key|password|secret|sig)=)[^&\s]+"), rf"\1{HIDDEN}"),
)
_DIGITS = 8  # of a digest: enough to tell tests apart, too few to say anything of a long secret
_MIN_SECRET = 6  # of a variable or a line; shorter values would blank ordinary words
_MIN_TOLD = 4
_told: set[str] = set()
"""Secrets of which this process was told: they stay secret until it ends."""


def keep_secret(value: str) -> None:
    """Hide a value from now on.

    Raises:
        ValueError: it is so short that it would blank ordinary words.
    """
    if len(value) < _MIN_TOLD:
        raise ValueError(f"a secret of {len(value)} characters cannot be hidden; it needs at least {_MIN_TOLD}")
    _told.update(_forms(value), {value})


def keep_secrets_of(environ: Mapping[str, str]) -> None:
    """Hide from now on the values of an environment whose names look secret."""
    for name, value in environ.items():
        if _is_secret(name):
            _told.update(_values(name, value))


def hide(text: str) -> str:
    """The text without the values of secret environment variables, and those of which we were told."""
    for value in secrets_of_environment():
        text = text.replace(value, HIDDEN)
    return text


def redact(text: str, limit: int = MAX_TEXT) -> str:
    """The text without secret values, credentials of URLs, and tokens, cut at ``limit``."""
    text = hide(text.encode("utf-8", "backslashreplace").decode("utf-8"))  # no lone surrogates: files, spans are UTF-8
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit} more characters)"


def shown_id(nodeid: str) -> str:
    """A test's id, with a digest of the whole id in place of each secret, so that ids stay distinct."""
    shown = redact(nodeid, NO_LIMIT)
    if shown == nodeid:
        return nodeid
    from hashlib import sha256  # noqa: PLC0415  (few ids have a secret, and a session's start is not to pay for them)

    digest = sha256(nodeid.encode("utf-8", "backslashreplace")).hexdigest()[:_DIGITS]
    return shown.replace(HIDDEN, f"[hidden:{digest}]")


def secrets_of_environment() -> tuple[str, ...]:
    """Values of secret environment variables, and those of which we were told; the longest first."""
    variables = tuple((name, os.environ.get(name, "")) for name in os.environ if _is_secret(name))
    return _secrets(variables, frozenset(_told))


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


@lru_cache(maxsize=8)
def _secrets(variables: tuple[tuple[str, str], ...], told: frozenset[str]) -> tuple[str, ...]:
    found = {part for name, value in variables for part in _values(name, value)}
    return tuple(sorted(found | told, key=len, reverse=True))


def _values(name: str, value: str) -> Iterator[str]:
    """What to hide of a variable; of header lists each value by itself as well."""
    yield from _forms(value)
    if "HEADERS" in name.upper():
        for part in value.split(","):
            yield from _forms(part.partition("=")[2].strip())


def _forms(value: str) -> Iterator[str]:
    """A value as texts may show it: as it is, line by line, escaped as Python and JSON do, percent-encoded."""
    shown = (value, repr(value)[1:-1], json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    return (part for part in (*shown, quote(value, safe=""), *value.splitlines()) if len(part) >= _MIN_SECRET)
