"""S7: each gap's file was generated, at its path and of its type, and nothing else was."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from ..documents import bare, json_object
from ..exported import Export
from ..findings import Finding, Unreadable
from ..ingested import Ingestion
from ..names import GENERATION, SOURCE
from ..nodes import Node
from ..recorded import generated
from ..validators import parsed
from ..workspace import Workspace
from . import compare_checksum, differs, gate

_HEX = frozenset("0123456789abcdef")


def outputs(ws: Workspace) -> dict[str, str]:
    """Give each gap's expected file in the workspace; raises `Unreadable` for a path that leaves the project."""
    export = Export.load(ws)
    return {gap: export.output(gap) for gap in dict.fromkeys(export.gaps)}


def owners(ws: Workspace) -> dict[str, set[str]]:
    """Give the tasks that are to write each expected file: one, unless artifacts share the file."""
    result: dict[str, set[str]] = {}
    for task, files in Ingestion.load(ws).files.items():
        for path in files:
            result.setdefault(path, set()).add(task)
    return result


@gate
def paths(ws: Workspace) -> Iterator[Finding]:
    """S7-C1: each gap's file is at its type's convention path, inside the project."""
    export = Export.load(ws)
    owned = {id_: owner.path for owner in export.owners for id_ in owner.artifact_ids}
    for gap in dict.fromkeys(export.gaps):
        try:
            path = export.output(gap)
        except Unreadable as error:
            yield error.finding
            continue
        where = owned.get(gap)
        if where is not None and f"project/{where}" != path:
            message = f"the planned path of gap '{gap}' does not follow its convention"
            yield Finding(path, message, where, path, "path_convention", gap)
        if not ws.exists(path):
            message = f"gap '{gap}' has no file at its path"
            yield Finding(path, message, "no regular file", "a regular file", "missing_artifact", gap)


@gate
def artifacts(ws: Workspace) -> Iterator[Finding]:
    """S7-G1: each expected file is a regular, non-empty file of the content type that its name claims."""
    for path in dict.fromkeys(outputs(ws).values()):
        try:
            data = ws.read_bytes(path)
        except Unreadable as error:
            yield error.finding
            continue
        if not data.strip():
            yield Finding(path, "the file is empty", f"{len(data)} bytes", "content", "empty_file", path)
        else:
            yield from parsed(path, data)[1]


@gate
def unexpected(ws: Workspace) -> Iterator[Finding]:
    """S7-G2: every task generated what was expected of it, and nothing outside of the expected set."""
    expected = set(outputs(ws).values())
    files = Ingestion.load(ws).files
    expected.update(path for paths_ in files.values() for path in paths_)
    generation = json_object(ws, GENERATION)
    results = dict(generation.get("tasks").entries())
    for task in files:
        if task not in results:
            message = f"task '{task}' has no generation result"
            yield Finding(GENERATION, message, "none", "a result", "missing_result", task)
    checksum = generation.get("_cache_meta", "source_checksum")
    yield from compare_checksum(checksum, ws.digest(SOURCE), SOURCE)
    for task, result in results.items():
        if task not in files:
            message = f"there is a generation result for '{task}', which is no task of the seed"
            yield Finding(GENERATION, message, "a result", "none", "unknown_task", task)
        yield from _result(ws, task, result, expected)
    yield from truncated(generation.get("truncation_flags"))


def truncated(flags: Node) -> Iterator[Finding]:
    """Find what was held back as cut off; a flag alone is a guess, and advisory at most."""
    for task, flag in flags.entries() if isinstance(flags.value, dict) else ():
        if isinstance(flag.value, dict) and flag.get("truncation_blocked").value is True:
            blocked = flag.get("truncation_blocked")
            yield differs(
                blocked, f"the generation of task '{task}' was blocked as truncated", False, "truncated", task
            )


def _result(ws: Workspace, task: str, result: Node, expected: set[str]) -> Iterator[Finding]:
    success = result.get("success")
    if success.value is not True:
        yield differs(success, f"the generation of task '{task}' failed", True, "failed_generation", task)
    seen: set[str] = set()
    for node in result.get("generated_files").items():
        try:
            path = generated(ws, node)
        except Unreadable as error:
            yield error.finding
            continue
        seen.add(node.text())
        if path not in expected:
            message = f"task '{task}' generated a file that no gap calls for"
            yield Finding(GENERATION, message, path, "only expected files", "unexpected_artifact", path)
    if not seen and success.value is True:
        yield differs(
            result.get("generated_files"), f"task '{task}' generated no file", "a file", "missing_artifact", task
        )
    hashes = result.get("content_hashes")
    listed = dict(hashes.entries()) if hashes.given else {}
    for path, node in listed.items():
        if path not in seen:
            yield Finding(
                GENERATION, f"{node.at} is no file of the task", path, "a generated file", "unexpected_artifact", path
            )
        if not _is_digest(node):
            yield node.wrong("a SHA-256 checksum").finding
    for path in seen - listed.keys() if listed else ():
        yield Finding(GENERATION, f"task '{task}' has no hash of a file", path, "a hash", "missing_checksum", path)


def _is_digest(node: Node) -> bool:
    value = node.value
    return isinstance(value, str) and len(value.removeprefix("sha256:")) == 64 and set(value[-64:].lower()) <= _HEX


def recorded_on(ws: Workspace, task: str, node: Node, what: str) -> Iterator[Finding]:
    """Check that a hash that tests or review recorded for a task is of the bytes that are there now.

    A task of several files may record the hash of one of them or of all together: the samples hold one file a task.
    """
    files = Ingestion.load(ws).files.get(task, ())
    if not files:
        return
    try:
        digests = [ws.digest(path) for path in files]
        if len(files) > 1:
            together = hashlib.sha256()
            for path in files:
                together.update(ws.read_bytes(path))
            digests.append(together.hexdigest())
    except Unreadable as error:
        yield error.finding
        return
    if not isinstance(node.value, str) or not node.value:
        yield node.wrong(f"the checksum of {files[0]}").finding
    elif bare(node.value) not in digests:
        message = f"{what} of task '{task}' was made on other bytes than {files[0]} has now"
        yield differs(node, message, digests[0], "stale_result", files[0])
