"""Composes the text of an artifact from the service manifest; also breaks one, for `test_failures`."""

from collections.abc import Callable, Mapping

from .catalog import TYPES
from .files import Document, readable_json, to_yaml
from .grafana import dashboard
from .manifest import Artifact, Service, plain
from .prometheus import alert_rules, recording_rules


def compose(service: Service, artifact: Artifact) -> str:
    """The file that the artifact is."""
    return _COMPOSERS[artifact.type](service, artifact)


def compose_broken(service: Service, artifact: Artifact) -> str:
    """The same file, well-formed and of no use: an empty dashboard, alerts to be written, rules without a query."""
    if artifact.type == "dashboard":
        return readable_json({**dashboard(service, artifact), "panels": []})
    if artifact.type == "prometheus_rule":
        document = alert_rules(service, artifact)
        for rule in _rules(document):
            rule["expr"] = "TODO: write the query"
        return to_yaml(document)
    if artifact.type == "recording_rule":
        document = recording_rules(service, artifact)
        for rule in _rules(document):
            rule["expr"] = ""
        return to_yaml(document)
    return "TODO\n"


def _rules(document: Document) -> list[Document]:
    return [rule for group in document["groups"] for rule in group["rules"]]


def _service_monitor(service: Service, artifact: Artifact) -> str:
    values = TYPES["service_monitor"].values(service, artifact.target)
    return to_yaml(
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "ServiceMonitor",
            "metadata": {
                "name": artifact.target,
                "namespace": values["namespace"],
                "labels": {"team": service.owner},
            },
            "spec": {
                "selector": {"matchLabels": {"app.kubernetes.io/name": artifact.target}},
                "namespaceSelector": {"matchNames": [values["namespace"]]},
                "endpoints": [{"port": "metrics", "path": "/metrics", "interval": values["metricsInterval"]}],
            },
        }
    )


def _runbook(service: Service, artifact: Artifact) -> str:
    target = artifact.target
    values = TYPES["runbook"].values(service, target)
    risks = [f"- **{risk['id']}**: {risk['summary']}. {risk['mitigation']}." for risk in values["risks"] or []]
    contacts = [
        f"| {owner['team']} | {owner['slack']} | {owner['email']} | {owner['oncall']} |"
        for owner in values["escalationContacts"] or []
    ]
    sections = [
        f"# {TYPES['runbook'].title.replace('{target}', target)}",
        "## Overview",
        f"`{target}` belongs to the {service.title} ({service.criticality} criticality). It answers "
        f"{service.availability} % of its requests, 99 of 100 within {plain(service.latency_p99)} s, "
        f"at up to {plain(service.throughput)} requests per second.",
        "## Risks",
        "\n".join(risks) or "The manifest names none.",
        "## Procedures",
        "1. Open the service dashboard and see which of latency, errors and throughput moved first.\n"
        "2. If errors rose with a deployment, roll that deployment back.\n"
        "3. If throughput is above its target, add replicas before anything else.\n"
        "4. If nothing was deployed, go through the risks above.",
        "## Escalation",
        "\n".join(["| Team | Channel | Mail | On call |", "|---|---|---|---|", *contacts]),
    ]
    return "\n\n".join(sections) + "\n"


_COMPOSERS: Mapping[str, Callable[[Service, Artifact], str]] = {
    "dashboard": lambda service, artifact: readable_json(dashboard(service, artifact)),
    "prometheus_rule": lambda service, artifact: to_yaml(alert_rules(service, artifact)),
    "recording_rule": lambda service, artifact: to_yaml(recording_rules(service, artifact)),
    "service_monitor": _service_monitor,
    "runbook": _runbook,
}
