"""Fixtures of the pilot: the workspace, and what drives the pipeline."""

from __future__ import annotations

import pytest

from pytest_contextcore.pilot import plugin
from pytest_contextcore.pilot.steps import Steps, steps_for
from pytest_contextcore.pilot.workspace import Memo, Workspace


def pytest_configure(config: pytest.Config) -> None:
    """Say what is missing where pytest did not read this repository's configuration, which loads the plugin."""
    if not config.pluginmanager.has_plugin(plugin.__name__):
        raise pytest.UsageError(f"the pilot's options are not loaded; add: -p {plugin.__name__}")


@pytest.fixture(scope="session")
def memo() -> Memo:
    """What the phases share of reading: a document whose bytes are the same is parsed once."""
    return Memo()


@pytest.fixture
def workspace(pytestconfig: pytest.Config, memo: Memo) -> Workspace:
    """The workspace, read and hashed anew by each phase."""
    return Workspace(plugin.workspace_root(pytestconfig), memo=memo)


@pytest.fixture
def pipeline(pytestconfig: pytest.Config) -> Steps:
    """The pipeline's steps; they do nothing where `--workspace` names an existing output."""
    return steps_for(pytestconfig, plugin.workspace_root(pytestconfig))
