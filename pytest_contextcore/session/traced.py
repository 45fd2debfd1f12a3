"""A traced session in one process, with or without a plan (`planned` begins those with one)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from ..export.settings import Settings
from ..options import KEY
from ..text import relative
from .items import is_phase
from .shared import Services, services

if TYPE_CHECKING:
    from ..phase.output import Hear
    from ..trace.recorder import Listener
    from .close import Closed
    from .run import PlanRun


class Link(Protocol):
    """The way from an xdist worker to its controller."""

    @property
    def listeners(self) -> list[Listener]:
        """Who is to hear of a recorder's changes."""

    @property
    def hear(self) -> Hear | None:
        """Who is to hear what programs print."""

    def report(self, runs: list[PlanRun], lost: list[str]) -> None:
        """The session is over in this worker."""


class Runner(Protocol):
    """What is to be done around a test of some kind."""

    def begin(self, item: pytest.Item) -> None:
        """A test is about to run."""

    def interrupt(self, item: pytest.Item, error: BaseException) -> None:
        """Ctrl-C, ``pytest.exit``, or a plugin that broke: it has no result."""

    def end(self, item: pytest.Item) -> None:
        """It is over, whatever happened."""


def header_lines(config: pytest.Config, plans: Sequence[Path]) -> list[str]:
    """Plan, evidence folder and export target in a line, and a line for each setting that cannot be honoured."""
    telemetry = Settings.from_environ(os.environ)
    here = config.invocation_params.dir
    names = ", ".join(str(relative(plan, here)) for plan in plans) or "none"
    target = f"{telemetry.describe()} ({telemetry.protocol})" if telemetry.exporting else "off"
    line = f"contextcore: plan {names}; evidence in {relative(config.stash[KEY].out, here)}; export {target}"
    return [line, *(f"contextcore: {problem}" for problem in telemetry.problems)]


def start(config: pytest.Config, link: Link | None) -> TracedSession:
    """Trace this session, once: every test gets a span from the first call on."""
    if _KEY not in config.stash:
        config.stash[_KEY] = traced = TracedSession(config, services(config), link)
        config.pluginmanager.register(traced, "contextcore-session")
    return config.stash[_KEY]


_KEY = pytest.StashKey["TracedSession"]()


class AroundTests:
    """A pytest plugin object, with a runner for phases and one for the other tests.

    Args:
        ordinary: the runner of tests that are no phase.
        is_phase: which tests are.
    """

    def __init__(self, ordinary: Runner, is_phase: Callable[[pytest.Item], bool] = is_phase) -> None:
        self._ordinary, self._is_phase = ordinary, is_phase
        self.phases: Runner | None = None
        """Set where a plan runs."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Outermost: every span that was opened is closed here."""
        runner = self.phases if self._is_phase(item) else self._ordinary
        if runner is None:
            return (yield)
        runner.begin(item)
        try:
            return (yield)
        except BaseException as error:
            runner.interrupt(item, error)
            raise
        finally:
            runner.end(item)


class TracedSession:
    """A pytest plugin object: closes what is open at the session's end.

    Where there is no xdist controller above this process, it closes the whole session.
    """

    def __init__(self, config: pytest.Config, shared: Services, link: Link | None) -> None:
        self._shared, self._link = shared, link
        self._lines: list[str] = []
        self._offers_provider = config.stash[KEY].global_provider and shared.outbox.spool is not None
        self.around = AroundTests(shared.ordinary)
        self.close: Callable[[pytest.Session, Services], Closed] | None = None
        """Set where a plan runs: settles exit code and files."""
        self._closed: Closed | None = None
        if shared.ordinary.records:
            config.pluginmanager.register(shared.ordinary, "contextcore-ordinary")
        config.pluginmanager.register(self.around, "contextcore-around")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Meet the code under test that traces; until now the user's own code could set a provider."""
        if not session.items:
            return
        if _API in sys.modules:
            self._meet_tracing_code()
        else:
            late = _LateImport(self._meet_tracing_code)
            sys.meta_path.insert(0, late)
            session.config.add_cleanup(late.remove)

    def _meet_tracing_code(self) -> None:
        """Offer it our tracer provider, and the span of the test that runs as its parent."""
        if self._offers_provider:
            self._shared.outbox.offer_provider()
        self._shared.ordinary.join()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Before pytest writes its reports."""
        shared = self._shared
        for run in shared.runs:
            run.settle()
        if self._link is not None:
            self._link.report(shared.runs, shared.outbox.lost())
            return
        shared.ordinary.finish(int(exitstatus))
        if self.close is not None:
            self._closed = self.close(session, shared)
            self._lines = self._closed.lines
        self._lines += shared.outbox.finish()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The closing tables, and what was written where."""
        if self._closed is not None:
            self._closed.show(terminalreporter.config, terminalreporter)
        else:
            for line in self._lines:
                terminalreporter.write_line(line)


_API = "opentelemetry.trace"


class _LateImport:
    """Stands in ``sys.meta_path`` until OpenTelemetry's API is imported, and then calls ``then``.

    Most suites never do. To import it takes a tenth of what a session needs to start exporting. Each of its loggers
    then costs every test, since pytest looks at all loggers six times a test.
    """

    def __init__(self, then: Callable[[], None]) -> None:
        self._then = then

    def remove(self) -> None:
        """Wait no longer."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        """The module as everybody else finds it; its loader, which loads nothing else, says when it has done so."""
        del path, target
        if name != _API:
            return None
        self.remove()
        spec = find_spec(name)
        if spec is not None and (loader := spec.loader) is not None:
            execute = loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                self._then()

            loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
