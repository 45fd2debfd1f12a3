"""Around each test: the one wrapper that every test of a traced session pays for."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Protocol

import pytest

from .shared import is_phase


class Runner(Protocol):
    """What is to be done around a test of some kind."""

    def begin(self, item: pytest.Item) -> None:
        """A test is about to run."""

    def interrupt(self, item: pytest.Item, error: BaseException) -> None:
        """Ctrl-C, ``pytest.exit``, or a plugin that broke: it has no result."""

    def end(self, item: pytest.Item) -> None:
        """It is over, whatever happened."""


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
        """Outermost: whatever began has ended afterwards."""
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
