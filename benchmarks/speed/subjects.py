"""Who is compared: the plugins, how each is installed, and how each is told what to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Mode = Literal["installed", "traced", "http", "grpc"]
"""Merely installed; active without export; active and exporting over OTLP/HTTP or OTLP/gRPC."""

OTLP = "opentelemetry-exporter-otlp"
OURS = "contextcore"


@dataclass(frozen=True)
class How:
    """What a mode needs beside the suite: arguments, environment, the kind of suite."""

    arguments: tuple[str, ...] = ()
    environ: dict[str, str] = field(default_factory=dict)
    suite: Literal["plain", "plan", "ordered"] = "plain"


@dataclass(frozen=True)
class Subject:
    """A plugin, or a way to use one.

    Attributes:
        name: how it is called in results and on the command line.
        environment: the virtual environment that it lives in; variants of a subject share one.
        requirements: what pip installs into it; ``.`` is this checkout.
        shown: the distributions whose versions are printed.
        modes: what it can do, and how it is asked to.
        test_span: which of its spans stand for a whole test: a regular expression over the name; the group is the
            test's key, such as ``f07n0042``.
        optional: only measured when it is named, or with ``--all``.
        note: what a reader must know about it.
    """

    name: str
    environment: str
    requirements: tuple[str, ...]
    shown: tuple[str, ...]
    modes: dict[Mode, How]
    test_span: str = r"\[(f\d+n\d+)\]$"
    optional: bool = False
    note: str = ""


def _otlp(protocol: str) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_PROTOCOL": protocol}


_HTTP, _GRPC = _otlp("http/protobuf"), _otlp("grpc")
_TEN = ("-p", "ten_attributes")

SUBJECTS: tuple[Subject, ...] = (
    Subject(
        OURS,
        "contextcore",
        (".",),
        ("pytest-contextcore", "opentelemetry-sdk"),
        {
            "installed": How(),
            "traced": How(suite="plan"),
            "http": How(_TEN, _HTTP),
            "grpc": How(_TEN, _GRPC),
        },
        note="exporting: its own 5 attributes and 5 that a plugin of the benchmark adds at the span's sink",
    ),
    Subject(
        "contextcore, as shipped",
        "contextcore",
        (".",),
        (),
        {"http": How((), _HTTP), "grpc": How((), _GRPC)},
        note="the attributes that an ordinary test's span has without the benchmark's plugin",
    ),
    Subject(
        "contextcore, http/json",
        "contextcore",
        (".",),
        (),
        {"http": How(_TEN, _otlp("http/json"))},
        note="OTEL_EXPORTER_OTLP_PROTOCOL=http/json: the spool's lines are posted as they are",
    ),
    Subject(
        "pytest-opentelemetry",
        "pytest-opentelemetry",
        ("pytest", "pytest-opentelemetry", OTLP),
        ("pytest-opentelemetry", "opentelemetry-sdk"),
        {
            "installed": How(),
            "traced": How(),
            "http": How(("--export-traces",), _HTTP | {"OTEL_TRACES_EXPORTER": "otlp_proto_http"}),
            "grpc": How(("--export-traces",), _GRPC),
        },
        note="traces whenever it is installed; an option makes it export, by gRPC unless an exporter is named",
    ),
    Subject(
        "pytest-otel",
        "pytest-otel",
        ("pytest-otel",),
        ("pytest-otel", "opentelemetry-sdk"),
        {
            "installed": How(),
            "traced": How(),
            "http": How(("--otel-exporter-protocol", "http/protobuf")),
            "grpc": How(("--otel-exporter-protocol", "grpc", "--otel-insecure", "True")),
        },
        note="traces whenever it is installed; without an endpoint it keeps the spans in memory",
    ),
    Subject(
        "otel-extensions-pytest",
        "otel-extensions-pytest",
        ("pytest", "otel-extensions-pytest", OTLP),
        ("otel-extensions-pytest", "opentelemetry-sdk"),
        {"installed": How(), "traced": How(), "http": How((), _HTTP), "grpc": How((), _GRPC)},
        note="without an endpoint it goes through the motions, and no span is recorded",
    ),
    Subject(
        "logfire",
        "logfire",
        ("pytest", "logfire"),
        ("logfire", "opentelemetry-sdk"),
        {"installed": How(), "traced": How(("--logfire",)), "http": How(("--logfire",), _HTTP)},
        optional=True,
    ),
    Subject(
        "ddtrace",
        "ddtrace",
        ("pytest", "ddtrace"),
        ("ddtrace",),
        {"installed": How()},
        optional=True,
        note="exports by a protocol of its own: only its start-up is measured",
    ),
    Subject(
        "pytest-dependency, automark",
        "pytest-dependency",
        ("pytest", "pytest-dependency"),
        ("pytest-dependency",),
        {"installed": How(), "traced": How(("-o", "automark_dependency=true"))},
        note="no tracing: dependencies between tests, every test marked by the ini option",
    ),
    Subject(
        "pytest-order",
        "pytest-order",
        ("pytest", "pytest-order"),
        ("pytest-order",),
        {"installed": How(), "traced": How(suite="ordered")},
        note="no tracing: order of tests, every test marked",
    ),
)


def chosen(names: list[str], *, everything: bool) -> list[Subject]:
    """The subjects to measure: those named (a part of a name will do), else all that are not optional.

    Raises:
        ValueError: no subject is named so.
    """
    if not names:
        return [subject for subject in SUBJECTS if everything or not subject.optional]
    for name in names:
        if not any(name in subject.name for subject in SUBJECTS):
            raise ValueError(f"no subject is named {name!r}; there are: {'; '.join(s.name for s in SUBJECTS)}")
    return [subject for subject in SUBJECTS if any(name in subject.name for name in names)]
