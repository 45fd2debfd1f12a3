"""Phases that a resumed run does not run again (contract 4, ``--contextcore-resume``): tests that pass untouched.

They stay among the tests, so that every plugin and every xdist worker sees the same ones; only their fixtures and
their functions are left alone.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

_KEPT = pytest.StashKey[bool]()
_FLAG = "contextcore_reused"


def keep(item: pytest.Item) -> None:
    """Let this phase's test pass without touching it: the last evidence proves it."""
    item.stash[_KEPT] = True
    if isinstance(item, pytest.Function):
        item.fixturenames = []


def is_kept(item: pytest.Item) -> bool:
    """Whether this test is not really run."""
    return item.stash.get(_KEPT, False)


class KeptPhases:
    """A pytest plugin object: skips the functions of such tests, and says what they are."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """The function is not called."""
        return True if is_kept(pyfuncitem) else None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """The report says so, also on its way from an xdist worker."""
        report = yield
        if is_kept(item):
            setattr(report, _FLAG, True)
        return report


class KeptWords:
    """A pytest plugin object of the process that prints."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """How the terminal calls it."""
        if getattr(report, _FLAG, False) and report.when == "call" and report.passed:
            return "reused", "r", "REUSED"
        return None
