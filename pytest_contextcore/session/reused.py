"""How a phase is reported that a resumed run does not run again (``--contextcore-resume``): its test passes untouched.

It stays among the tests, so that every plugin and every xdist worker sees the same ones.
"""

from __future__ import annotations

import pytest

_FLAG = "contextcore_reused"


def mark_reused(report: pytest.TestReport) -> None:
    """Say on a report that its test was not run, also on its way from an xdist worker."""
    setattr(report, _FLAG, True)


class KeptWords:
    """A pytest plugin object of the process that prints."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """How the terminal calls such a test."""
        if getattr(report, _FLAG, False) and report.when == "call" and report.passed:
            return "reused", "r", "REUSED"
        return None
