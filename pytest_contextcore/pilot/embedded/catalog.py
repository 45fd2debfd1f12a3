"""The artifact types that the pipeline knows: path convention, parameters, dependencies, output contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .manifest import Artifact, Service

_SEVERITIES = {"critical": "P1", "high": "P2", "medium": "P3", "low": "P4"}  # of alerts, by the service's criticality


@dataclass(frozen=True, slots=True)
class ArtifactType:
    """One type; `parameters` maps each parameter to the place in the source manifest that its value comes from."""

    name: str
    title: str
    output_path: str
    parameters: Mapping[str, str]
    depends_on: tuple[str, ...]  # types, of the same target
    completeness_markers: tuple[str, ...]
    expected_depth: str
    max_lines: int

    def values(self, service: Service, target: str) -> dict[str, Any]:
        """The parameters' values for a target."""
        return {
            key: severity(service) if key == "alertSeverity" else service.lookup(source, target)
            for key, source in self.parameters.items()
        }


def severity(service: Service, steps_down: int = 0) -> str:
    """Alert severity of a service of this criticality, or a milder one."""
    levels = list(_SEVERITIES.values())
    level = levels.index(_SEVERITIES.get(service.lookup("spec.business.criticality"), levels[-1]))
    return levels[min(level + steps_down, len(levels) - 1)]


TYPES: Mapping[str, ArtifactType] = {
    kind.name: kind
    for kind in (
        ArtifactType(
            name="dashboard",
            title="{target} Service Dashboard",
            output_path="grafana/dashboards/{target}-dashboard.json",
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
            output_path="prometheus/rules/{target}-prometheus-rules.yaml",
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
            output_path="prometheus/recording/{target}-recording-rules.yaml",
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
            output_path="runbooks/{target}-runbook.md",
            parameters={"risks": "spec.risks", "escalationContacts": "metadata.owners"},
            depends_on=("prometheus_rule",),
            completeness_markers=("Overview", "Risks", "Procedures", "Escalation"),
            expected_depth="standard",
            max_lines=300,
        ),
        ArtifactType(
            name="service_monitor",
            title="{target} Service Monitor",
            output_path="k8s/observability/{target}-service-monitor.yaml",
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
    return TYPES[artifact.type].output_path.replace("{target}", artifact.target)
