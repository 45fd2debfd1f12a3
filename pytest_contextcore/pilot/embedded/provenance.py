"""`provenance.json` and `run-provenance.json`: who exported what, and from what."""

import getpass
import platform
from pathlib import Path

from .files import Document, new_id, sha256_file, sha256_section
from .layout import Layout
from .manifest import Service

VERSION = "0.1.0"

# role → section of onboarding-metadata.json, and who reads it
_SECTIONS = {
    "derivation_rules": ("derivation_rules", ["artisan.design", "artisan.implement"]),
    "resolved_parameters": ("resolved_artifact_parameters", ["artisan.design", "artisan.implement"]),
    "output_contracts": ("expected_output_contracts", ["artisan.design", "artisan.implement", "artisan.test"]),
    "dependency_graph": ("artifact_dependency_graph", ["ingestion.parse", "artisan.plan"]),
    "calibration_hints": ("design_calibration_hints", ["ingestion.calibration", "artisan.design"]),
    "open_questions": ("open_questions", ["artisan.design"]),
    "semantic_conventions": ("semantic_conventions", ["artisan.design", "artisan.implement"]),
}


def export_run(layout: Layout, service: Service, source_checksum: str, at: str, minimum: float) -> Document:
    """`provenance.json`; the artifact manifest and the onboarding metadata hold a copy."""
    return {
        "generatedAt": at,
        "durationMs": 0,
        "sourcePath": str(layout.source),
        "sourceChecksum": source_checksum,
        "contextcoreVersion": VERSION,
        "pythonVersion": platform.python_version(),
        "hostname": platform.node(),
        "username": _user(),
        "workingDirectory": str(layout.root),
        "cliArgs": ["embedded", "export", "--scan-existing", "project", "--min-coverage", f"{minimum:g}"],
        "cliOptions": {
            "path": layout.source.name,
            "output_dir": layout.export.name,
            "scan_existing": layout.project.name,
            "min_coverage": minimum,
            "emit_provenance": True,
            "embed_provenance": True,
            "emit_onboarding": True,
            "emit_run_provenance": True,
        },
        "outputDirectory": layout.export.name,
        "outputFiles": [f"{service.name}-projectcontext.yaml", f"{service.name}-artifact-manifest.yaml"],
        "generationProfile": "full",
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # an account without a name, as in many containers
        return "unknown"


def run_provenance(layout: Layout, service: Service, metadata: Document, at: str) -> Document:
    """`run-provenance.json`: digests of all that was written, and of each section that later steps read."""
    outputs = [
        layout.export / f"{service.name}-projectcontext.yaml",
        layout.export / f"{service.name}-artifact-manifest.yaml",
        layout.export / "provenance.json",
        layout.onboarding,
        layout.export / "validation-report.json",
        layout.export / "export-quality-report.json",
    ]
    source_checksum = metadata["source_checksum"]
    return {
        "run_id": new_id(),
        "workflow_or_command": "embedded export",
        "version": "2.0.0",
        "contextcore_version": VERSION,
        "started_at": at,
        "completed_at": at,
        "duration_ms": 0,
        "config_snapshot": {},
        "inputs": [{"path": str(layout.source), "exists": True, "sha256": source_checksum}],
        "outputs": [_output(layout, path) for path in outputs],
        "quality_summary": {
            "strict_quality": True,
            "coverage_meets_minimum": metadata["coverage"]["overallCoverage"]
            >= metadata["provenance"]["cliOptions"]["min_coverage"],
        },
        "artifact_references": {
            "validation_report_path": "export/validation-report.json",
            "onboarding_metadata_path": "export/onboarding-metadata.json",
            "quality_report_path": "export/export-quality-report.json",
            "provenance_json_path": "export/provenance.json",
        },
        "artifact_inventory": [
            {
                "artifact_id": f"export.{role}",
                "role": role,
                "produced_by": "embedded.export",
                "stage": "export",
                "source_file": layout.onboarding.name,
                "json_path": f"$.{section}",
                "sha256": sha256_section(metadata[section]),
                "produced_at": at,
                "consumers": consumers,
                "freshness": {"source_checksum": source_checksum, "source_file": layout.source.name},
            }
            for role, (section, consumers) in _SECTIONS.items()
        ],
    }


def _output(layout: Layout, path: Path) -> Document:
    return {"path": path.relative_to(layout.root).as_posix(), "exists": True, "sha256": sha256_file(path)}
