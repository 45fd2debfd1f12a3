"""The plugin's entry point: what pytest sees before anything was asked for.

It imports nothing but pytest and small modules of our own. Two doors lead further, `_trace` and `_run_plans`: they
import the rest once spans are to be exported, or a plan was found.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from . import hookspecs
from .ids import PLAN_FILE
from .options import KEY, add_options, read_settings
from .session.collect import PlanFile, is_plan
from .session.discovery import Found, choose, look, plans_at_start, refuse_foreign_root, widen
from .session.items import phase_of

if TYPE_CHECKING:
    from .phase.phase import Phase
    from .xdist.worker import Link


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the hooks that other plugins may implement."""
    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Check where pytest takes its configuration from, before it loads code from there."""
    refuse_foreign_root(early_config)


def pytest_configure(config: pytest.Config) -> None:
    """Check the options and start listening for a plan.

    The listener is registered here so that its wrapper around ``pytest_collection_modifyitems`` comes after, and so
    encloses, that of pytest's last-failed plugin, which is registered in an earlier ``pytest_configure``.
    """
    config.addinivalue_line("markers", "phase(id): this test is the phase with that id of the nearest plan.toml")
    if not config.pluginmanager.has_plugin("dependency"):  # we add its markers to phases, whether it is loaded or not
        config.addinivalue_line("markers", "dependency(name, depends, scope): of pytest-dependency")
    config.stash[KEY] = read_settings(config)
    config.pluginmanager.register(_Listener(config), "contextcore-listener")
    if _is_controller(config) or _exporting():
        _trace(config)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Which plan, where evidence goes, where spans go; nothing in a session that has neither plan nor export."""
    plans = plans_at_start(config)
    if not plans and not _exporting():
        return []
    from .session.traced import header_lines  # noqa: PLC0415  (this session goes through one of the doors)

    return header_lines(config, plans)


def _exporting() -> bool:
    """Whether the environment names an endpoint: a first look that costs nothing; `export.settings` decides."""
    return any(os.environ.get(f"OTEL_EXPORTER_OTLP_{name}ENDPOINT") for name in ("", "TRACES_"))


def _is_controller(config: pytest.Config) -> bool:
    """Whether this process has xdist's workers run the tests."""
    return config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput")


def _trace(config: pytest.Config) -> None:
    """The door to a traced session; xdist's controller has one of its own, since workers may find a plan."""
    if _is_controller(config):
        from .xdist.controller import Controller  # noqa: PLC0415

        config.pluginmanager.register(Controller(config), "contextcore-controller")
    else:
        from .session.traced import start  # noqa: PLC0415

        start(config, _link(config))


def _run_plans(
    session: pytest.Session, items: list[pytest.Item], found: list[Found], deselected: list[pytest.Item]
) -> None:
    """The door to a session that has a plan."""
    from .session.phase_hooks import PhaseHooks  # noqa: PLC0415
    from .session.planned import begin  # noqa: PLC0415

    begin(session, items, found, deselected, link=_link(session.config), hooks=PhaseHooks)


def _link(config: pytest.Config) -> Link | None:
    """The way to the controller; None where this process is no xdist worker."""
    if not hasattr(config, "workerinput"):
        return None
    from .xdist.worker import Link  # noqa: PLC0415

    return Link.of(config)


class _Listener:
    """Waits for collected tests and runs their plans if there are phases among them."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._found: list[Found] = []
        self._chosen: list[str] = []
        self._deselected: list[pytest.Item] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        """Let ``plan.toml`` stand for its folder, and collect the plan above a folder."""
        self._chosen = widen(session.config)

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """Phases without a test in Python are collected from their plan."""
        named = self._config.stash[KEY].plan
        if file_path.name != PLAN_FILE if named is None else file_path != named:
            return None
        return PlanFile.from_parent(parent, path=file_path) if is_plan(file_path) else None

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Somebody deselects tests and says so: what merely vanishes was not deselected."""
        self._deselected += items

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        """Outermost: sees all tests before any was deselected, and orders what is left in the end."""
        try:
            self._found = look(session, items)
            if self._chosen:
                choose(session.config, items, self._found, self._chosen)
            yield
            if self._found:
                _run_plans(session, items, self._found, self._deselected)
        except pytest.UsageError as error:
            if (link := _link(self._config)) is None:
                raise
            link.refuse(str(error))
            items.clear()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say that there is no page if ``--contextcore-html`` was given but there was no plan."""
        config = self._config
        path = config.stash[KEY].html
        if path is not None and not (self._found or config.option.collectonly or _is_controller(config)):
            why = "since no phase of a plan ran; run tests that are phases"
            terminalreporter.write_line(f"ERROR: --contextcore-html: no page at {path}, {why}", red=True, bold=True)


@pytest.fixture
def phase(request: pytest.FixtureRequest) -> Phase | None:
    """The running phase: gates, recorded values, handoffs, inputs, programs.

    None with ``--setup-only`` alone, where no test function is called.
    """
    item: pytest.Item = request.node
    known = phase_of(item)
    if (known is not None and known.running is not None) or request.config.getoption("setuponly", False):
        return known.running if known is not None else None
    why = "uses the fixture 'phase' but is no phase: mark it with @pytest.mark.phase(\"<id>\")"
    if known is not None:
        why = "is a phase, but another plugin runs it without pytest_runtest_protocol: its gates would not count"
    raise pytest.UsageError(f"{item.nodeid} {why}")
