"""The context seed, as a function of one ingestion."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .files import Document
from .layout import Layout
from .scoring import Complexity, Feature

_DOMAINS = {".json": "config-json", ".yaml": "config-yaml"}


@dataclass(frozen=True, slots=True)
class Ingestion:
    """One run of plan ingestion: what it read, parsed and scored."""

    layout: Layout
    at: str
    onboarding: Document
    features: tuple[Feature, ...]
    complexity: Complexity
    onboarding_checksum: str
    actual_checksums: Mapping[str, str]

    @property
    def route(self) -> str:
        """The route that the score demands."""
        return self.complexity.route

    @property
    def title(self) -> str:
        """The plan's title."""
        return f"Observability gaps of {self.onboarding['project_id']}"

    @property
    def source_checksum(self) -> str:
        """The source checksum as the export recorded it."""
        return str(self.onboarding["source_checksum"])


def seed(run: Ingestion) -> Document:
    """`<route>-context-seed.json`."""
    onboarding = run.onboarding
    goal = f"Write the {len(run.features)} artifacts that the export of {onboarding['project_id']} found missing"
    return {
        "version": "1.0.0",
        "schema_version": "1.0",
        "generated_at": run.at,
        "generator": "plan-ingestion",
        "plan": {
            "title": run.title,
            "goals": [goal],
            "features": [_feature(feature) for feature in run.features],
            "dependency_graph": {
                feature.feature_id: list(feature.dependencies) for feature in run.features if feature.dependencies
            },
            "mentioned_files": sorted(feature.target_file for feature in run.features),
        },
        "complexity": {
            "composite": run.complexity.composite,
            "dimensions": dict(run.complexity.dimensions),
            "reasoning": run.complexity.reasoning,
            "route": run.route,
        },
        "tasks": [_task(feature) for feature in run.features],
        "artifacts": {
            "plan_document_path": run.layout.recorded(run.layout.ingestion / "plan-ingestion-tasks.yaml"),
            "review_config_path": run.layout.recorded(run.layout.ingestion / "review-config.json"),
            "artifact_manifest_path": onboarding["artifact_manifest_path"],
            "project_context_path": onboarding["project_context_path"],
            "source_checksum": run.source_checksum,
        },
        "ingestion_metrics": {"parse_cost": 0.0, "assess_cost": 0.0, "transform_cost": 0.0, "total_cost": 0.0},
        "source_checksum": run.source_checksum,
        "architectural_context": {
            "project_goals": [goal],
            "objectives": onboarding["objectives"],
            "constraints": onboarding["guidance"].get("constraints", []),
            "focus_areas": onboarding["guidance"].get("focus", {}).get("areas", []),
        },
        "design_calibration": {
            feature.task_id: {
                "depth_tier": onboarding["expected_output_contracts"][feature.artifact_type]["expected_depth"]
            }
            for feature in run.features
        },
        "onboarding": onboarding,
        "context_files": [{"path": run.layout.recorded(run.layout.onboarding), "checksum": run.onboarding_checksum}],
        "_ingestion_quality": {
            "features_extracted": len(run.features),
            "multi_file_features": 0,
            "route_margin": run.complexity.route_margin,
            "diagnostic_report_path": "plan-ingestion-diagnostic.json",
        },
    }


def _feature(feature: Feature) -> Document:
    return {
        "feature_id": feature.feature_id,
        "name": feature.name,
        "description": _describe(feature),
        "target_files": [feature.target_file],
        "dependencies": list(feature.dependencies),
        "artifact_types_addressed": [feature.artifact_type],
    }


def _describe(feature: Feature) -> str:
    return (
        f"{feature.name}: closes {feature.artifact_id} ({feature.backlog_task}) with {feature.target_file}, "
        f"from {', '.join(feature.parameters)}"
    )


def _task(feature: Feature) -> Document:
    criteria = [f"contains {marker}" for marker in feature.markers] + [f"has at most {feature.max_lines} lines"]
    return {
        "task_id": feature.task_id,
        "title": feature.name,
        "task_type": "task",
        "story_points": 2 + len(feature.dependencies),
        "priority": "high",
        "labels": ["observability", feature.artifact_type],
        "depends_on": [dependency.replace("F-", "PI-") for dependency in feature.dependencies],
        "config": {
            "task_description": _describe(feature),
            "context": {
                "feature_id": feature.feature_id,
                "target_files": [feature.target_file],
                "acceptance_obligations": criteria,
            },
        },
    }


def enriched_seed(run: Ingestion, plain_seed: Document) -> Document:
    """`<route>-context-seed-enriched.json`: the seed, with what a look at the repository adds to each task."""
    enrichments = [_enrichment(run, feature) for feature in run.features]
    statuses = [check["status"] for enrichment in enrichments for check in enrichment["environment_checks"]]
    domains = [enrichment["domain"] for enrichment in enrichments]
    return {
        **plain_seed,
        "tasks": [
            {**task, "_enrichment": enrichment}
            for task, enrichment in zip(plain_seed["tasks"], enrichments, strict=True)
        ],
        "_preflight": {
            "workflow_version": "1.0.0",
            "check_summary": {status: statuses.count(status) for status in ("pass", "warn", "fail", "skip")},
            "domain_summary": {domain: domains.count(domain) for domain in sorted(set(domains))},
            "generated_at": run.at,
        },
    }


def _enrichment(run: Ingestion, feature: Feature) -> Document:
    folder = (run.layout.project / feature.target_file).parent
    siblings = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return {
        "task_id": feature.task_id,
        "domain": _DOMAINS.get(Path(feature.target_file).suffix, "text"),
        "domain_reasoning": f"Files like {feature.target_file} are {feature.artifact_type}",
        "environment_checks": [
            {
                "check_name": "parent_dir_exists",
                "status": "pass" if folder.is_dir() else "warn",
                "message": f"{folder.name}/ holds {len(siblings)} files",
            }
        ],
        "prompt_constraints": [
            str(constraint["rule"]) for constraint in run.onboarding["guidance"].get("constraints", [])
        ],
        "available_siblings": siblings,
        "existing_content_hash": None,
    }


def task_list(run: Ingestion) -> Document:
    """`plan-ingestion-tasks.yaml`."""
    return {"tasks": [_task(feature) for feature in run.features]}
