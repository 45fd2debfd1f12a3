"""The source manifest, typed: what the service promises, what it runs, which artifacts it must have."""

import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from .files import Document, read_yaml, reading

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_LATENCY_UNITS = {"ms": Decimal("0.001"), "s": Decimal(1)}


@dataclass(frozen=True, slots=True)
class Artifact:
    """One observability artifact that the service must have."""

    id: str
    type: str
    target: str
    task: str


@dataclass(frozen=True, slots=True)
class Service:
    """The service of a manifest; `document` is the manifest itself, for values that are only passed on."""

    name: str
    title: str
    criticality: str
    owner: str
    availability: Decimal  # percent
    latency_p99: Decimal  # seconds
    throughput: Decimal  # requests per second
    metrics_interval: str
    budget_window: str
    duration_metric: str
    status_label: str
    targets: tuple[str, ...]
    artifacts: tuple[Artifact, ...]
    document: Document

    @property
    def error_budget(self) -> Decimal:
        """Share of requests that may fail: what availability leaves."""
        return 1 - self.availability / 100

    def lookup(self, source: str, target: str) -> Any:
        """Value at a dotted path such as `spec.requirements.latencyP99`; `targets[]` is this target's entry.

        None if the manifest does not say.
        """
        value: Any = self.document
        for key in source.split("."):
            if key == "targets[]":
                value = next((entry for entry in value.get("targets", []) if entry["name"] == target), None)
            else:
                value = value.get(key) if isinstance(value, dict) else None
        return value


def read_service(path: Path) -> Service:
    """Read a `.contextcore.yaml`."""
    document = read_yaml(path)
    with reading(path):
        spec = document["spec"]
        business, requirements, observability = spec["business"], spec["requirements"], spec["observability"]
        return Service(
            name=_name(document["metadata"]["name"]),
            title=spec["project"]["name"],
            criticality=business["criticality"],
            owner=business["owner"],
            availability=Decimal(requirements["availability"]),
            latency_p99=_seconds(requirements["latencyP99"]),
            throughput=Decimal(requirements["throughput"].removesuffix("rps")),
            metrics_interval=observability["metricsInterval"],
            budget_window=observability["budgetWindow"],
            duration_metric=observability["requestDurationMetric"],
            status_label=observability["statusLabel"],
            targets=tuple(entry["name"] for entry in spec["targets"]),
            artifacts=tuple(
                Artifact(_name(entry["id"]), entry["type"], _name(entry["target"]), entry["task"])
                for entry in sorted(spec["artifacts"], key=lambda entry: str(entry["id"]))
            ),
            document=document,
        )


def _name(value: str) -> str:
    """A name that becomes part of a file's path."""
    if not _NAME.fullmatch(value):
        raise ValueError(f"name {value!r}: expected letters, digits, '-' and '_'")
    return value


def _seconds(latency: str) -> Decimal:
    unit = "ms" if latency.endswith("ms") else "s"
    return Decimal(latency.removesuffix(unit)) * _LATENCY_UNITS[unit]


def plain(number: Decimal) -> str:
    """A number without exponent and trailing zeros, as PromQL and people read it."""
    return format(number.normalize(), "f")
