"""Composes a Grafana dashboard from the service manifest: pure, a dictionary out."""

from .catalog import TYPES, output_path
from .expressions import Expressions
from .files import Document
from .manifest import Artifact, Service, plain

_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def dashboard(service: Service, artifact: Artifact) -> Document:
    """Latency against the manifest's P99, throughput against its target, errors against the error budget."""
    target = artifact.target
    return {
        "uid": target,
        "title": TYPES["dashboard"].title.replace("{target}", target),
        "description": f"{service.title}: {service.availability} % of the requests to {target} succeed.",
        "tags": [service.name, target, service.criticality, service.owner],
        "schemaVersion": 39,
        "editable": False,
        "refresh": service.metrics_interval,
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}]
        },
        "panels": _panels(service, Expressions(service, target)),
        "links": _runbook_links(service, target),
    }


def _panels(service: Service, promql: Expressions) -> list[Document]:
    latency = [(f"P{share}", promql.latency(f"0.{share}", "5m")) for share in ("50", "95", "99")]
    budget = service.error_budget
    budget_left = f"1 - ({promql.error_ratio(service.budget_window)}) / {plain(budget)}"
    panels = [
        _panel(
            "Request latency",
            f"99 of 100 requests are answered within {plain(service.latency_p99)} s.",
            unit="s",
            limit=float(service.latency_p99),
            queries=latency,
        ),
        _panel(
            "Throughput",
            f"Room for {plain(service.throughput)} requests per second; above it the target is overloaded.",
            unit="reqps",
            limit=float(service.throughput),
            queries=[
                ("recorded", promql.recorded_throughput),
                (f"{{{{{service.status_label}}}}}", promql.request_rate_by_status("5m")),
            ],
        ),
        _panel(
            "Error ratio",
            f"A steady share of {plain(budget)} uses the error budget up in {service.budget_window}.",
            unit="percentunit",
            limit=float(budget),
            queries=[("errors", promql.error_ratio("5m"))],
        ),
        _panel(
            "Error budget left",
            f"Share of the failures allowed in {service.budget_window} that have not happened yet.",
            unit="percentunit",
            limit=None,
            queries=[("left", budget_left)],
        ),
    ]
    return [
        {"id": number + 1, **panel, "gridPos": {"x": number % 2 * 12, "y": number // 2 * 8, "w": 12, "h": 8}}
        for number, panel in enumerate(panels)
    ]


def _panel(title: str, description: str, *, unit: str, limit: float | None, queries: list[tuple[str, str]]) -> Document:
    steps: list[Document] = [{"color": "green", "value": None}]
    if limit is not None:
        steps.append({"color": "red", "value": limit})
    return {
        "title": title,
        "description": description,
        "type": "stat" if limit is None else "timeseries",
        "datasource": _DATASOURCE,
        "fieldConfig": {
            "defaults": {"unit": unit, "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
        "targets": [
            {"refId": chr(ord("A") + number), "expr": expr, "legendFormat": legend}
            for number, (legend, expr) in enumerate(queries)
        ],
    }


def _runbook_links(service: Service, target: str) -> list[Document]:
    """A link to the target's runbook, if the manifest asks for one and says where the repository is."""
    repository = service.lookup("metadata.links.repository", target)
    return [
        {"title": "Runbook", "type": "link", "url": f"{repository}/{output_path(artifact)}"}
        for artifact in service.artifacts
        if repository and artifact.target == target and artifact.type == "runbook"
    ]
