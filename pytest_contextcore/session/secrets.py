"""Pytest's own reports of tests, without secrets: of them is made what it prints and writes about a test."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from ..redact import hide


class SecretsInReports:
    """A pytest plugin object of the process that runs the tests of a plan."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Outermost: nobody adds a text to it afterwards."""
        report = yield
        without_secrets(report)
        return report


def without_secrets(report: pytest.TestReport) -> None:
    """Hide secrets in a report: captured output, properties, reasons, traceback.

    A traceback that shows one becomes plain text; it then has no colours.
    """
    report.sections = [(title, hide(text)) for title, text in report.sections]
    report.user_properties = [
        (name, hide(value) if isinstance(value, str) else value) for name, value in report.user_properties
    ]
    if hasattr(report, "wasxfail"):
        report.wasxfail = hide(str(report.wasxfail))
    if isinstance(report.longrepr, tuple):
        path, line, why = report.longrepr
        report.longrepr = (path, line, hide(why))
    elif report.longrepr is not None:
        crash = getattr(report.longrepr, "reprcrash", None)
        shown = "\n".join([report.longreprtext, crash.message if crash is not None else ""])
        if hide(shown) != shown:
            report.longrepr = hide(report.longreprtext)
