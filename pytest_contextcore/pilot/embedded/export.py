"""S2: the export. What the service must have, what is there, what is missing, with checksums."""

from dataclasses import dataclass

from . import export_documents, onboarding, provenance
from .catalog import TYPES, output_path
from .export_documents import Inventory
from .files import Document, now, reading, sha256_file, write_json, write_yaml
from .layout import Layout
from .manifest import Service, read_service
from .model import PipelineError

MINIMUM_COVERAGE = 80.0  # the exporter's own threshold, told in its reports


@dataclass(frozen=True, slots=True)
class _Checksums:
    source: str
    artifact_manifest: str
    project_context: str

    def as_document(self) -> Document:
        return {
            "source_checksum": self.source,
            "artifact_manifest_checksum": self.artifact_manifest,
            "project_context_checksum": self.project_context,
        }


def export(layout: Layout, source_checksum: str | None = None) -> None:
    """Write the seven files of the export; `source_checksum` is recorded instead of the true one, if given."""
    service = read_service(layout.source)
    inventory = take_inventory(layout, service)
    recorded = source_checksum or sha256_file(layout.source)
    at = now()
    run = provenance.export_run(layout, service, recorded, at, MINIMUM_COVERAGE)

    manifest_path = layout.export / f"{service.name}-artifact-manifest.yaml"
    context_path = layout.export / f"{service.name}-projectcontext.yaml"
    with reading(layout.source):
        manifest = export_documents.artifact_manifest(inventory, run, at)
        context = export_documents.project_context(service)
    write_yaml(manifest_path, manifest)
    write_yaml(context_path, context)

    checksums = _Checksums(recorded, sha256_file(manifest_path), sha256_file(context_path)).as_document()
    metadata = onboarding.onboarding_metadata(inventory, run, checksums, at)
    coverage = export_documents.coverage_statement(inventory, MINIMUM_COVERAGE)
    write_json(layout.provenance, run)
    write_json(layout.onboarding, metadata)
    write_json(
        layout.export / "validation-report.json",
        export_documents.validation_report(metadata, checksums, coverage, at),
    )
    write_json(
        layout.export / "export-quality-report.json",
        export_documents.quality_report(inventory, metadata, coverage, at),
    )
    write_json(layout.export / "run-provenance.json", provenance.run_provenance(layout, service, metadata, at))


def take_inventory(layout: Layout, service: Service) -> Inventory:
    """Look for each required artifact at its convention path in the repository; an empty file does not count."""
    for artifact in service.artifacts:
        if artifact.type not in TYPES:
            raise PipelineError(
                layout.source, f"artifact {artifact.id} has type {artifact.type!r}: expected one of {', '.join(TYPES)}"
            )
        if artifact.target not in service.targets:
            raise PipelineError(
                layout.source, f"artifact {artifact.id} is for {artifact.target!r}, which is none of spec.targets"
            )
    existing = frozenset(
        artifact.id
        for artifact in service.artifacts
        if (path := layout.project / output_path(artifact)).is_file() and path.stat().st_size > 0
    )
    return Inventory(service, existing)
