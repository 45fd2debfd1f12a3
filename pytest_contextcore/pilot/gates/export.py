"""S1 and S2: the source manifest is there; the export is there, typed, and states the same coverage everywhere.

What the task mapping says and whether checksums hold is not asked here: that is S3's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..documents import json_object, yaml_object
from ..exported import Artifact, Export
from ..findings import Finding
from ..names import CHECKSUMS, ONBOARDING, PROVENANCE, QUALITY, RUN_PROVENANCE, SOURCE, VALIDATION
from ..nodes import Node
from ..workspace import Workspace
from . import attempt, differs, gate, repeated

# The current version; the one that `contextcore manifest migrate` starts from; those of the group's other kinds.
KNOWN_VERSIONS = ("contextcore.io/v1alpha2", "contextcore.io/v1alpha1", "contextcore.io/v1beta1", "contextcore.io/v1")
ONBOARDING_SCHEMA = "contextcore.io/onboarding-metadata/v1"


@dataclass(frozen=True, slots=True)
class Scan:
    """What `--scan-existing DIR` found: the artifacts there, and the coverage that counts them as existing."""

    found: frozenset[str]
    existing: int
    required: int
    percent: float


def percentage(existing: int, required: int) -> float:
    """Compute coverage in percent; nothing required is fully covered. It may exceed 100."""
    return round(existing / required * 100, 1) if required else 100.0


@gate
def source_manifest(ws: Workspace) -> Iterator[Finding]:
    """S1-G2: the source manifest is present, parseable, of a known version, and names its project."""
    manifest = yaml_object(ws, SOURCE)
    kind, version = manifest.get("kind"), manifest.get("apiVersion")
    if kind.name() != "ContextManifest":
        yield differs(kind, "the document is no context manifest", "ContextManifest", "unknown_kind")
    if version.name() not in KNOWN_VERSIONS:
        yield differs(version, "the document has an unknown apiVersion", KNOWN_VERSIONS[0], "unknown_version")
    manifest.get("spec", "project", "id").name()


@gate
def files(ws: Workspace) -> Iterator[Finding]:
    """S2-G1: every file of the export is present, readable and of its kind."""
    if not ws.is_folder("export"):
        ws.glob("export", "*")  # says what is in the folder's place, or that nothing is
    export = Export.load(ws)
    yield from attempt(lambda: export.artifacts)
    yield from attempt(lambda: _of_kind(export.manifest, "ArtifactManifest"))
    yield from attempt(lambda: _of_kind(yaml_object(ws, export.context_path), "ProjectContext"))
    for path in (ONBOARDING, VALIDATION, QUALITY):
        yield from attempt(lambda path=path: json_object(ws, path))  # type: ignore[misc]
    yield from attempt(lambda: _run_provenance(ws))
    if ws.occupied(PROVENANCE):
        yield from list(attempt(lambda: _provenance(ws))) or _outputs_exist(ws)


def _of_kind(document: Node, kind: str) -> None:
    if document.get("kind").value != kind:
        raise document.get("kind").wrong(kind)
    version = document.get("apiVersion")
    if not version.name().startswith("contextcore.io/"):
        raise version.wrong("an apiVersion of contextcore.io")


@gate
def own_provenance(ws: Workspace) -> Iterator[Finding]:
    """S2-G3 (advisory): the export wrote its own provenance, which is an option of it."""
    if not ws.occupied(PROVENANCE):
        message = "there is no provenance of the export, so its links of the chain are not checked"
        yield Finding(PROVENANCE, message, "no file", "an export with --emit-provenance", "no_provenance", PROVENANCE)


def _provenance(ws: Workspace) -> None:
    provenance = json_object(ws, PROVENANCE)
    provenance.get("sourcePath").name()
    if provenance.get("sourceChecksum").given:
        provenance.get("sourceChecksum").text()


def _run_provenance(ws: Workspace) -> None:
    run = json_object(ws, RUN_PROVENANCE)
    for output in run.get("outputs").items():
        output.get("path").name()
    if run.get("artifact_inventory").given:
        for entry in run.get("artifact_inventory").items():
            entry.object()


def _outputs_exist(ws: Workspace) -> Iterator[Finding]:
    """Check that each file that the export says it wrote is in the export folder."""
    for name in json_object(ws, PROVENANCE).get("outputFiles").items():
        path = f"export/{Workspace.map_recorded(name.name(), '').removeprefix('export/')}"
        if not ws.exists(path):
            yield Finding(PROVENANCE, f"output file {name.text()} is missing", "no file", path, "missing_file", path)


@gate
def onboarding(ws: Workspace) -> Iterator[Finding]:
    """S2-G2: the onboarding metadata is of a known schema, and what it states has the documented types."""
    export = Export.load(ws)
    document = export.onboarding
    schema, version = document.get("schema"), document.get("schema_version")
    if schema.value != ONBOARDING_SCHEMA:
        yield differs(schema, "onboarding has an unknown schema", ONBOARDING_SCHEMA, "unknown_schema")
    if not isinstance(version.value, str) or version.value.split(".")[0] != "1":
        # Version strings hardly move, so that only another major version is a stranger.
        yield differs(version, "onboarding has an unknown schema version", "1.x", "unknown_schema")
    yield from attempt(lambda: document.get("project_id").name())
    for key in ("artifact_manifest_path", "project_context_path"):
        yield from attempt(lambda key=key: document.get(key).name())  # type: ignore[misc]
    yield from attempt(lambda: export.gaps)
    yield from attempt(lambda: export.conventions)
    yield from attempt(lambda: export.owners)
    yield from attempt(lambda: _typed_sections(document))


def _typed_sections(document: Node) -> None:
    """Check types of what is present; that it is absent, or what it says, is for S3."""
    for key in CHECKSUMS:
        if document.get(key).given:
            document.get(key).text()
    for key in (
        "artifact_task_mapping",
        "derivation_rules",
        "artifact_dependency_graph",
        "resolved_artifact_parameters",
    ):
        if document.get(key).given:
            document.get(key).object()
    contracts = document.get("expected_output_contracts")
    for _, contract in contracts.entries() if contracts.given else ():
        if contract.get("max_lines").given:
            contract.get("max_lines").count()
        if contract.get("completeness_markers").given:
            contract.get("completeness_markers").texts()


@gate
def coverage(ws: Workspace, minimum: float, scan: Scan | None = None) -> Iterator[Finding]:
    """S2-C1: the coverage follows from its own counts, is the same wherever it is stated, and meets the threshold.

    `gaps` are exactly the artifacts with status `needed`; the total counts required artifacts, the existing ones of
    every priority.
    """
    export = Export.load(ws)
    stated = export.onboarding.get("coverage")
    figure = held_coverage(ws)
    yield from _summary(stated, export.artifacts)
    yield from _summary(export.manifest.get("coverage"), export.artifacts)
    yield from _gaps(stated.get("gaps"), export.artifacts)
    yield from _statement(json_object(ws, VALIDATION).get("coverage"), figure, export.artifacts)
    quality = json_object(ws, QUALITY).get("coverage")
    if quality.given:  # informative, but what it states of the coverage is stated of this export
        yield from _statement(quality, figure, export.artifacts)
    held = figure if scan is None else scan.percent
    if held < minimum:
        how = "" if scan is None else f" (with {len(scan.found)} artifacts found by the scan)"
        message = f"coverage is below the threshold{how}"
        yield Finding(ONBOARDING, message, f"{held} %", f"at least {minimum} %", "coverage_below_minimum", "coverage")


def _statement(report: Node, figure: float, artifacts: tuple[Artifact, ...]) -> Iterator[Finding]:
    """Check the coverage as the export's reports state it."""
    yield from _percent(report.get("overall_coverage_percent"), figure)
    yield from _gaps(report.get("gaps"), artifacts)
    yield from _equal(report.get("gap_count"), len(report.get("gaps").texts()), "is not the number of its gaps")


def _only(left: list[str] | tuple[str, ...], right: list[str] | tuple[str, ...]) -> str:
    extra, lacking = sorted(set(left) - set(right)), sorted(set(right) - set(left))
    return (
        "; ".join(f"{word} {', '.join(names[:5])}" for word, names in (("also", extra), ("without", lacking)) if names)
        or "the same with repetitions"
    )


def _equal(node: Node, expected: int, message: str) -> Iterator[Finding]:
    if node.count() != expected:
        yield differs(node, f"{node.at} {message}", expected, "coverage_mismatch")


def _percent(node: Node, expected: float) -> Iterator[Finding]:
    if abs(node.number() - expected) > 1e-6:
        yield differs(node, f"{node.at} does not follow from the counts", expected, "coverage_mismatch")


def _summary(stated: Node, artifacts: tuple[Artifact, ...]) -> Iterator[Finding]:
    """Recompute one statement of the coverage: from its own counts, and the counts from the artifact manifest."""
    existing, required = stated.get("totalExisting"), stated.get("totalRequired")
    yield from _percent(stated.get("overallCoverage"), percentage(existing.count(), required.count()))
    status = Counter(artifact.status for artifact in artifacts)
    priority = Counter(artifact.priority for artifact in artifacts)
    message = "does not follow from the artifact manifest"
    yield from _equal(required, priority["required"], message)
    yield from _equal(existing, status["exists"], message)
    if stated.get("totalOutdated").given:
        yield from _equal(stated.get("totalOutdated"), status["outdated"], message)
    if stated.get("byTarget").given:
        yield from _by_target(stated.get("byTarget"), artifacts)
    if stated.get("byType").given:
        needed = Counter(artifact.type for artifact in artifacts if artifact.status == "needed")
        by_type = stated.get("byType")
        for kind, node in by_type.entries():
            yield from _equal(node, needed.pop(kind, 0), message)
        for kind, count in needed.items():
            yield differs(
                by_type, f"{by_type.at} lacks {count} needed artifacts of type {kind}", count, "coverage_mismatch"
            )


def _by_target(section: Node, artifacts: tuple[Artifact, ...]) -> Iterator[Finding]:
    """Check the breakdown by target, whose gaps are only the required ones."""
    targets: dict[str, list[Artifact]] = {}
    for artifact in artifacts:
        targets.setdefault(artifact.target, []).append(artifact)
    message = "does not follow from the artifact manifest"
    for entry in section.items():
        mine = targets.pop(entry.get("target").name(), [])
        required, existing = entry.get("requiredCount"), entry.get("existingCount")
        yield from _equal(required, sum(a.priority == "required" for a in mine), message)
        yield from _equal(existing, sum(a.status == "exists" for a in mine), message)
        yield from _percent(entry.get("coveragePercent"), percentage(existing.count(), required.count()))
        needed = {a.id for a in mine if a.status == "needed" and a.priority == "required"}
        gaps = entry.get("gaps")
        if set(gaps.texts()) != needed or repeated(gaps.texts()):
            seen = _only(gaps.texts(), sorted(needed))
            yield Finding(gaps.file, f"{gaps.at} {message}", seen, f"{len(needed)} gaps", "gap_mismatch", gaps.at)
    for target in targets:
        yield differs(section, f"{section.at} lacks the target {target}", target, "coverage_mismatch", target)


def _gaps(node: Node, artifacts: tuple[Artifact, ...]) -> Iterator[Finding]:
    """Check that listed gaps are exactly the artifacts that are still needed, each once."""
    listed = node.texts()
    for gap in repeated(listed):
        yield Finding(node.file, f"gap '{gap}' is listed twice", "twice", "once", "duplicate_gap", gap)
    needed = {artifact.id: None for artifact in artifacts if artifact.status == "needed"}
    known = set(listed)
    for gap in dict.fromkeys(listed):
        if gap not in needed:
            message = f"gap '{gap}' is not needed in the artifact manifest"
            yield Finding(node.file, message, "listed as gap", "status needed", "gap_mismatch", gap)
    for gap in needed:
        if gap not in known:
            message = f"artifact '{gap}' is needed, but not listed as a gap"
            yield Finding(node.file, message, "not listed", f"'{gap}' in {node.at}", "gap_mismatch", gap)


def scan_existing(ws: Workspace, folder: Path) -> Scan:
    """Count the artifacts whose planned output is a regular file in a folder, reached through no symlink."""
    export, there = Export.load(ws), Workspace(folder)
    found = frozenset(artifact for artifact, path in export.planned.items() if there.exists(path))
    existing = sum(a.status == "exists" or a.id in found for a in export.artifacts)
    required = sum(a.priority == "required" for a in export.artifacts)
    return Scan(found, existing, required, percentage(existing, required))


def held_coverage(ws: Workspace) -> float:
    """Give the coverage that follows from the counts that onboarding states."""
    stated = Export.load(ws).onboarding.get("coverage")
    return percentage(stated.get("totalExisting").count(), stated.get("totalRequired").count())
