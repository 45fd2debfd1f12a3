"""`onboarding-metadata.json`: all that plan ingestion needs to know of the export."""

from collections.abc import Iterable

from .catalog import TYPES, ArtifactType, dependencies, output_path
from .export_documents import Inventory, coverage, derivations
from .files import Document
from .manifest import Artifact, Service

_EXPECTED_LINES = {"brief": "1-50", "standard": "21-150", "comprehensive": "51-300"}


def onboarding_metadata(inventory: Inventory, run: Document, checksums: Document, at: str) -> Document:
    """The document; its sections are digested one by one in `run-provenance.json`."""
    service, artifacts = inventory.service, inventory.service.artifacts
    guidance = service.document.get("guidance", {})
    resolvability = {artifact.id: _resolvability(service, artifact) for artifact in artifacts}
    return {
        "version": "1.0.0",
        "schema_version": "1.0.0",
        "schema": "contextcore.io/onboarding-metadata/v1",
        "generation_profile": "full",
        "project_id": service.name,
        "artifact_manifest_path": f"{service.name}-artifact-manifest.yaml",
        "project_context_path": f"{service.name}-projectcontext.yaml",
        "crd_reference": f"{service.name}-projectcontext.yaml",
        "generated_at": at,
        "artifact_types": {name: _artifact_type(service, kind) for name, kind in TYPES.items()},
        "output_path_conventions": {name: _convention(kind) for name, kind in TYPES.items()},
        "parameter_schema": {name: list(kind.parameters) for name, kind in TYPES.items()},
        "coverage": {**coverage(inventory), "gaps": inventory.gaps},
        "semantic_conventions": {
            "metrics": {service.name: [service.duration_metric]},
            "labels": ["service", service.status_label],
        },
        "provenance": run,
        "guidance": guidance,
        "capabilities": {
            "schema_features": ["integrity_checksums", "parameter_resolvability", "output_contracts", "file_ownership"],
            "optional_sections": ["artifact_task_mapping", "open_questions", "objectives", "derivation_rules"],
        },
        "derivation_rules": _derivation_rules(service),
        "artifact_dependency_graph": {
            artifact.id: wanted for artifact in artifacts if (wanted := dependencies(service, artifact))
        },
        "expected_output_contracts": {name: _contract(kind) for name, kind in TYPES.items()},
        "design_calibration_hints": {
            name: {"expected_depth": kind.expected_depth, "expected_loc_range": _EXPECTED_LINES[kind.expected_depth]}
            for name, kind in TYPES.items()
        },
        "objectives": service.document.get("strategy", {}).get("objectives", []),
        "resolved_artifact_parameters": {
            artifact.id: TYPES[artifact.type].values(service, artifact.target) for artifact in artifacts
        },
        "parameter_resolvability": resolvability,
        "parameter_resolvability_summary": _summary(resolvability.values()),
        "open_questions": [question for question in guidance.get("questions", []) if question["status"] == "open"],
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
    return {
        "output_ext": kind.output_ext,
        "output_path": kind.output_path,
        "description": kind.description,
        "schema_url": kind.schema_url,
    }


def _artifact_type(service: Service, kind: ArtifactType) -> Document:
    return {
        **_convention(kind),
        "parameter_keys": list(kind.parameters),
        "parameter_sources": {key: f"manifest.{source}" for key, source in kind.parameters.items()},
        "example_output_path": kind.path_for(service.targets[0]) if service.targets else kind.output_path,
    }


def _contract(kind: ArtifactType) -> Document:
    return {
        "expected_depth": kind.expected_depth,
        "max_lines": kind.max_lines,
        "completeness_markers": list(kind.completeness_markers),
        "fields": list(kind.parameters),
    }


def _derivation_rules(service: Service) -> Document:
    """One rule set a type, shown for the first artifact of that type."""
    rules: Document = {}
    for artifact in service.artifacts:
        rules.setdefault(artifact.type, derivations(service, artifact))
    return rules


def _resolvability(service: Service, artifact: Artifact) -> Document:
    kind = TYPES[artifact.type]
    return {
        key: {"status": "resolved", "source_path": f"manifest.{kind.parameters[key]}"}
        if value is not None
        else {
            "status": "unresolved",
            "source_path": f"manifest.{kind.parameters[key]}",
            "reason_code": "value_not_materialized",
            "reason": "The source manifest has no value there",
        }
        for key, value in kind.values(service, artifact.target).items()
    }


def _summary(resolvability: Iterable[Document]) -> Document:
    states = [entry["status"] for parameters in resolvability for entry in parameters.values()]
    resolved = states.count("resolved")
    return {"resolved": resolved, "unresolved": len(states) - resolved, "total": len(states)}
