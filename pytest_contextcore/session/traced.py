"""Start and end of a traced session in one process, with or without a plan (`beginning` is for those with one)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ..options import KEY
from .around import AroundTests
from .shared import Services, services

if TYPE_CHECKING:
    from ..xdist.worker import Link
    from .close import Trace

_AROUND = pytest.StashKey[AroundTests]()


def start(config: pytest.Config) -> AroundTests:
    """Spans are to be made: every test gets one from now on, and the session's end closes what is open."""
    if _AROUND not in config.stash:
        shared = services(config)
        config.stash[_AROUND] = around = AroundTests(shared.ordinary)
        if shared.ordinary.records:
            config.pluginmanager.register(shared.ordinary, "contextcore-ordinary")
        config.pluginmanager.register(around, "contextcore-around")
        config.pluginmanager.register(SessionEnd(config, shared), "contextcore-end")
        if config.stash[KEY].global_provider and shared.outbox.spool is not None:
            config.pluginmanager.register(_ProviderOffer(config, shared), "contextcore-provider")
    return config.stash[_AROUND]


def link_of(config: pytest.Config) -> Link | None:
    """The way to the controller; None where this process is no xdist worker."""
    if not hasattr(config, "workerinput"):
        return None
    from ..xdist.worker import Link  # noqa: PLC0415  (only with xdist)

    return Link.of(config)


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
        link = link_of(self._config)
        if link is not None:
            link.report(shared.runs, shared.outbox.lost())
            return
        if shared.runs:
            from .close import close  # noqa: PLC0415  (only with a plan)

            self._lines += close(session, shared, self._traces())
        self._lines += shared.outbox.finish()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The closing tables, and what was written where."""
        if self._shared.runs:
            from .close import show  # noqa: PLC0415  (only with a plan)

            show(self._config, terminalreporter, self._traces(), self._lines)
        else:
            for line in self._lines:
                terminalreporter.write_line(line)

    def _traces(self) -> list[Trace]:
        from .close import Trace  # noqa: PLC0415  (only with a plan)

        return [Trace(run.recorder.evidence, run.problems()) for run in self._shared.runs if run.started]
