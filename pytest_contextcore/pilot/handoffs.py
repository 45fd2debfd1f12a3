"""What the phases of PI-101-002 hand on: each vouches for the files that it saw, by their digests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pytest_contextcore import Handoff, RootedPath

from .findings import Unreadable
from .workspace import Workspace


class WorkspaceHandoff(Handoff):
    """Base of the pilot's handoffs.

    Attributes:
        root: the workspace's folder.
        position: which phase emits it, 1 to 9; the next one takes it over.
        files: path in the workspace → SHA-256 (hex) of the file's bytes. What an earlier phase vouched for stays in
            it, so that every phase holds the export against what S3 saw, and the seed against what S4 saw.
    """

    root: RootedPath
    position: int
    files: dict[str, str]

    def stale(self) -> Iterator[str]:
        """The files that are no longer as they were vouched for."""
        workspace = Workspace(Path(self.root))
        between = f"between S{self.position} and S{self.position + 1}"
        for path, expected in self.files.items():
            try:
                observed = workspace.digest(path)
            except Unreadable as error:
                observed = f"unreadable, {error.finding.message}"
            if observed != expected:
                yield f"{path} changed {between} (observed: {observed}, expected: {expected})"


class BaselineHandoff(WorkspaceHandoff):
    """S1 → S2: the source manifest."""


class ExportHandoff(WorkspaceHandoff):
    """S2 → S3: the export."""


class IntegrityHandoff(WorkspaceHandoff):
    """S3 → S4: the export, whose integrity holds."""


class IngestionHandoff(WorkspaceHandoff):
    """S4 → S5: the context seed."""


class RoutingHandoff(WorkspaceHandoff):
    """S5 → S6: the seed, whose route is justified."""


class DesignHandoff(WorkspaceHandoff):
    """S6 → S7: the design."""


class ImplementationHandoff(WorkspaceHandoff):
    """S7 → S8: the generated artifacts."""


class ValidationHandoff(WorkspaceHandoff):
    """S8 → S9: the artifacts, tested."""


class ReviewHandoff(WorkspaceHandoff):
    """S9 → S10: the artifacts, reviewed."""
