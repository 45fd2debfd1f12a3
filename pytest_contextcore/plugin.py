"""The plugin's entry point: what pytest sees before anything was asked for.

Imports nothing but pytest and small modules of our own: everything else is imported once a plan was found or spans are
to be exported.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from . import hookspecs
from .options import KEY, add_options, read_settings
from .session.discovery import look, plans_at_start, refuse_foreign_root

if TYPE_CHECKING:
    from .phase.phase import Phase

RUNNING = pytest.StashKey["Phase | None"]()
"""On a phase's item while it runs: the value of its ``phase`` fixture."""


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
    if config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput"):
        from .xdist.controller import Controller  # noqa: PLC0415  (only with xdist)

        config.pluginmanager.register(Controller(config), "contextcore-controller")
    elif _exporting():
        from .session.traced import start  # noqa: PLC0415  (only when spans are exported)

        start(config)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Which plan, where evidence goes, where spans go; nothing in a session that has neither plan nor export."""
    plans = plans_at_start(config, config.stash[KEY])
    if not plans and not _exporting():
        return []
    from .session.header import header_lines  # noqa: PLC0415  (only in a session that is traced)

    return header_lines(config, plans)


def _exporting() -> bool:
    """Whether the environment names an endpoint; a first look that costs nothing, the exact answer is telemetry's."""
    return any(os.environ.get(f"OTEL_EXPORTER_OTLP_{name}ENDPOINT") for name in ("", "TRACES_"))


class _Listener:
    """Waits for collected tests and starts a plan's run if there are phases among them."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        """Outermost: sees all tests before any was deselected, and orders what is left in the end."""
        config = self._config
        worker = hasattr(config, "workerinput")
        try:
            found = look(session, items)
            yield
            if found:
                from .session.planned import begin  # noqa: PLC0415  (only with a plan)

                begin(session, items, found)
        except pytest.UsageError as error:
            if not worker:
                raise
            from .xdist.worker import Link  # noqa: PLC0415  (only with xdist)

            Link.tell_controller(config, str(error))
            items.clear()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Where nothing was traced nobody else says that the page that was asked for is missing."""
        plugins, path = self._config.pluginmanager, self._config.stash[KEY].html
        traced = plugins.has_plugin("contextcore-end") or plugins.has_plugin("contextcore-controller")
        if path is not None and not traced and not self._config.option.collectonly:
            from .report.page.html_file import write_page  # noqa: PLC0415  (only when a page is asked for)

            for line in write_page(path, [], here=path.parent):
                terminalreporter.write_line(line, red=True, bold=True)


@pytest.fixture
def phase(request: pytest.FixtureRequest) -> Phase | None:
    """The running phase: gates, recorded values, handoffs, inputs, programs (contract 3).

    None with ``--setup-only`` alone, where no test function is called.
    """
    running: Phase | None = request.node.stash.get(RUNNING, None)
    if running is None and not request.config.getoption("setuponly", False):
        raise pytest.UsageError(
            f"{request.node.nodeid} uses the fixture 'phase' but is no phase: mark it with @pytest.mark.phase(\"<id>\")"
        )
    return running
