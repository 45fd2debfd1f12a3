"""What is measured: the cases, by the issue that set their targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .collectors import Collector
from .subjects import Mode


@dataclass(frozen=True)
class Case:
    """One measurement of every subject beside bare pytest.

    Attributes:
        name: as on the command line.
        title: as in the table.
        mode: what the subjects are told to do.
        tests: how many ordinary tests the suite has.
        collector: what they export to.
        unit: what is reported of the difference to bare pytest.
        target: in that unit, for this plugin.
        runs: how often by default.
    """

    name: str
    title: str
    mode: Mode
    tests: int
    unit: Literal["ms CPU", "µs CPU a test", "s"]
    collector: Collector = "none"
    target: float | None = None
    runs: int = 5


REFERENCE = {"µs CPU a test": 400.0, "ms CPU": 190.0}
"""What bare pytest costs on the machine for which the targets were set: a trivial test in a large suite; one alone."""

CASES: tuple[Case, ...] = (
    Case("installed", "installed, unused: start-up", "installed", 1, "ms CPU", target=10, runs=21),
    Case("installed-5000", "installed, unused: 5,000 tests", "installed", 5_000, "µs CPU a test", runs=7),
    Case("traced-5000", "active without export, 5,000 tests", "traced", 5_000, "µs CPU a test", target=80, runs=7),
    Case("traced-20000", "active without export, 20,000 tests", "traced", 20_000, "µs CPU a test", target=80),
    Case("http-startup", "active start-up, OTLP/HTTP", "http", 1, "ms CPU", "live", target=100, runs=21),
    Case("http-1000", "OTLP/HTTP export, 1,000 tests", "http", 1_000, "µs CPU a test", "live", runs=9),
    Case("http-5000", "OTLP/HTTP export, 5,000 tests", "http", 5_000, "µs CPU a test", "live", target=120, runs=7),
    Case("http-20000", "OTLP/HTTP export, 20,000 tests", "http", 20_000, "µs CPU a test", "live", target=120),
    Case("http-100000", "OTLP/HTTP export, 100,000 tests", "http", 100_000, "µs CPU a test", "live", 120, runs=3),
    Case("grpc-startup", "active start-up, OTLP/gRPC", "grpc", 1, "ms CPU", "live", runs=21),
    Case("grpc-1000", "OTLP/gRPC export, 1,000 tests", "grpc", 1_000, "µs CPU a test", "live", runs=9),
    Case("grpc-5000", "OTLP/gRPC export, 5,000 tests", "grpc", 5_000, "µs CPU a test", "live", target=250, runs=7),
    Case("grpc-20000", "OTLP/gRPC export, 20,000 tests", "grpc", 20_000, "µs CPU a test", "live", target=250),
    Case("refuses", "1,000 tests, the collector refuses (HTTP)", "http", 1_000, "s", "refuses", target=2, runs=3),
    Case("silent", "1,000 tests, the collector never answers (HTTP)", "http", 1_000, "s", "silent", target=2, runs=3),
    Case("grpc-refuses", "1,000 tests, the collector refuses (gRPC)", "grpc", 1_000, "s", "refuses", target=2, runs=3),
    Case(
        "grpc-silent", "1,000 tests, the collector never answers (gRPC)", "grpc", 1_000, "s", "silent", target=2, runs=3
    ),
)
QUICK = (
    "installed",
    "installed-5000",
    "traced-5000",
    "http-startup",
    "http-5000",
    "grpc-5000",
    "refuses",
    "silent",
    "pilot",
)
EXTRA = ("pilot", "profile")
"""Measured in other ways than beside bare pytest."""


def chosen(names: list[str], *, quick: bool) -> tuple[list[Case], list[str]]:
    """The cases to measure, and which of `EXTRA`; all without a name.

    Raises:
        ValueError: no case is named so.
    """
    known = [*(case.name for case in CASES), *EXTRA]
    if unknown := set(names) - set(known):
        raise ValueError(f"no such case: {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    wanted = names or (QUICK if quick else known)
    return [case for case in CASES if case.name in wanted], [name for name in EXTRA if name in wanted]
