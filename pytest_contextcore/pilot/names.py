"""Names that several modules share: the pilot's trace, the pipeline's files in a workspace, and what they hold."""

from __future__ import annotations

PLAN_ID = "PI-101-002"
PRIME_ID = "PI-101-002-PRIME"

SOURCE = ".contextcore.yaml"
OVERRIDE = "route-override.json"
TRIAGE = "review-triage.json"
ARTIFACT_MANIFEST = ("*-artifact-manifest.yaml", "*-artifact-manifest.json")  # in export/
PROJECT_CONTEXT = ("*-projectcontext.yaml",)
ONBOARDING = "export/onboarding-metadata.json"
PROVENANCE = "export/provenance.json"
RUN_PROVENANCE = "export/run-provenance.json"
VALIDATION = "export/validation-report.json"
QUALITY = "export/export-quality-report.json"
TRACEABILITY = "ingestion/ingestion-traceability.json"
DIAGNOSTIC = "ingestion/plan-ingestion-diagnostic.json"
INGESTION_STATE = "ingestion/.startd8/plan_ingestion_state.json"
REVIEW_CONFIG = "ingestion/review-config.json"
FORENSICS = "ingestion/plan-ingestion-failure-forensics.json"
HANDOFF = "artisan/design-handoff.json"
HANDOFF_CONTRACT = "artisan/design-handoff-contract.json"
REPORT = "artisan/workflow-execution-report.json"
GENERATION_MANIFEST = "artisan/generation-manifest.json"
STATE = "project/.startd8/state"
GENERATION = f"{STATE}/generation_results.json"
TESTS = f"{STATE}/test_results.json"
REVIEWS = f"{STATE}/review_results.json"

CHECKSUMS = ("source_checksum", "artifact_manifest_checksum", "project_context_checksum")
ROUTES = ("artisan", "prime")

OPTIONS = {
    "workspace": ("DIR", "check this workspace instead of building the embedded one"),
    "source-checksum": ("VALUE", "inject: the source checksum that the export records"),
    "drop-feature": ("ID", "inject: that gap's feature is lost (repeatable)"),
    "test-failures": ("N", "inject: break N generated artifacts before validation"),
    "review-blockers": ("N", "inject: N blocking review findings"),
    "min-coverage": ("NUMBER", "S2's coverage threshold: up to 1 a fraction, above it percent (default: 80)"),
    "scan-existing": ("DIR", "S2 counts artifacts found in DIR at their output paths, too"),
}
"""The pilot's options, of pytest and of ``a2a-pilot``: what stands for a value, and what it does."""
