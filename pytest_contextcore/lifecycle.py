"""Beginning and end of a traced session in one process: where the plans start, and where everything is closed."""

from __future__ import annotations

import pytest

from . import closing, summary
from .discovery import Found
from .launch import arrange, build_runs
from .recorder import all_of
from .services import Services, services
from .session import PlanHooks
from .settings import KEY
from .worker import Link

_STARTED = pytest.StashKey[bool]()


def begin(session: pytest.Session, items: list[pytest.Item], found: list[Found]) -> None:
    """Tests were collected and a plan is among them.

    Raises:
        pytest.UsageError: a bad plan, or tests that do not fit it; in an xdist worker the controller is told instead.
    """
    config = session.config
    if session.testsfailed and not config.option.continue_on_collection_errors:
        return  # pytest stops before any test; what could not be collected is no mistake in the plan
    shared = services(config)
    runs = build_runs(session, found, shared)
    arrange(config, items, runs)
    shared.runs = runs
    link = Link.of(config)
    if config.option.collectonly or config.getoption("setuponly", False):
        return
    start(config)
    config.pluginmanager.register(PlanHooks(runs), "contextcore-plans")
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if config.get_verbosity() > 0 and reporter is not None and link is None:
        for run in runs:
            run.recorder.listener = all_of(run.recorder.listener, summary.GateLines(config, reporter))


def start(config: pytest.Config) -> None:
    """Spans are to be made: every test gets one from now on, and the session's end closes what is open."""
    if not config.stash.get(_STARTED, False):
        config.stash[_STARTED] = True
        shared = services(config)
        config.pluginmanager.register(shared.ordinary, "contextcore-ordinary")
        config.pluginmanager.register(SessionEnd(config, shared), "contextcore-end")
        if config.stash[KEY].global_provider and shared.outbox.spool is not None:
            config.pluginmanager.register(_ProviderOffer(config, shared), "contextcore-provider")


class _ProviderOffer:
    """At the first test, not before: until then the user's own code may set a provider (contract 7)."""

    def __init__(self, config: pytest.Config, shared: Services) -> None:
        self._config, self._shared = config, shared

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self) -> None:
        """The first test starts."""
        self._config.pluginmanager.unregister(self)
        self._shared.outbox.offer_provider()


class SessionEnd:
    """Closes the traces of this process; where there is no controller above it, the whole session too."""

    def __init__(self, config: pytest.Config, shared: Services) -> None:
        self._config, self._shared = config, shared
        self._lines: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Before pytest writes its reports."""
        shared = self._shared
        for run in shared.runs:
            run.finish()
        shared.ordinary.finish(int(exitstatus))
        shared.outbox.flush()
        link = Link.of(self._config)
        if link is not None:
            link.report(shared.runs, shared.outbox.spool)
            return
        self._lines = closing.close(session, shared, self._traces())

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The closing tables, and what was written where."""
        closing.show(self._config, terminalreporter, self._traces(), self._lines)

    def _traces(self) -> list[closing.Trace]:
        return [closing.Trace(run.recorder.evidence, run.problems()) for run in self._shared.runs if run.started]
