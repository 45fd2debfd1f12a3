"""Composes Prometheus rule files from the service manifest: pure, dictionaries out."""

from dataclasses import dataclass

from .catalog import TYPES, severity
from .expressions import THROUGHPUT_SERIES, Expressions
from .files import Document
from .manifest import Artifact, Service, plain


@dataclass(frozen=True, slots=True)
class _Burn:
    """How fast the error budget burns: `factor` 1 uses it up exactly in its window.

    An alert needs both windows above the limit: the long one proves that it matters, the short one that it lasts.
    """

    name: str
    factor: str
    long_window: str
    short_window: str
    hold: str
    steps_down: int


_BURNS = (
    _Burn("ErrorBudgetBurnsFast", "14.4", "1h", "5m", "2m", 0),
    _Burn("ErrorBudgetBurnsSteadily", "6", "6h", "30m", "15m", 1),
    _Burn("ErrorBudgetBurnsSlowly", "1", "3d", "6h", "1h", 2),
)


def alert_rules(service: Service, artifact: Artifact) -> Document:
    """Alerts on the burn rate of the error budget that availability leaves, and on the P99 latency."""
    target = artifact.target
    promql = Expressions(service, target)
    return {
        "groups": [
            {
                "name": f"{target}-error-budget",
                "interval": service.metrics_interval,
                "rules": [_burn_alert(service, promql, burn) for burn in _BURNS],
            },
            {
                "name": f"{target}-latency",
                "interval": service.metrics_interval,
                "rules": [
                    _alert(
                        service,
                        target,
                        "LatencyAboveTarget",
                        expr=f"{promql.latency('0.99', '5m')} > {plain(service.latency_p99)}",
                        hold="10m",
                        level=severity(service, 1),
                        description=f"One request in a hundred takes longer than {plain(service.latency_p99)} s.",
                    )
                ],
            },
        ]
    }


def _burn_alert(service: Service, promql: Expressions, burn: _Burn) -> Document:
    limit = f"({burn.factor} * {plain(service.error_budget)})"
    return _alert(
        service,
        promql.target,
        burn.name,
        expr=f"({promql.error_ratio(burn.long_window)}) > {limit}\nand\n"
        f"({promql.error_ratio(burn.short_window)}) > {limit}",
        hold=burn.hold,
        level=severity(service, burn.steps_down),
        description=f"In the last {burn.long_window} the error budget ({plain(service.error_budget)} of the requests) "
        f"burned at {burn.factor} times the rate that uses it up in {service.budget_window}.",
    )


def _alert(service: Service, target: str, name: str, *, expr: str, hold: str, level: str, description: str) -> Document:
    return {
        "alert": name,
        "expr": expr,
        "for": hold,
        "labels": {"severity": level, "service": target, "owner": service.owner},
        "annotations": {
            "summary": f"{target}: {name}",
            "description": description,
            "runbook_url": TYPES["runbook"].path_for(target),
        },
    }


def recording_rules(service: Service, artifact: Artifact) -> Document:
    """The target's throughput, and its share of the throughput that the manifest promises."""
    promql = Expressions(service, artifact.target)
    labels = {"service": artifact.target, "owner": service.owner}
    return {
        "groups": [
            {
                "name": f"{artifact.target}-throughput",
                "interval": service.metrics_interval,
                "rules": [
                    {"record": THROUGHPUT_SERIES, "expr": promql.request_rate("5m"), "labels": labels},
                    {
                        "record": "service:http_requests_target:ratio_rate5m",
                        "expr": f"{promql.request_rate('5m')} / {plain(service.throughput)}",
                        "labels": labels,
                    },
                    {
                        "record": "service:http_requests_failed:ratio_rate5m",
                        "expr": promql.error_ratio("5m"),
                        "labels": labels,
                    },
                ],
            }
        ]
    }
