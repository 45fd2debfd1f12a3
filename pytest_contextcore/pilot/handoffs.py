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
        files: path in the workspace → SHA-256 (hex) of the file's bytes when the emitting phase vouched for them.
    """

    root: RootedPath
    files: dict[str, str]

    def stale(self) -> Iterator[str]:
        """The files that are no longer as the emitting phase saw them."""
        workspace = Workspace(Path(self.root))
        for path, expected in self.files.items():
            try:
                observed = workspace.digest(path)
            except Unreadable as error:
                yield str(error.finding)
                continue
            if observed != expected:
                yield f"{path} changed while the trace ran (observed: {observed}, expected: {expected})"


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
