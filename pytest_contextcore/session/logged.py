"""What pytest logged of a phase's test, and what follows from it: whether another phase may rely on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from ..redact import redact
from ..span import ErrorType
from ..trace.evidence import SpanEvidence, Status
from ..trace.recorder import TraceRecorder
from ..trace.rules import Trouble

_PARTS = ("setup", "call", "teardown")
_LONGEST = 500


@dataclass(slots=True)
class Logged:
    """The reports of a phase's test that were logged in this process, in their order, those of subtests too.

    The report objects are kept, not their outcomes: another plugin may change one after it was logged.
    """

    reports: list[pytest.TestReport] = field(default_factory=list)
    attempt: int = 0
    """The index of the first report of the last attempt."""

    def begin_attempt(self) -> None:
        """The test is run, or run again."""
        self.attempt = len(self.reports)


def unproven(logged: Logged) -> Trouble | None:
    """Why the reports do not prove that the last attempt passed; None if each of its three parts was logged as passed.

    A plugin that repeats a test within a report (pytest-retry) logs no second setup, so an earlier one counts.
    """
    for when in _PARTS:
        since = 0 if when == "setup" else logged.attempt
        found = [report for report in logged.reports[since:] if report.when == when and not _is_subtest(report)]
        if not found:
            return Trouble(
                f"no report of its {when} was logged, so that nothing says that it passed; another plugin kept it back",
                "look for the plugin or conftest.py that does not log it, or that ran the test elsewhere",
                ErrorType.TEST_FAILED,
            )
        if not found[-1].passed or hasattr(found[-1], "wasxfail"):
            return _reported(found[-1])
    return None


def failed_in(logged: Logged) -> Trouble | None:
    """What the first failed report says, a subtest's too; None if there is none."""
    failed = next((report for report in logged.reports if report.failed), None)
    return _reported(failed) if failed is not None else None


def _reported(report: pytest.TestReport) -> Trouble:
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message if crash is not None else report.longrepr or "").strip()
    said = redact(text.partition("\n")[0], _LONGEST) or "it gives no reason"
    what = "a subtest" if _is_subtest(report) else f"its {report.when}" if report.when in _PARTS else "its test"
    outcome = "expected to fail" if hasattr(report, "wasxfail") else report.outcome
    return Trouble(
        f"{what} was reported as {outcome}: {said}",
        f"mend {report.nodeid}, or the plugin or conftest.py that reports it so, then run again",
        ErrorType.TEST_FAILED,
    )


def _is_subtest(report: pytest.TestReport) -> bool:
    return isinstance(report, pytest.SubtestReport)


def troubles(spans: Mapping[str, SpanEvidence], logged: Mapping[str, Logged]) -> dict[str, Trouble]:
    """What the reports say against phases, by phase id: a failed one against any, a missing one if it completed."""
    found = {}
    for phase_id, span in spans.items():
        ran = span.status is Status.COMPLETED and not span.reused
        trouble = failed_in(logged[phase_id]) or (unproven(logged[phase_id]) if ran else None)
        if trouble is not None and span.status not in (Status.BLOCKED, Status.FAILED):
            found[phase_id] = trouble
    return found


def fail(recorder: TraceRecorder, phase_id: str, nodeid: str, trouble: Trouble) -> None:
    """A phase failed although it had ended, or never began; what was blocked or failed before stays as it is."""
    match recorder.span(phase_id).status:
        case Status.NOT_STARTED:
            recorder.begin_phase(phase_id, nodeid)
        case Status.COMPLETED:
            recorder.reopen_phase(phase_id)
        case Status.BLOCKED | Status.FAILED:
            return
    recorder.add_trouble(phase_id, trouble)
    recorder.end_phase(phase_id)


class LoggedReports:
    """A pytest plugin object: keeps the reports of phases, by their node ids.

    ``tell`` hears of each report of a phase before pytest's own plugins do.
    """

    def __init__(self, logged: dict[str, Logged]) -> None:
        self._logged = logged
        self.tell: Callable[[pytest.TestReport], None] | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A report of a phase is kept."""
        if (logged := self._logged.get(report.nodeid)) is not None:
            logged.reports.append(report)
            if self.tell is not None:
                self.tell(report)
