"""Views of the pipeline's documents: lazily read, unknown keys accepted, wrong types named.

A view is made once per workspace (`Results.load(ws)`), reads a file when a gate first asks for it, and raises nothing
but `Unreadable`. A view knows shapes and the indexes that gates share; what a value means, the gates decide.
"""

from __future__ import annotations

from functools import cached_property
from typing import Self

from .names import GENERATION, GENERATION_MANIFEST, HANDOFF, REPORT, REVIEWS, TESTS
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


class Design(View):
    """What the design step handed on."""

    @cached_property
    def handoff(self) -> Node:
        """The design handoff; `design-handoff-contract.json` is another document."""
        return json_object(self.ws, HANDOFF)


class Results(View):
    """What generation, tests, review and finalize wrote."""

    @cached_property
    def generation(self) -> Node:
        """The generation results."""
        return json_object(self.ws, GENERATION)

    @cached_property
    def tests(self) -> Node:
        """The test results."""
        return json_object(self.ws, TESTS)

    @cached_property
    def reviews(self) -> Node:
        """The review results."""
        return json_object(self.ws, REVIEWS)

    @cached_property
    def report(self) -> Node:
        """The finalize report."""
        return json_object(self.ws, REPORT)

    @cached_property
    def manifest(self) -> Node:
        """The generation manifest."""
        return json_object(self.ws, GENERATION_MANIFEST)
