"""S2: the export. What the service must have, what is there, what is missing, with checksums."""

from pathlib import Path

from ..names import CHECKSUMS, ONBOARDING, PROVENANCE, QUALITY, RUN_PROVENANCE, SOURCE, VALIDATION
from . import export_documents as documents
from .catalog import TYPES, output_path
from .export_documents import Inventory
from .files import Document, now, reading, sha256_file, sha256_section, write_json, write_yaml
from .manifest import Service, read_service
from .model import PipelineError

# role → section of the onboarding metadata that later steps read
_SECTIONS = {
    "derivation_rules": "derivation_rules",
    "resolved_parameters": "resolved_artifact_parameters",
    "output_contracts": "expected_output_contracts",
    "dependency_graph": "artifact_dependency_graph",
    "calibration_hints": "design_calibration_hints",
    "open_questions": "open_questions",
}


def export(root: Path, source_checksum: str | None = None) -> None:
    """Write the seven files of the export; `source_checksum` is recorded instead of the true one, if given."""
    source, at = root / SOURCE, now()
    service = read_service(source)
    inventory = take_inventory(root, service)
    manifest_path = root / f"export/{service.name}-artifact-manifest.yaml"
    context_path = root / f"export/{service.name}-projectcontext.yaml"
    recorded = source_checksum or sha256_file(source)
    run: Document = {
        "generatedAt": at,
        "sourcePath": str(source),
        "sourceChecksum": recorded,
        "cliArgs": ["embedded", "export", "--scan-existing", "project", "--emit-provenance"],
        "outputDirectory": "export",
        "outputFiles": [context_path.name, manifest_path.name],
    }
    with reading(source):
        manifest = documents.artifact_manifest(inventory, run, at)
        context = documents.project_context(service)
    write_yaml(manifest_path, manifest)
    write_yaml(context_path, context)
    sums = dict(zip(CHECKSUMS, (recorded, sha256_file(manifest_path), sha256_file(context_path)), strict=True))
    with reading(source):
        metadata = documents.onboarding_metadata(inventory, run, sums, at)
    write_json(root / PROVENANCE, run)
    write_json(root / ONBOARDING, metadata)
    write_json(root / VALIDATION, documents.validation_report(inventory, sums, at))
    write_json(root / QUALITY, documents.quality_report(inventory, at))
    written = (context_path, manifest_path, *(root / name for name in (PROVENANCE, ONBOARDING, VALIDATION, QUALITY)))
    write_json(
        root / RUN_PROVENANCE,
        {
            "inputs": [{"path": str(source), "exists": True, "sha256": recorded}],
            "outputs": [
                {"path": f"export/{path.name}", "exists": True, "sha256": sha256_file(path)} for path in written
            ],
            "artifact_inventory": [
                {
                    "role": role,
                    "produced_by": "embedded.export",
                    "stage": "export",
                    "source_file": Path(ONBOARDING).name,
                    "json_path": f"$.{section}",
                    "sha256": sha256_section(metadata[section]),
                }
                for role, section in _SECTIONS.items()
            ],
        },
    )


def take_inventory(root: Path, service: Service) -> Inventory:
    """Look for each required artifact at its convention path in the repository; an empty file does not count."""
    for artifact in service.artifacts:
        for what, value, known in (("type", artifact.type, TYPES), ("target", artifact.target, service.targets)):
            if value not in known:
                message = f"artifact {artifact.id} has {what} {value!r}: expected one of {', '.join(known)}"
                raise PipelineError(root / SOURCE, message)
    existing = frozenset(
        artifact.id
        for artifact in service.artifacts
        if (path := root / "project" / output_path(artifact)).is_file() and path.stat().st_size > 0
    )
    return Inventory(service, existing)
