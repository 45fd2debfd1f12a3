"""What plan ingestion tells of its run, besides the seed."""

from pathlib import Path

from .files import Document
from .seed_documents import Ingestion


def traceability(run: Ingestion) -> Document:
    """`ingestion-traceability.json`: the only place that ties a gap to its feature and task."""
    actual = run.actual_checksums
    return {
        "generated_at": run.at,
        "route": run.route,
        "plan_title": run.title,
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
        # of what was parsed: ingestion does not know what it lost
        "translation_quality": {
            "requirements_coverage_percent": 100.0,
            "artifact_mapping_percent": 100.0,
            "conflict_count": 0,
        },
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
    """`plan-ingestion-diagnostic.json`: how each phase of ingestion went; the score stands here again."""
    signals = {
        "parse": {
            "features_extracted": len(run.features),
            "features_with_deps": sum(bool(feature.dependencies) for feature in run.features),
            "features_with_targets": len(run.features),
        },
        "assess": {
            "composite_score": run.complexity.composite,
            "dimension_spread": run.complexity.spread,
            "route_decision": run.route,
            "route_margin": run.complexity.route_margin,
        },
        "transform": {"tasks": len(run.features)},
        "preflight": {},
        "emit": {},
    }
    return {
        "schema_version": "1.0.0",
        "run_timestamp": run.at,
        "overall_success": True,
        "route": run.route,
        "plan_source": run.layout.recorded(run.layout.onboarding),
        "plan_checksum": run.onboarding_checksum[:16],
        "phases": {
            phase: {
                "phase": phase,
                "success": True,
                "deterministic": True,
                "cost_usd": 0.0,
                "quality_signals": quality_signals,
            }
            for phase, quality_signals in signals.items()
        },
        "quality_warnings": [],
        "totals": {"cost_usd": 0.0, "input_tokens": 0, "output_tokens": 0, "llm_calls": 0},
    }


def review_config(run: Ingestion, manifest_path: Path) -> Document:
    """`review-config.json`."""
    return {
        "document_path": run.layout.recorded(run.layout.ingestion / "plan-ingestion-tasks.yaml"),
        "quality_tier": "standard",
        "reviewer_count": 1,
        "max_suggestions": 10,
        "context_files": [run.layout.recorded(run.layout.onboarding), run.layout.recorded(manifest_path)],
        "_ingestion_metadata": {
            "route": run.route,
            "complexity_score": run.complexity.composite,
            "complexity_reasoning": run.complexity.reasoning,
        },
    }


def state(run: Ingestion) -> Document:
    """`.startd8/plan_ingestion_state.json`."""
    return {
        "current_phase": "completed",
        "route": run.route,
        "plan_document_path": run.layout.recorded(run.layout.ingestion / "plan-ingestion-tasks.yaml"),
        "review_config_path": run.layout.recorded(run.layout.ingestion / "review-config.json"),
        "context_seed_path": run.layout.recorded(run.layout.seed(run.route)),
        "total_cost": 0.0,
        "error": None,
        "parsed_plan_title": run.title,
        "parsed_plan_feature_count": len(run.features),
        "complexity_composite": run.complexity.composite,
        "complexity_route": run.route,
    }
