"""The embedded pipeline writes the pipeline's formats, and each injection changes what it is about and nothing else."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_contextcore.pilot.embedded import (
    Injections,
    Pipeline,
    PipelineError,
    example_artifact_count,
    example_gap_ids,
)
from pytest_contextcore.pilot.embedded import files as embedded_files

STEPS = ("prepare", "export", "ingest", "route", "design", "implement", "validate", "review", "finalize")
NO_FAULTS = Injections()
GAPS = ["gap-error-budget", "gap-latency-panel", "gap-throughput"]
OUTPUTS = {
    "PI-001": "prometheus/rules/orders-api-prometheus-rules.yaml",
    "PI-002": "grafana/dashboards/orders-api-dashboard.json",
    "PI-003": "prometheus/recording/orders-api-recording-rules.yaml",
}


def run(root: Path, injections: Injections = NO_FAULTS, upto: str = "finalize") -> Path:
    """Run the steps, each in a pipeline of its own: only files pass from one to the next."""
    for step in STEPS[: STEPS.index(upto) + 1]:
        getattr(Pipeline(root, injections), step)()
    return root.resolve()


def load(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tree(root: Path) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): digest(path) for path in root.rglob("*") if path.is_file()}


def state(root: Path, name: str) -> Any:
    return load(root / f"project/.startd8/state/{name}_results.json")


def onboarding(root: Path) -> Any:
    return load(root / "export/onboarding-metadata.json")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("embedded") / "workspace")


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times and ids stand still in every module that took them over from files.py."""
    for name, module in list(sys.modules.items()):
        if name.startswith(embedded_files.__name__.rpartition(".")[0]):
            for function, value in (("now", "2026-01-01T00:00:00+00:00"), ("new_id", "an-id")):
                if hasattr(module, function):
                    monkeypatch.setattr(module, function, lambda value=value: value)


# --- figures


def test_the_export_finds_seventeen_of_twenty_artifacts(workspace: Path) -> None:
    coverage = onboarding(workspace)["coverage"]
    assert (coverage["totalRequired"], coverage["totalExisting"], coverage["overallCoverage"]) == (20, 17, 85.0)


def test_the_gaps_are_the_three_of_the_contract_in_every_document_that_lists_them(workspace: Path) -> None:
    manifest = load(workspace / "export/order-service-artifact-manifest.yaml")
    needed = [artifact["id"] for artifact in manifest["artifacts"] if artifact["status"] == "needed"]
    by_target = [gap for entry in manifest["coverage"]["byTarget"] for gap in entry["gaps"]]
    reports = [
        load(workspace / f"export/{name}.json")["coverage"] for name in ("validation-report", "export-quality-report")
    ]
    lists = [needed, by_target, onboarding(workspace)["coverage"]["gaps"], *(report["gaps"] for report in reports)]
    assert lists == [GAPS] * 5


def test_the_cheap_list_of_gaps_is_what_the_export_really_finds(workspace: Path) -> None:
    assert list(example_gap_ids()) == onboarding(workspace)["coverage"]["gaps"]
    assert example_artifact_count() == len(state(workspace, "generation")["tasks"])


def test_all_artifacts_are_required_and_have_a_task_and_an_owner(workspace: Path) -> None:
    artifacts = load(workspace / "export/order-service-artifact-manifest.yaml")["artifacts"]
    metadata = onboarding(workspace)
    ids = {artifact["id"] for artifact in artifacts}
    assert {artifact["priority"] for artifact in artifacts} == {"required"}
    assert set(metadata["artifact_task_mapping"]) == ids
    assert {owned for entry in metadata["file_ownership"].values() for owned in entry["artifact_ids"]} == ids


def test_the_score_is_the_mean_of_its_dimensions_and_above_the_threshold(workspace: Path) -> None:
    complexity = load(workspace / "ingestion/artisan-context-seed.json")["complexity"]
    dimensions = complexity["dimensions"].values()
    assert complexity["composite"] == round(sum(dimensions) / len(dimensions)) == 44
    assert all(0 <= value <= 100 for value in dimensions)
    assert complexity["route"] == "artisan"


def test_the_score_follows_the_plan_it_was_given(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path / "w")
    pipeline.prepare()
    (pipeline.root / "project/runbooks/orders-worker-runbook.md").unlink()
    pipeline.export()
    pipeline.ingest()
    seed = load(pipeline.root / "ingestion/artisan-context-seed.json")
    assert len(seed["plan"]["features"]) == 4
    assert seed["complexity"]["composite"] > 44


def test_score_and_route_agree_wherever_they_are_recorded(workspace: Path) -> None:
    folder = workspace / "ingestion"
    seed = load(folder / "artisan-context-seed.json")
    assess = load(folder / "plan-ingestion-diagnostic.json")["phases"]["assess"]["quality_signals"]
    recorded = load(folder / ".startd8/plan_ingestion_state.json")
    review = load(folder / "review-config.json")["_ingestion_metadata"]
    decision = load(folder / ".startd8/routing_decision.json")
    assert {
        assess["composite_score"],
        recorded["complexity_composite"],
        review["complexity_score"],
        decision["complexity_composite"],
    } == {seed["complexity"]["composite"]}
    assert {
        seed["complexity"]["route"],
        assess["route_decision"],
        recorded["route"],
        review["route"],
        load(folder / "ingestion-traceability.json")["route"],
        decision["rule_route"],
    } == {"artisan"}
    assert seed["_ingestion_quality"]["route_margin"] == assess["route_margin"] == 4


def test_every_gap_has_its_feature_its_task_and_its_file(workspace: Path) -> None:
    seed = load(workspace / "ingestion/artisan-context-seed.json")
    mappings = load(workspace / "ingestion/ingestion-traceability.json")["artifact_mappings"]
    tasks = {task["task_id"]: task["config"]["context"] for task in seed["tasks"]}
    assert [mapping["artifact_id"] for mapping in mappings] == GAPS
    assert {task_id: context["target_files"][0] for task_id, context in tasks.items()} == OUTPUTS
    for mapping, feature in zip(mappings, seed["plan"]["features"], strict=True):
        assert mapping["feature_ids"] == [feature["feature_id"]]
        assert tasks[mapping["task_ids"][0]]["feature_id"] == feature["feature_id"]


def test_the_run_ends_in_success_with_three_artifacts(workspace: Path) -> None:
    report = load(workspace / "artisan/workflow-execution-report.json")
    manifest = load(workspace / "artisan/generation-manifest.json")
    assert (report["status"], report["artifact_count"], report["tasks_failed"]) == ("success", 3, 0)
    assert manifest["summary"]["status"] == "success"
    assert all(task["tests_passed"] and task["review_passed"] for task in manifest["task_status"].values())


# --- checksums and recorded paths


def test_the_source_checksum_is_the_same_and_true_all_along_the_chain(workspace: Path) -> None:
    evidence = load(workspace / "ingestion/ingestion-traceability.json")["checksum_evidence"]
    chain = [
        onboarding(workspace)["source_checksum"],
        load(workspace / "export/order-service-artifact-manifest.yaml")["metadata"]["provenance"]["sourceChecksum"],
        load(workspace / "export/provenance.json")["sourceChecksum"],
        load(workspace / "export/validation-report.json")["checksums"]["source_checksum"],
        load(workspace / "ingestion/artisan-context-seed.json")["source_checksum"],
        load(workspace / "ingestion/artisan-context-seed-enriched.json")["source_checksum"],
        evidence["source_checksum_expected"],
        evidence["source_checksum_actual"],
        load(workspace / "artisan/design-handoff.json")["source_checksum"],
        *(state(workspace, name)["_cache_meta"]["source_checksum"] for name in ("generation", "test", "review")),
        load(workspace / "artisan/generation-manifest.json")["provenance"]["source_checksum"],
    ]
    assert set(chain) == {digest(workspace / ".contextcore.yaml")}
    assert evidence["source_checksum_verified"] is True


def test_the_checksums_of_the_two_yaml_files_are_true(workspace: Path) -> None:
    metadata = onboarding(workspace)
    for kind in ("artifact_manifest", "project_context"):
        true = digest(workspace / "export" / metadata[f"{kind}_path"])
        assert metadata[f"{kind}_checksum"] == true
        assert load(workspace / "export/validation-report.json")["checksums"][f"{kind}_checksum"] == true
        evidence = load(workspace / "ingestion/ingestion-traceability.json")["checksum_evidence"]
        assert evidence[f"{kind}_expected"] == evidence[f"{kind}_actual"] == true


def test_the_run_provenance_digests_every_other_file_of_the_export(workspace: Path) -> None:
    outputs = load(workspace / "export/run-provenance.json")["outputs"]
    listed = {entry["path"] for entry in outputs}
    assert all(entry["sha256"] == digest(workspace / entry["path"]) for entry in outputs)
    assert listed == {f"export/{path.name}" for path in (workspace / "export").iterdir()} - {
        "export/run-provenance.json"
    }


def test_the_inventory_digests_the_sections_it_names(workspace: Path) -> None:
    entries = load(workspace / "export/run-provenance.json")["artifact_inventory"]
    assert entries
    for entry in entries:
        section = load(workspace / "export" / entry["source_file"])[entry["json_path"].removeprefix("$.")]
        text = json.dumps(section, sort_keys=True, default=str)
        assert entry["sha256"] == hashlib.sha256(text.encode()).hexdigest()


def test_context_files_are_recorded_with_true_checksums(workspace: Path) -> None:
    for holder in ("ingestion/artisan-context-seed.json", "artisan/design-handoff.json"):
        entries = load(workspace / holder)["context_files"]
        assert [entry["checksum"] for entry in entries] == [digest(Path(entry["path"])) for entry in entries]


def test_the_hashes_of_generation_tests_review_and_report_are_those_of_the_files(workspace: Path) -> None:
    staging = workspace / "project/.startd8/staging"
    tested = state(workspace, "test")["_cache_meta"]["generation_file_hashes"]
    reviewed = state(workspace, "review")["tasks"]
    for task_id, generated in state(workspace, "generation")["tasks"].items():
        true = digest(workspace / "project" / OUTPUTS[task_id])
        assert generated["content_hashes"] == {str(staging / OUTPUTS[task_id]): true}
        assert tested[task_id] == reviewed[task_id]["reviewed_code_hash"] == true
    for name in ("workflow-execution-report", "generation-manifest"):
        document = load(workspace / f"artisan/{name}.json")
        for artifact in document.get("generated_artifacts", document.get("artifacts")):
            path = Path(artifact["path"])
            assert artifact["sha256"] == digest(path)
            assert artifact["size_bytes"] == path.stat().st_size
            assert artifact["line_count"] == len(path.read_text(encoding="utf-8").splitlines())


def test_the_state_files_were_made_for_the_same_design(workspace: Path) -> None:
    hashes = {state(workspace, name)["_cache_meta"]["design_hash"] for name in ("generation", "test", "review")}
    assert len(hashes) == 1


def test_recorded_paths_are_absolute_and_lie_in_the_workspace(workspace: Path) -> None:
    assert load(workspace / "export/provenance.json")["sourcePath"] == str(workspace / ".contextcore.yaml")
    handoff = load(workspace / "artisan/design-handoff.json")
    seed_path = Path(handoff["enriched_seed_path"])
    assert seed_path.parent.parent == workspace
    assert seed_path.is_file()
    assert Path(handoff["project_root"]) == workspace / "project"


def test_the_design_has_a_document_for_each_task(workspace: Path) -> None:
    handoff = load(workspace / "artisan/design-handoff.json")
    assert handoff["schema_version"] == 1
    assert set(handoff["design_results"]) == set(OUTPUTS)
    for result in handoff["design_results"].values():
        assert result["status"] == "designed"
        assert Path(result["output_file"]).read_text(encoding="utf-8") == result["design_document"]


# --- the composed artifacts


def queries(path: Path) -> Iterator[str]:
    document = load(path)
    if path.suffix == ".json":
        yield from (query["expr"] for panel in document["panels"] for query in panel["targets"])
    else:
        yield from (rule["expr"] for group in document["groups"] for rule in group["rules"])


def test_every_query_of_dashboards_and_rules_is_promql(workspace: Path) -> None:
    promql_parser = pytest.importorskip("promql_parser")
    found = [
        query
        for folder in ("prometheus", "grafana")
        for path in (workspace / "project" / folder).rglob("*-*.*")
        for query in queries(path)
    ]
    assert len(found) > 40
    for query in found:
        promql_parser.parse(query)


def test_the_alerts_are_derived_from_availability_latency_and_owner(workspace: Path) -> None:
    text = (workspace / "project" / OUTPUTS["PI-001"]).read_text(encoding="utf-8")
    alerts = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    assert "(14.4 * 0.001)" in alerts[0]["expr"]
    assert alerts[-1]["expr"].endswith("> 0.25")
    assert {alert["labels"]["owner"] for alert in alerts} == {"order-desk"}
    assert [alert["labels"]["severity"] for alert in alerts] == ["P2", "P3", "P4", "P3"]


def test_the_dashboard_shows_latency_with_the_manifests_limit(workspace: Path) -> None:
    dashboard = load(workspace / "project" / OUTPUTS["PI-002"])
    latency = dashboard["panels"][0]
    assert latency["title"] == "Request latency"
    assert latency["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]["value"] == 0.25
    assert any(query["expr"].startswith("histogram_quantile(0.99") for query in latency["targets"])
    assert dashboard["templating"]["list"][0]["type"] == "datasource"
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {"${datasource}"}


def test_the_recording_rules_know_the_promised_throughput(workspace: Path) -> None:
    rules = load(workspace / "project" / OUTPUTS["PI-003"])["groups"][0]["rules"]
    assert rules[0]["record"] == "service:http_requests:rate5m"
    assert rules[1]["expr"].endswith("/ 1200")


def test_the_artifacts_follow_a_change_of_the_source_manifest(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path / "w")
    pipeline.prepare()
    source = pipeline.root / ".contextcore.yaml"
    source.write_text(source.read_text(encoding="utf-8").replace('"99.9"', '"99.95"').replace("250ms", "1.5s"))
    for step in STEPS[1:]:
        getattr(pipeline, step)()
    alerts = (pipeline.root / "project" / OUTPUTS["PI-001"]).read_text(encoding="utf-8")
    assert "(6 * 0.0005)" in alerts
    assert "> 1.5" in alerts


def test_all_twenty_files_keep_their_contracts(workspace: Path) -> None:
    metadata = onboarding(workspace)
    assert len(metadata["file_ownership"]) == 20
    for path, owner in metadata["file_ownership"].items():
        contract = metadata["expected_output_contracts"][owner["artifact_types"][0]]
        text = (workspace / "project" / path).read_text(encoding="utf-8")
        assert len(text.splitlines()) <= contract["max_lines"]
        assert all(marker in text for marker in contract["completeness_markers"])
        assert not re.search(r"TODO|FIXME|TBD|CHANGEME|REPLACE_|<[^>]*>", text)


# --- injections


def test_a_false_source_checksum_stands_in_the_whole_export_and_its_digests_are_true(tmp_path: Path) -> None:
    root = run(tmp_path / "w", Injections(source_checksum="sha256:STALE"), upto="export")
    assert onboarding(root)["source_checksum"] == "sha256:STALE"
    assert load(root / "export/provenance.json")["sourceChecksum"] == "sha256:STALE"
    assert load(root / "export/validation-report.json")["checksums"]["source_checksum"] == "sha256:STALE"
    true = digest(root / ".contextcore.yaml")
    assert not [path for path in (root / "export").iterdir() if true in path.read_text(encoding="utf-8")]
    for entry in load(root / "export/run-provenance.json")["outputs"]:
        assert entry["sha256"] == digest(root / entry["path"])


@pytest.mark.usefixtures("frozen")
def test_a_false_source_checksum_changes_nothing_else_in_the_export(tmp_path: Path) -> None:
    root = tmp_path / "w"
    run(root, upto="export")
    good = onboarding(root)
    run(root, Injections(source_checksum="sha256:STALE"), upto="export")
    bad = onboarding(root)
    for document in (good, bad):
        del document["source_checksum"], document["provenance"]["sourceChecksum"]
        del document["artifact_manifest_checksum"]  # its provenance records the source checksum
    assert bad == good


@pytest.mark.parametrize("gap", GAPS)
def test_a_dropped_gap_has_no_feature_task_or_mapping_and_stays_a_gap(tmp_path: Path, gap: str) -> None:
    root = run(tmp_path / "w", Injections(drop_features=(gap,)), upto="route")
    (seed_path,) = (root / "ingestion").glob("*-context-seed.json")
    seed, trace = load(seed_path), load(root / "ingestion/ingestion-traceability.json")
    kept = [other for other in GAPS if other != gap]
    assert [mapping["artifact_id"] for mapping in trace["artifact_mappings"]] == kept
    assert trace["unresolved"] == []
    features = [feature["feature_id"] for feature in seed["plan"]["features"]]
    tasks = [task["task_id"] for task in seed["tasks"]]
    assert (features, tasks) == (["F-001", "F-002"], ["PI-001", "PI-002"])
    assert gap not in json.dumps([seed["plan"], seed["tasks"]])
    assert all(set(task["depends_on"]) <= set(tasks) for task in seed["tasks"])
    assert onboarding(root)["coverage"]["gaps"] == GAPS


def test_dropping_a_feature_leaves_the_export_alone(tmp_path: Path) -> None:
    root = run(tmp_path / "w", upto="export")
    before = tree(root / "export")
    Pipeline(root, Injections(drop_features=(GAPS[0],))).ingest()
    assert tree(root / "export") == before


def test_dropping_all_features_still_gives_well_formed_files_to_the_end(tmp_path: Path) -> None:
    root = run(tmp_path / "w", Injections(drop_features=tuple(GAPS)))
    for path in root.rglob("*.json"):
        assert isinstance(load(path), dict)
    assert load(root / "ingestion/plan-ingestion-tasks.yaml") == {"tasks": []}
    assert load(root / "artisan/design-handoff.json")["design_results"] == {}
    assert load(root / "artisan/workflow-execution-report.json")["status"] == "failed"


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_so_many_artifacts_fail_validation_though_all_parse_and_their_hashes_are_true(
    tmp_path: Path, count: int
) -> None:
    root = run(tmp_path / "w", Injections(test_failures=count), upto="validate")
    output = state(root, "test")["output"]
    assert (output["total_passed"], output["total_failed"]) == (3 - count, count)
    for task_id, entry in state(root, "generation")["tasks"].items():
        path = root / "project" / OUTPUTS[task_id]
        assert load(path)
        assert entry["success"] is True
        assert list(entry["content_hashes"].values()) == [digest(path)]
    for entry in output["test_plan"]:
        issues = [issue for result in entry["results"] for issue in result["issues"]]
        assert bool(issues) is (entry["status"] == "failed") is not entry["all_passed"]


@pytest.mark.usefixtures("frozen")
def test_broken_artifacts_are_the_only_files_that_differ_before_validation(tmp_path: Path) -> None:
    root = tmp_path / "w"
    good = tree(run(root, upto="implement"))
    bad = tree(run(root, Injections(test_failures=2), upto="implement"))
    assert {path for path in good if good[path] != bad[path]} == {
        f"project/{OUTPUTS['PI-001']}",
        f"project/{OUTPUTS['PI-002']}",
        "project/.startd8/state/generation_results.json",
    }


def test_broken_artifacts_make_the_final_status_quality_failed(tmp_path: Path) -> None:
    root = run(tmp_path / "w", Injections(test_failures=1))
    assert load(root / "artisan/workflow-execution-report.json")["status"] == "quality_failed"


@pytest.mark.parametrize(("count", "spread"), [(1, [1, 0, 0]), (3, [1, 1, 1]), (7, [3, 2, 2])])
def test_blocking_findings_are_spread_over_the_tasks(tmp_path: Path, count: int, spread: list[int]) -> None:
    root = run(tmp_path / "w", Injections(review_blockers=count))
    tasks = state(root, "review")["tasks"].values()
    assert [sum(issue.startswith("[BLOCKING] ") for issue in task["issues"]) for task in tasks] == spread
    assert [task["verdict"] for task in tasks] == ["FAIL" if share else "PASS" for share in spread]
    assert state(root, "test")["output"]["total_failed"] == 0
    assert load(root / "artisan/workflow-execution-report.json")["status"] == "quality_failed"


@pytest.mark.usefixtures("frozen")
def test_blocking_findings_change_nothing_before_the_review(tmp_path: Path) -> None:
    root = tmp_path / "w"
    good = tree(run(root, upto="review"))
    bad = tree(run(root, Injections(review_blockers=1), upto="review"))
    assert {path for path in good if good[path] != bad[path]} == {"project/.startd8/state/review_results.json"}


def test_a_negative_injection_is_refused() -> None:
    with pytest.raises(ValueError, match="test_failures is -1"):
        Injections(test_failures=-1)
    with pytest.raises(ValueError, match="review_blockers is -1"):
        Injections(review_blockers=-1)


def test_a_review_without_injection_finds_nothing_worse_than_minor(workspace: Path) -> None:
    tasks = state(workspace, "review")["tasks"].values()
    assert all(issue.startswith("[MINOR] ") for task in tasks for issue in task["issues"])
    assert all(task["verdict"] == "PASS" and task["score"] >= 80 for task in tasks)


# --- determinism, fresh workspaces, errors


@pytest.mark.usefixtures("frozen")
def test_two_runs_write_the_same_bytes_but_for_times_and_ids(tmp_path: Path) -> None:
    first = tree(run(tmp_path / "w"))
    assert tree(run(tmp_path / "w")) == first


def test_yaml_is_written_the_same_with_libyaml_and_without(workspace: Path) -> None:
    class Plain(embedded_files.PlainText, yaml.SafeDumper):
        pass

    Plain.add_representer(str, Plain.represent_text)
    for path in workspace.rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        if path.name != ".contextcore.yaml":
            assert embedded_files.to_yaml(load(path)) == embedded_files.to_yaml(load(path), Plain) == text


def test_a_document_is_parsed_once_for_each_version_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: 1")
    first = embedded_files.read_yaml(path)
    assert embedded_files.read_yaml(path) is first
    path.write_text("a: 2")
    assert embedded_files.read_yaml(path) == {"a": 2}


def test_prepare_removes_what_an_earlier_run_left(tmp_path: Path) -> None:
    root = run(tmp_path / "w")
    Pipeline(root).prepare()
    assert {path.name for path in root.iterdir()} == {".contextcore-embedded", ".contextcore.yaml", "project"}
    assert not (root / "project" / OUTPUTS["PI-002"]).exists()


def test_prepare_refuses_a_folder_that_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(PipelineError, match=r"thesis\.tex.*not deleted") as caught:
        Pipeline(tmp_path).prepare()
    assert caught.value.file == tmp_path.resolve()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_prepare_takes_an_empty_folder(tmp_path: Path) -> None:
    Pipeline(tmp_path).prepare()
    assert (tmp_path / "project").is_dir()


def make_foreign_symlink(tmp_path: Path) -> Path:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "kept.txt").write_text("kept")
    return foreign


def test_prepare_deletes_a_symlink_and_not_what_it_points_to(tmp_path: Path) -> None:
    foreign = make_foreign_symlink(tmp_path)
    root = run(tmp_path / "w", upto="prepare")
    (root / "link").symlink_to(foreign)
    (root / "project/link").symlink_to(foreign)
    Pipeline(root).prepare()
    assert not (root / "link").is_symlink()
    assert (foreign / "kept.txt").read_text() == "kept"


def link_the_root(foreign: Path, root: Path) -> None:
    (foreign / ".contextcore-embedded").touch()
    root.symlink_to(foreign)


def link_the_marker(foreign: Path, root: Path) -> None:
    root.mkdir()
    (root / "own.txt").write_text("own")
    (root / ".contextcore-embedded").symlink_to(foreign / "kept.txt")


@pytest.mark.parametrize("link", [link_the_root, link_the_marker])
def test_prepare_trusts_no_symlink(tmp_path: Path, link: Callable[[Path, Path], None]) -> None:
    foreign = make_foreign_symlink(tmp_path)
    link(foreign, tmp_path / "w")
    before = tree(tmp_path)
    with pytest.raises(PipelineError):
        Pipeline(tmp_path / "w").prepare()
    assert tree(tmp_path) == before


def test_prepare_refuses_a_file_in_the_place_of_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "w").write_text("a file")
    with pytest.raises(PipelineError, match="not touched"):
        Pipeline(tmp_path / "w").prepare()


BROKEN = [
    ("export", ".contextcore.yaml"),
    ("ingest", "export/onboarding-metadata.json"),
    ("ingest", "export/order-service-artifact-manifest.yaml"),
    ("route", "ingestion/.startd8/plan_ingestion_state.json"),
    ("design", "ingestion/.startd8/routing_decision.json"),
    ("design", "ingestion/ingestion-traceability.json"),
    ("design", "ingestion/artisan-context-seed-enriched.json"),
    ("implement", "artisan/design-handoff.json"),
    ("validate", "project/.startd8/state/generation_results.json"),
    ("finalize", "project/.startd8/state/test_results.json"),
    ("finalize", "project/.startd8/state/review_results.json"),
]


@pytest.mark.parametrize("content", [None, b"[]", b"{", b'{"spec": 1, "tasks": 2}', b"\xff"])
@pytest.mark.parametrize(("step", "name"), BROKEN)
def test_a_step_that_meets_a_bad_file_names_it(
    workspace: Path, tmp_path: Path, step: str, name: str, content: bytes | None
) -> None:
    root = shutil.copytree(workspace, tmp_path / "w").resolve()
    (root / name).unlink()
    if content is not None:
        (root / name).write_bytes(content)
    with pytest.raises(PipelineError) as caught:
        getattr(Pipeline(root), step)()
    assert caught.value.file == root / name
    assert str(caught.value).startswith(f"{root / name}: ")


@pytest.mark.parametrize("name", ["../../escape", "a/b", "", "."])
def test_a_name_that_would_leave_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    pipeline = Pipeline(tmp_path / "w")
    pipeline.prepare()
    source = pipeline.root / ".contextcore.yaml"
    source.write_text(source.read_text(encoding="utf-8").replace("orders-worker", json.dumps(name)))
    with pytest.raises(PipelineError, match="expected letters"):
        pipeline.export()


@pytest.mark.usefixtures("frozen")
@pytest.mark.parametrize("step", STEPS[1:])
def test_a_step_that_is_run_again_finds_no_leftovers(tmp_path: Path, step: str) -> None:
    root = tmp_path / "w"
    before = tree(run(root, upto=STEPS[STEPS.index(step) - 1]))
    expected = tree(run(root, upto=step))
    run(root)
    getattr(Pipeline(root), step)()
    assert tree(root) == expected
    assert before.items() <= expected.items()


def test_ingesting_again_after_a_loss_leaves_one_seed_only(tmp_path: Path) -> None:
    root = run(tmp_path / "w", Injections(drop_features=(GAPS[1],)), upto="ingest")
    assert [path.name for path in (root / "ingestion").glob("*-context-seed.json")] == ["prime-context-seed.json"]
    Pipeline(root).ingest()
    assert [path.name for path in (root / "ingestion").glob("*-context-seed.json")] == ["artisan-context-seed.json"]


def test_importing_the_package_is_cheap() -> None:
    code = (
        "import sys; from pytest_contextcore.pilot.embedded import example_gap_ids; example_gap_ids(); "
        "print([name for name in ('yaml', 'pydantic', 'pytest', 'opentelemetry') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
