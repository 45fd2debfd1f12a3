"""Hooks that other plugins may implement."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .trace.evidence import EvidenceItem


@pytest.hookspec(firstresult=True)
def pytest_contextcore_workspace(config: pytest.Config, plan: Any) -> Path | None:
    """The folder that the phases of a plan work on.

    It stands in the evidence, and a phase is reused only for the same one. ``plan`` is a `pytest_contextcore.Plan`.
    """


@pytest.hookspec(firstresult=True)
def pytest_contextcore_report(format: str, path: Path) -> Sequence[EvidenceItem] | None:
    """The failures in another tool's report, for ``check = { report = "…", format = "…" }``; none if it is fine.

    None, if this plugin does not know the format; then the next one is asked. An item is a
    `pytest_contextcore.EvidenceItem`. The file is untrusted; an exception is the reason for which the gate fails.
    """
