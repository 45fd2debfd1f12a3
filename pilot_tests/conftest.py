"""Fixtures of the pilot: the workspace, and each phase's turn on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_contextcore import Phase
from pytest_contextcore.pilot import plugin
from pytest_contextcore.pilot.gates import design
from pytest_contextcore.pilot.turn import Turn
from pytest_contextcore.pilot.workspace import Memo, Workspace

PRIME = Path(__file__).parent / "prime"


def pytest_configure(config: pytest.Config) -> None:
    """Say what is missing where pytest did not read this repository's configuration, which loads the plugin."""
    if not config.pluginmanager.has_plugin(plugin.__name__):
        raise pytest.UsageError(f"the pilot's options are not loaded; add: -p {plugin.__name__}")
    ran = not config.getoption("collectonly")
    if ran and _asks_for_prime(config) and config.getoption("workspace") is None:
        raise pytest.UsageError(
            f"{PRIME} checks the output of a prime run, and the embedded pipeline takes the artisan route; "
            "add --workspace=DIR, or run the folder above"
        )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the prime route's plan, unless it is asked for or the workspace is of a prime run without a design."""
    if collection_path != PRIME or _asks_for_prime(config):
        return None
    given = config.getoption("workspace") is not None
    fits = given and design.not_applicable(Workspace(plugin.workspace_root(config))) is not None
    return None if fits else True


def _asks_for_prime(config: pytest.Config) -> bool:
    paths = (config.invocation_params.dir / argument.partition("::")[0] for argument in config.args)
    return any(path.resolve().is_relative_to(PRIME) for path in paths)


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
    return Turn(phase, workspace, plugin.pipeline(pytestconfig))
