"""Hooks that other plugins may implement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.hookspec(firstresult=True)
def pytest_contextcore_workspace(config: pytest.Config, plan: Any) -> Path | None:
    """The folder that the phases of a plan work on.

    It stands in the evidence, and a phase is reused only for the same one. ``plan`` is a `pytest_contextcore.Plan`.
    """
