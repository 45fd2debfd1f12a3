"""The faults: one small edit of a good workspace each, the gate that must be the first to catch it, and what it says.

Most are sealed: after the edit every digest is recorded again, so that no checksum gives the fault away and the rule
itself must. A dotted path names a place in a document: `coverage.gaps.0`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .variants import Files, change, dump, load, recount, rescore, sha

STALE = "0" * 63 + "1"
GONE = object()
Edit = Callable[[Files], object]


@dataclass(frozen=True)
class Fault:
    """What is done to which variant, and what must come of it; `also` names later gates that must see it, too."""

    id: str
    title: str
    gate: str
    type: str
    edit: Edit
    variant: str = "embedded"
    sealed: bool = True
    also: tuple[str, ...] = ()

    def apply(self, root: Path) -> None:
        files = Files(root)
        self.edit(files)
        if self.sealed:
            files.seal()


FAULTS: list[Fault] = []


def add(gate: str, type_: str, title: str, edit: Edit, **more: Any) -> None:
    number = 1 + sum(fault.gate == gate for fault in FAULTS)
    FAULTS.append(Fault(f"{gate}.{number:02}", title, gate, type_, edit, **more))


def fault(gate: str, type_: str, title: str, **more: Any) -> Callable[[Edit], Edit]:
    """Register a function as the edit of a fault."""

    def register(edit: Edit) -> Edit:
        add(gate, type_, title, edit, **more)
        return edit

    return register


def put(document: Any, place: str, value: Any) -> None:
    """Set or delete one place; a callable value is given what stood there."""
    *way, last = place.split(".")
    for key in way:
        document = document[int(key) if isinstance(document, list) else key]
    key = int(last) if isinstance(document, list) else last
    if value is GONE:
        del document[key]
    else:
        document[key] = value(document[key]) if callable(value) else value


def at(name: str, place: str, value: Any) -> Edit:
    """An edit that sets one place of one document."""
    return lambda w: change(w.path(name), lambda d: put(d, place, value))


def both(*edits: Edit) -> Edit:
    return lambda w: [edit(w) for edit in edits]


def removed(name: str) -> Edit:
    return lambda w: w.path(name).unlink()


def holds(name: str, data: str | bytes) -> Edit:
    return lambda w: w.path(name).write_bytes(data if isinstance(data, bytes) else data.encode())


def replaced(name: str, old: str, new: str) -> Edit:
    """An edit of a file's text; the old text must be there."""

    def edit(w: Files) -> None:
        text = w.path(name).read_text(encoding="utf-8")
        assert old in text
        w.path(name).write_text(text.replace(old, new, 1), encoding="utf-8")

    return edit


def linked(name: str) -> Edit:
    """The file is moved out of its folder, and a symlink to it put in its place."""

    def edit(w: Files) -> None:
        path, away = w.path(name), w.root / "elsewhere"
        shutil.move(path, away)
        path.symlink_to(away)

    return edit


def twice(items: list[Any]) -> list[Any]:
    return [*items, items[0]]


def less(items: list[Any]) -> list[Any]:
    return items[1:]


def plus(number: int) -> Callable[[Any], Any]:
    return lambda value: value + number


RULES = "prometheus/rules/orders-api-prometheus-rules.yaml"
BOARD = "grafana/dashboards/orders-api-dashboard.json"
RECORDING = "prometheus/recording/orders-api-recording-rules.yaml"
GAP = "gap-error-budget"
SERVICE = "k8s/observability/{target}-service-monitor.yaml"

# -- S1 --------------------------------------------------------------------------------------------------------------
G = "S1-G2"
add(G, "missing_file", "no source manifest", removed("source"))
add(G, "malformed_file", "the source manifest is no YAML", holds("source", "a: [\n"))
add(G, "malformed_file", "the source manifest is empty", holds("source", ""))
add(G, "malformed_file", "a key of the source manifest stands twice", replaced("source", "kind:", "kind: A\nkind:"))
add(G, "malformed_file", "two documents in the source manifest", holds("source", "a: 1\n---\nb: 2\n"))
add(G, "wrong_type", "the source manifest is a list", holds("source", "- kind: ContextManifest\n"))
add(G, "not_a_regular_file", "the source manifest is a symlink", linked("source"))
add(G, "unknown_kind", "a document of another kind", at("source", "kind", "ProjectContext"))
add(G, "missing_key", "a document without kind", at("source", "kind", GONE))
add(G, "unknown_version", "an unknown apiVersion", at("source", "apiVersion", "contextcore.io/v9"))
add(G, "unknown_version", "an apiVersion of somebody else", at("source", "apiVersion", "example.org/v1"))
add(G, "missing_key", "no apiVersion", at("source", "apiVersion", GONE))
add(G, "wrong_type", "a project without id", at("source", "spec.project.id", " "))


# -- S2-G1: every file present, readable, of its kind ----------------------------------------------------------------
G = "S2-G1"
add(G, "missing_file", "no export folder", lambda w: shutil.rmtree(w.export))
add(
    G,
    "missing_file",
    "a file where the export folder should be",
    lambda w: (shutil.rmtree(w.export), w.export.write_text("")),
)
add(G, "symlink", "the export folder is a symlink", linked("export"))
add(G, "missing_file", "no artifact manifest", removed("manifest"))
add(G, "missing_file", "no project context", removed("context"))
add(
    G,
    "ambiguous_file",
    "two artifact manifests",
    lambda w: shutil.copy(w.manifest, w.export / "other-artifact-manifest.yaml"),
)
add(
    G,
    "ambiguous_file",
    "two project contexts",
    lambda w: shutil.copy(w.context, w.export / "other-projectcontext.yaml"),
)
add(G, "malformed_file", "the artifact manifest is no YAML", holds("manifest", "artifacts: [\n"))
add(G, "wrong_type", "the artifact manifest is of another kind", at("manifest", "kind", "ProjectContext"))
add(G, "wrong_type", "the artifact manifest is of another group", at("manifest", "apiVersion", "v1"))
add(G, "missing_key", "an artifact without id", at("manifest", "artifacts.3.id", GONE))
add(G, "missing_key", "an artifact without status", at("manifest", "artifacts.3.status", GONE))
add(G, "wrong_type", "artifacts are no list", at("manifest", "artifacts", {}))
add(G, "wrong_type", "the project context is of another kind", at("context", "kind", "ConfigMap"))
add(G, "missing_key", "the project context has no apiVersion", at("context", "apiVersion", GONE))
for _name in ("onboarding", "validation", "quality", "provenance", "run"):
    add(G, "missing_file", f"no {_name} document", removed(_name))
    add(
        G,
        "malformed_file",
        f"the {_name} document is truncated",
        lambda w, n=_name: w.path(n).write_bytes(w.path(n).read_bytes()[:200]),
    )
    add(G, "wrong_type", f"the {_name} document is an array", lambda w, n=_name: dump(w.path(n), [load(w.path(n))]))
add(
    G,
    "malformed_file",
    "onboarding is not UTF-8",
    lambda w: w.onboarding.write_bytes(w.onboarding.read_bytes().replace(b"orders", b"\xff", 1)),
)
add(G, "malformed_file", "onboarding holds NaN", at("onboarding", "coverage.overallCoverage", float("nan")))
add(G, "wrong_type", "provenance without the source's path", at("provenance", "sourcePath", ""))
add(G, "wrong_type", "a source checksum that is a number", at("provenance", "sourceChecksum", 7), sealed=False)
add(G, "missing_key", "provenance without output files", at("provenance", "outputFiles", GONE))
add(G, "wrong_type", "an output file without a name", at("provenance", "outputFiles.0", 3))
add(G, "bad_path", "an output file above the export", at("provenance", "outputFiles.0", "../x.yaml"))
add(G, "missing_file", "an output file that is not there", at("provenance", "outputFiles.1", "lost.yaml"))
add(G, "missing_key", "run provenance without outputs", at("run", "outputs", GONE))
add(G, "missing_key", "an output of the run without path", at("run", "outputs.0.path", GONE))
add(G, "wrong_type", "an inventory that is an object", at("run", "artifact_inventory", {}))
add(G, "wrong_type", "an inventory entry that is a text", at("run", "artifact_inventory.0", "x"))

# -- S2-C1: coverage follows from its counts, everywhere -------------------------------------------------------------
G = "S2-C1"
for _name, _place in (("manifest", "coverage"), ("onboarding", "coverage")):
    _also = ("S2-G2",) if _name == "onboarding" else ()
    add(G, "coverage_mismatch", f"{_name}: another percentage", at(_name, f"{_place}.overallCoverage", 95.0))
    add(G, "coverage_mismatch", f"{_name}: more is required", at(_name, f"{_place}.totalRequired", 19))
    add(
        G,
        "coverage_mismatch",
        f"{_name}: a coverage that fits counts which do not fit",
        both(at(_name, f"{_place}.totalExisting", 20), at(_name, f"{_place}.overallCoverage", 100.0)),
    )
    add(
        G,
        "coverage_mismatch",
        f"{_name}: required counts that do not fit",
        both(at(_name, f"{_place}.totalRequired", 17), at(_name, f"{_place}.overallCoverage", 100.0)),
    )
    add(G, "coverage_mismatch", f"{_name}: an outdated artifact", at(_name, f"{_place}.totalOutdated", 1))
    add(G, "wrong_type", f"{_name}: the percentage is a text", at(_name, f"{_place}.overallCoverage", "85"))
    add(G, "wrong_type", f"{_name}: a negative count", at(_name, f"{_place}.totalExisting", -1))
    add(G, "wrong_type", f"{_name}: no coverage", at(_name, _place, None))
    for _key in ("requiredCount", "existingCount"):
        add(G, "coverage_mismatch", f"{_name}: {_key} of a target", at(_name, f"{_place}.byTarget.1.{_key}", 4))
    add(
        G,
        "coverage_mismatch",
        f"{_name}: a target's percentage",
        at(_name, f"{_place}.byTarget.1.coveragePercent", 99.0),
    )
    add(G, "gap_mismatch", f"{_name}: a target lost a gap", at(_name, f"{_place}.byTarget.0.gaps", less))
    add(G, "gap_mismatch", f"{_name}: a target's gap twice", at(_name, f"{_place}.byTarget.0.gaps", twice))
    add(G, "gap_mismatch", f"{_name}: a target with another's gap", at(_name, f"{_place}.byTarget.1.gaps", [GAP]))
    add(G, "coverage_mismatch", f"{_name}: a target is missing", at(_name, f"{_place}.byTarget", less))
    add(
        G,
        "coverage_mismatch",
        f"{_name}: a target that is none",
        at(_name, f"{_place}.byTarget", lambda t: [*t, {**t[1], "target": "nobody"}]),
    )
    add(G, "coverage_mismatch", f"{_name}: a type with more gaps", at(_name, f"{_place}.byType.dashboard", 2))
    add(G, "coverage_mismatch", f"{_name}: a type is missing", at(_name, f"{_place}.byType.dashboard", GONE))
    add(G, "coverage_mismatch", f"{_name}: a type without gaps", at(_name, f"{_place}.byType.runbook", 1))
for _name in ("validation", "quality"):
    add(G, "coverage_mismatch", f"{_name}: another percentage", at(_name, "coverage.overall_coverage_percent", 86.0))
    add(G, "coverage_mismatch", f"{_name}: another count", at(_name, "coverage.gap_count", 2))
    add(
        G,
        "gap_mismatch",
        f"{_name}: a gap less",
        both(at(_name, "coverage.gaps", less), at(_name, "coverage.gap_count", 2)),
    )
    add(G, "gap_mismatch", f"{_name}: another gap", at(_name, "coverage.gaps.0", "orders_api-runbook"))
    add(G, "duplicate_gap", f"{_name}: a gap twice", at(_name, "coverage.gaps", twice))
add(G, "missing_key", "no coverage in the validation report", at("validation", "coverage", GONE))
add(G, "duplicate_gap", "a gap twice", at("onboarding", "coverage.gaps", twice))
add(G, "gap_mismatch", "a gap that exists", at("onboarding", "coverage.gaps", lambda g: [*g, "orders_api-runbook"]))
add(G, "gap_mismatch", "a needed artifact is no gap", at("onboarding", "coverage.gaps", less), also=("S3-C1",))
add(G, "coverage_mismatch", "an existing artifact is needed now", at("manifest", "artifacts.4.status", "needed"))
add(G, "coverage_mismatch", "a required artifact is optional now", at("manifest", "artifacts.4.priority", "optional"))


@fault(G, "coverage_below_minimum", "coverage below the threshold, all statements agreeing")
def _(w: Files) -> None:
    change(w.manifest, lambda d: [a.update(status="needed") for a in d["artifacts"][8:12]])
    recount(w)


# -- S2-G2: onboarding -----------------------------------------------------------------------------------------------
G = "S2-G2"
add(G, "unknown_schema", "an unknown schema", at("onboarding", "schema", "contextcore.io/onboarding-metadata/v2"))
add(G, "unknown_schema", "no schema", at("onboarding", "schema", GONE))
add(G, "unknown_schema", "another major version", at("onboarding", "schema_version", "2.0.0"))
add(G, "unknown_schema", "a version like the known one", at("onboarding", "schema_version", "10.0"))
add(G, "unknown_schema", "a version that is a number", at("onboarding", "schema_version", 1))
for _key in ("project_id", "artifact_manifest_path", "project_context_path"):
    add(G, "missing_key", f"no {_key}", at("onboarding", _key, GONE))
    add(G, "wrong_type", f"an empty {_key}", at("onboarding", _key, ""))
for _key in ("source_checksum", "artifact_manifest_checksum", "project_context_checksum"):
    add(G, "wrong_type", f"{_key} is a number", at("onboarding", _key, 12), sealed=False)
add(
    G,
    "wrong_type",
    "a convention without output path",
    at("onboarding", "output_path_conventions.runbook.output_path", None),
)
add(G, "missing_key", "a type without output path", at("onboarding", "artifact_types.runbook.output_path", GONE))
add(G, "wrong_type", "ownership is a list", at("onboarding", "file_ownership", []))
add(
    G,
    "wrong_type",
    "an owner's artifacts are a text",
    lambda w: change(w.onboarding, lambda d: d["file_ownership"][RULES].update(artifact_ids=GAP)),
)
add(
    G,
    "missing_key",
    "an owner without types",
    lambda w: change(w.onboarding, lambda d: d["file_ownership"][RULES].pop("artifact_types")),
)
add(
    G,
    "wrong_type",
    "an owner's scope is a list",
    lambda w: change(w.onboarding, lambda d: d["file_ownership"][RULES].update(scope=["primary"])),
)
add(
    G,
    "wrong_type",
    "an owner's tasks are a text",
    lambda w: change(w.onboarding, lambda d: d["file_ownership"][RULES].update(task_ids="ORD-101")),
)
for _key in (
    "artifact_task_mapping",
    "derivation_rules",
    "artifact_dependency_graph",
    "resolved_artifact_parameters",
):
    add(G, "wrong_type", f"{_key} is a list", at("onboarding", _key, ["x"]))
add(
    G,
    "wrong_type",
    "a contract with a negative length",
    at("onboarding", "expected_output_contracts.runbook.max_lines", -1),
)
add(
    G,
    "wrong_type",
    "a contract whose markers are a text",
    at("onboarding", "expected_output_contracts.runbook.completeness_markers", "Overview"),
)

# -- S3-C1: mapping and ownership ------------------------------------------------------------------------------------
G = "S3-C1"
MAPPING = "artifact_task_mapping"
add(G, "missing_mapping", "no task mapping", at("onboarding", MAPPING, GONE))
add(G, "missing_mapping", "a task mapping of null", at("onboarding", MAPPING, None))
add(G, "unmapped_artifact", "a gap without task", at("onboarding", f"{MAPPING}.{GAP}", GONE))
add(
    G, "unmapped_artifact", "an existing artifact without task", at("onboarding", f"{MAPPING}.orders_api-runbook", GONE)
)
for _value in ("", " ", None, 7, ["ORD-101"]):
    add(G, "unmapped_artifact", f"a gap mapped to {_value!r}", at("onboarding", f"{MAPPING}.{GAP}", _value))
add(G, "unknown_artifact", "the mapping names a ghost", at("onboarding", f"{MAPPING}.ghost", "ORD-999"))
add(
    G,
    "unknown_artifact",
    "the mapping and ownership name a ghost",
    lambda w: change(
        w.onboarding,
        lambda d: (
            d[MAPPING].update(ghost="ORD-999"),
            d["file_ownership"].update(
                {"runbooks/ghost.md": {"artifact_ids": ["ghost"], "artifact_types": ["runbook"], "scope": "primary"}}
            ),
        ),
    ),
)
add(G, "missing_mapping", "no ownership", at("onboarding", "file_ownership", None))


def owner(path: str, **values: Any) -> Edit:
    return lambda w: change(w.onboarding, lambda d: d["file_ownership"][path].update(values))


add(
    G,
    "unknown_artifact",
    "a path that belongs to nobody",
    owner(RULES, artifact_ids=[], artifact_types=[], task_ids=[]),
)
add(G, "unknown_artifact", "a path that belongs to a ghost, too", owner(RULES, artifact_ids=[GAP, "ghost"]))
add(
    G,
    "unmapped_artifact",
    "an artifact that owns no path",
    lambda w: change(w.onboarding, lambda d: d["file_ownership"].pop(RULES)),
)
add(
    G,
    "duplicate_path",
    "an artifact with two paths",
    lambda w: change(
        w.onboarding, lambda d: d["file_ownership"].update({"prometheus/rules/x.yaml": d["file_ownership"][RULES]})
    ),
)
add(G, "ownership_mismatch", "an owner of another type", owner(RULES, artifact_types=["dashboard"]))
add(G, "ownership_mismatch", "an owner with a type twice", owner(RULES, artifact_types=["prometheus_rule"] * 2))
add(G, "ownership_mismatch", "an owner with another task", owner(RULES, task_ids=["ORD-102"]))
add(G, "ownership_mismatch", "an owner with no task", owner(RULES, task_ids=[]))
add(
    G,
    "duplicate_artifact",
    "an artifact twice in the manifest",
    lambda w: (change(w.manifest, lambda d: d["artifacts"].append(dict(d["artifacts"][6]))), recount(w)),
)


def _recount(w: Files) -> None:
    recount(w)


@fault(
    G,
    "unmapped_artifact",
    "an artifact that was dropped from onboarding and is needed in the manifest",
    also=("S4-C1",),
)
def _(w: Files) -> None:
    change(w.manifest, lambda d: d["artifacts"].append({**d["artifacts"][6], "id": "lost", "status": "needed"}))
    recount(w)


# -- S3-C2: the checksum chain ---------------------------------------------------------------------------------------
G = "S3-C2"
SUMS = ("source_checksum", "artifact_manifest_checksum", "project_context_checksum")
for _key in SUMS:
    for _name, _place in (("onboarding", _key), ("validation", f"checksums.{_key}")):
        add(G, "checksum_mismatch", f"a stale {_key} in {_name}", at(_name, _place, STALE), sealed=False)
        add(G, "wrong_type", f"{_key} in {_name} is null", at(_name, _place, None), sealed=False)
add(G, "wrong_type", "an empty checksum", at("onboarding", "source_checksum", ""), sealed=False)
add(G, "checksum_mismatch", "half a checksum", at("onboarding", "source_checksum", lambda v: v[:32]), sealed=False)
add(G, "missing_key", "no checksums in the validation report", at("validation", "checksums", GONE), sealed=False)
add(G, "checksum_mismatch", "a stale checksum in provenance", at("provenance", "sourceChecksum", STALE), sealed=False)
add(G, "missing_key", "no checksum in provenance", at("provenance", "sourceChecksum", GONE), sealed=False)
add(
    G,
    "checksum_mismatch",
    "all statements agree on a stale source",
    lambda w: (
        at("onboarding", "source_checksum", STALE)(w),
        at("validation", "checksums.source_checksum", STALE)(w),
        at("provenance", "sourceChecksum", STALE)(w),
    ),
    sealed=False,
)
add(G, "checksum_mismatch", "the source edited after the export", replaced("source", '"99.9"', '"99.5"'), sealed=False)
add(
    G,
    "checksum_mismatch",
    "the manifest edited after the export",
    lambda w: w.manifest.write_text(w.manifest.read_text() + "# touched\n"),
    sealed=False,
)
add(
    G,
    "checksum_mismatch",
    "the context with other line ends",
    lambda w: w.context.write_bytes(w.context.read_bytes().replace(b"\n", b"\r\n")),
    sealed=False,
)
add(G, "checksum_mismatch", "onboarding edited after the export", at("onboarding", "generated_at", "now"), sealed=False)
add(
    G,
    "checksum_mismatch",
    "the quality report edited after the export",
    at("quality", "generated_at", "now"),
    sealed=False,
)


def after_seal(*edits: Edit) -> Edit:
    """Edits that the digests of the whole do not show, only those of the part."""
    return lambda w: (w.seal(), [edit(w) for edit in edits])


def resummed(w: Files) -> None:
    """Record the digests of whole files again, not those of sections and not the embedded ones."""
    change(
        w.path("run"),
        lambda d: [output.update(sha256=sha((w.root / output["path"]).read_bytes())) for output in d["outputs"]],
    )


add(
    G,
    "checksum_mismatch",
    "a stale checksum in onboarding's copy of provenance",
    both(at("onboarding", "provenance.sourceChecksum", STALE), resummed),
    sealed=False,
)


@fault(G, "checksum_mismatch", "a stale checksum in the manifest's copy of provenance", sealed=False)
def _(w: Files) -> None:
    change(w.manifest, lambda d: put(d, "metadata.provenance.sourceChecksum", STALE))
    digest = sha(w.manifest.read_bytes())
    at("onboarding", SUMS[1], digest)(w)
    at("validation", f"checksums.{SUMS[1]}", digest)(w)
    resummed(w)


add(
    G,
    "checksum_mismatch",
    "a section edited, the whole file sealed",
    both(at("onboarding", "derivation_rules.runbook", []), resummed),
    sealed=False,
)
add(
    G,
    "checksum_mismatch",
    "a section edited, its entry's stage hidden",
    both(
        at("onboarding", "derivation_rules.runbook", []), resummed, at("run", "artifact_inventory.0.stage", "ingestion")
    ),
    sealed=False,
)
add(
    G,
    "checksum_mismatch",
    "a section edited, its entry without stage",
    both(at("onboarding", "derivation_rules.runbook", []), resummed, at("run", "artifact_inventory.0.stage", GONE)),
    sealed=False,
)
add(
    G, "missing_key", "a section that is gone", both(at("onboarding", "derivation_rules", GONE), resummed), sealed=False
)
add(
    G,
    "wrong_type",
    "an inventory entry's section is null",
    both(at("onboarding", "derivation_rules", None), resummed),
    sealed=False,
)
add(G, "missing_key", "an inventory entry without section", at("run", "artifact_inventory.1.json_path", GONE))
add(G, "missing_key", "an inventory entry without file", at("run", "artifact_inventory.1.source_file", GONE))
add(
    G,
    "missing_key",
    "an inventory entry without file and stage",
    both(at("run", "artifact_inventory.1.source_file", GONE), at("run", "artifact_inventory.1.stage", GONE)),
)
add(
    G,
    "missing_file",
    "an inventory entry of a file that is not there",
    at("run", "artifact_inventory.1.source_file", "lost.json"),
)
add(
    G,
    "bad_path",
    "an inventory entry of a file elsewhere",
    at("run", "artifact_inventory.1.source_file", "../.contextcore.yaml"),
)
add(G, "wrong_type", "an inventory entry without digest", at("run", "artifact_inventory.2.sha256", None), sealed=False)
add(G, "checksum_mismatch", "an output's digest is stale", at("run", "outputs.2.sha256", STALE), sealed=False)
add(G, "wrong_type", "an output's digest is null", at("run", "outputs.2.sha256", None), sealed=False)
add(G, "missing_file", "an output that is not there", at("run", "outputs.2.path", "export/lost.json"), sealed=False)
add(G, "path_outside", "an output elsewhere", at("run", "outputs.2.path", "/etc/passwd"), sealed=False)
for _number, _name in enumerate(("context", "manifest", "provenance", "onboarding")):
    if _name != "provenance":
        add(
            G,
            "missing_checksum",
            f"run provenance without {_name}",
            at("run", f"outputs.{_number}", GONE),
            sealed=False,
        )
add(
    G,
    "path_outside",
    "the fault is named though one before it is unreadable",
    both(at("run", "outputs.0.path", "/etc/passwd"), at("run", "outputs.4.sha256", STALE)),
    sealed=False,
)

# -- S3-G1: schema, identity, paths ----------------------------------------------------------------------------------
G = "S3-G1"
add(G, "unknown_schema", "the validation report of another schema", at("validation", "schema", "example.org/v1"))
add(G, "unknown_schema", "the validation report without schema", at("validation", "schema", GONE))
add(G, "project_mismatch", "onboarding of another project", at("onboarding", "project_id", "other"))
add(G, "project_mismatch", "the manifest of another project", at("manifest", "metadata.projectId", "other"))
add(G, "project_mismatch", "the context of another project", at("context", "spec.project.id", "other"))
add(G, "project_mismatch", "the validation report of another project", at("validation", "project_id", "other"))
add(G, "project_mismatch", "the source of another project", at("source", "spec.project.id", "other"))
add(G, "path_outside", "onboarding names another manifest", at("onboarding", "artifact_manifest_path", "x.yaml"))
add(
    G,
    "path_outside",
    "onboarding names a manifest above",
    both(lambda w: shutil.copy(w.manifest, w.root / "x.yaml"), at("onboarding", "artifact_manifest_path", "../x.yaml")),
)
add(G, "path_outside", "onboarding names another context", at("onboarding", "project_context_path", "/etc/passwd"))


def moved(old: str, new: str) -> Edit:
    """An edit that gives an owner another path."""
    return lambda w: change(w.onboarding, lambda d: d["file_ownership"].update({new: d["file_ownership"].pop(old)}))


add(G, "path_outside", "an owned path above the project", moved(RULES, "../../etc/cron.d/x"))
add(G, "path_outside", "an owned path from the root", moved(RULES, "/etc/cron.d/x"))
add(G, "path_outside", "an owned path with a backslash", moved(RULES, "prometheus\\rules.yaml"))
add(G, "path_convention", "an owned path against its convention", moved(RULES, "prometheus/rules/other.yaml"))
add(
    G,
    "path_convention",
    "an existing artifact's path against its convention",
    moved("runbooks/orders-api-runbook.md", "runbooks/other.md"),
)


def convention(kind: str, path: Any) -> Edit:
    """An edit of a type's convention in both of its places."""
    return lambda w: change(
        w.onboarding,
        lambda d: [
            d[section][kind].update(output_path=path) for section in ("artifact_types", "output_path_conventions")
        ],
    )


add(G, "path_convention", "a convention that no path follows", convention("runbook", "docs/{target}.md"))
add(
    G,
    "path_convention",
    "a convention that is stated twice, differently",
    at("onboarding", "output_path_conventions.runbook.output_path", "docs/{target}.md"),
)


@fault(G, "path_outside", "a convention that leaves the project, and ownership that does not follow it")
def _(w: Files) -> None:
    convention("service_monitor", "../{target}.yaml")(w)
    for name in ("api", "billing", "gateway", "worker"):
        path = SERVICE.replace("{target}", f"orders-{name}")
        moved(path, f"../orders-{name}.yaml")(w)


@fault(G, "no_path", "a type without any convention")
def _(w: Files) -> None:
    change(w.onboarding, lambda d: [d[key].pop("runbook") for key in ("artifact_types", "output_path_conventions")])


@fault(G, "path_collision", "two artifacts that claim one file, which is not shared", variant="sharing_a_file")
def _(w: Files) -> None:
    owner(RULES, scope="primary")(w)


@fault(
    G, "path_collision", "two artifacts that claim one file, which says nothing of sharing", variant="sharing_a_task"
)
def _(w: Files) -> None:
    change(w.onboarding, lambda d: d["file_ownership"][RULES].pop("scope"))


@fault(G, "path_collision", "two paths that differ in case only")
def _(w: Files) -> None:
    upper = "Orders-API"
    change(w.manifest, lambda d: d["artifacts"].append({**d["artifacts"][3], "id": "x", "target": upper}))
    change(w.manifest, lambda d: d["coverage"]["byTarget"].append({"target": upper}))
    new = {"artifact_ids": ["x"], "artifact_types": ["runbook"], "scope": "primary", "task_ids": ["ORD-1"]}
    change(
        w.onboarding,
        lambda d: (
            d["file_ownership"].update({f"runbooks/{upper}-runbook.md": new}),
            d[MAPPING].update(x="ORD-1"),
            d["coverage"]["byTarget"].append({"target": upper}),
        ),
    )
    recount(w)


# -- S3-G2 (advisory): what ingestion appended -----------------------------------------------------------------------
APPENDED = {"role": "task_decomposition", "stage": "ingestion", "source_file": "artisan-context-seed.json"}
for _title, _type, _entry in (
    ("an appended entry with a wrong digest", "checksum_mismatch", {"json_path": "$.tasks", "sha256": STALE}),
    ("an appended entry without stage", "checksum_mismatch", {"json_path": "$.tasks", "sha256": STALE, "stage": None}),
    ("an appended entry of a section that is not there", "missing_key", {"json_path": "$.none", "sha256": STALE}),
    ("an appended entry of a lost file", "missing_file", {"json_path": "$.x", "source_file": "x.json", "sha256": "x"}),
):
    add("S3-G2", _type, _title, at("run", "artifact_inventory", lambda i, e=_entry: [*i, {**APPENDED, **e}]))

# -- S4-C1: parity ---------------------------------------------------------------------------------------------------
G = "S4-C1"
MAPPED = "artifact_mappings"


def seeds(place: str, value: Any) -> Edit:
    """An edit of the seed and the enriched seed."""
    return both(at("seed", place, value), at("enriched", place, value))


add(G, "missing_file", "no ingestion", lambda w: shutil.rmtree(w.ingestion))
add(
    G,
    "missing_file",
    "ingestion failed",
    lambda w: ([seed.unlink() for seed in w.seeds], dump(w.ingestion / "plan-ingestion-failure-forensics.json", {})),
)
add(G, "ambiguous_file", "two seeds", lambda w: shutil.copy(w.path("seed"), w.ingestion / "prime-context-seed.json"))
add(G, "symlink", "the ingestion folder is a symlink", linked("ingestion"))
add(G, "not_a_regular_file", "the seed is a symlink", linked("seed"))
add(
    G,
    "malformed_file",
    "the seed is truncated",
    lambda w: w.path("seed").write_bytes(w.path("seed").read_bytes()[:999]),
)
add(G, "missing_file", "no enriched seed", removed("enriched"))
add(G, "missing_file", "no traceability", removed("trace"))
add(G, "wrong_type", "traceability is an array", lambda w: dump(w.trace, [load(w.trace)]))
add(G, "wrong_type", "a mapping of features that is a text", at("trace", f"{MAPPED}.0.feature_ids", "F-001"))
add(G, "wrong_type", "a mapping's type is a number", at("trace", f"{MAPPED}.0.artifact_type", 4))
add(G, "unmapped_artifact", "a gap lost its feature", at("trace", MAPPED, less))
add(G, "unmapped_artifact", "no gap has a feature", at("trace", MAPPED, []))
add(G, "duplicate_mapping", "a gap is mapped twice", at("trace", MAPPED, twice))
add(
    G,
    "unknown_artifact",
    "an artifact is mapped that exists",
    at("trace", MAPPED, lambda m: [*m, {**m[0], "artifact_id": "orders_api-runbook"}]),
)
add(G, "unknown_artifact", "a ghost takes a gap's place", at("trace", f"{MAPPED}.0.artifact_id", "ghost"))
add(G, "unmapped_artifact", "a mapping is unresolved", at("trace", f"{MAPPED}.0.status", "unresolved"))
add(G, "unmapped_artifact", "a mapping without feature", at("trace", f"{MAPPED}.0.feature_ids", []))
add(G, "unmapped_artifact", "a mapping without task", at("trace", f"{MAPPED}.0.task_ids", []))
add(G, "unknown_feature", "a mapping to a feature that is not there", at("trace", f"{MAPPED}.0.feature_ids", ["F-009"]))
add(G, "unknown_task", "a mapping to a task that is not there", at("trace", f"{MAPPED}.0.task_ids", ["PI-009"]))
add(G, "duplicate_mapping", "a mapping names a feature twice", at("trace", f"{MAPPED}.0.feature_ids", twice))
add(G, "duplicate_mapping", "a mapping names a task twice", at("trace", f"{MAPPED}.0.task_ids", twice))
add(G, "type_mismatch", "a mapping as another type", at("trace", f"{MAPPED}.0.artifact_type", "dashboard"))
add(
    G,
    "target_mismatch",
    "two gaps whose mappings are swapped",
    lambda w: change(
        w.trace,
        lambda d: [d[MAPPED][i].update(feature_ids=[f"F-00{2 - i}"], task_ids=[f"PI-00{2 - i}"]) for i in (0, 1)],
    ),
)
add(
    G,
    "task_mismatch",
    "a mapping to a task of another feature",
    at("trace", f"{MAPPED}.0.task_ids", ["PI-001", "PI-002"]),
)
add(
    G,
    "task_mismatch",
    "a mapping to a feature without its task",
    at("trace", f"{MAPPED}.0.feature_ids", ["F-001", "F-002"]),
)
add(
    G,
    "target_mismatch",
    "a feature and its task work on another file",
    both(seeds("plan.features.0.target_files", ["x.yaml"]), seeds("tasks.0.config.context.target_files", ["x.yaml"])),
    sealed=False,
)
add(
    G,
    "target_mismatch",
    "a task works above the project",
    both(
        seeds("plan.features.0.target_files", ["../x.yaml"]),
        seeds("tasks.0.config.context.target_files", ["../x.yaml"]),
    ),
    sealed=False,
)
add(G, "unresolved_entry", "an unresolved artifact", at("trace", "unresolved", [{"artifact_id": "x"}]))
add(G, "unresolved_entry", "an unresolved text", at("trace", "unresolved", ["x"]))
add(G, "duplicate_feature", "a feature twice", seeds("plan.features", twice))
add(G, "duplicate_task", "a task twice", seeds("tasks", twice))
add(G, "duplicate_task", "a task twice in the enriched seed", at("enriched", "tasks", twice))
add(G, "unknown_task", "the seeds lost a task", seeds("tasks", less))
add(G, "unknown_feature", "the seeds lost a feature", seeds("plan.features", less))
add(G, "task_mismatch", "the enriched seed lost a task", at("enriched", "tasks", lambda t: t[:-1]))
add(
    G,
    "task_mismatch",
    "the enriched seed has another task",
    at("enriched", "tasks", lambda t: [*t, {**t[0], "task_id": "PI-009"}]),
)
add(G, "task_mismatch", "the enriched seed lost a file", at("enriched", "tasks.0.config.context.target_files", []))
add(
    G,
    "task_mismatch",
    "a task of another feature in the enriched seed",
    at("enriched", "tasks.0.config.context.feature_id", "F-002"),
)
add(
    G,
    "unknown_feature",
    "a task of a feature that is not there",
    seeds("tasks", lambda t: [*t, {**t[0], "task_id": "PI-009", "config": {"context": {"feature_id": "F-009"}}}]),
)
add(G, "unknown_task", "a task waits for one that is not there", seeds("tasks.0.depends_on", ["PI-009"]))
add(G, "missing_key", "a task without id", seeds("tasks.0.task_id", GONE))

# -- S4-G1: the score ------------------------------------------------------------------------------------------------
G = "S4-G1"
SCORE = "complexity.composite"
for _value in (140, -1, 100.1, -0.1):
    add(G, "score_out_of_range", f"a score of {_value} everywhere", lambda w, v=_value: rescore(w, v))
add(G, "wrong_type", "a score that is a text", seeds(SCORE, "44"))
add(G, "wrong_type", "a score that is true", seeds(SCORE, True))
add(G, "missing_key", "no score", seeds(SCORE, GONE))
add(G, "wrong_type", "no complexity", seeds("complexity", None))
add(G, "score_out_of_range", "a dimension over 100", seeds("complexity.dimensions.ambiguity", 101))
add(G, "wrong_type", "a dimension that is a text", seeds("complexity.dimensions.ambiguity", "high"))
add(G, "missing_key", "no dimensions", seeds("complexity.dimensions", GONE))
add(G, "score_mismatch", "another score in the seed", at("seed", SCORE, 45))
add(G, "score_mismatch", "another score in the enriched seed", at("enriched", SCORE, 45))
add(G, "missing_key", "no score in the enriched seed", at("enriched", SCORE, GONE))
for _name in ("seed", "enriched"):
    add(G, "score_mismatch", f"another margin in the {_name}", at(_name, "_ingestion_quality.route_margin", 5))
    add(G, "score_mismatch", f"a margin with a sign in the {_name}", at(_name, "_ingestion_quality.route_margin", -4))
SIGNALS = "phases.assess.quality_signals"
add(G, "score_mismatch", "another score in the diagnostic", at("diagnostic", f"{SIGNALS}.composite_score", 43))
add(G, "score_mismatch", "another margin in the diagnostic", at("diagnostic", f"{SIGNALS}.route_margin", 3))
add(G, "missing_key", "no score in the diagnostic", at("diagnostic", f"{SIGNALS}.composite_score", GONE))
add(G, "missing_file", "no diagnostic", removed("diagnostic"))
add(G, "score_mismatch", "another score in ingestion's state", at("progress", "complexity_composite", 44.2))
add(G, "missing_key", "no score in ingestion's state", at("progress", "complexity_composite", GONE))
add(G, "missing_file", "no ingestion state", removed("progress"))
add(G, "score_mismatch", "another score in the review config", at("config", "_ingestion_metadata.complexity_score", 12))
add(G, "missing_key", "no score in the review config", at("config", "_ingestion_metadata", GONE))
add(G, "malformed_file", "the review config is empty", holds("config", ""))

# -- S4-G2: made from this source ------------------------------------------------------------------------------------
G = "S4-G2"
for _name in ("seed", "enriched"):
    add(G, "checksum_mismatch", f"the {_name} of another source", at(_name, "source_checksum", STALE), sealed=False)
    add(
        G,
        "checksum_mismatch",
        f"the {_name}'s other checksum is stale",
        at(_name, "artifacts.source_checksum", STALE),
        sealed=False,
    )
    add(
        G,
        "checksum_mismatch",
        f"the {_name}'s only checksum is stale",
        both(at(_name, "source_checksum", GONE), at(_name, "artifacts.source_checksum", STALE)),
        sealed=False,
    )
    add(
        G,
        "missing_key",
        f"no checksum in the {_name}",
        both(at(_name, "source_checksum", GONE), at(_name, "artifacts.source_checksum", GONE)),
        sealed=False,
    )
    add(
        G,
        "checksum_mismatch",
        f"the {_name}'s context has changed",
        at(_name, "context_files.0.checksum", STALE),
        sealed=False,
    )
    add(
        G,
        "path_outside",
        f"the {_name}'s context is elsewhere",
        at(_name, "context_files.0.path", "/etc/passwd"),
        sealed=False,
    )
    add(G, "missing_key", f"the {_name} without context files", at(_name, "context_files", GONE), sealed=False)
add(
    G,
    "missing_file",
    "a context file that is not there",
    at("seed", "context_files.0.path", lambda p: p.replace("onboarding", "lost")),
    sealed=False,
)
for _key in ("source_checksum", "artifact_manifest", "project_context"):
    for _side in ("expected", "actual"):
        add(
            G,
            "checksum_mismatch",
            f"{_key}_{_side} is stale",
            at("trace", f"checksum_evidence.{_key}_{_side}", STALE),
            sealed=False,
        )
add(
    G,
    "missing_key",
    "evidence without a checksum",
    at("trace", "checksum_evidence.artifact_manifest_actual", GONE),
    sealed=False,
)
add(G, "missing_key", "no checksum evidence", at("trace", "checksum_evidence", GONE), sealed=False)
add(
    G,
    "checksum_mismatch",
    "the source could not be verified",
    at("trace", "checksum_evidence.source_checksum_verified", False),
)
add(G, "wrong_type", "verified is a text", at("trace", "checksum_evidence.source_checksum_verified", "yes"))

# -- S4-G3 (advisory) ------------------------------------------------------------------------------------------------
add(
    "S4-G3",
    "unmapped_feature",
    "a feature that serves no gap",
    seeds("plan.features", lambda f: [*f, {"feature_id": "F-009", "name": "Besides"}]),
)
add(
    "S4-G3",
    "unresolved_entry",
    "an unresolved requirement",
    at("trace", "unresolved", [{"type": "requirement", "id": "R-1"}]),
)

# -- S5 --------------------------------------------------------------------------------------------------------------
G = "S5-G1"
add(G, "route_mismatch", "a score that demands the other route", lambda w: rescore(w, 40))
add(G, "route_mismatch", "a prime route with a score over 40", lambda w: rescore(w, 40.1), variant="prime")
add(G, "route_mismatch", "an override that is gone", removed("override"), variant="rerouted")
for _name, _place in (
    ("seed", "complexity.route"),
    ("enriched", "complexity.route"),
    ("trace", "route"),
    ("diagnostic", "route"),
    ("diagnostic", f"{SIGNALS}.route_decision"),
    ("progress", "route"),
    ("progress", "complexity_route"),
    ("config", "_ingestion_metadata.route"),
):
    add(G, "route_mismatch", f"another route in {_name}: {_place}", at(_name, _place, "prime"))
    add(G, "wrong_type", f"a route that is a number in {_name}: {_place}", at(_name, _place, 1))
for _name, _place in (("seed", "complexity.route"), ("trace", "route"), ("config", "_ingestion_metadata.route")):
    add(G, "missing_key", f"no route in {_name}", at(_name, _place, GONE))


@fault(G, "route_mismatch", "a route that nobody knows, by an override")
def _(w: Files) -> None:
    for seed in w.seeds:
        seed.rename(seed.with_name(seed.name.replace("artisan", "manual")))
    dump(w.override, {"route": "manual", "reason": "x", "approved_by": "y"})


for _key in ("route", "reason", "approved_by"):
    for _value in ("", "  ", None, 1):
        add(
            G,
            "route_mismatch",
            f"an override whose {_key} is {_value!r}",
            at("override", _key, _value),
            variant="rerouted",
            also=("S5-G2",),
        )
add(G, "malformed_file", "an override that is no JSON", holds("override", "{"), also=("S5-G2",))
add(
    G,
    "not_a_regular_file",
    "an override that is a symlink",
    lambda w: w.override.symlink_to(w.onboarding),
    also=("S5-G2",),
)
add(
    "S5-G2",
    "undocumented_override",
    "an override of nothing, without approver",
    lambda w: dump(w.override, {"route": "artisan", "reason": "same as before"}),
)
add(
    "S5-G2",
    "undocumented_override",
    "an empty override's reason",
    lambda w: dump(w.override, {"route": "artisan", "reason": " ", "approved_by": "kim"}),
)

# -- S6 --------------------------------------------------------------------------------------------------------------
G = "S6-C1"
add(G, "missing_file", "no artisan output though design ran", lambda w: shutil.rmtree(w.artisan))
add(G, "missing_file", "no handoff though there is a design document", removed("handoff"))
add(
    G,
    "missing_file",
    "no handoff on the artisan route",
    lambda w: (
        [path.unlink() for path in w.artisan.glob("*design*")],
        [
            change(w.state(name), lambda d: d["_cache_meta"].pop("design_hash"))
            for name in ("generation", "test", "review")
        ],
    ),
)
PLAIN = {"variant": "prime_without_design"}
for _name in ("generation", "test", "review"):
    add(G, "missing_file", f"a trace of a design in {_name}", at(_name, "_cache_meta.design_hash", STALE), **PLAIN)
add(
    G,
    "missing_file",
    "a trace of a design: its document",
    lambda w: (w.artisan / "PI-001-design.md").write_text("x"),
    **PLAIN,
)
add(
    G,
    "missing_file",
    "a trace of a design: the contract",
    lambda w: dump(w.artisan / "design-handoff-contract.json", {"schema_version": 1}),
    **PLAIN,
)
add(G, "not_a_regular_file", "a folder in the handoff's place", lambda w: (w.handoff.unlink(), w.handoff.mkdir()))
add(
    G,
    "not_a_regular_file",
    "the handoff is a symlink, on a prime route without design",
    lambda w: w.handoff.symlink_to(w.report),
    **PLAIN,
)
add(G, "malformed_file", "the handoff is truncated", lambda w: w.handoff.write_bytes(w.handoff.read_bytes()[:99]))
for _value in (2, 0, "1", True, 1.5, None, GONE):
    _said = "GONE" if _value is GONE else repr(_value)
    add(G, "unknown_schema", f"a handoff of schema version {_said}", at("handoff", "schema_version", _value))
for _key in ("enriched_seed_path", "project_root", "output_dir", "workflow_id"):
    add(G, "missing_key", f"a handoff without {_key}", at("handoff", _key, GONE))
    add(G, "wrong_type", f"a handoff with a blank {_key}", at("handoff", _key, " "))
add(G, "wrong_type", "completed phases are a text", at("handoff", "completed_phases", "design"))
add(G, "missing_key", "a handoff without design results", at("handoff", "design_results", GONE))
add(G, "wrong_type", "a design result that is a text", at("handoff", "design_results.PI-001", "designed"))

G = "S6-G1"
DESIGN = "design_results.PI-002"
add(G, "missing_design", "a task without design", at("handoff", DESIGN, GONE))
add(G, "unknown_task", "a design of no task", at("handoff", "design_results.PI-009", {"status": "adopted"}))
add(G, "missing_design", "a design that failed", at("handoff", f"{DESIGN}.status", "failed"))
add(G, "missing_design", "a design without status", at("handoff", f"{DESIGN}.status", GONE))
for _value in ("", " ", None, 4, GONE):
    _said = "GONE" if _value is GONE else repr(_value)
    add(G, "missing_design", f"a design whose document is {_said}", at("handoff", f"{DESIGN}.design_document", _value))

G = "S6-G2"
add(G, "checksum_mismatch", "a design of another source", at("handoff", "source_checksum", STALE), sealed=False)
add(G, "missing_key", "a design without source checksum", at("handoff", "source_checksum", GONE), sealed=False)
add(
    G,
    "checksum_mismatch",
    "a design whose context has changed",
    at("handoff", "context_files.0.checksum", STALE),
    sealed=False,
)
add(G, "missing_key", "a design without context", at("handoff", "context_files", GONE), sealed=False)
add(
    G,
    "seed_mismatch",
    "a design of another seed",
    at("handoff", "enriched_seed_path", lambda p: p.replace("-enriched", "")),
)
add(G, "path_outside", "a design of a seed elsewhere", at("handoff", "enriched_seed_path", "/tmp/seed.json"))
for _key in ("project_root", "output_dir"):
    add(G, "path_outside", f"a {_key} elsewhere", at("handoff", _key, "/etc"))

# -- S7 --------------------------------------------------------------------------------------------------------------
G = "S7-C1"
add(G, "missing_artifact", "an output is missing", removed(f"project/{RULES}"))
add(
    G,
    "missing_artifact",
    "an output in the wrong place",
    lambda w: shutil.move(w.project / RULES, w.project / "rules.yaml"),
)
add(G, "missing_artifact", "an output is a symlink", linked(f"project/{RULES}"))
add(G, "missing_artifact", "an output's folder is a symlink", linked("project/prometheus"))
add(
    G,
    "missing_artifact",
    "an output is a folder",
    lambda w: ((w.project / RULES).unlink(), (w.project / RULES).mkdir()),
)

G = "S7-G1"
for _title, _data in (("empty", b""), ("blank", b" \n\n")):
    add(G, "empty_file", f"an output is {_title}", holds(f"project/{RULES}", _data), also=("S8-G2",))
for _title, _path, _data in (
    ("YAML that does not parse", RULES, b"groups: [\n"),
    ("a sentence for YAML", RULES, b"groups, rules, alert and expr\n"),
    ("YAML without a document", RULES, b"# groups\n---\n"),
    ("a duplicate key", RULES, b"groups: []\ngroups: []\n"),
    ("JSON that does not parse", BOARD, b'{"title": 1,}'),
    ("a number for JSON", BOARD, b"12"),
    ("YAML for JSON", BOARD, b"title: x\n"),
    ("no UTF-8", RULES, b"groups: \xff\n"),
):
    add(G, "malformed_file", f"an output holds {_title}", holds(f"project/{_path}", _data), also=("S8-G2",))

G = "S7-G2"
add(G, "missing_file", "no generation results", removed("generation"))
add(G, "missing_result", "a task without generation result", at("generation", "tasks.PI-001", GONE))
add(
    G,
    "unknown_task",
    "a generation result of no task",
    lambda w: change(w.path("generation"), lambda d: d["tasks"].update({"PI-009": d["tasks"]["PI-001"]})),
)
add(
    G,
    "checksum_mismatch",
    "generated from another source",
    at("generation", "_cache_meta.source_checksum", STALE),
    sealed=False,
)
for _value in (False, None, "true", 1):
    add(
        G,
        "failed_generation",
        f"a generation whose success is {_value!r}",
        at("generation", "tasks.PI-001.success", _value),
    )
FILES = "tasks.PI-001.generated_files"
add(
    G,
    "missing_artifact",
    "a task that generated nothing",
    both(at("generation", FILES, []), at("generation", "tasks.PI-001.content_hashes", {})),
)
add(
    G,
    "unexpected_artifact",
    "a generated file that nobody asked for",
    lambda w: change(
        w.path("generation"),
        lambda d: (
            d["tasks"]["PI-001"]["generated_files"].append("src/main.py"),
            d["tasks"]["PI-001"]["content_hashes"].update({"src/main.py": STALE}),
        ),
    ),
)
for _path in ("/etc/passwd", "../x.yaml", "a\\b"):
    add(G, "path_outside", f"a generated file at {_path}", at("generation", FILES, lambda f, p=_path: [*f, p]))
add(
    G,
    "path_outside",
    "a generated file beside the project",
    at("generation", FILES, lambda f: [f[0].partition("/project/")[0] + "/export/x.yaml", *f]),
)
add(
    G,
    "unexpected_artifact",
    "a hash of a file that was not generated",
    at("generation", "tasks.PI-001.content_hashes.x", STALE),
)
for _value in (7, "abc", "z" * 64, "0" * 65):
    add(
        G,
        "wrong_type",
        f"a content hash of {str(_value)[:9]}",
        lambda w, v=_value: change(
            w.path("generation"),
            lambda d: [r["content_hashes"].update(dict.fromkeys(r["content_hashes"], v)) for r in d["tasks"].values()],
        ),
    )
add(
    G,
    "missing_checksum",
    "one of several generated files without hash",
    at("generation", "tasks.PI-001.content_hashes", lambda h: dict(list(h.items())[1:])),
    variant="of_several_files",
)

# -- S8 --------------------------------------------------------------------------------------------------------------
G = "S8-G1"
PLAN = "output.test_plan"
add(G, "missing_file", "no test results", removed("test"))
add(G, "missing_result", "a task without test", both(at("test", PLAN, less), at("test", "output.total_passed", 2)))
add(G, "duplicate_result", "a task tested twice", both(at("test", PLAN, twice), at("test", "output.total_passed", 3)))
add(
    G,
    "unknown_task",
    "a test of no task",
    both(at("test", PLAN, lambda p: [*p, {**p[0], "task_id": "PI-009"}]), at("test", "output.total_passed", 4)),
)
add(G, "failed_test", "a test that failed", at("test", f"{PLAN}.0.results.0.passed", False))
add(G, "failed_test", "a test that says nothing of passing", at("test", f"{PLAN}.0.results.0.passed", GONE))
add(
    G,
    "failed_test",
    "a task that did not pass",
    both(at("test", f"{PLAN}.0.all_passed", False), at("test", "output.total_passed", 2)),
)
for _value in ("failed", "skipped", None, GONE):
    _said = "GONE" if _value is GONE else repr(_value)
    add(G, "failed_test", f"a task whose test status is {_said}", at("test", f"{PLAN}.0.status", _value))
add(
    G,
    "failed_test",
    "a total of failures",
    both(at("test", "output.total_failed", 1), at("test", "output.total_passed", 2)),
)
add(G, "failed_test", "a total of skipped tests", at("test", "output.total_skipped", 1))
add(G, "count_mismatch", "another total", at("test", "output.total_passed", 4))
add(G, "missing_key", "no totals", at("test", "output.total_failed", GONE))
add(G, "missing_result", "tests that were never run", at("test", "output.tests_uncovered", 1))
add(G, "checksum_mismatch", "tests of another source", at("test", "_cache_meta.source_checksum", STALE), sealed=False)
HASHES = "_cache_meta.generation_file_hashes"
add(G, "stale_result", "tests of other bytes", at("test", f"{HASHES}.PI-001", STALE), sealed=False)
add(G, "missing_key", "tests of nobody knows which bytes", at("test", f"{HASHES}.PI-001", GONE), sealed=False)
add(G, "missing_key", "tests without hashes", at("test", HASHES, GONE), sealed=False)
add(
    G,
    "stale_result",
    "an output edited after its tests",
    lambda w: (w.project / RULES).write_text((w.project / RULES).read_text() + "# touched\n"),
    sealed=False,
)
add(
    G,
    "stale_result",
    "tests of other bytes of several files",
    at("test", f"{HASHES}.PI-001", STALE),
    sealed=False,
    variant="of_several_files",
)

G = "S8-G2"


def rule(**values: Any) -> Edit:
    """An edit of the first alert."""

    def edit(w: Files) -> None:
        def first(d: Any) -> None:
            d.get("spec", d)["groups"][0]["rules"][0].update(values)

        change(w.project / RULES, first)

    return edit


def without(key: str) -> Edit:
    return lambda w: change(w.project / RULES, lambda d: d.get("spec", d)["groups"][0]["rules"][0].pop(key))


BY_RULE: tuple[tuple[str, str, Edit], ...] = (
    ("an alert whose query does not parse", "invalid_promql", rule(expr="sum(rate(x[5m])")),
    ("an alert without query", "invalid_rule", without("expr")),
    ("an alert with an empty query", "invalid_rule", rule(expr=" ")),
    ("a rule without name", "invalid_rule", without("alert")),
    ("a rule with an empty name", "invalid_rule", rule(alert="")),
    ("a rule that alerts and records", "invalid_rule", rule(record="a:b")),
    ("an alert that waits for a word", "invalid_rule", rule(**{"for": "long"})),
    ("an alert with labels in a list", "invalid_rule", rule(labels=["severity"])),
    ("an alert with annotations in a text", "invalid_rule", rule(annotations="x")),
)
for _title, _type, _edit in BY_RULE:
    add(G, _type, _title, _edit)
    add(G, _type, f"{_title}, in a resource", _edit, variant="as_resource")
for _title, _data in (
    ("without groups", "groups: []\n"),
    ("without group names", "groups:\n- rules: []\n"),
    ("with a group without rules", "groups:\n- name: a\n  rules: []\n"),
    ("with a group of a wrong interval", "groups:\n- name: a\n  interval: soon\n  rules:\n  - {alert: A, expr: up}\n"),
    ("with a rule that is a text", "groups:\n- name: a\n  rules: [alert]\n"),
    ("with two groups of one name", "groups:\n- &g\n  name: a\n  rules: [{alert: A, expr: up}]\n- *g\n"),
):
    add(G, "invalid_rule", f"a rule file {_title}", holds(f"project/{RULES}", _data))
add(G, "invalid_rule", "a resource of another kind", at(f"project/{RULES}", "kind", "ConfigMap"), variant="as_resource")
add(
    G,
    "invalid_rule",
    "a recorded name that is none",
    lambda w: change(w.project / RECORDING, lambda d: d["groups"][0]["rules"][0].update(record="a-b")),
)
add(G, "invalid_dashboard", "a dashboard without panels", at(f"project/{BOARD}", "panels", []))
add(G, "invalid_dashboard", "a dashboard without title", at(f"project/{BOARD}", "title", ""))
add(
    G,
    "invalid_dashboard",
    "a wrapped dashboard without panels",
    at(f"project/{BOARD}", "dashboard.panels", {}),
    variant="as_resource",
)
add(G, "invalid_dashboard", "a dashboard with a panel that is a text", at(f"project/{BOARD}", "panels.0", "panel"))
add(G, "missing_marker", "a completeness marker is missing", at(f"project/{BOARD}", "templating", GONE))
add(
    G,
    "contract_max_lines",
    "an output longer than its contract",
    lambda w: (w.project / RULES).write_text((w.project / RULES).read_text() + "# more\n" * 150),
)
for _word in ("TODO", "FIXME", "TBD", "CHANGEME", "REPLACE_ME", "<your team>"):
    add(G, "placeholder", f"an output with {_word}", rule(annotations={"summary": f"page {_word} now"}))

# -- S9 --------------------------------------------------------------------------------------------------------------
G = "S9-G1"
for _text in ("[BLOCKING] leaks a credential", "[blocking] leaks", "  [ Blocking ]leaks"):
    add(
        G,
        "blocking_finding",
        f"a finding that blocks: {_text}",
        at("review", "tasks.PI-002.issues", lambda i, t=_text: [*i, t]),
    )
add(G, "missing_file", "no review results", removed("review"))
add(G, "wrong_type", "findings that are an object", at("review", "tasks.PI-002.issues", {}))
add(G, "wrong_type", "a finding that is an object", at("review", "tasks.PI-002.issues", [{"severity": "BLOCKING"}]))

G = "S9-G2"
REVIEW = "tasks.PI-002"
add(G, "missing_review", "a task that was never reviewed", at("review", REVIEW, GONE))
add(
    G,
    "unknown_task",
    "a review of no task",
    lambda w: change(w.path("review"), lambda d: d["tasks"].update({"PI-009": d["tasks"]["PI-001"]})),
    sealed=False,
)
for _value in ("FAIL", "", None, "PASS WITH BLOCKERS"):
    add(G, "negative_review", f"a verdict of {_value!r}", at("review", f"{REVIEW}.verdict", _value))
for _value in (False, None, 1):
    add(G, "negative_review", f"a review whose passed is {_value!r}", at("review", f"{REVIEW}.passed", _value))
for _value in ("skipped", None, GONE):
    _said = "GONE" if _value is GONE else repr(_value)
    add(G, "missing_review", f"a review whose status is {_said}", at("review", f"{REVIEW}.status", _value))
for _value in (-1, 101):
    add(G, "score_out_of_range", f"a review with a score of {_value}", at("review", f"{REVIEW}.score", _value))
add(G, "wrong_type", "a review with a score in words", at("review", f"{REVIEW}.score", "good"))
add(
    G,
    "checksum_mismatch",
    "reviews of another source",
    at("review", "_cache_meta.source_checksum", STALE),
    sealed=False,
)
add(G, "stale_result", "a review of other bytes", at("review", f"{REVIEW}.reviewed_code_hash", STALE), sealed=False)
add(G, "wrong_type", "a review of no bytes", at("review", f"{REVIEW}.reviewed_code_hash", None), sealed=False)
add(
    G,
    "stale_result",
    "an output edited after its review",
    lambda w: (
        (w.project / RULES).write_text((w.project / RULES).read_text() + "# touched\n"),
        change(w.path("test"), lambda d: put(d, f"{HASHES}.PI-001", sha((w.project / RULES).read_bytes()))),
    ),
    sealed=False,
)

# -- S10 -------------------------------------------------------------------------------------------------------------
G = "S10-C1"
LISTS = (("report", "generated_artifacts"), ("made", "artifacts"))
for _name, _key in LISTS:
    add(G, "missing_file", f"no {_name}", removed(_name))
    add(G, "missing_key", f"{_name} without artifacts", at(_name, _key, GONE))
    add(G, "missing_artifact", f"{_name} omits an artifact", at(_name, _key, less))
    add(G, "duplicate_artifact", f"{_name} lists an artifact twice", at(_name, _key, twice))
    add(
        G,
        "unexpected_artifact",
        f"{_name} lists a file of no gap",
        at(_name, _key, lambda a: [*a, {**a[0], "path": a[0]["path"].replace("prometheus-rules", "other")}]),
        sealed=False,
    )
    add(G, "path_outside", f"{_name} lists a file elsewhere", at(_name, f"{_key}.0.path", "/etc/passwd"), sealed=False)
    add(G, "missing_key", f"{_name} lists an artifact without task", at(_name, f"{_key}.0.task_id", GONE))
    add(G, "task_mismatch", f"{_name} lists an artifact for another task", at(_name, f"{_key}.0.task_id", "PI-002"))
    for _value in (False, None, "true", GONE):
        _said = "GONE" if _value is GONE else repr(_value)
        add(
            G,
            "missing_artifact",
            f"{_name} has an artifact whose exists is {_said}",
            at(_name, f"{_key}.0.exists", _value),
        )
    add(G, "failed_generation", f"{_name} lists a failed artifact", at(_name, f"{_key}.0.source_status", "failed"))

G = "S10-G1"
for _value in ("partial", "quality_failed", "failed", "complete"):
    add(G, "finalize_incomplete", f"a run that ended as {_value}", at("report", "status", _value))
add(G, "missing_key", "a run without status", at("report", "status", GONE))
add(
    G,
    "count_mismatch",
    "another number of tasks",
    both(at("report", "task_count", 4), at("report", "tasks_succeeded", 4)),
)
add(G, "missing_key", "no number of tasks", at("report", "task_count", GONE))
add(G, "count_mismatch", "counts that do not add up", at("report", "tasks_succeeded", 2))
add(
    G, "count_mismatch", "a task that failed", both(at("report", "tasks_succeeded", 2), at("report", "tasks_failed", 1))
)
for _name in ("test_summary", "review_summary"):
    add(G, "count_mismatch", f"another total in the {_name}", at("report", f"{_name}.total_passed", 2))
    add(G, "count_mismatch", f"a failure in the {_name}", at("report", f"{_name}.total_failed", 1))
    add(G, "missing_key", f"no total in the {_name}", at("report", f"{_name}.total_passed", GONE))
add(G, "count_mismatch", "another number of tasks in the manifest", at("made", "summary.task_count", 2))
add(G, "finalize_incomplete", "a manifest that is not complete", at("made", "summary.status", "partial"))
add(G, "missing_key", "a manifest without summary", at("made", "summary", GONE))
add(G, "missing_result", "a task without status", at("made", "task_status.PI-001", GONE))
add(
    G,
    "unknown_task",
    "a status of no task",
    lambda w: change(w.made, lambda d: d["task_status"].update({"PI-009": d["task_status"]["PI-001"]})),
)
for _key in ("generated", "tests_passed", "review_passed"):
    for _value in (False, None):
        add(
            G,
            "finalize_incomplete",
            f"a task whose {_key} is {_value!r}",
            at("made", f"task_status.PI-001.{_key}", _value),
        )

G = "S10-G2"
for _name, _key in LISTS:
    add(G, "checksum_mismatch", f"{_name} has another checksum", at(_name, f"{_key}.0.sha256", STALE), sealed=False)
    add(G, "wrong_type", f"{_name} has no checksum", at(_name, f"{_key}.0.sha256", None), sealed=False)
    add(G, "size_mismatch", f"{_name} has another size", at(_name, f"{_key}.0.size_bytes", plus(1)), sealed=False)
    for _step in (-1, 2):
        add(
            G,
            "size_mismatch",
            f"{_name} counts {_step} lines more",
            at(_name, f"{_key}.1.line_count", plus(_step)),
            sealed=False,
        )
    add(G, "wrong_type", f"{_name} has a size in words", at(_name, f"{_key}.0.size_bytes", "big"), sealed=False)
add(
    G, "checksum_mismatch", "artifacts of another source", at("made", "provenance.source_checksum", STALE), sealed=False
)
add(G, "missing_key", "artifacts of no source", at("made", "provenance", GONE), sealed=False)
add(
    G,
    "seed_mismatch",
    "artifacts of another seed",
    at("made", "provenance.enriched_seed_path", lambda p: p.replace("-enriched", "")),
    sealed=False,
)
add(G, "path_outside", "artifacts of a seed elsewhere", at("made", "provenance.enriched_seed_path", "/x"), sealed=False)
