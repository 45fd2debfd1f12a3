"""S4 and S5: plan ingestion. PARSE gaps into features, ASSESS, route, TRANSFORM into tasks, EMIT the seed."""

from collections.abc import Collection

from . import ingestion_reports, seed_documents
from .files import (
    Document,
    now,
    read_json,
    read_yaml,
    reading,
    sha256_file,
    write_json,
    write_yaml,
)
from .layout import Layout
from .scoring import ROUTE_THRESHOLD, Feature, Surroundings, assess, select_route
from .seed_documents import Ingestion


def ingest(layout: Layout, dropped: Collection[str] = ()) -> None:
    """Write ingestion/ from export/; the gaps in `dropped` are lost on the way, without a trace."""
    onboarding = read_json(layout.onboarding)
    with reading(layout.onboarding):
        manifest_path = layout.export / onboarding["artifact_manifest_path"]
        context_path = layout.export / onboarding["project_context_path"]
    manifest = read_yaml(manifest_path)
    with reading(layout.onboarding), reading(manifest_path):
        features = parse_gaps(onboarding, manifest, dropped)
        complexity = assess(features, _surroundings(onboarding))
        run = Ingestion(
            layout=layout,
            at=now(),
            onboarding=onboarding,
            features=features,
            complexity=complexity,
            onboarding_checksum=sha256_file(layout.onboarding),
            actual_checksums={
                "source_checksum": sha256_file(layout.source),
                "artifact_manifest": sha256_file(manifest_path),
                "project_context": sha256_file(context_path),
            },
        )
        seed = seed_documents.seed(run)
        enriched = seed_documents.enriched_seed(run, seed)
        traceability = ingestion_reports.traceability(run)
    write_json(layout.seed(run.route), seed)
    write_json(layout.enriched_seed(run.route), enriched)
    write_json(layout.traceability, traceability)
    write_yaml(layout.ingestion / "plan-ingestion-tasks.yaml", seed_documents.task_list(run))
    write_json(layout.ingestion / "plan-ingestion-diagnostic.json", ingestion_reports.diagnostic(run))
    write_json(layout.ingestion / "review-config.json", ingestion_reports.review_config(run, manifest_path))
    write_json(layout.ingestion_state, ingestion_reports.state(run))


def parse_gaps(onboarding: Document, manifest: Document, dropped: Collection[str]) -> tuple[Feature, ...]:
    """One feature for each gap of the export, in the export's order."""
    artifacts = {entry["id"]: entry for entry in manifest["artifacts"]}
    gaps = [gap for gap in onboarding["coverage"]["gaps"] if gap not in dropped]
    feature_ids = {gap: f"F-{number:03d}" for number, gap in enumerate(gaps, start=1)}
    features = []
    for gap, feature_id in feature_ids.items():
        artifact = artifacts[gap]
        kind = artifact["type"]
        contract = onboarding["expected_output_contracts"][kind]
        convention = onboarding["output_path_conventions"][kind]["output_path"]
        features.append(
            Feature(
                feature_id=feature_id,
                task_id=feature_id.replace("F-", "PI-"),
                artifact_id=gap,
                artifact_type=kind,
                name=artifact["name"],
                target_file=convention.replace("{target}", artifact["target"]),
                needs=tuple(artifact["dependsOn"]),
                dependencies=tuple(feature_ids[other] for other in artifact["dependsOn"] if other in feature_ids),
                parameters=tuple(onboarding["resolved_artifact_parameters"][gap]),
                markers=tuple(contract["completeness_markers"]),
                max_lines=contract["max_lines"],
                backlog_task=onboarding["artifact_task_mapping"][gap],
            )
        )
    return tuple(features)


def _surroundings(onboarding: Document) -> Surroundings:
    return Surroundings(
        artifact_count=len(onboarding["artifact_task_mapping"]),
        open_questions=len(onboarding["open_questions"]),
        dependency_graph=onboarding["artifact_dependency_graph"],
    )


def route(layout: Layout) -> None:
    """S5: decide the route again from the recorded score, and record why; design follows this decision."""
    state = read_json(layout.ingestion_state)
    with reading(layout.ingestion_state):
        composite, recorded = state["complexity_composite"], state["route"]
        decided = select_route(composite)
    relation = "above" if decided == "artisan" else "not above"
    write_json(
        layout.routing_decision,
        {
            "schema_version": "1.0.0",
            "decided_at": now(),
            "route": recorded,
            "rule_route": decided,
            "complexity_composite": composite,
            "threshold": ROUTE_THRESHOLD,
            "reasoning": f"{composite} is {relation} {ROUTE_THRESHOLD}: {decided}",
        },
    )
