"""Typed views of the documents: unknown keys pass, wrong types are named with file, place and both types."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.pilot.documents import json_object, yaml_object
from pytest_contextcore.pilot.exported import Export
from pytest_contextcore.pilot.findings import Finding, Unreadable
from pytest_contextcore.pilot.ingested import Ingestion
from pytest_contextcore.pilot.nodes import MISSING, Node, kind
from pytest_contextcore.pilot.recorded import generated, inside, project_path, recorded_root
from pytest_contextcore.pilot.workspace import Workspace


def refused(read: Callable[[], object]) -> Finding:
    with pytest.raises(Unreadable) as caught:
        read()
    return caught.value.finding


def node(value: Any) -> Node:
    return Node("a.json", value)


# -- nodes -------------------------------------------------------------------------------------------------------------
def test_a_node_goes_down_by_keys_and_keeps_its_place() -> None:
    deep = node({"a": {"b": [{"c": 1}]}}).get("a", "b")
    assert [item.get("c").count() for item in deep.items()] == [1]
    assert [item.at for item in deep.items()] == ["$.a.b[0]"]
    assert node({"a": None}).find("a", "b", "c").given is False
    assert node({"a": None}).find("a", "b", "c").at == "$.a.b.c"
    assert node({"a": {"b": 1}}).find("a", "b").value == 1


@pytest.mark.parametrize(
    ("read", "good", "bad"),
    [
        (Node.text, ["", "a"], [None, 1, True, [], {}, MISSING]),
        (Node.name, ["a"], ["", "  ", None, 1, MISSING]),
        (Node.count, [0, 7], [-1, 1.0, True, "1", None, 10**30, MISSING]),
        (Node.number, [0, 1.5, -3], [True, "1", None, float("nan"), float("inf"), 10**400, 1e300, MISSING]),
        (Node.flag, [True, False], [0, 1, "true", None, MISSING]),
        (Node.object, [{}, {"a": 1}], [[], None, "a", MISSING]),
        (Node.texts, [[], ["a"]], [["a", ""], [1], "a", {}, None, MISSING]),
        (lambda n: list(n.items()), [[], [1]], [{}, "ab", None, MISSING]),
        (lambda n: list(n.entries()), [{}, {"a": 1}], [[], {1: 2}, {None: 1}, MISSING]),
    ],
)
def test_a_node_is_strict_about_types(read: Callable[[Node], object], good: list[Any], bad: list[Any]) -> None:
    for value in good:
        read(node(value))
    for value in bad:
        finding = refused(lambda value=value: read(node(value)))  # type: ignore[misc]
        assert finding.file == "a.json"
        assert finding.type == ("missing_key" if value is MISSING else "wrong_type")
        assert finding.observed
        assert finding.expected


def test_kinds_are_named_as_json_names_them() -> None:
    values: list[object] = [True, 1, 1.5, "", {}, [], None, MISSING]
    names = ["a boolean", "an integer", "a number", "a string", "an object", "a list", "null", "nothing"]
    assert [kind(value) for value in values] == names


def test_a_wrong_type_says_where_and_what() -> None:
    finding = refused(lambda: node({"a": {"b": "x"}}).get("a", "b").count())
    assert str(finding) == (
        "a.json: $.a.b has the wrong type or value (observed: a string, x, expected: a whole number, 0 or more)"
    )
    missing = refused(lambda: node({}).get("a").name())
    assert str(missing) == "a.json: $.a is missing (observed: nothing, expected: a non-empty string)"


# -- views -------------------------------------------------------------------------------------------------------------
ONBOARDING = {
    "coverage": {"gaps": ["api-runbook"]},
    "output_path_conventions": {"runbook": {"output_path": "old/{target}.md"}},
    "artifact_types": {"runbook": {"output_path": "runbooks/{target}.md"}},
    "file_ownership": {
        "runbooks/api.md": {"artifact_ids": ["api-runbook"], "artifact_types": ["runbook"], "scope": "primary"},
        "odd/api.txt": {"artifact_ids": ["api-odd"], "artifact_types": ["odd"]},
    },
}
MANIFEST = """\
kind: ArtifactManifest
artifacts:
- {id: api-runbook, type: runbook, target: api, priority: required, status: needed, unseen: {}}
- {id: api-odd, type: odd, target: api, priority: optional, status: exists}
- {id: api-lost, type: lost, target: api, priority: optional, status: exists}
"""
SEED = {
    "plan": {"features": [{"feature_id": "F-1", "target_files": ["runbooks/api.md"]}, {"feature_id": "F-2"}]},
    "tasks": [
        {"task_id": "T-1", "depends_on": [], "config": {"context": {"feature_id": "F-1", "target_files": ["a.md"]}}},
        {"task_id": "T-2", "config": {"context": {"feature_id": "F-2"}}},
    ],
}
MAPPING = {"artifact_id": "api-runbook", "artifact_type": None, "feature_ids": ["F-2"], "task_ids": ["T-2"]}
TRACE = {"artifact_mappings": [{**MAPPING, "status": "mapped"}]}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files: dict[str, object] = {
        "export/onboarding-metadata.json": ONBOARDING,
        "export/provenance.json": {"sourcePath": "/srv/x/.contextcore.yaml"},
        "ingestion/prime-context-seed.json": SEED,
        "ingestion/ingestion-traceability.json": TRACE,
        "artisan/design-handoff.json": {"enriched_seed_path": "/srv/y/ingestion/prime-context-seed-enriched.json"},
    }
    for name, document in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(document))
    (tmp_path / "export/x-artifact-manifest.yaml").write_text(MANIFEST)
    return tmp_path


def test_the_export_gives_artifacts_gaps_and_planned_paths(root: Path) -> None:
    export = Export.load(Workspace(root))
    assert [artifact.id for artifact in export.artifacts] == ["api-runbook", "api-odd", "api-lost"]
    assert export.gaps == ("api-runbook",)
    assert export.planned == {"api-runbook": "runbooks/api.md", "api-odd": "odd/api.txt"}
    assert export.output("api-runbook") == "project/runbooks/api.md"
    assert refused(lambda: export.output("api-lost")).type == "no_path"
    assert [owner.path for owner in export.owners] == ["runbooks/api.md", "odd/api.txt"]


def test_a_view_is_made_once_and_reads_only_what_is_asked_for(root: Path) -> None:
    ws = Workspace(root)
    (root / "export/onboarding-metadata.json").write_text("broken")
    assert Export.load(ws) is Export.load(ws)
    assert len(Export.load(ws).artifacts) == 3
    assert refused(lambda: Export.load(ws).gaps).type == "malformed_file"


@pytest.mark.parametrize("text", ["artifacts: {}", "artifacts: [1]", "artifacts: [{id: 1}]", "- 1", "x: 1"])
def test_a_manifest_of_wrong_types_is_refused(text: str, root: Path) -> None:
    (root / "export/x-artifact-manifest.yaml").write_text(text)
    assert refused(lambda: Export.load(Workspace(root)).artifacts).type in ("wrong_type", "missing_key")


def test_exactly_one_of_each_is_accepted_and_what_is_missing_is_said(root: Path) -> None:
    assert refused(lambda: Export.load(Workspace(root)).context_path).type == "missing_file"
    (root / "export/y-artifact-manifest.yaml").write_text(MANIFEST)
    assert refused(lambda: Export.load(Workspace(root)).manifest).type == "ambiguous_file"
    (root / "ingestion/artisan-context-seed.json").write_text("{}")
    assert refused(lambda: Ingestion.load(Workspace(root)).seed).type == "ambiguous_file"
    for seed in (root / "ingestion").glob("*seed.json"):
        seed.unlink()
    assert "run plan ingestion" in refused(lambda: Ingestion.load(Workspace(root)).seed).message


def test_ingestion_gives_features_tasks_mappings_and_files(root: Path) -> None:
    ingestion = Ingestion.load(Workspace(root))
    assert ingestion.named_route == "prime"
    assert ingestion.enriched_path == "ingestion/prime-context-seed-enriched.json"
    assert [feature.id for feature in ingestion.features] == ["F-1", "F-2"]
    assert [task.feature_id for task in ingestion.tasks] == ["F-1", "F-2"]
    assert ingestion.mappings[0].task_ids == ("T-2",)
    assert ingestion.files == {"T-1": ("project/a.md",), "T-2": ("project/runbooks/api.md",)}


def test_a_document_that_is_missing_is_named(root: Path) -> None:
    ws = Workspace(root)
    assert json_object(ws, "artisan/design-handoff.json").given
    assert refused(lambda: json_object(ws, "artisan/x.json")).type == "missing_file"
    assert refused(lambda: yaml_object(ws, "x.yaml")).type == "missing_file"


def test_the_recorded_root_is_where_the_source_was_or_else_above_the_seed(root: Path) -> None:
    assert recorded_root(Workspace(root)) == "/srv/x"
    (root / "export/provenance.json").write_text('{"sourcePath": "relative"}')
    assert recorded_root(Workspace(root)) == "/srv/y"
    (root / "artisan/design-handoff.json").write_text("{}")
    assert recorded_root(Workspace(root)) == ""


@pytest.mark.parametrize(
    ("path", "mapped"),
    [
        ("/srv/x/project/a/b.md", "project/a/b.md"),
        ("/srv/x/project/.startd8/staging/a/b.md", "project/a/b.md"),
        ("a/b.md", "project/a/b.md"),
        ("project/a/b.md", "project/a/b.md"),
        (".startd8/staging/a/b.md", "project/a/b.md"),
    ],
)
def test_generated_files_are_mapped_to_their_place_in_the_project(path: str, mapped: str, root: Path) -> None:
    assert generated(Workspace(root), node(path)) == mapped


@pytest.mark.parametrize("path", ["/srv/x/export/a", "/etc/passwd", "../a", "/srv/x/project/../../etc", "a\\b"])
def test_generated_files_outside_of_the_project_are_refused(path: str, root: Path) -> None:
    finding = refused(lambda: generated(Workspace(root), node(path)))
    assert finding.type == "path_outside"
    assert finding.file == "a.json"


def test_a_recorded_path_of_a_wrong_type_is_named_as_that(root: Path) -> None:
    assert refused(lambda: inside(Workspace(root), node(3))).type == "wrong_type"
    assert refused(lambda: inside(Workspace(root), node("/etc/passwd"))).type == "path_outside"
    assert refused(lambda: project_path("../x")).type == "bad_path"
