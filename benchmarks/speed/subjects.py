"""Who is compared: how each is installed, and how each is told to trace the suites and where to send."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Subject:
    """A plugin, and a way to use it.

    Attributes:
        name: how it is called in the tables and on the command line.
        requirements: what pip installs into its environment; ``.`` is a wheel of this checkout, ``-e .`` the checkout.
        arguments: for pytest.
        environ: beside the address of the collector.
        sends: the protocol that it sends its spans by; None where it sends nothing.
    """

    name: str
    requirements: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    environ: dict[str, str] = field(default_factory=dict)
    sends: Literal["http", "grpc"] | None = "http"


_HTTP, _GRPC = ({"OTEL_EXPORTER_OTLP_PROTOCOL": name} for name in ("http/protobuf", "grpc"))
_TEN = ("-p", "ten_attributes")
_WHEEL, _EDITABLE, _OTEL = (".",), ("-e", "."), ("pytest-otel==2.5.1",)
_FLOOR = ("pytest", "opentelemetry-sdk", "pytest-dependency")

SUBJECTS = (
    Subject("pytest-otel, HTTP", _OTEL, ("--otel-exporter-protocol", "http/protobuf")),
    Subject("pytest-otel, gRPC", _OTEL, ("--otel-exporter-protocol", "grpc", "--otel-insecure", "True"), sends="grpc"),
    Subject("SDK floor", _FLOOR, ("-p", "sdk_floor"), sends=None),
    Subject("SDK floor without pytest-dependency", _FLOOR, ("-p", "sdk_floor", "-p", "no:dependency"), sends=None),
    Subject("ten attributes, HTTP, wheel", _WHEEL, _TEN, _HTTP),
    Subject("as shipped, HTTP, wheel", _WHEEL, (), _HTTP),
    Subject("as shipped, HTTP, editable", _EDITABLE, (), _HTTP),
    Subject("as shipped, gRPC, editable", _EDITABLE, (), _GRPC, sends="grpc"),
    Subject("installed, unused, wheel", _WHEEL, sends=None),
    Subject("pytest-dependency alone", _FLOOR, sends=None),
)


@dataclass(frozen=True)
class Target:
    """What a figure of ours may be, as a part of another's."""

    title: str
    ours: str
    other: str
    column: Literal["large", "start"]
    most: float


TARGETS = (
    Target("HTTP, ten attributes, 5,000 tests, against pytest-otel", SUBJECTS[4].name, SUBJECTS[0].name, "large", 0.50),
    Target("the same against the SDK floor", SUBJECTS[4].name, SUBJECTS[2].name, "large", 0.85),
    Target("HTTP, as shipped, 5,000 tests, against pytest-otel", SUBJECTS[5].name, SUBJECTS[0].name, "large", 0.42),
    Target("start-up, HTTP, from a wheel, against pytest-otel", SUBJECTS[5].name, SUBJECTS[0].name, "start", 0.45),
    Target("start-up, HTTP, editable, against pytest-otel", SUBJECTS[6].name, SUBJECTS[0].name, "start", 0.42),
    Target("start-up, gRPC, editable, against pytest-otel", SUBJECTS[7].name, SUBJECTS[1].name, "start", 0.70),
)
