"""S4 and S5: plan ingestion. PARSE gaps into features, ASSESS, route, TRANSFORM into tasks, EMIT the seed."""

from collections.abc import Collection
from pathlib import Path

from ..names import DIAGNOSTIC, INGESTION_STATE, ONBOARDING, REVIEW_CONFIG, SOURCE, TRACEABILITY
from . import seed_documents
from .files import Document, now, read_json, read_yaml, reading, recorded, sha256_file, write_json
from .plan import ROUTING, seed_name
from .scoring import ROUTE_THRESHOLD, Feature, assess, select_route
from .seed_documents import Ingestion


def ingest(root: Path, dropped: Collection[str] = ()) -> None:
    """Write ingestion/ from export/; the gaps in `dropped` are lost on the way, without a trace."""
    onboarding_path = root / ONBOARDING
    onboarding = read_json(onboarding_path)
    with reading(onboarding_path):
        manifest_path = root / "export" / onboarding["artifact_manifest_path"]
        context_path = root / "export" / onboarding["project_context_path"]
    manifest = read_yaml(manifest_path)
    with reading(onboarding_path), reading(manifest_path):
        features = parse_gaps(onboarding, manifest, dropped)
        run = Ingestion(
            at=now(),
            onboarding=onboarding,
            context_files=[{"path": recorded(root, onboarding_path), "checksum": sha256_file(onboarding_path)}],
            features=features,
            complexity=assess(features, onboarding),
            actual_checksums={
                "source_checksum": sha256_file(root / SOURCE),
                "artifact_manifest": sha256_file(manifest_path),
                "project_context": sha256_file(context_path),
            },
        )
        seed = seed_documents.seed(run)
        traceability = seed_documents.traceability(run)
    write_json(root / seed_name(run.route), seed)
    write_json(root / seed_name(run.route, "-enriched"), seed_documents.enriched_seed(root, run, seed))
    write_json(root / TRACEABILITY, traceability)
    write_json(root / DIAGNOSTIC, seed_documents.diagnostic(run))
    write_json(root / REVIEW_CONFIG, seed_documents.review_config(run))
    write_json(root / INGESTION_STATE, seed_documents.state(run))


def parse_gaps(onboarding: Document, manifest: Document, dropped: Collection[str]) -> tuple[Feature, ...]:
    """One feature for each gap of the export, in the export's order."""
    artifacts = {entry["id"]: entry for entry in manifest["artifacts"]}
    gaps = [gap for gap in onboarding["coverage"]["gaps"] if gap not in dropped]
    feature_ids = {gap: f"F-{number:03d}" for number, gap in enumerate(gaps, start=1)}
    features = []
    for gap, feature_id in feature_ids.items():
        artifact = artifacts[gap]
        kind = artifact["type"]
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
                markers=tuple(onboarding["expected_output_contracts"][kind]["completeness_markers"]),
            )
        )
    return tuple(features)


def route(root: Path) -> None:
    """S5: decide the route again from the recorded score, and record why; design follows this decision."""
    state = read_json(root / INGESTION_STATE)
    with reading(root / INGESTION_STATE):
        composite, stated = state["complexity_composite"], state["route"]
        decided = select_route(composite)
    relation = "above" if decided == "artisan" else "not above"
    reasoning = f"{composite} is {relation} {ROUTE_THRESHOLD}: {decided}"
    write_json(root / ROUTING, {"decided_at": now(), "route": stated, "rule_route": decided, "reasoning": reasoning})
