"""Composes the text of an artifact: the template of its type, with what the service manifest says."""

import re
from decimal import Decimal
from functools import cache
from importlib.resources import files
from string import Template

from pytest_contextcore import parse_yaml

from .catalog import severity
from .files import readable_json
from .manifest import Artifact, Service

_TEMPLATES = {
    "dashboard": "dashboard.yaml",
    "prometheus_rule": "prometheus_rule.yaml",
    "recording_rule": "recording_rule.yaml",
    "runbook": "runbook.md",
    "service_monitor": "service_monitor.yaml",
}
_QUERY = re.compile(r"\bexpr: .*")
_ALERT_WINDOWS = ("5m", "30m", "1h", "6h", "3d")
_LATENCY_UNITS = {"ms": Decimal("0.001"), "s": Decimal(1)}


class _Template(Template):
    """PromQL and Grafana use `$` and `{{ }}` themselves."""

    delimiter = "@"


def compose(service: Service, artifact: Artifact, *, broken: bool = False) -> str:
    """The text of the artifact's file. A broken one is well-formed, but has a TODO in place of each query."""
    text = _template(_TEMPLATES[artifact.type]).substitute(_values(service, artifact.target))
    if broken:
        text = _QUERY.sub('expr: "TODO: write the query"', text)
    return readable_json(parse_yaml(text.encode())) if artifact.type == "dashboard" else text


@cache
def _template(name: str) -> _Template:
    return _Template(files(__package__).joinpath("templates", name).read_text(encoding="utf-8"))


def _values(service: Service, target: str) -> dict[str, str]:
    """What templates may use; rates, errors and latency all come from the request duration histogram."""
    spec = service.document["spec"]
    requirements, observability = spec["requirements"], spec["observability"]
    metric, status, window = (observability[key] for key in ("requestDurationMetric", "statusLabel", "budgetWindow"))
    rate = f'sum(rate({metric}_count{{service="{target}"}}[%s]))'
    failed = f'sum(rate({metric}_count{{service="{target}", {status}=~"5.."}}[%s]))'
    errors = f"({failed} or vector(0)) / {rate}"  # zero if none failed, nothing if there were no requests
    risks = [f"- **{risk['id']}**: {risk['summary']}. {risk['mitigation']}." for risk in spec.get("risks", [])]
    owners = service.document["metadata"].get("owners", [])
    return {
        "target": target,
        "service": service.name,
        "title": spec["project"]["name"],
        "criticality": spec["business"]["criticality"],
        "owner": spec["business"]["owner"],
        "namespace": str(service.lookup("spec.targets[].namespace", target)),
        "repository": str(service.lookup("metadata.links.repository")),
        "severity": severity(service),
        "milder": severity(service, 1),
        "mildest": severity(service, 2),
        "availability": requirements["availability"],
        "budget": _plain(1 - Decimal(requirements["availability"]) / 100),
        "latency": _plain(_seconds(requirements["latencyP99"])),
        "throughput": _plain(Decimal(requirements["throughput"].removesuffix("rps"))),
        "interval": observability["metricsInterval"],
        "window": window,
        "metric": metric,
        "status": status,
        "buckets": f'sum by (le) (rate({metric}_bucket{{service="{target}"}}[5m]))',
        "rate_5m": rate % "5m",
        **{f"errors_{each}": errors % (each, each) for each in _ALERT_WINDOWS},
        "errors_window": errors % (window, window),
        "risks": "\n".join(risks) or "The manifest names none.",
        "contacts": "\n".join(f"| {o['team']} | {o['slack']} | {o['email']} | {o['oncall']} |" for o in owners),
    }


def _seconds(latency: str) -> Decimal:
    unit = "ms" if latency.endswith("ms") else "s"
    return Decimal(latency.removesuffix(unit)) * _LATENCY_UNITS[unit]


def _plain(number: Decimal) -> str:
    """A number without exponent and trailing zeros, as PromQL and people read it."""
    return format(number.normalize(), "f")
