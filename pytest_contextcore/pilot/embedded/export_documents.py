"""The export's documents about coverage, as functions of the inventory."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .catalog import TYPES, dependencies, output_path
from .files import Document
from .manifest import Artifact, Service

PRIORITY = "required"  # the example declares no others


@dataclass(frozen=True, slots=True)
class Inventory:
    """The artifacts that a service must have, and which of them its repository has."""

    service: Service
    existing: frozenset[str]

    @property
    def gaps(self) -> list[str]:
        """Ids of the artifacts that are missing, sorted."""
        return sorted(artifact.id for artifact in self.service.artifacts if artifact.id not in self.existing)

    @property
    def coverage_percent(self) -> float:
        """Share of the required artifacts that are there."""
        return percent(len(self.existing), len(self.service.artifacts))


def percent(part: int, whole: int) -> float:
    """A percentage with one decimal; of nothing, everything is there."""
    return round(part / whole * 100, 1) if whole else 100.0


def artifact_manifest(inventory: Inventory, run: Document, at: str) -> Document:
    """`<name>-artifact-manifest.yaml`."""
    service = inventory.service
    guidance = service.document.get("guidance", {})
    return {
        "apiVersion": "contextcore.io/v1",
        "kind": "ArtifactManifest",
        "metadata": {
            "schemaVersion": "1.0.0",
            "generatedAt": at,
            "generatedFrom": ".contextcore.yaml",
            "projectId": service.name,
            "provenance": run,
        },
        "artifacts": [_artifact_entry(inventory, artifact) for artifact in service.artifacts],
        "projectContext": {
            "name": service.name,
            "owner": service.owner,
            "value": service.document["spec"]["business"]["value"],
            "links": service.document["metadata"].get("links", {}),
        },
        "owners": service.document["metadata"].get("owners", []),
        "guidance": guidance,
        "objectives": service.document.get("strategy", {}).get("objectives", []),
        "coverage": coverage(inventory),
        "crdReference": f"{service.name}-projectcontext.yaml",
    }


def _artifact_entry(inventory: Inventory, artifact: Artifact) -> Document:
    kind = TYPES[artifact.type]
    exists = artifact.id in inventory.existing
    entry: Document = {
        "id": artifact.id,
        "type": artifact.type,
        "name": kind.title.replace("{target}", artifact.target),
        "target": artifact.target,
        "priority": PRIORITY,
        "status": "exists" if exists else "needed",
        "derivedFrom": derivations(inventory.service, artifact),
        "parameters": kind.values(inventory.service, artifact.target),
        "dependsOn": dependencies(inventory.service, artifact),
        "validationErrors": [],
    }
    if exists:
        entry["existingPath"] = f"project/{output_path(artifact)}"
    return entry


def derivations(service: Service, artifact: Artifact) -> list[Document]:
    """From which field of the source manifest each parameter comes."""
    kind = TYPES[artifact.type]
    values = kind.values(service, artifact.target)
    return [
        {
            "property": parameter,
            "sourceField": source,
            "transformation": values[parameter] if isinstance(values[parameter], str) else "taken over as it is",
        }
        for parameter, source in kind.parameters.items()
    ]


def coverage(inventory: Inventory) -> Document:
    """The section `coverage` of the artifact manifest."""
    service = inventory.service
    missing = Counter(artifact.type for artifact in service.artifacts if artifact.id not in inventory.existing)
    return {
        "totalRequired": len(service.artifacts),
        "totalExisting": len(inventory.existing),
        "totalOutdated": 0,
        "overallCoverage": inventory.coverage_percent,
        "byTarget": [_target_coverage(inventory, target) for target in service.targets],
        "byType": dict(sorted(missing.items())),
    }


def _target_coverage(inventory: Inventory, target: str) -> Document:
    wanted = [artifact.id for artifact in inventory.service.artifacts if artifact.target == target]
    gaps = [gap for gap in inventory.gaps if gap in wanted]
    return {
        "target": target,
        "namespace": inventory.service.lookup("spec.targets[].namespace", target),
        "requiredCount": len(wanted),
        "existingCount": len(wanted) - len(gaps),
        "coveragePercent": percent(len(wanted) - len(gaps), len(wanted)),
        "gaps": gaps,
    }


def project_context(service: Service) -> Document:
    """`<name>-projectcontext.yaml`, a Kubernetes custom resource."""
    spec = service.document["spec"]
    return {
        "apiVersion": "contextcore.io/v1",
        "kind": "ProjectContext",
        "metadata": {"name": service.name, "namespace": spec["targets"][0]["namespace"]},
        "spec": {
            "project": {"id": spec["project"]["id"], "tasks": [artifact.task for artifact in service.artifacts]},
            "business": spec["business"],
            "requirements": spec["requirements"],
            "observability": spec["observability"],
            "risks": spec.get("risks", []),
            "targets": spec["targets"],
        },
    }


def coverage_statement(inventory: Inventory, minimum: float) -> Document:
    """The coverage as both reports state it."""
    return {
        "overall_coverage_percent": inventory.coverage_percent,
        "gap_count": len(inventory.gaps),
        "gaps": inventory.gaps,
        "minimum_required": minimum,
        "meets_minimum": inventory.coverage_percent >= minimum,
    }


def validation_report(metadata: Document, checksums: Document, statement: Document, at: str) -> Document:
    """`validation-report.json`."""
    unresolved = _unresolved(metadata)
    return {
        "version": "1.0.0",
        "schema_version": "1.0.0",
        "schema": "contextcore.io/validation-report/v1",
        "generated_at": at,
        "project_id": metadata["project_id"],
        "checksums": checksums,
        "integrity": {"checksum_chain_complete": all(checksums.values())},
        "coverage": statement,
        "resolvability": {"summary": metadata["parameter_resolvability_summary"], "unresolved": unresolved},
        "capabilities": metadata["capabilities"],
        "diagnostics": _diagnostics(unresolved),
    }


def quality_report(inventory: Inventory, metadata: Document, statement: Document, at: str) -> Document:
    """`export-quality-report.json`, informative."""
    mapped = metadata["artifact_task_mapping"]
    folders = sorted({kind.output_path.rsplit("/", 1)[0] for kind in TYPES.values()})
    return {
        "version": "1.0.0",
        "schema": "contextcore.io/export-quality-report/v1",
        "generated_at": at,
        "strict_quality": True,
        "deterministic_output": True,
        "policy_file": None,
        "policy_effective": {"min_coverage": statement["minimum_required"], "scan_path_allowlist": folders},
        "gates": {
            "manifest_validation_passed": True,
            "required_task_mapping_complete": all(mapped.get(artifact.id) for artifact in inventory.service.artifacts),
            "schema_pins_passed": True,
            "coverage_meets_minimum": statement["meets_minimum"],
        },
        "coverage": statement,
        "diagnostics": _diagnostics(_unresolved(metadata)),
    }


def _unresolved(metadata: Document) -> list[Document]:
    return [
        {"artifact_id": artifact_id, "parameter": parameter, "reason_code": entry["reason_code"]}
        for artifact_id, parameters in metadata["parameter_resolvability"].items()
        for parameter, entry in parameters.items()
        if entry["status"] == "unresolved"
    ]


def _diagnostics(unresolved: Sequence[Document]) -> list[Document]:
    if not unresolved:
        return []
    message = f"{len(unresolved)} artifact parameters have no value in the source manifest"
    return [{"severity": "warning", "code": "UNRESOLVED_PARAMETERS", "message": message}]
