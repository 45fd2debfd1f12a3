"""Hooks that other plugins may implement."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .plan.model import Plan


@pytest.hookspec(firstresult=True)
def pytest_contextcore_workspace(config: pytest.Config, plan: Plan) -> Path | None:
    """The folder that a plan's phases work on; stands in the evidence, and a phase is reused only for the same one."""
