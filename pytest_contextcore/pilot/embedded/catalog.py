"""The artifact types that the pipeline knows: path convention, parameters, dependencies, output contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .manifest import Artifact, Service

SEVERITY_OF_CRITICALITY = {"critical": "P1", "high": "P2", "medium": "P3", "low": "P4"}


@dataclass(frozen=True, slots=True)
class ArtifactType:
    """One type; `parameters` maps each parameter to the place in the source manifest that its value comes from."""

    name: str
    title: str
    description: str
    output_path: str
    schema_url: str
    parameters: Mapping[str, str]
    depends_on: tuple[str, ...]  # types, of the same target
    completeness_markers: tuple[str, ...]
    expected_depth: str
    max_lines: int

    @property
    def output_ext(self) -> str:
        """Extension of its files, with the dot."""
        return Path(self.output_path).suffix

    def path_for(self, target: str) -> str:
        """Path in the repository of this type's file for a target."""
        return self.output_path.replace("{target}", target)

    def values(self, service: Service, target: str) -> dict[str, Any]:
        """The parameters' values for a target."""
        return {
            key: severity(service) if key == "alertSeverity" else service.lookup(source, target)
            for key, source in self.parameters.items()
        }


def severity(service: Service, steps_down: int = 0) -> str:
    """Alert severity of a service of this criticality, or a milder one."""
    levels = list(SEVERITY_OF_CRITICALITY.values())
    level = levels.index(SEVERITY_OF_CRITICALITY.get(service.criticality, levels[-1]))
    return levels[min(level + steps_down, len(levels) - 1)]


TYPES: Mapping[str, ArtifactType] = {
    kind.name: kind
    for kind in (
        ArtifactType(
            name="dashboard",
            title="{target} Service Dashboard",
            description="Grafana dashboard: latency, throughput, errors and error budget of one target",
            output_path="grafana/dashboards/{target}-dashboard.json",
            schema_url="https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/",
            parameters={
                "criticality": "spec.business.criticality",
                "availability": "spec.requirements.availability",
                "latencyP99": "spec.requirements.latencyP99",
                "throughput": "spec.requirements.throughput",
                "metricsInterval": "spec.observability.metricsInterval",
            },
            depends_on=("recording_rule", "service_monitor"),
            completeness_markers=("title", "panels", "templating", "datasource"),
            expected_depth="comprehensive",
            max_lines=300,
        ),
        ArtifactType(
            name="prometheus_rule",
            title="{target} Alerting Rules",
            description="Prometheus alerts: error budget burn and latency of one target",
            output_path="prometheus/rules/{target}-prometheus-rules.yaml",
            schema_url="https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/",
            parameters={
                "alertSeverity": "spec.business.criticality",
                "availabilityThreshold": "spec.requirements.availability",
                "latencyThreshold": "spec.requirements.latencyP99",
                "owner": "spec.business.owner",
            },
            depends_on=("service_monitor",),
            completeness_markers=("groups", "rules", "alert", "expr"),
            expected_depth="standard",
            max_lines=150,
        ),
        ArtifactType(
            name="recording_rule",
            title="{target} Recording Rules",
            description="Prometheus recording rules: throughput of one target, and its share of the target value",
            output_path="prometheus/recording/{target}-recording-rules.yaml",
            schema_url="https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/",
            parameters={
                "throughput": "spec.requirements.throughput",
                "metricsInterval": "spec.observability.metricsInterval",
            },
            depends_on=("service_monitor",),
            completeness_markers=("groups", "rules", "record", "expr"),
            expected_depth="standard",
            max_lines=150,
        ),
        ArtifactType(
            name="runbook",
            title="{target} Incident Runbook",
            description="What to do when an alert of one target fires",
            output_path="runbooks/{target}-runbook.md",
            schema_url="https://commonmark.org/",
            parameters={"risks": "spec.risks", "escalationContacts": "metadata.owners"},
            depends_on=("prometheus_rule",),
            completeness_markers=("Overview", "Risks", "Procedures", "Escalation"),
            expected_depth="standard",
            max_lines=300,
        ),
        ArtifactType(
            name="service_monitor",
            title="{target} Service Monitor",
            description="Kubernetes ServiceMonitor: how Prometheus finds and scrapes one target",
            output_path="k8s/observability/{target}-service-monitor.yaml",
            schema_url="https://prometheus-operator.dev/docs/api-reference/api/#monitoring.coreos.com/v1.ServiceMonitor",
            parameters={
                "metricsInterval": "spec.observability.metricsInterval",
                "namespace": "spec.targets[].namespace",
            },
            depends_on=(),
            completeness_markers=("selector", "endpoints", "interval"),
            expected_depth="brief",
            max_lines=50,
        ),
    )
}


def dependencies(service: Service, artifact: Artifact) -> list[str]:
    """Ids of the artifacts of the same target that this one relies on."""
    wanted = TYPES[artifact.type].depends_on
    return [other.id for other in service.artifacts if other.target == artifact.target and other.type in wanted]


def output_path(artifact: Artifact) -> str:
    """Path in the repository of an artifact."""
    return TYPES[artifact.type].path_for(artifact.target)
