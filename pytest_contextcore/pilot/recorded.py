"""Recorded paths, mapped into the workspace; a path that leaves it is refused."""

from __future__ import annotations

from pathlib import PurePosixPath

from .documents import json_object
from .findings import Finding, Unreadable
from .names import GENERATION_MANIFEST, HANDOFF, ONBOARDING, PROVENANCE
from .nodes import Node
from .workspace import Workspace

_STAGING = ".startd8/staging/"


def project_path(path: str) -> str:
    """Give the workspace path of a path in the project, or refuse it."""
    return f"project/{Workspace.map_recorded(path, '')}"


def recorded_root(ws: Workspace) -> str:
    """Give the root of the workspace on the machine that wrote it."""
    return ws.once(recorded_root, lambda: _recorded_root(ws))


def _recorded_root(ws: Workspace) -> str:
    candidates = (
        (PROVENANCE, ("sourcePath",), 1),
        (ONBOARDING, ("provenance", "sourcePath"), 1),
        (HANDOFF, ("enriched_seed_path",), 2),
        (GENERATION_MANIFEST, ("provenance", "enriched_seed_path"), 2),
    )
    for file, keys, up in candidates:
        try:
            path = PurePosixPath(json_object(ws, file).find(*keys).name())
        except Unreadable:
            continue  # the gate that needs this file itself reports it; here the next candidate is as good
        if path.is_absolute() and ".." not in path.parts:
            return str(path.parents[up - 1]) if len(path.parents) >= up else "/"
    return ""


def inside(ws: Workspace, node: Node) -> str:
    """Map the recorded path that a node holds into the workspace, naming the document that recorded it."""
    try:
        return ws.canonical(Workspace.map_recorded(node.name(), recorded_root(ws)))
    except Unreadable as error:
        if error.finding.type == "wrong_type":
            raise
        raise _elsewhere(node, "the workspace") from None


def generated(ws: Workspace, node: Node) -> str:
    """Map the recorded path of a generated file to its place in the project; staged files end where they belong."""
    path = node.name()
    if path.startswith("/"):
        path = inside(ws, node)
        if not path.startswith("project/"):
            raise _elsewhere(node, "the project")
    try:
        return project_path(path.removeprefix("project/").removeprefix(_STAGING))
    except Unreadable:
        raise _elsewhere(node, "the project") from None


def _elsewhere(node: Node, where: str) -> Unreadable:
    message = f"{node.at} points out of {where}"
    return Unreadable(Finding(node.file, message, node.text(), f"a path inside {where}", "path_outside", node.text()))
