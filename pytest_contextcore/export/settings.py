"""What the environment says about sending spans: the standard ``OTEL_*`` variables."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from ..redact import HIDDEN, redact

Protocol = Literal["grpc", "http/protobuf", "http/json"]

_PROTOCOLS: tuple[Protocol, ...] = ("grpc", "http/protobuf", "http/json")
_ROOTS = ("always_on", "always_off", "traceidratio")
_SAMPLERS = (*_ROOTS, *(f"parentbased_{name}" for name in _ROOTS))
_DEFAULT_SAMPLER = "parentbased_always_on"
_DEFAULT_TIMEOUT = 10.0
_PORTS = {"http": 80, "https": 443}
_SHOWN = 300

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where spans go and how, by the OTLP exporter specification ("Configuration Options").

    ``endpoint`` is the whole address that is posted to (HTTP) or connected to (gRPC); it and ``headers`` may hold
    credentials, so neither is shown by ``repr``. ``timeout`` is in seconds a request, as the Python SDK reads
    ``OTEL_EXPORTER_OTLP_TIMEOUT``. ``problems``: what the environment asks for and does not get, a line each.
    """

    endpoint: str | None = field(default=None, repr=False)
    protocol: Protocol = "http/protobuf"
    timeout: float = _DEFAULT_TIMEOUT
    off: bool = False
    """The environment says that no spans shall be made."""
    sampler: str = _DEFAULT_SAMPLER
    rate: float = 1.0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    gzip: bool = False
    insecure: bool = False
    certificate: str | None = None
    client_key: str | None = None
    client_certificate: str | None = None
    problems: tuple[str, ...] = ()

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], endpoint: str | None = None) -> Settings:
        """The settings in an environment, with another endpoint if one is given; it never raises, see ``problems``."""
        if endpoint is not None:  # for all signals; the variable for traces would beat it
            environ = {name: value for name, value in environ.items() if name != "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"}
            environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
        return _Reader(environ).settings()

    @property
    def exporting(self) -> bool:
        """Whether spans are to be sent at all."""
        return self.endpoint is not None and not self.off

    def describe(self) -> str:
        """The endpoint as people may see it: without credentials, query and fragment."""
        return "no endpoint" if self.endpoint is None else without_credentials(self.endpoint)

    def clean(self, text: str) -> str:
        """A collector's text in one line: without control characters and the credentials that we sent, and cut."""
        text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
        address = split_address(self.endpoint or "")
        secrets = {word for value in self.headers.values() for word in (value, *value.split())}
        secrets |= {address.query, address.username or "", address.password or "", unquote(address.password or "")}
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret) > 3:
                text = text.replace(secret, HIDDEN)
        return redact(text, _SHOWN)


class _Reader:
    """Reads ``OTEL_*`` variables and collects what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._problems: list[str] = []

    def settings(self) -> Settings:
        """The settings, and what is wrong with them."""
        exporters = self._read("OTEL_TRACES_EXPORTER")[1].lower().replace(",", " ").split()
        if other := [name for name in exporters if name not in ("otlp", "none")]:
            self._problems.append(f"OTEL_TRACES_EXPORTER={','.join(other)[:80]} is not supported; otlp and none are")
        protocol, endpoint = self._target()
        scheme = split_address(endpoint or "").scheme
        sampler = self._one_of(_SAMPLERS, *self._read("OTEL_TRACES_SAMPLER"), _DEFAULT_SAMPLER)
        rate = self._read("OTEL_TRACES_SAMPLER_ARG") if sampler.endswith("traceidratio") else ("", "")
        return Settings(
            endpoint=endpoint,
            protocol=protocol,
            timeout=self._number(*self._option("TIMEOUT"), _DEFAULT_TIMEOUT, least=0.001, most=86_400),
            off=self._read("OTEL_SDK_DISABLED")[1].lower() == "true" or (bool(exporters) and "otlp" not in exporters),
            sampler=sampler,
            rate=self._number(*rate, 1.0, least=0, most=1),
            headers=self._headers(),
            gzip=self._one_of(("none", "gzip"), *self._option("COMPRESSION"), "none") == "gzip",
            insecure=scheme == "http" if scheme else self._option("INSECURE")[1].lower() == "true",
            certificate=self._option("CERTIFICATE")[1] or None,
            client_key=self._option("CLIENT_KEY")[1] or None,
            client_certificate=self._option("CLIENT_CERTIFICATE")[1] or None,
            problems=tuple(self._problems),
        )

    def _read(self, *variables: str) -> tuple[str, str]:
        """The first of these variables that is set, and its value, stripped; else the last one, and nothing."""
        found = [(name, value) for name in variables if (value := self._environ.get(name, "").strip())]
        return found[0] if found else (variables[-1], "")

    def _option(self, name: str) -> tuple[str, str]:
        """An exporter option: the variable for traces beats the one for all signals."""
        return self._read(f"OTEL_EXPORTER_OTLP_TRACES_{name}", f"OTEL_EXPORTER_OTLP_{name}")

    def _one_of(self, known: Collection[str], variable: str, value: str, default: str) -> str:
        if value and value.lower() not in known:
            self._problems.append(f"{variable}={value[:80]} is not supported; {default} is used")
        return value.lower() if value.lower() in known else default

    def _number(self, variable: str, value: str, default: float, *, least: float, most: float) -> float:
        try:
            number = float(value or default)
        except ValueError:
            number = float("nan")
        if least <= number <= most:
            return number
        self._problems.append(f"{variable}={value[:80]} is no number from {least:g} to {most:g}; {default:g} is used")
        return default

    def _target(self) -> tuple[Protocol, str | None]:
        """Protocol and address; no address where it or the protocol cannot be used."""
        variable, endpoint = self._option("ENDPOINT")
        named, value = self._option("PROTOCOL")
        found = [protocol for protocol in _PROTOCOLS if protocol == value.lower()]
        protocol = found[0] if found else "grpc" if port_of(endpoint) == 4317 and not value else "http/protobuf"
        parts = split_address(endpoint)
        usable = parts.scheme in ("http", "https") or (protocol == "grpc" and not parts.scheme)
        if value and not found:
            self._problems.append(f"no spans are sent: {named}={value[:80]} is none of {', '.join(_PROTOCOLS)}")
        elif endpoint and not (usable and port_of(endpoint) and parts.hostname):
            self._problems.append(f"no spans are sent: {variable} is no http or https address")
        elif endpoint and protocol != "grpc" and "TRACES" not in variable:  # the one for all signals is a base
            return protocol, urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/v1/traces"))
        else:
            return protocol, endpoint or None
        return protocol, None

    def _headers(self) -> dict[str, str]:
        variable, value = self._option("HEADERS")
        found = {name.lower(): text for name, text in pairs(value).items()}
        if any("\n" in text or "\r" in text for text in (*found, *found.values())):
            self._problems.append(f"{variable} holds a line break; it is not used")
            return {}
        return found


def pairs(text: str) -> dict[str, str]:
    """``name=value`` pairs, separated by commas, percent-decoded (W3C baggage, as the specification asks)."""
    pairs = (part.partition("=") for part in text.split(","))
    return {unquote(name.strip()): unquote(value.strip()) for name, sign, value in pairs if sign and name.strip()}


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
        return parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return 0


def without_credentials(address: str) -> str:
    """An address without user, password, query and fragment."""
    parts = split_address(address)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
    return urlunsplit(bare).removeprefix("//")


def basic_credentials(address: SplitResult) -> dict[str, str]:
    """The header for the credentials of an address; none without them."""
    if not address.username:
        return {}
    pair = f"{unquote(address.username)}:{unquote(address.password or '')}"
    return {"authorization": f"Basic {b64encode(pair.encode()).decode()}"}
