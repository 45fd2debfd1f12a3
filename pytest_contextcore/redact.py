"""Keeping secrets out of spans, files and the terminal."""

from __future__ import annotations

import os
import re
from functools import lru_cache

HIDDEN = "***"
MAX_TEXT = 4000

_SECRET_NAME = re.compile(
    r"(TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIAL|AUTHORIZATION|OTLP_(TRACES_)?HEADERS)",
    re.I,
)
_PATTERNS = (
    (re.compile(r"(?<=://)[^/\s:@]+(:[^/\s@]*)?@"), f"{HIDDEN}@"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?i)([?&](?:access_token|token|api_?key|key|password|secret|sig)=)[^&\s]+"), rf"\1{HIDDEN}"),
)
_MIN_SECRET = 6  # shorter values would blank ordinary words


def redact(text: str, limit: int = MAX_TEXT) -> str:
    """The text without credentials of URLs, tokens, or values of secret environment variables, cut at ``limit``."""
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")  # no lone surrogates: files and spans are UTF-8
    for value in _secrets(tuple((name, os.environ.get(name, "")) for name in os.environ if _is_secret(name))):
        text = text.replace(value, HIDDEN)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit} more characters)"


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
