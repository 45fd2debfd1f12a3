"""Fixtures of the pilot: the workspace, and each phase's turn on it."""

from __future__ import annotations

import pytest

from pytest_contextcore import Phase
from pytest_contextcore.pilot import plugin
from pytest_contextcore.pilot.steps import steps_for
from pytest_contextcore.pilot.turn import Turn
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
def turn(phase: Phase, workspace: Workspace, pytestconfig: pytest.Config) -> Turn:
    """The phase's turn; its step does nothing where `--workspace` names an existing output."""
    return Turn(phase, workspace, steps_for(pytestconfig, workspace.root))
