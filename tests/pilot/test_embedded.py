"""The embedded pipeline writes the pipeline's formats, and each injection changes what it is about and nothing else.

That its documents agree with each other, and their digests with the files, the fault matrix holds: the gates find
nothing in them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.pilot.embedded import (
    Injections,
    Pipeline,
    PipelineError,
    example_artifact_count,
    example_gap_ids,
)
from pytest_contextcore.pilot.embedded import files as embedded_files

from .files import load

STEPS = ("prepare", "export", "ingest", "route", "design", "implement", "validate", "review", "finalize")
NO_FAULTS = Injections()
GAPS = ["gap-error-budget", "gap-latency-panel", "gap-throughput"]
OUTPUTS = {
    "PI-001": "prometheus/rules/orders-api-prometheus-rules.yaml",
    "PI-002": "grafana/dashboards/orders-api-dashboard.json",
    "PI-003": "prometheus/recording/orders-api-recording-rules.yaml",
}
MARKER = ".contextcore-embedded"


def run(root: Path, injections: Injections = NO_FAULTS, upto: str = "finalize") -> Path:
    """Run the steps, each in a pipeline of its own: only files pass from one to the next."""
    for step in STEPS[: STEPS.index(upto) + 1]:
        getattr(Pipeline(root, injections), step)()
    return root.resolve()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tree(root: Path) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): digest(path) for path in root.rglob("*") if path.is_file()}


def changed(good: dict[str, str], bad: dict[str, str]) -> set[str]:
    return {path for path in good.keys() | bad.keys() if good.get(path) != bad.get(path)}


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


# -- figures ---------------------------------------------------------------------------------------------------------
def test_it_makes_the_promised_figures(workspace: Path) -> None:
    coverage = onboarding(workspace)["coverage"]
    assert (coverage["totalRequired"], coverage["totalExisting"], coverage["overallCoverage"]) == (20, 17, 85.0)
    assert coverage["gaps"] == GAPS == list(example_gap_ids())
    seed = load(workspace / "ingestion/artisan-context-seed.json")
    assert {task["task_id"]: task["config"]["context"]["target_files"] for task in seed["tasks"]} == {
        task: [path] for task, path in OUTPUTS.items()
    }
    dimensions = seed["complexity"]["dimensions"].values()
    assert seed["complexity"]["composite"] == round(sum(dimensions) / len(dimensions)) == 44
    assert seed["complexity"]["route"] == "artisan"
    report = load(workspace / "artisan/workflow-execution-report.json")
    assert (report["status"], report["artifact_count"], report["tasks_failed"]) == ("success", 3, 0)
    assert example_artifact_count() == 3


# -- the composed artifacts ------------------------------------------------------------------------------------------
def queries(path: Path) -> Iterator[str]:
    document = load(path)
    if path.suffix == ".json":
        yield from (query["expr"] for panel in document["panels"] for query in panel["targets"])
    else:
        yield from (rule["expr"] for group in document["groups"] for rule in group["rules"])


def test_every_query_of_dashboards_and_rules_is_promql(workspace: Path) -> None:
    promql_parser = pytest.importorskip("promql_parser")
    folders = (workspace / "project/prometheus", workspace / "project/grafana")
    found = [query for folder in folders for path in folder.rglob("*-*.*") for query in queries(path)]
    assert len(found) > 40
    for query in found:
        promql_parser.parse(query)


def test_the_artifacts_are_derived_from_the_source_manifest(workspace: Path) -> None:
    rules, board, recording = (load(workspace / "project" / path) for path in OUTPUTS.values())
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    assert "(14.4 * 0.001)" in alerts[0]["expr"]
    assert alerts[-1]["expr"].endswith("> 0.25")
    assert {alert["labels"]["owner"] for alert in alerts} == {"order-desk"}
    latency = board["panels"][0]
    assert latency["title"] == "Request latency"
    assert latency["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]["value"] == 0.25
    assert recording["groups"][0]["rules"][1]["expr"].endswith("/ 1200")


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


# -- injections ------------------------------------------------------------------------------------------------------
def test_a_false_source_checksum_stands_in_the_whole_export_and_its_digests_are_true(tmp_path: Path) -> None:
    root = run(tmp_path / "w", Injections(source_checksum="sha256:STALE"), upto="export")
    assert onboarding(root)["source_checksum"] == "sha256:STALE"
    true = digest(root / ".contextcore.yaml")
    assert not [path for path in (root / "export").iterdir() if true in path.read_text(encoding="utf-8")]
    for entry in load(root / "export/run-provenance.json")["outputs"]:
        assert entry["sha256"] == digest(root / entry["path"])


@pytest.mark.parametrize("gap", GAPS)
def test_a_dropped_gap_has_no_feature_task_or_mapping_and_stays_a_gap(tmp_path: Path, gap: str) -> None:
    root = run(tmp_path / "w", Injections(drop_features=(gap,)), upto="route")
    (seed_path,) = (root / "ingestion").glob("*-context-seed.json")
    seed, trace = load(seed_path), load(root / "ingestion/ingestion-traceability.json")
    assert [mapping["artifact_id"] for mapping in trace["artifact_mappings"]] == [g for g in GAPS if g != gap]
    assert trace["unresolved"] == []
    tasks = [task["task_id"] for task in seed["tasks"]]
    assert tasks == ["PI-001", "PI-002"]
    assert gap not in json.dumps([seed["plan"], seed["tasks"]])
    assert all(set(task["depends_on"]) <= set(tasks) for task in seed["tasks"])
    assert onboarding(root)["coverage"]["gaps"] == GAPS
    Pipeline(root).ingest()  # the seed of the other route does not stay
    assert [path.name for path in (root / "ingestion").glob("*-context-seed.json")] == ["artisan-context-seed.json"]


def test_dropping_all_features_still_gives_well_formed_files_to_the_end(tmp_path: Path) -> None:
    root = run(tmp_path / "w", Injections(drop_features=tuple(GAPS)))
    for path in root.rglob("*.json"):
        assert isinstance(load(path), dict)
    assert load(root / "artisan/workflow-execution-report.json")["status"] == "failed"


@pytest.mark.parametrize("count", [1, 3])
def test_so_many_artifacts_fail_validation_though_all_parse_and_their_hashes_are_true(
    tmp_path: Path, count: int
) -> None:
    root = run(tmp_path / "w", Injections(test_failures=count))
    output = state(root, "test")["output"]
    assert (output["total_passed"], output["total_failed"]) == (3 - count, count)
    for task_id, entry in state(root, "generation")["tasks"].items():
        path = root / "project" / OUTPUTS[task_id]
        assert load(path)
        assert list(entry["content_hashes"].values()) == [digest(path)]
    for entry in output["test_plan"]:
        issues = [issue for result in entry["results"] for issue in result["issues"]]
        assert bool(issues) is (entry["status"] == "failed") is not entry["all_passed"]
    assert load(root / "artisan/workflow-execution-report.json")["status"] == "quality_failed"


@pytest.mark.parametrize(("count", "spread"), [(1, [1, 0, 0]), (7, [3, 2, 2])])
def test_blocking_findings_are_spread_over_the_tasks(tmp_path: Path, count: int, spread: list[int]) -> None:
    root = run(tmp_path / "w", Injections(review_blockers=count))
    tasks = state(root, "review")["tasks"].values()
    assert [sum(issue.startswith("[BLOCKING] ") for issue in task["issues"]) for task in tasks] == spread
    assert [task["verdict"] for task in tasks] == ["FAIL" if share else "PASS" for share in spread]
    assert state(root, "test")["output"]["total_failed"] == 0
    assert load(root / "artisan/workflow-execution-report.json")["status"] == "quality_failed"


@pytest.mark.usefixtures("frozen")
@pytest.mark.parametrize(
    ("upto", "injections", "files"),
    [
        (
            "implement",
            Injections(test_failures=2),
            {f"project/{OUTPUTS[task]}" for task in ("PI-001", "PI-002")}
            | {"project/.startd8/state/generation_results.json"},
        ),
        ("review", Injections(review_blockers=1), {"project/.startd8/state/review_results.json"}),
        ("export", Injections(drop_features=(GAPS[0],)), set()),
        ("finalize", NO_FAULTS, set()),
    ],
)
def test_an_injection_changes_what_it_is_about_and_two_runs_differ_in_nothing_else(
    tmp_path: Path, upto: str, injections: Injections, files: set[str]
) -> None:
    good = tree(run(tmp_path / "w", upto=upto))
    assert changed(good, tree(run(tmp_path / "w", injections, upto=upto))) == files


# -- fresh workspaces, errors ----------------------------------------------------------------------------------------
def test_prepare_removes_what_an_earlier_run_left_and_no_more(tmp_path: Path) -> None:
    root, foreign = run(tmp_path / "w"), tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "kept.txt").write_text("kept")
    (root / "link").symlink_to(foreign)
    (root / "project/link").symlink_to(foreign)
    Pipeline(root).prepare()
    assert {path.name for path in root.iterdir()} == {MARKER, ".contextcore.yaml", "project"}
    assert not (root / "project" / OUTPUTS["PI-002"]).exists()
    assert (foreign / "kept.txt").read_text() == "kept"


def thesis(foreign: Path, root: Path) -> None:
    root.mkdir()
    (root / "thesis.tex").write_text("years of work")


def link_to_the_root(foreign: Path, root: Path) -> None:
    (foreign / MARKER).touch()
    root.symlink_to(foreign)


def link_to_the_marker(foreign: Path, root: Path) -> None:
    root.mkdir()
    (root / "own.txt").write_text("own")
    (root / MARKER).symlink_to(foreign / "kept.txt")


def file(foreign: Path, root: Path) -> None:
    root.write_text("a file")


@pytest.mark.parametrize("make", [thesis, link_to_the_root, link_to_the_marker, file])
def test_prepare_refuses_what_it_did_not_make(tmp_path: Path, make: Callable[[Path, Path], None]) -> None:
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/kept.txt").write_text("kept")
    make(tmp_path / "foreign", tmp_path / "w")
    before = tree(tmp_path)
    with pytest.raises(PipelineError, match=r"not deleted|not touched|symlink"):
        Pipeline(tmp_path / "w").prepare()
    assert tree(tmp_path) == before


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


@pytest.mark.parametrize(("step", "name"), BROKEN)
def test_a_step_that_meets_a_bad_file_names_it(workspace: Path, tmp_path: Path, step: str, name: str) -> None:
    root = shutil.copytree(workspace, tmp_path / "w").resolve()
    for content in (None, b"[]", b"{", b'{"spec": 1, "tasks": 2}', b"\xff"):
        (root / name).unlink(missing_ok=True)
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
def test_a_step_that_is_run_again_finds_no_leftovers(tmp_path: Path) -> None:
    root, after = tmp_path / "w", {}
    for step in STEPS:
        getattr(Pipeline(root), step)()
        after[step] = tree(root)
    for step in reversed(STEPS[1:]):
        getattr(Pipeline(root), step)()
        assert tree(root) == after[step], step
