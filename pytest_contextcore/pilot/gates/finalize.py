"""S10: the finalized files are those that were asked for, byte for byte; the chain back to the source is recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

from ..documents import json_object
from ..exported import Export
from ..findings import Finding, Unreadable
from ..ingested import Ingestion
from ..names import GENERATION_MANIFEST, HANDOFF, REPORT, SOURCE
from ..nodes import Node
from ..recorded import generated, inside
from ..workspace import Workspace
from . import compare_checksum, differs, gate
from .implementation import outputs, owners, truncated

SUCCESS = "success"


def _entries(ws: Workspace) -> Iterator[tuple[str, Node]]:
    """Walk the artifacts that the report and the generation manifest list."""
    for file, key in ((REPORT, "generated_artifacts"), (GENERATION_MANIFEST, "artifacts")):
        for node in json_object(ws, file).get(key).items():
            yield file, node


@gate
def reconciliation(ws: Workspace) -> Iterator[Finding]:
    """S10-C1: both documents list each gap's file once, of the task that was to write it, and nothing else."""
    gaps = {path: gap for gap, path in outputs(ws).items()}
    tasks = owners(ws)
    listed: dict[str, dict[str, set[str]]] = {REPORT: {}, GENERATION_MANIFEST: {}}
    for file, node in _entries(ws):
        try:
            path = generated(ws, node.get("path"))
            task = node.get("task_id").name()
        except Unreadable as error:
            yield error.finding
            continue
        if task in listed[file].setdefault(path, set()):
            yield Finding(file, f"'{path}' is listed twice", "twice", "once", "duplicate_artifact", path)
        listed[file][path].add(task)
        if path not in gaps and path not in tasks:
            yield Finding(
                file, f"'{path}' belongs to no gap", "listed", "only gaps' files", "unexpected_artifact", path
            )
        elif task not in tasks.get(path, {task}):
            message = f"'{path}' is listed for another task"
            yield Finding(file, message, task, ", ".join(sorted(tasks[path])), "task_mismatch", path)
        yield from _finished(node, path)
    for file, paths in listed.items():
        for path, gap in gaps.items():
            if path not in paths:
                message = f"gap '{gap}' is missing among the final artifacts"
                yield Finding(file, message, "not listed", path, "missing_artifact", gap)


def _finished(node: Node, path: str) -> Iterator[Finding]:
    if node.get("exists").value is not True:
        yield differs(node.get("exists"), f"'{path}' is not recorded as existing", True, "missing_artifact", path)
    status = node.get("source_status")
    if status.given and status.value != SUCCESS:
        yield differs(status, f"'{path}' was not generated successfully", SUCCESS, "failed_generation", path)


@gate
def report(ws: Workspace) -> Iterator[Finding]:
    """S10-G1: the report's status is success, and its counts and those of the generation manifest add up."""
    document, tasks = json_object(ws, REPORT), [task.id for task in Ingestion.load(ws).tasks]
    status = document.get("status")
    if status.name() != SUCCESS:
        yield differs(status, "finalize did not complete", SUCCESS, "finalize_incomplete")
    for key in ("task_count", "tasks_succeeded"):
        yield from _is(document.get(key), len(tasks), "is not the number of the seed's tasks")
    yield from _is(document.get("tasks_failed"), 0, "counts failed tasks")
    if document.get("artifact_count").given:
        listed = sum(1 for _ in document.get("generated_artifacts").items())
        yield from _is(document.get("artifact_count"), listed, "is not the number of generated artifacts")
    for section in ("test_summary", "review_summary"):
        summary = document.get(section)
        if summary.given:
            yield from _is(summary.get("total_passed"), len(tasks), "is not the number of tasks")
            yield from _is(summary.get("total_failed"), 0, "counts failures")
    if isinstance(document.get("truncation_summary").value, dict):
        yield from truncated(document.get("truncation_summary", "details"))
    yield from _summary(json_object(ws, GENERATION_MANIFEST), tasks)


def _is(node: Node, expected: int, message: str) -> Iterator[Finding]:
    if node.given and node.count() != expected:
        yield differs(node, f"{node.at} {message}", expected, "count_mismatch")
    elif not node.given:
        yield node.wrong("a whole number").finding


def _summary(manifest: Node, tasks: list[str]) -> Iterator[Finding]:
    """Check the generation manifest's summary and its status of each task."""
    summary = manifest.get("summary")
    yield from _is(summary.get("task_count"), len(tasks), "is not the number of the seed's tasks")
    if summary.get("status").value != SUCCESS:
        yield differs(summary.get("status"), "the generation manifest is not complete", SUCCESS, "finalize_incomplete")
    statuses = dict(manifest.get("task_status").entries())
    for task in tasks:
        if task not in statuses:
            message = f"task '{task}' has no status in the generation manifest"
            yield Finding(GENERATION_MANIFEST, message, "none", "a status", "missing_result", task)
    known = set(tasks)
    for task, status in statuses.items():
        if task not in known:
            message = f"the generation manifest has a status of '{task}', which is no task"
            yield Finding(GENERATION_MANIFEST, message, "a status", "none", "unknown_task", task)
        for key in ("generated", "tests_passed", "review_passed"):
            node = status.get(key)
            if node.value is not True:
                yield differs(node, f"{node.at} says that task '{task}' is not done", True, "finalize_incomplete", task)


@gate
def checksums(ws: Workspace) -> Iterator[Finding]:
    """S10-G2: recorded checksums, sizes and line counts are those of the files now; so is the provenance."""
    for _, node in _entries(ws):
        try:
            path = generated(ws, node.get("path"))
            yield from compare_checksum(node.get("sha256"), ws.digest(path), path)
            yield from _measures(ws, node, path)
        except Unreadable as error:
            yield error.finding
    provenance = json_object(ws, GENERATION_MANIFEST).get("provenance")
    yield from compare_checksum(provenance.get("source_checksum"), ws.digest(SOURCE), SOURCE)
    recorded = provenance.get("enriched_seed_path")
    if recorded.given:
        path, expected = inside(ws, recorded), Ingestion.load(ws).enriched_path
        if path != expected:
            yield differs(recorded, "the artifacts were made from another seed", expected, "seed_mismatch", expected)


def _measures(ws: Workspace, node: Node, path: str) -> Iterator[Finding]:
    size, lines = node.get("size_bytes"), node.get("line_count")
    if size.given and size.count() != ws.size(path):
        yield differs(size, f"{size.at} is not the size of {path}", ws.size(path), "size_mismatch", path)
    if lines.given:
        text = ws.read_text(path)
        now = len(text.splitlines())
        # A writer may count line ends plus one: the same, unless the last line ends with one.
        if lines.count() not in (now, text.count("\n") + 1):
            yield differs(lines, f"{lines.at} is not the number of lines of {path}", now, "size_mismatch", path)


def assumed(ws: Workspace) -> list[str]:
    """List the required artifacts that exist on the manifest's word only; none if it cannot be read."""
    unseen = {finding.ref for finding in existing(ws)}
    try:
        artifacts = Export.load(ws).artifacts
        return [artifact.id for artifact in artifacts if artifact.priority == "required" and artifact.id in unseen]
    except Unreadable:
        return []


@gate
def existing(ws: Workspace) -> Iterator[Finding]:
    """S10-G3 (advisory): artifacts that the manifest says exist, at a path where the workspace has none."""
    for node in Export.load(ws).manifest.get("artifacts").items():
        recorded = node.get("existingPath")
        if node.get("status").value != "exists" or not recorded.given:
            continue
        try:
            path = inside(ws, recorded)
            if not ws.size(path):
                raise Unreadable(Finding(path, "the file is empty", "0 bytes", "content", "empty_file"))
        except Unreadable as error:
            artifact = node.get("id").name()
            message = f"artifact '{artifact}' exists on the manifest's word only: {error.finding.message}"
            yield Finding(node.file, message, error.finding.observed, "its file", "unseen_artifact", artifact)


# -- rollup ----------------------------------------------------------------------------------------------------------
class Link(NamedTuple):
    """One file of the provenance chain."""

    role: str
    path: str
    sha256: str


class Rollup(NamedTuple):
    """The provenance chain: source, artifact manifest, seed, handoff, artifacts; and one digest over it.

    `text` is what the digest is of: a line `<sha256>  <path>` with a line feed for each link, in the chain's order,
    artifacts sorted by path. `sha256sum PATH… | sha256sum` in the workspace computes the same digest.
    """

    links: tuple[Link, ...]
    missing: tuple[Finding, ...]

    @property
    def text(self) -> str:
        """The canonical form."""
        return "".join(f"{link.sha256}  {link.path}\n" for link in self.links)

    @property
    def digest(self) -> str:
        """The digest of the canonical form: bare lower-case hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def rollup(ws: Workspace) -> Rollup:
    """Compute the provenance chain over the files as they are now; what cannot be read is named, not raised.

    The handoff is left out where there is none (S6 says whether that is in order).
    """
    export, ingestion = Export.load(ws), Ingestion.load(ws)
    links: list[Link] = []
    missing: list[Finding] = []

    def add(role: str, path: str) -> None:
        try:
            links.append(Link(role, path, ws.digest(path)))
        except Unreadable as error:
            missing.append(error.finding)

    add("source", SOURCE)
    try:
        add("artifact_manifest", export.manifest_path)
    except Unreadable as error:
        missing.append(error.finding)
    try:
        add("seed", ingestion.seed_path)
    except Unreadable as error:
        missing.append(error.finding)
    if ws.exists(HANDOFF):
        add("handoff", HANDOFF)
    try:
        for path in sorted(set(outputs(ws).values())):
            add("artifact", path)
    except Unreadable as error:
        missing.append(error.finding)
    return Rollup(tuple(links), tuple(missing))
