"""What plan ingestion writes, as functions of one ingestion."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .files import Document
from .scoring import Complexity, Feature


@dataclass(frozen=True, slots=True)
class Ingestion:
    """One run of plan ingestion: what it read, parsed and scored."""

    at: str
    onboarding: Document
    context_files: list[Document]
    features: tuple[Feature, ...]
    complexity: Complexity
    actual_checksums: Mapping[str, str]

    @property
    def route(self) -> str:
        """The route that the score demands."""
        return self.complexity.route

    @property
    def source_checksum(self) -> str:
        """The source checksum as the export recorded it."""
        return str(self.onboarding["source_checksum"])


def seed(run: Ingestion) -> Document:
    """`<route>-context-seed.json`."""
    return {
        "schema_version": "1.0",
        "generated_at": run.at,
        "plan": {
            "title": f"Observability gaps of {run.onboarding['project_id']}",
            "features": [
                {
                    "feature_id": feature.feature_id,
                    "name": feature.name,
                    "target_files": [feature.target_file],
                    "dependencies": list(feature.dependencies),
                }
                for feature in run.features
            ],
        },
        "complexity": {
            "composite": run.complexity.composite,
            "dimensions": dict(run.complexity.dimensions),
            "reasoning": run.complexity.reasoning,
            "route": run.route,
        },
        "tasks": [_task(feature) for feature in run.features],
        "artifacts": {"source_checksum": run.source_checksum},
        "source_checksum": run.source_checksum,
        "onboarding": run.onboarding,
        "context_files": run.context_files,
        "_ingestion_quality": {"route_margin": run.complexity.route_margin},
    }


def _task(feature: Feature) -> Document:
    return {
        "task_id": feature.task_id,
        "title": feature.name,
        "depends_on": [dependency.replace("F-", "PI-") for dependency in feature.dependencies],
        "config": {"context": {"feature_id": feature.feature_id, "target_files": [feature.target_file]}},
    }


def enriched_seed(root: Path, run: Ingestion, plain_seed: Document) -> Document:
    """`<route>-context-seed-enriched.json`: the seed, with what a look at the repository adds to each task."""
    folders = [(root / "project" / feature.target_file).parent for feature in run.features]
    siblings = [sorted(path.name for path in folder.iterdir()) if folder.is_dir() else [] for folder in folders]
    return {
        **plain_seed,
        "tasks": [
            {**task, "_enrichment": {"available_siblings": names}}
            for task, names in zip(plain_seed["tasks"], siblings, strict=True)
        ],
        "_preflight": {"generated_at": run.at, "tasks_with_siblings": sum(map(bool, siblings))},
    }


def traceability(run: Ingestion) -> Document:
    """`ingestion-traceability.json`: the only place that ties a gap to its feature and task."""
    actual = run.actual_checksums
    return {
        "generated_at": run.at,
        "route": run.route,
        "requirement_mappings": [],
        "artifact_mappings": [
            {
                "artifact_id": feature.artifact_id,
                "artifact_type": feature.artifact_type,
                "feature_ids": [feature.feature_id],
                "task_ids": [feature.task_id],
                "status": "mapped",
            }
            for feature in run.features
        ],
        "unresolved": [],
        "translation_quality": {"artifact_mapping_percent": 100.0},  # of what was parsed: what was lost is not known
        "checksum_evidence": {
            "artifact_manifest_expected": run.onboarding["artifact_manifest_checksum"],
            "artifact_manifest_actual": actual["artifact_manifest"],
            "project_context_expected": run.onboarding["project_context_checksum"],
            "project_context_actual": actual["project_context"],
            "source_checksum_expected": run.source_checksum,
            "source_checksum_actual": actual["source_checksum"],
            "source_checksum_verified": run.source_checksum == actual["source_checksum"],
        },
    }


def diagnostic(run: Ingestion) -> Document:
    """`plan-ingestion-diagnostic.json`: the score stands here again."""
    signals = {
        "composite_score": run.complexity.composite,
        "route_decision": run.route,
        "route_margin": run.complexity.route_margin,
    }
    return {
        "run_timestamp": run.at,
        "overall_success": True,
        "route": run.route,
        "phases": {"assess": {"success": True, "quality_signals": signals}},
    }


def review_config(run: Ingestion) -> Document:
    """`review-config.json`."""
    return {"_ingestion_metadata": {"route": run.route, "complexity_score": run.complexity.composite}}


def state(run: Ingestion) -> Document:
    """`.startd8/plan_ingestion_state.json`."""
    return {
        "current_phase": "completed",
        "route": run.route,
        "complexity_composite": run.complexity.composite,
        "complexity_route": run.route,
    }
