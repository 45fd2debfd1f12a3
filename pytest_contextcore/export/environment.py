"""Reading the values of environment variables: lists of pairs, and addresses."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

_PORTS = {"http": 80, "https": 443}


def pairs(text: str) -> dict[str, str]:
    """``name=value`` pairs, separated by commas, percent-decoded (W3C baggage, as the specification asks)."""
    pairs = (part.partition("=") for part in text.split(","))
    return {unquote(name.strip()): unquote(value.strip()) for name, sign, value in pairs if sign and name.strip()}


def service_name(environ: Mapping[str, str]) -> str:
    """``OTEL_SERVICE_NAME``, else the resource attribute, else ``contextcore`` (contract 6)."""
    named = environ.get("OTEL_SERVICE_NAME", "").strip()
    return named or pairs(environ.get("OTEL_RESOURCE_ATTRIBUTES", "")).get("service.name") or "contextcore"


def split_address(endpoint: str) -> SplitResult:
    """The parts of an address; ``localhost:4317``, which gRPC allows, has no scheme."""
    try:
        return urlsplit(endpoint if "://" in endpoint else f"//{endpoint}")
    except ValueError:
        return SplitResult("", "", "", "", "")


def port_of(endpoint: str) -> int:
    """The port, by the scheme's default if none is named; 0 for an address that has none."""
    parts = split_address(endpoint)
    try:
        return parts.port or _PORTS.get(parts.scheme.lower(), 0)
    except ValueError:
        return 0


def with_traces_path(base: str) -> str:
    """Where traces go below an endpoint for all signals (OTLP exporter specification)."""
    parts = urlsplit(base)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/v1/traces"))


def without_credentials(address: str) -> str:
    """An address without user, password, query and fragment."""
    parts = split_address(address)
    if not parts.scheme or not parts.hostname:
        return address  # such as git@host:path
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))
