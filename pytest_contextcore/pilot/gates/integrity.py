"""S3: mappings, checksums, identity and planned paths of the export hold against the files as they are now."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterator

from ..documents import json_object, yaml_object
from ..exported import Export
from ..findings import Finding, Unreadable
from ..names import CHECKSUMS, ONBOARDING, PROVENANCE, RUN_PROVENANCE, SOURCE, VALIDATION
from ..nodes import Node
from ..recorded import inside, project_path
from ..workspace import Workspace
from . import compare_checksum, differs, gate, repeated

VALIDATION_SCHEMA = "contextcore.io/validation-report/v1"


# -- S3-C1 -----------------------------------------------------------------------------------------------------------
@gate
def mapping(ws: Workspace) -> Iterator[Finding]:
    """S3-C1: `artifact_task_mapping` and `file_ownership` cover the artifact manifest, both ways and exactly.

    Task mapping and file ownership cover all artifacts, existing ones too.
    """
    export = Export.load(ws)
    manifest = [artifact.id for artifact in export.artifacts]
    for artifact in repeated(manifest):
        yield Finding(
            export.manifest_path,
            f"artifact '{artifact}' is listed twice",
            "twice",
            "once",
            "duplicate_artifact",
            artifact,
        )
    section = export.onboarding.get("artifact_task_mapping")
    if not section.given:
        yield differs(
            section, "artifact_task_mapping is missing", f"{len(manifest)} mapped artifacts", "missing_mapping"
        )
        return
    tasks: dict[str, str] = {}
    for artifact, task in section.entries():
        if artifact not in export.by_id and not export.partial:
            message = f"artifact_task_mapping names '{artifact}', which the artifact manifest lacks"
            yield differs(task, message, "an artifact of the manifest", "unknown_artifact", artifact)
        if not isinstance(task.value, str) or not task.value.strip():
            message = f"artifact '{artifact}' is mapped to no task"
            yield differs(task, message, "a task id", "unmapped_artifact", artifact)
        else:
            tasks[artifact] = task.value
    gaps = set(export.gaps)
    for artifact in dict.fromkeys([*manifest, *export.gaps]):
        if artifact not in section.object():
            word = "gap" if artifact in gaps else "artifact"
            message = f"{word} '{artifact}' has no task in artifact_task_mapping"
            yield Finding(ONBOARDING, message, "none", "a task id", "unmapped_artifact", artifact)
    yield from _needed(export)
    yield from _ownership(export, tasks)


def _needed(export: Export) -> Iterator[Finding]:
    listed = set(export.gaps)
    for artifact in export.artifacts:
        if artifact.status == "needed" and artifact.id not in listed:
            message = f"artifact '{artifact.id}' is needed in the artifact manifest, but no gap of onboarding"
            yield Finding(ONBOARDING, message, "not listed", "listed in coverage.gaps", "gap_mismatch", artifact.id)


def _ownership(export: Export, tasks: dict[str, str]) -> Iterator[Finding]:
    section = export.onboarding.get("file_ownership")
    if not section.given:
        yield differs(section, "file_ownership is missing", f"{len(export.artifacts)} artifacts", "missing_mapping")
        return
    owned: set[str] = set()
    for owner in export.owners:
        if not owner.artifact_ids:
            yield differs(
                owner.node, f"path '{owner.path}' belongs to no artifact", "an artifact id", "unknown_artifact"
            )
        for artifact in owner.artifact_ids:
            if artifact not in export.by_id:
                message = f"file_ownership names '{artifact}', which the artifact manifest lacks"
                yield Finding(ONBOARDING, message, owner.path, "an artifact of it", "unknown_artifact", artifact)
            if artifact in owned:
                message = f"artifact '{artifact}' owns more than one path"
                yield Finding(ONBOARDING, message, owner.path, "one path", "duplicate_path", artifact)
            owned.add(artifact)
        yield from _owner(
            owner.node, "artifact_types", {a.type for i in owner.artifact_ids if (a := export.by_id.get(i))}
        )
        if owner.node.get("task_ids").given:
            yield from _owner(owner.node, "task_ids", {tasks[i] for i in owner.artifact_ids if i in tasks})
    for artifact in export.by_id:
        if artifact not in owned:
            message = f"artifact '{artifact}' owns no path in file_ownership"
            yield Finding(ONBOARDING, message, "none", "a path", "unmapped_artifact", artifact)


def _owner(entry: Node, key: str, expected: set[str]) -> Iterator[Finding]:
    node = entry.get(key)
    listed = node.texts()
    if set(listed) != expected or len(listed) != len(expected):
        seen, wanted = ", ".join(sorted(listed)) or "none", ", ".join(sorted(expected)) or "none"
        message = f"{node.at} does not agree with its artifacts"
        yield Finding(node.file, message, seen, wanted, "ownership_mismatch", entry.at)


# -- S3-C2 -----------------------------------------------------------------------------------------------------------
@gate
def checksums(ws: Workspace) -> Iterator[Finding]:
    """S3-C2: every checksum that the export records equals the bytes that are there now."""
    export = Export.load(ws)
    paths = (SOURCE, export.manifest_path, export.context_path)
    digests = {path: ws.digest(path) for path in paths}
    report = json_object(ws, VALIDATION)
    for key, path in zip(CHECKSUMS, paths, strict=True):
        yield from compare_checksum(export.onboarding.get(key), digests[path], path)
        yield from compare_checksum(report.get("checksums", key), digests[path], path)
    if ws.occupied(PROVENANCE):
        yield from compare_checksum(json_object(ws, PROVENANCE).get("sourceChecksum"), digests[SOURCE], SOURCE)
    for document in (export.onboarding, export.manifest.find("metadata")):
        embedded = document.find("provenance", "sourceChecksum")  # there when the export embeds its provenance
        if embedded.given:
            yield from compare_checksum(embedded, digests[SOURCE], SOURCE)
    complete = report.find("integrity", "checksum_chain_complete")
    if complete.value is False:
        yield differs(complete, "the export itself reports its checksum chain as broken", True, "checksum_mismatch")
    yield from _outputs(ws)
    yield from _inventory(ws, exported=True)


def _outputs(ws: Workspace) -> Iterator[Finding]:
    """Check the digests of the files that the run provenance lists as outputs; its inputs are not all kept."""
    run = json_object(ws, RUN_PROVENANCE)
    listed: set[str] = set()
    for output in run.get("outputs").items():
        try:
            path = _output(ws, output.get("path"))
            listed.add(path)
            yield from compare_checksum(output.get("sha256"), ws.digest(path), path)
        except Unreadable as error:
            yield error.finding
    export = Export.load(ws)
    for path in (export.manifest_path, export.context_path, ONBOARDING):
        if path not in listed:
            message = f"the run provenance has no digest of {path}"
            yield Finding(RUN_PROVENANCE, message, "not listed", "an output with its digest", "missing_checksum", path)


def _output(ws: Workspace, node: Node) -> str:
    """Map an output's path; relative ones begin with the export's own folder as it was called when it ran."""
    path = inside(ws, node)
    provenance = (
        json_object(ws, PROVENANCE) if ws.occupied(PROVENANCE) else Export.load(ws).onboarding.get("provenance")
    )
    folder = provenance.find("outputDirectory")
    if folder.given and not path.startswith("export/"):
        prefix = folder.name().strip("/") + "/"
        path = "export/" + path.removeprefix(prefix) if path.startswith(prefix) else path
    return path


def _inventory(ws: Workspace, *, exported: bool) -> Iterator[Finding]:
    """Check the digests of document sections that the artifact inventory records, for one side of the pipeline."""
    section = json_object(ws, RUN_PROVENANCE).get("artifact_inventory")
    for entry in section.items() if section.given else ():
        if _of_export(ws, entry) != exported:
            continue
        json_path = entry.get("json_path")
        if not json_path.given:
            if exported:
                yield json_path.wrong("the path of a section").finding
            continue
        try:
            yield from _section(ws, entry, "export" if exported else "ingestion")
        except Unreadable as error:
            yield error.finding


def _of_export(ws: Workspace, entry: Node) -> bool:
    """Tell whether an entry is the export's: it says so, or its file is. Ingestion appends its own."""
    stage, file = entry.get("stage"), entry.get("source_file").value
    if stage.value == "export":
        return True
    return ws.exists(f"export/{file}") if isinstance(file, str) else not stage.given


def _section(ws: Workspace, entry: Node, folder: str) -> Iterator[Finding]:
    name, json_path = entry.get("source_file").name(), entry.get("json_path").name()
    document = json_object(ws, f"{folder}/{name}")
    keys = json_path.removeprefix("$").strip(".").split(".")
    node = document.get(*keys)
    if not node.given:
        yield node.wrong("a section, as the run provenance lists it").finding
        return
    digest = hashlib.sha256(json.dumps(node.value, sort_keys=True, default=str).encode()).hexdigest()
    yield from compare_checksum(entry.get("sha256"), digest, f"{json_path} in {document.file}")


@gate
def ingestion_provenance(ws: Workspace) -> Iterator[Finding]:
    """S3-G2 (advisory): digests that plan ingestion appended; real runs get some of them wrong."""
    yield from _inventory(ws, exported=False)


@gate
def unexported(ws: Workspace) -> Iterator[Finding]:
    """S3-G3 (advisory): artifacts that the task mapping names and that the export's profile left out."""
    export = Export.load(ws)
    section = export.onboarding.get("artifact_task_mapping")
    for artifact, task in section.entries() if export.partial and section.given else ():
        if artifact not in export.by_id:
            message = f"artifact_task_mapping names '{artifact}', which this profile does not export"
            yield differs(task, message, "an artifact of the manifest", "unexported_artifact", artifact)


# -- S3-G1 -----------------------------------------------------------------------------------------------------------
@gate
def schema(ws: Workspace) -> Iterator[Finding]:
    """S3-G1: known schemas, one project, and planned paths that stay inside and follow their convention."""
    export = Export.load(ws)
    report = json_object(ws, VALIDATION)
    stated = report.get("schema")
    if stated.value != VALIDATION_SCHEMA:
        yield differs(stated, "the validation report has an unknown schema", VALIDATION_SCHEMA, "unknown_schema")
    project = yaml_object(ws, SOURCE).get("spec", "project", "id").name()
    identity = export.onboarding.get("project_id")
    elsewhere = (  # only onboarding must state the identity; where else it is stated, it is the same
        export.manifest.find("metadata", "projectId"),
        yaml_object(ws, export.context_path).find("spec", "project", "id"),
        report.find("project_id"),
    )
    for node in (identity, *(node for node in elsewhere if node.given)):
        if node.value != project:
            yield differs(node, f"{node.at} is not the project of the source manifest", project, "project_mismatch")
    for key, path in (("artifact_manifest_path", export.manifest_path), ("project_context_path", export.context_path)):
        yield from _names(export.onboarding.get(key), path)
    yield from _planned(export)
    yield from _collisions(export)


def _names(node: Node, path: str) -> Iterator[Finding]:
    """Check that a recorded path names the export's own file; real exports record the bare name."""
    try:
        recorded = Workspace.map_recorded(node.name(), "")
    except Unreadable:
        recorded = ""
    if recorded not in (path, path.removeprefix("export/")):
        yield differs(node, f"{node.at} does not name the file in the export folder", path, "path_outside", path)


def _planned(export: Export) -> Iterator[Finding]:
    """Check each owned path: inside the project, and where its artifacts' convention puts it."""
    for owner in export.owners:
        try:
            project_path(owner.path)
        except Unreadable:
            message = f"planned output path '{owner.path}' leaves the project"
            yield Finding(ONBOARDING, message, owner.path, "a path inside the project", "path_outside", owner.path)
            continue
        for id_ in owner.artifact_ids:
            planned = export.planned.get(id_, owner.path)
            if planned != owner.path:
                message = f"the path of '{id_}' does not follow its type's convention"
                yield Finding(ONBOARDING, message, owner.path, planned, "path_convention", id_)
    for artifact in export.artifacts:
        if artifact.type not in export.conventions:
            message = f"type '{artifact.type}' of '{artifact.id}' has no output path convention"
            yield Finding(ONBOARDING, message, "none", "an output_path", "no_path", artifact.id)
        else:
            try:
                project_path(export.planned[artifact.id])
            except Unreadable:
                message = f"the convention puts '{artifact.id}' out of the project"
                observed = export.planned[artifact.id]
                yield Finding(ONBOARDING, message, observed, "a path inside the project", "path_outside", artifact.id)
    yield from _conventions(export.onboarding)


def _conventions(onboarding: Node) -> Iterator[Finding]:
    general = onboarding.get("output_path_conventions")
    used = onboarding.get("artifact_types")
    if not general.given or not used.given:
        return
    for kind, entry in used.entries():
        other = general.get(kind)
        if other.given and entry.get("output_path").value != other.get("output_path").value:
            node = entry.get("output_path")
            yield differs(
                node, f"the convention of '{kind}' is stated twice, differently", "one", "path_convention", kind
            )


def _collisions(export: Export) -> Iterator[Finding]:
    """Check that no two artifacts claim one file, also where a file system ignores case or Unicode form."""
    claimed: dict[str, str] = {}
    for owner in export.owners:
        folded = unicodedata.normalize("NFC", owner.path).casefold()
        other = claimed.setdefault(folded, owner.path)
        if other != owner.path:
            message = f"planned output paths '{other}' and '{owner.path}' are one file where case does not count"
            yield Finding(ONBOARDING, message, owner.path, "distinct paths", "path_collision", owner.path)
        if len(owner.artifact_ids) > 1 and owner.scope != "shared":
            message = f"several artifacts claim '{owner.path}', which is not marked as shared"
            yield Finding(ONBOARDING, message, ", ".join(owner.artifact_ids), "one", "path_collision", owner.path)
