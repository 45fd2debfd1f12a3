"""Fixtures of the pilot: the workspace, and what drives the pipeline."""

from __future__ import annotations

import pytest

from pytest_contextcore.pilot.plugin import workspace_root
from pytest_contextcore.pilot.steps import Steps, steps_for
from pytest_contextcore.pilot.workspace import Workspace


@pytest.fixture
def workspace(pytestconfig: pytest.Config) -> Workspace:
    """The workspace, read anew by each phase."""
    return Workspace(workspace_root(pytestconfig))


@pytest.fixture
def pipeline(pytestconfig: pytest.Config) -> Steps:
    """The pipeline's steps; they do nothing where `--workspace` names an existing output."""
    return steps_for(pytestconfig, workspace_root(pytestconfig))
