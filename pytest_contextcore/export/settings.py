"""What the environment says about sending spans: the standard ``OTEL_*`` variables.

The standard library suffices for that.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from ..redact import HIDDEN, redact

Protocol = Literal["grpc", "http/protobuf", "http/json"]

_PROTOCOLS: tuple[Protocol, ...] = ("grpc", "http/protobuf", "http/json")
_SAMPLERS = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)
DEFAULT_SAMPLER = "parentbased_always_on"
_DEFAULT_TIMEOUT = 10.0
_PORTS = {"http": 80, "https": 443}
_SHOWN = 300


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
    sdk_disabled: bool = False
    exporter: Literal["none", "otlp"] = "otlp"
    sampler: str = DEFAULT_SAMPLER
    sampler_arg: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    gzip: bool = False
    insecure: bool = True
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
        reader = _Reader(environ)
        exporter = reader.exporter()
        protocol, address = reader.target()
        sampler, sampler_arg = reader.sampler()
        return cls(
            endpoint=address,
            protocol=protocol,
            timeout=reader.timeout(),
            sdk_disabled=environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true",
            exporter=exporter,
            sampler=sampler,
            sampler_arg=sampler_arg,
            headers=reader.headers(),
            gzip=reader.gzip(),
            insecure=reader.insecure(address),
            certificate=reader.get("CERTIFICATE") or None,
            client_key=reader.get("CLIENT_KEY") or None,
            client_certificate=reader.get("CLIENT_CERTIFICATE") or None,
            problems=tuple(reader.problems),
        )

    @property
    def exporting(self) -> bool:
        """Whether spans are to be sent at all."""
        return self.endpoint is not None and not self.sdk_disabled and self.exporter == "otlp"

    def describe(self) -> str:
        """The endpoint as people may see it: without credentials, query and fragment."""
        return "no endpoint" if self.endpoint is None else without_credentials(self.endpoint)

    def clean(self, text: str) -> str:
        """A collector's text in one line: without control characters and the credentials that we sent, and cut."""
        text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
        for secret in sorted(self._secrets(), key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return redact(text, _SHOWN)

    def _secrets(self) -> set[str]:
        found = set(self.headers.values())
        found |= {word for value in self.headers.values() for word in value.split()}
        if self.endpoint is not None:
            parts = split_address(self.endpoint)
            found |= {parts.query, parts.username or "", parts.password or "", unquote(parts.password or "")}
        return {secret for secret in found if len(secret) > 3}


class _Reader:
    """Reads ``OTEL_*`` variables and collects what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def get(self, name: str) -> str:
        """An exporter option: the one for traces, else the one for all signals; stripped, empty if unset."""
        return self._found(name)[1]

    def _found(self, name: str) -> tuple[str, str]:
        for variable in (f"OTEL_EXPORTER_OTLP_TRACES_{name}", f"OTEL_EXPORTER_OTLP_{name}"):
            if value := self._environ.get(variable, "").strip():
                return variable, value
        return f"OTEL_EXPORTER_OTLP_{name}", ""

    def target(self) -> tuple[Protocol, str | None]:
        """Protocol and address; no address where it or the protocol cannot be used."""
        variable, endpoint = self._found("ENDPOINT")
        named, value = self._found("PROTOCOL")
        parts = split_address(endpoint)
        found = [protocol for protocol in _PROTOCOLS if protocol == value.lower()]
        if value and not found:
            self.problems.append(f"no spans are sent: {named}={value[:80]} is none of {', '.join(_PROTOCOLS)}")
            return "http/protobuf", None
        protocol = found[0] if found else "grpc" if port_of(endpoint) == 4317 else "http/protobuf"
        if not endpoint:
            return protocol, None
        good = parts.scheme in ("http", "https") or (protocol == "grpc" and not parts.scheme)
        if not (good and port_of(endpoint) and parts.hostname):
            self.problems.append(f"no spans are sent: {variable} is no http or https address")
            return protocol, None
        if protocol != "grpc" and "TRACES" not in variable:  # the one for all signals is a base
            endpoint = urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/v1/traces"))
        return protocol, endpoint

    def exporter(self) -> Literal["none", "otlp"]:
        value = self._environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
        names = [name.strip() for name in value.split(",") if name.strip()]
        if other := [name for name in names if name not in ("otlp", "none")]:
            self.problems.append(f"OTEL_TRACES_EXPORTER={','.join(other)[:80]} is not supported; otlp and none are")
        return "otlp" if not names or "otlp" in names else "none"

    def insecure(self, endpoint: str | None) -> bool:
        """Whether the connection goes without TLS: the scheme says; without one ``OTEL_EXPORTER_OTLP_INSECURE``."""
        scheme = split_address(endpoint or "").scheme
        return scheme == "http" if scheme else self.get("INSECURE").lower() == "true"

    def timeout(self) -> float:
        variable, value = self._found("TIMEOUT")
        try:
            seconds = float(value or _DEFAULT_TIMEOUT)
        except ValueError:
            seconds = 0.0
        if 0 < seconds < float("inf"):
            return seconds
        self.problems.append(f"{variable}={value[:80]} is no number of seconds; {_DEFAULT_TIMEOUT:g} is used")
        return _DEFAULT_TIMEOUT

    def gzip(self) -> bool:
        variable, value = self._found("COMPRESSION")
        if value.lower() not in ("", "none", "gzip"):
            self.problems.append(f"{variable}={value[:80]} is not supported; spans are sent uncompressed")
        return value.lower() == "gzip"

    def headers(self) -> dict[str, str]:
        variable, value = self._found("HEADERS")
        found = {name.lower(): text for name, text in pairs(value).items()}
        if any("\n" in text or "\r" in text for text in (*found, *found.values())):
            self.problems.append(f"{variable} holds a line break; it is not used")
            return {}
        return found

    def sampler(self) -> tuple[str, str]:
        """Name and argument of the sampler."""
        name = self._environ.get("OTEL_TRACES_SAMPLER", "").strip().lower() or DEFAULT_SAMPLER
        argument = self._environ.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
        if name not in _SAMPLERS:
            self.problems.append(f"OTEL_TRACES_SAMPLER={name[:80]} is not supported; {DEFAULT_SAMPLER} is used")
            return DEFAULT_SAMPLER, ""
        if not name.endswith("traceidratio"):
            return name, ""
        try:
            good = 0.0 <= float(argument or 1.0) <= 1.0
        except ValueError:
            good = False
        if not good:
            self.problems.append(f"OTEL_TRACES_SAMPLER_ARG={argument[:80]} is no number from 0 to 1; 1 is used")
        return name, argument if good else ""


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


def basic_credentials(name: str, address: SplitResult) -> dict[str, str]:
    """The header for the credentials of an address; none without them."""
    if not address.username:
        return {}
    pair = f"{unquote(address.username)}:{unquote(address.password or '')}"
    return {name: f"Basic {b64encode(pair.encode()).decode()}"}
