"""Ordinary tests whose worker died in them: the controller makes the span that the worker no longer can."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Container
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ..spans.of_tests import OrdinaryTests

CRASHED = "???"
"""What xdist gives as ``when`` in the report of a test whose worker crashed."""


class CrashedTests:
    """A plugin object of the controller, registered only when spans are exported.

    ``phases`` has the node ids of phases: whoever takes over a plan makes their spans.
    """

    def __init__(self, ordinary: OrdinaryTests, phases: Container[str]) -> None:
        self._ordinary, self._phases = ordinary, phases
        self._running: dict[str, tuple[int, tuple[str, int | None, str]]] = {}
        self._reruns: Counter[str] = Counter()

    def pytest_runtest_logstart(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        """A test starts in some worker."""
        self._running[nodeid] = time.time_ns(), location

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """It has ended, so that its worker made its span."""
        self._running.pop(nodeid, None)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A worker crashed, or a test is about to be run again: then its worker's next span of it is another one."""
        if str(report.when) == CRASHED:
            start, location = self._running.pop(report.nodeid, (time.time_ns(), report.location))
            if report.nodeid not in self._phases:
                worker, attempt = str(report.node.gateway.id), self._reruns[report.nodeid] + 1
                self._ordinary.crashed(report.nodeid, worker, attempt, start, location)
        elif str(report.outcome) == "rerun":  # as pytest-rerunfailures says
            self._reruns[report.nodeid] += 1
