"""Keeping secrets out of spans, files and the terminal."""

from __future__ import annotations

import os
import re
from functools import lru_cache

HIDDEN = "***"
MAX_TEXT = 4000
_NO_LIMIT = 1 << 30

_SECRET_NAME = re.compile(
    r"(TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIAL|AUTHORIZATION|OTLP_(TRACES_)?HEADERS)",
    re.I,
)
_PATTERNS = (
    (re.compile(r"(?<=://)[^/\s:@]+(:[^/\s@]*)?@"), f"{HIDDEN}@"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?i)([?&](?:access_token|token|api_?key|key|password|secret|sig)=)[^&\s]+"), rf"\1{HIDDEN}"),
)
_DIGITS = 8  # of a digest: enough to tell tests apart, too few to say anything of a long secret
_MIN_SECRET = 6  # shorter values would blank ordinary words


def redact(text: str, limit: int = MAX_TEXT) -> str:
    """The text without credentials of URLs, tokens, or values of secret environment variables, cut at ``limit``."""
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")  # no lone surrogates: files and spans are UTF-8
    for value in secrets_of_environment():
        text = text.replace(value, HIDDEN)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit} more characters)"


def shown_id(nodeid: str) -> str:
    """A test's id, with a digest of the whole id in place of each secret, so that ids stay distinct."""
    shown = redact(nodeid, _NO_LIMIT)
    if shown == nodeid:
        return nodeid
    from hashlib import sha256  # noqa: PLC0415  (few ids have a secret, and a session's start is not to pay for them)

    digest = sha256(nodeid.encode("utf-8", "backslashreplace")).hexdigest()[:_DIGITS]
    return shown.replace(HIDDEN, f"[hidden:{digest}]")


def secrets_of_environment() -> tuple[str, ...]:
    """Values of secret environment variables, the longest first."""
    return _secrets(tuple((name, os.environ.get(name, "")) for name in os.environ if _is_secret(name)))


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


@lru_cache(maxsize=8)
def _secrets(variables: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """The values to hide, longest first; of header lists each value by itself as well."""
    found: set[str] = set()
    for name, value in variables:
        parts = [value]
        if "HEADERS" in name.upper():
            parts += [part.partition("=")[2].strip() for part in value.split(",")]
        found.update(part for part in parts if len(part) >= _MIN_SECRET)
    return tuple(sorted(found, key=len, reverse=True))
