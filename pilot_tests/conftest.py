"""Fixtures of the pilot: the workspace, and what drives the pipeline."""

from __future__ import annotations

import pytest

from pytest_contextcore.pilot.plugin import workspace_root
from pytest_contextcore.pilot.steps import Steps, steps_for
from pytest_contextcore.pilot.workspace import Memo, Workspace


@pytest.fixture(scope="session")
def memo() -> Memo:
    """What the phases share of reading: a document whose bytes are the same is parsed once."""
    return Memo()


@pytest.fixture
def workspace(pytestconfig: pytest.Config, memo: Memo) -> Workspace:
    """The workspace, read and hashed anew by each phase."""
    return Workspace(workspace_root(pytestconfig), memo=memo)


@pytest.fixture
def pipeline(pytestconfig: pytest.Config) -> Steps:
    """The pipeline's steps; they do nothing where `--workspace` names an existing output."""
    return steps_for(pytestconfig, workspace_root(pytestconfig))
