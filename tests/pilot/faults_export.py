"""Faults of the source manifest and the export: what S1, S2 and S3 must see."""

from __future__ import annotations

import shutil
from typing import Any

from .edits import (
    GAP,
    GONE,
    RULES,
    SERVICE,
    STALE,
    Edit,
    Register,
    at,
    both,
    damaged,
    holds,
    less,
    linked,
    put,
    removed,
    replaced,
    twice,
    wrapped,
)
from .variants import Files, change, recount, sha

_REGISTER = Register()
add, fault = _REGISTER.add, _REGISTER.fault
_value: Any  # of the loops below, which each go over values of other types
_data: Any

# -- S1 --------------------------------------------------------------------------------------------------------------
G = "S1-G2"
add(G, "missing_file", "no source manifest", removed("source"))
add(G, "malformed_file", "the source manifest is no YAML", holds("source", "a: [\n"))
add(G, "malformed_file", "the source manifest is empty", holds("source", ""))
add(G, "malformed_file", "a key of the source manifest stands twice", replaced("source", "kind:", "kind: A\nkind:"))
add(G, "malformed_file", "two documents in the source manifest", holds("source", "a: 1\n---\nb: 2\n"))
add(G, "wrong_type", "the source manifest is a list", holds("source", "- kind: ContextManifest\n"))
add(G, "not_a_regular_file", "the source manifest is a symlink", linked("source"))
for _value in ("ProjectContext", "ConfigMap"):
    add(G, "unknown_kind", f"a document of another kind: {_value}", at("source", "kind", _value))
add(G, "missing_key", "a document without kind", at("source", "kind", GONE))
add(
    G,
    "unknown_version",
    "an unknown apiVersion",
    at("source", "apiVersion", "contextcore.io/v9"),
    says="observed: contextcore.io/v9, expected: contextcore.io/v1alpha2",
)
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
    both(lambda w: shutil.rmtree(w.export), lambda w: w.export.write_text("")),
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
        damaged(_name, lambda data: data[:200]),
    )
    add(G, "wrong_type", f"the {_name} document is an array", wrapped(_name))
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
add(G, "bad_path", "an output file with a backslash", at("provenance", "outputFiles.0", "x\\y.yaml"))
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
for _name in ("manifest", "onboarding"):
    for _key, _value in (("requiredCount", {"requiredCount": 4}), ("existingCount", {"existingCount": 4})):
        _target = {"requiredCount": 5, "existingCount": 5, **_value}
        _target["coveragePercent"] = 100 * _target["existingCount"] / _target["requiredCount"]
        add(
            G,
            "coverage_mismatch",
            f"{_name}: {_key} of a target, its percentage following",
            at(_name, "coverage.byTarget.1", lambda entry, t=_target: {**entry, **t}),
        )
add(G, "wrong_type", "gaps that are an object", at("onboarding", "coverage.gaps", {}), also=("S2-G2",))
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
add(G, "unknown_schema", "a major version before the known one", at("onboarding", "schema_version", "0.9"))
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
    both(at("manifest", "artifacts", lambda a: [*a, dict(a[6])]), recount),
)


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
add(
    G,
    "checksum_mismatch",
    "an export that says that its chain is broken",
    at("validation", "integrity.checksum_chain_complete", False),
)
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
for _name in ("other", "a"):
    _title = f"an owned path against its convention, named {_name}"
    add(G, "path_convention", _title, moved(RULES, f"prometheus/rules/{_name}.yaml"), also=("S7-C1",))
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


add(
    G,
    "path_convention",
    "an existing artifact's path against its convention, sorted before it",
    moved("runbooks/orders-api-runbook.md", "runbooks/a.md"),
)
add(G, "path_convention", "a convention that no path follows", convention("runbook", "docs/{target}.md"))
add(
    G,
    "path_convention",
    "a convention that is stated twice, differently",
    at("onboarding", "output_path_conventions.runbook.output_path", "docs/{target}.md"),
)


add(
    G,
    "path_convention",
    "a gap's convention that leaves the project",
    convention("dashboard", "../{target}.json"),
    also=("S7-C1", "S7-G1", "S7-G2", "S10-C1"),
)


@fault(G, "path_outside", "a convention that leaves the project, and ownership that does not follow it")
def _(w: Files) -> None:
    convention("service_monitor", "../{target}.yaml")(w)
    for name in ("api", "billing", "gateway", "worker"):
        path = SERVICE.replace("{target}", f"orders-{name}")
        moved(path, f"../orders-{name}.yaml")(w)


add(
    G,
    "path_convention",
    "a convention that is stated twice, the other way round",
    at("onboarding", "output_path_conventions.runbook.output_path", "zz/{target}.md"),
)


@fault(G, "no_path", "a type without any convention")
def _(w: Files) -> None:
    change(w.onboarding, lambda d: [d[key].pop("runbook") for key in ("artifact_types", "output_path_conventions")])


@fault(G, "path_collision", "two artifacts that claim one file, which is not shared", variant="sharing_a_file")
def _(w: Files) -> None:
    owner(RULES, scope="primary")(w)


add(
    G,
    "path_collision",
    "two artifacts that claim one file, which has another scope",
    owner(RULES, scope="team"),
    variant="sharing_a_file",
)


@fault(
    G, "path_collision", "two artifacts that claim one file, which says nothing of sharing", variant="sharing_a_task"
)
def _(w: Files) -> None:
    change(w.onboarding, lambda d: d["file_ownership"][RULES].pop("scope"))


def capitals(first: bool) -> Edit:
    """An edit that adds an artifact whose path differs from another's in case only, before or behind it."""

    def edit(w: Files) -> None:
        target = "Orders-API"
        owned = {
            f"runbooks/{target}-runbook.md": {
                "artifact_ids": ["x"],
                "artifact_types": ["runbook"],
                "scope": "primary",
                "task_ids": ["ORD-1"],
            }
        }
        change(w.manifest, lambda d: d["artifacts"].append({**d["artifacts"][3], "id": "x", "target": target}))
        for document in (w.manifest, w.onboarding):
            change(document, lambda d: d["coverage"]["byTarget"].append({"target": target}))
        at("onboarding", f"{MAPPING}.x", "ORD-1")(w)
        at("onboarding", "file_ownership", lambda all_: {**owned, **all_} if first else {**all_, **owned})(w)
        recount(w)

    return edit


add(G, "path_collision", "a path that differs from an earlier one in case only", capitals(first=False))
add(G, "path_collision", "a path that differs from a later one in case only", capitals(first=True))


# -- S3-G2 (advisory): what ingestion appended -----------------------------------------------------------------------
APPENDED = {"role": "task_decomposition", "stage": "ingestion", "source_file": "artisan-context-seed.json"}
for _title, _type, _entry in (
    ("an appended entry with a wrong digest", "checksum_mismatch", {"json_path": "$.tasks", "sha256": STALE}),
    ("an appended entry without stage", "checksum_mismatch", {"json_path": "$.tasks", "sha256": STALE, "stage": None}),
    ("an appended entry of a section that is not there", "missing_key", {"json_path": "$.none", "sha256": STALE}),
    ("an appended entry of a lost file", "missing_file", {"json_path": "$.x", "source_file": "x.json", "sha256": "x"}),
):
    add("S3-G2", _type, _title, at("run", "artifact_inventory", lambda i, e=_entry: [*i, {**APPENDED, **e}]))

FAULTS = tuple(_REGISTER.faults)
