"""Views of the pipeline's documents: lazily read, unknown keys accepted, wrong types named.

A view is made once per workspace (`Export.load(ws)`), reads a file when a gate first asks for it, and raises nothing
but `Unreadable`. A view knows shapes and the indexes that gates share; what a value means, the gates decide.
"""

from __future__ import annotations

from typing import Self

from .nodes import Node
from .workspace import Workspace


def json_object(ws: Workspace, path: str) -> Node:
    """Read a JSON file that must hold an object."""
    node = Node(path, ws.read_json(path))
    node.object()
    return node


def yaml_object(ws: Workspace, path: str) -> Node:
    """Read a YAML file that must hold a mapping."""
    node = Node(path, ws.read_yaml(path))
    node.object()
    return node


def bare(checksum: str) -> str:
    """Strip the `sha256:` prefix that options and older samples write."""
    return checksum.removeprefix("sha256:").lower()


class View:
    """What all views share: one instance per workspace."""

    def __init__(self, ws: Workspace) -> None:
        self.ws = ws

    @classmethod
    def load(cls, ws: Workspace) -> Self:
        """Give this workspace's view; nothing is read yet."""
        return ws.once(cls, lambda: cls(ws))
