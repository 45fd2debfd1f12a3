"""What the environment says about telemetry: the standard ``OTEL_*`` variables, the resource, the sampler.

Importing this module costs the standard library only; the SDK is imported where a sampler or a provider needs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urlunsplit

from ..redact import HIDDEN, redact
from .environment import pairs, port_of, service_name, split_address, with_traces_path
from .provider import install_global, make_sampler
from .resource import resource

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from ..ids import Remote

__all__ = ["Compression", "Protocol", "Settings", "install_global", "resource", "sampled"]

Protocol = Literal["grpc", "http/protobuf", "http/json"]
Compression = Literal["none", "gzip"]

_PROTOCOLS: tuple[Protocol, ...] = ("grpc", "http/protobuf", "http/json")
_SAMPLERS = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)
_DEFAULT_SAMPLER = "parentbased_always_on"
_DEFAULT_TIMEOUT = 10.0


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
    sampler: str = _DEFAULT_SAMPLER
    sampler_arg: str = ""
    service_name: str = "contextcore"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    compression: Compression = "none"
    insecure: bool = True
    certificate: str | None = None
    client_key: str | None = None
    client_certificate: str | None = None
    problems: tuple[str, ...] = ()

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """The settings in an environment; it never raises, see ``problems``."""
        reader = _Reader(environ)
        endpoint = reader.endpoint()
        exporter = reader.exporter()
        protocol = reader.protocol(endpoint)
        if protocol is None or (endpoint is not None and not reader.usable(endpoint, protocol)):
            endpoint = None
        if endpoint is not None and protocol != "grpc" and reader.endpoint_is_base:
            endpoint = with_traces_path(endpoint)
        sampler, sampler_arg = reader.sampler()
        return cls(
            endpoint=endpoint,
            protocol=protocol or "http/protobuf",
            timeout=reader.timeout(),
            sdk_disabled=environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true",
            exporter=exporter,
            sampler=sampler,
            sampler_arg=sampler_arg,
            service_name=service_name(environ),
            headers=reader.headers(),
            compression=reader.compression(),
            insecure=reader.insecure(endpoint),
            certificate=reader.get("CERTIFICATE") or None,
            client_key=reader.get("CLIENT_KEY") or None,
            client_certificate=reader.get("CLIENT_CERTIFICATE") or None,
            problems=tuple(reader.problems),
        )

    @property
    def exporting(self) -> bool:
        """Whether spans are to be sent at all (contract 7)."""
        return self.endpoint is not None and not self.sdk_disabled and self.exporter == "otlp"

    def describe(self) -> str:
        """The endpoint as people may see it: without credentials, query and fragment."""
        if self.endpoint is None:
            return "no endpoint"
        parts = split_address(self.endpoint)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")).removeprefix("//")

    def clean(self, text: str) -> str:
        """One line of a message, without the credentials that these settings hold."""
        text = " ".join(text.split())
        for secret in sorted(self._secrets(), key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return redact(text, 300)

    def _secrets(self) -> set[str]:
        found = set(self.headers.values())
        found |= {word for value in self.headers.values() for word in value.split()}
        if self.endpoint is not None:
            parts = split_address(self.endpoint)
            found |= {parts.query, parts.username or "", parts.password or "", unquote(parts.password or "")}
        return {secret for secret in found if len(secret) > 3}


def sampled(environ: Mapping[str, str], remote: Remote | None, trace_id: str) -> bool:
    """Whether the sampler that the environment names takes this trace (32 hex digits)."""
    name, argument = _Reader(environ).sampler()
    if name == _DEFAULT_SAMPLER:  # the SDK's rule for it, without importing the SDK
        return remote is None or remote.sampled
    from opentelemetry.trace import (  # noqa: PLC0415  (35 ms, and the default needs none of it)
        NonRecordingSpan,
        SpanContext,
        TraceFlags,
        set_span_in_context,
    )

    parent: Context | None = None
    if remote is not None:
        flags = TraceFlags(TraceFlags.SAMPLED if remote.sampled else TraceFlags.DEFAULT)
        context = SpanContext(int(remote.trace_id, 16), int(remote.span_id, 16), is_remote=True, trace_flags=flags)
        parent = set_span_in_context(NonRecordingSpan(context))
    decision = make_sampler(name, argument).should_sample(parent, int(trace_id, 16), "pytest").decision
    return decision.name == "RECORD_AND_SAMPLE"


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

    @property
    def endpoint_is_base(self) -> bool:
        """Whether the endpoint is for all signals, so that ``v1/traces`` is to be added for HTTP."""
        return self._found("ENDPOINT")[0] == "OTEL_EXPORTER_OTLP_ENDPOINT"

    def endpoint(self) -> str | None:
        return self.get("ENDPOINT") or None

    def exporter(self) -> Literal["none", "otlp"]:
        value = self._environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
        names = [name.strip() for name in value.split(",") if name.strip()]
        if other := [name for name in names if name not in ("otlp", "none")]:
            self.problems.append(f"OTEL_TRACES_EXPORTER={','.join(other)[:80]} is not supported; otlp and none are")
        return "otlp" if not names or "otlp" in names else "none"

    def protocol(self, endpoint: str | None) -> Protocol | None:
        """The protocol; None if one is named that does not exist."""
        variable, value = self._found("PROTOCOL")
        for protocol in _PROTOCOLS:
            if value.lower() == protocol:
                return protocol
        if value:
            self.problems.append(f"no spans are sent: {variable}={value[:80]} is none of {', '.join(_PROTOCOLS)}")
            return None
        return "grpc" if endpoint is not None and port_of(endpoint) == 4317 else "http/protobuf"

    def usable(self, endpoint: str, protocol: Protocol) -> bool:
        """Whether the endpoint is an address that the protocol can use."""
        scheme = split_address(endpoint).scheme.lower()
        good = scheme in ("http", "https") or (protocol == "grpc" and not scheme)
        if good and port_of(endpoint) and split_address(endpoint).hostname:
            return True
        self.problems.append(f"no spans are sent: {self._found('ENDPOINT')[0]} is no http or https address")
        return False

    def insecure(self, endpoint: str | None) -> bool:
        """Whether the connection goes without TLS: the scheme says; without one ``OTEL_EXPORTER_OTLP_INSECURE``."""
        scheme = split_address(endpoint).scheme.lower() if endpoint else ""
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

    def compression(self) -> Compression:
        variable, value = self._found("COMPRESSION")
        if value.lower() == "gzip":
            return "gzip"
        if value.lower() not in ("", "none"):
            self.problems.append(f"{variable}={value[:80]} is not supported; spans are sent uncompressed")
        return "none"

    def headers(self) -> dict[str, str]:
        variable, value = self._found("HEADERS")
        found = {name.lower(): text for name, text in pairs(value).items()}
        if any("\n" in text or "\r" in text for text in (*found, *found.values())):
            self.problems.append(f"{variable} holds a line break; it is not used")
            return {}
        return found

    def sampler(self) -> tuple[str, str]:
        """Name and argument of the sampler."""
        name = self._environ.get("OTEL_TRACES_SAMPLER", "").strip().lower() or _DEFAULT_SAMPLER
        argument = self._environ.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
        if name not in _SAMPLERS:
            self.problems.append(f"OTEL_TRACES_SAMPLER={name[:80]} is not supported; {_DEFAULT_SAMPLER} is used")
            return _DEFAULT_SAMPLER, ""
        if not name.endswith("traceidratio"):
            return name, ""
        try:
            good = 0.0 <= float(argument or 1.0) <= 1.0
        except ValueError:
            good = False
        if not good:
            self.problems.append(f"OTEL_TRACES_SAMPLER_ARG={argument[:80]} is no number from 0 to 1; 1 is used")
        return name, argument if good else ""
