"""The export's documents, as functions of the inventory."""

from collections import Counter
from dataclasses import dataclass

from .catalog import TYPES, ArtifactType, dependencies, output_path
from .files import Document
from .manifest import Artifact, Service

MINIMUM_COVERAGE = 80.0  # the exporter's own threshold, told in its reports
_EXPECTED_LINES = {"brief": "1-50", "standard": "21-150", "comprehensive": "51-300"}


@dataclass(frozen=True, slots=True)
class Inventory:
    """The artifacts that a service must have, and which of them its repository has."""

    service: Service
    existing: frozenset[str]

    @property
    def gaps(self) -> list[str]:
        """Ids of the artifacts that are missing, sorted."""
        return sorted(artifact.id for artifact in self.service.artifacts if artifact.id not in self.existing)


def _percent(part: int, whole: int) -> float:
    """A percentage with one decimal; of nothing, everything is there."""
    return round(part / whole * 100, 1) if whole else 100.0


def artifact_manifest(inventory: Inventory, run: Document, at: str) -> Document:
    """`<name>-artifact-manifest.yaml`."""
    service = inventory.service
    return {
        "apiVersion": "contextcore.io/v1",
        "kind": "ArtifactManifest",
        "metadata": {"generatedAt": at, "projectId": service.name, "provenance": run},
        "artifacts": [_artifact_entry(inventory, artifact) for artifact in service.artifacts],
        "coverage": _coverage(inventory),
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
        "priority": "required",  # the example declares no others
        "status": "exists" if exists else "needed",
        "derivedFrom": _derivations(kind),
        "parameters": kind.values(inventory.service, artifact.target),
        "dependsOn": dependencies(inventory.service, artifact),
    }
    if exists:
        entry["existingPath"] = f"project/{output_path(artifact)}"
    return entry


def _derivations(kind: ArtifactType) -> list[Document]:
    """From which field of the source manifest each parameter comes."""
    return [{"property": parameter, "sourceField": source} for parameter, source in kind.parameters.items()]


def _coverage(inventory: Inventory) -> Document:
    """The section `coverage` of the artifact manifest."""
    service, existing = inventory.service, inventory.existing
    missing = Counter(artifact.type for artifact in service.artifacts if artifact.id not in existing)
    return {
        "totalRequired": len(service.artifacts),
        "totalExisting": len(existing),
        "totalOutdated": 0,
        "overallCoverage": _percent(len(existing), len(service.artifacts)),
        "byTarget": [_target_coverage(inventory, target) for target in service.targets],
        "byType": dict(sorted(missing.items())),
    }


def _target_coverage(inventory: Inventory, target: str) -> Document:
    wanted = [artifact.id for artifact in inventory.service.artifacts if artifact.target == target]
    gaps = [gap for gap in inventory.gaps if gap in wanted]
    return {
        "target": target,
        "requiredCount": len(wanted),
        "existingCount": len(wanted) - len(gaps),
        "coveragePercent": _percent(len(wanted) - len(gaps), len(wanted)),
        "gaps": gaps,
    }


def project_context(service: Service) -> Document:
    """`<name>-projectcontext.yaml`, a Kubernetes custom resource."""
    spec = service.document["spec"]
    return {
        "apiVersion": "contextcore.io/v1",
        "kind": "ProjectContext",
        "metadata": {"name": service.name, "namespace": spec["targets"][0]["namespace"]},
        "spec": {key: value for key, value in spec.items() if key != "artifacts"},
    }


def onboarding_metadata(inventory: Inventory, run: Document, checksums: Document, at: str) -> Document:
    """`onboarding-metadata.json`: all that plan ingestion needs to know of the export."""
    service, artifacts = inventory.service, inventory.service.artifacts
    values = {artifact.id: TYPES[artifact.type].values(service, artifact.target) for artifact in artifacts}
    questions = service.lookup("guidance.questions") or []
    return {
        "version": "1.0.0",
        "schema_version": "1.0.0",
        "schema": "contextcore.io/onboarding-metadata/v1",
        "generation_profile": "full",
        "project_id": service.name,
        "artifact_manifest_path": f"{service.name}-artifact-manifest.yaml",
        "project_context_path": f"{service.name}-projectcontext.yaml",
        "generated_at": at,
        "artifact_types": {
            name: {
                **_convention(kind),
                "parameter_keys": list(kind.parameters),
                "parameter_sources": {key: f"manifest.{source}" for key, source in kind.parameters.items()},
            }
            for name, kind in TYPES.items()
        },
        "output_path_conventions": {name: _convention(kind) for name, kind in TYPES.items()},
        "coverage": {**_coverage(inventory), "gaps": inventory.gaps},
        "provenance": run,
        "derivation_rules": {name: _derivations(kind) for name, kind in TYPES.items()},
        "artifact_dependency_graph": {
            artifact.id: wanted for artifact in artifacts if (wanted := dependencies(service, artifact))
        },
        "expected_output_contracts": {
            name: {
                "expected_depth": kind.expected_depth,
                "max_lines": kind.max_lines,
                "completeness_markers": list(kind.completeness_markers),
            }
            for name, kind in TYPES.items()
        },
        "design_calibration_hints": {
            name: {"expected_depth": kind.expected_depth, "expected_loc_range": _EXPECTED_LINES[kind.expected_depth]}
            for name, kind in TYPES.items()
        },
        "resolved_artifact_parameters": values,
        "parameter_resolvability": {
            artifact: {key: _resolvability(value) for key, value in parameters.items()}
            for artifact, parameters in values.items()
        },
        "open_questions": [question for question in questions if question["status"] == "open"],
        **checksums,
        "artifact_task_mapping": {artifact.id: artifact.task for artifact in artifacts},
        "file_ownership": {
            output_path(artifact): {
                "artifact_ids": [artifact.id],
                "artifact_types": [artifact.type],
                "scope": "primary",
                "task_ids": [artifact.task],
            }
            for artifact in artifacts
        },
    }


def _convention(kind: ArtifactType) -> Document:
    return {"output_ext": kind.output_path[kind.output_path.rindex(".") :], "output_path": kind.output_path}


def _resolvability(value: object) -> Document:
    if value is None:
        return {"status": "unresolved", "reason": "The source manifest has no value there"}
    return {"status": "resolved"}


def validation_report(inventory: Inventory, checksums: Document, at: str) -> Document:
    """`validation-report.json`."""
    return {
        "schema": "contextcore.io/validation-report/v1",
        "generated_at": at,
        "project_id": inventory.service.name,
        "checksums": checksums,
        "integrity": {"checksum_chain_complete": all(checksums.values())},
        "coverage": _coverage_statement(inventory),
    }


def quality_report(inventory: Inventory, at: str) -> Document:
    """`export-quality-report.json`, informative."""
    return {
        "schema": "contextcore.io/export-quality-report/v1",
        "generated_at": at,
        "coverage": _coverage_statement(inventory),
    }


def _coverage_statement(inventory: Inventory) -> Document:
    """The coverage as both reports state it."""
    percent = _percent(len(inventory.existing), len(inventory.service.artifacts))
    return {
        "overall_coverage_percent": percent,
        "gap_count": len(inventory.gaps),
        "gaps": inventory.gaps,
        "minimum_required": MINIMUM_COVERAGE,
        "meets_minimum": percent >= MINIMUM_COVERAGE,
    }
