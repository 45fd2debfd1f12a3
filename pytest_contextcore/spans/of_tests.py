"""Spans of tests that are no phase: one for each attempt at a test, below one span of the whole session."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from ..ids import Remote, new_span_id
from ..reasons import Failure, failure_in, failure_of
from ..redact import secrets_of_environment, shown_id
from ..span import OK, Attributes, ErrorType, SpanData, SpanStatus, code_attributes, error_status
from .of_subtests import Place, Verdict, case_span, subtest_span

if TYPE_CHECKING:
    from .current import SpanContexts

ROOT_NAME = "pytest"
"""Name of the session's span, and of its test suite."""

_ENDS: dict[int, tuple[str, str]] = {
    pytest.ExitCode.OK: ("success", ""),
    pytest.ExitCode.TESTS_FAILED: ("failure", ErrorType.TEST_FAILED),
    pytest.ExitCode.INTERRUPTED: ("aborted", ErrorType.INTERRUPTED),
    pytest.ExitCode.INTERNAL_ERROR: ("aborted", ErrorType.INTERNAL),
    pytest.ExitCode.NO_TESTS_COLLECTED: ("skipped", ""),
}
"""``test.suite.run.status`` and ``error.type`` of the session by exit code; every other one is ``aborted``."""


class _Attempt:
    """A test that runs: what its span is made of when it ends. Made for each test, hence no dataclass."""

    passed = failed = skipped = False
    failures: tuple[Failure, ...] = ()

    def __init__(self, item: pytest.Item, span_id: str) -> None:
        self.item, self.nodeid, self.span_id, self.start = item, item.nodeid, span_id, time.time_ns()

    def verdict(self) -> Verdict:
        """What became of it: any failed report fails it, and what was interrupted has no result."""
        if self.failed:
            return "fail"
        return "pass" if self.passed and not self.skipped and not self.failures else ""


class OrdinaryTests:
    """Makes each test that is no phase a span, and OpenTelemetry's current context.

    A runner for `pytest_contextcore.session.traced`; a pytest plugin object as well, where it `records`. Ids are hex.
    ``sink`` takes each finished span, if spans are wanted and the trace is ``sampled``; ids and context are made
    anyway. ``remote`` is the parent of the session's span, from ``TRACEPARENT``.
    """

    def __init__(
        self,
        trace_id: str,
        root_span_id: str,
        sink: Callable[[SpanData], None] | None,
        *,
        sampled: bool = True,
        remote: Remote | None = None,
    ) -> None:
        self.trace_id, self.root_span_id = trace_id, root_span_id
        self._sink = sink if sampled else None
        self._remote = remote
        self._secrets = secrets_of_environment()
        self._state = remote.state if remote else ""
        self._sampled = sampled
        self._stack: SpanContexts | None = None
        self._start = time.time_ns()
        self._item: pytest.Item | None = None
        self._attempt: _Attempt | None = None
        self.ran = False
        """Whether there was any such test; an xdist controller sets it, since it runs none itself."""

    @property
    def records(self) -> bool:
        """Whether spans are made; otherwise nothing needs to be known of a test but that it runs."""
        return self._sink is not None

    def begin(self, item: pytest.Item) -> None:
        """Open an attempt at the test."""
        self.ran = True
        self._item, self._attempt = item, _Attempt(item, new_span_id())
        if self._stack is not None:
            self._stack.open(self._attempt.span_id)

    def join(self) -> None:
        """Make tests OpenTelemetry's current spans from now on, also the one that runs: its API has been imported."""
        from .current import SpanContexts  # noqa: PLC0415  (see `session.traced`)

        self._stack = SpanContexts(self.trace_id, sampled=self._sampled, state=self._state)
        if self._attempt is not None:
            self._stack.open(self._attempt.span_id, late=True)

    def interrupt(self, item: pytest.Item, error: BaseException) -> None:
        """The attempt has no result, and its span says why."""
        del item
        if (attempt := self._attempt) is not None and self._sink is not None:
            failure = failure_of(error, time.time_ns())
            attempt.failures = (*attempt.failures, failure._replace(line=f"interrupted: {failure.line}"))

    def end(self, item: pytest.Item) -> None:
        """Close what is still open."""
        del item
        self._end()
        self._item = None

    def pytest_runtest_logstart(self) -> None:
        """A plugin that repeats tests starts another attempt: a span of its own."""
        if self._item is not None and self._attempt is None:
            self.begin(self._item)

    def pytest_runtest_logfinish(self) -> None:
        """The attempt is over."""
        self._end()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Learn the outcome, from the reports of subtests and of repeated ones too."""
        attempt = self._attempt
        if attempt is None or (report.when != "call" and report.outcome == "passed") or report.nodeid != attempt.nodeid:
            return
        if isinstance(report, pytest.SubtestReport):
            if self._sink is not None:
                self._sink(subtest_span(report, self.trace_id, attempt.span_id, attempt.start, self._state))
            if not report.failed:
                return  # one that passed or was skipped says nothing of its test
        match report.outcome:
            case "passed":
                attempt.passed = True
            case "skipped":
                attempt.skipped = True
            case _:
                attempt.failed = True
                if self._sink is not None and not attempt.failures:
                    attempt.failures = (failure_in(report),)

    def pytest_exception_interact(
        self,
        node: pytest.Item | pytest.Collector,
        call: pytest.CallInfo[Any],
        report: pytest.CollectReport | pytest.TestReport,
    ) -> None:
        """Learn the exception: only here are its type and its whole message at hand."""
        attempt = self._attempt
        if attempt is None or node is not attempt.item or call.excinfo is None or self._sink is None:
            return
        if isinstance(report, pytest.SubtestReport):
            return  # its own span says so
        failure = failure_of(call.excinfo.value, int(call.stop * 1e9))
        known = attempt.failures
        same = bool(known) and known[0].message is None  # what the report told of it before
        attempt.failures = (failure, *known[1:]) if same else (*known, failure)

    def finish(self, exitstatus: int) -> None:
        """Emit the session's span, if it has children."""
        if self._sink is None or not self.ran:
            return
        status, error_type = _ENDS.get(exitstatus, ("aborted", ErrorType.OTHER))
        error = error_status(f"exit status {int(exitstatus)}", error_type) if error_type else OK
        self._sink(self.root_span(status, error))

    def root_span(self, run_status: str, status: SpanStatus) -> SpanData:
        """The session's span if it ended now, with its ``test.suite.run.status``."""
        return SpanData(
            name=ROOT_NAME,
            trace_id=self.trace_id,
            span_id=self.root_span_id,
            parent_id=self._remote.span_id if self._remote else None,
            start=self._start,
            end=max(self._start, time.time_ns()),
            attributes={"test.suite.name": ROOT_NAME, "test.suite.run.status": run_status},
            status=status,
            trace_state=self._state,
            parent_remote=self._remote is not None,
        )

    def crashed(self, report: pytest.TestReport, worker: str, start: int) -> None:
        """In an xdist controller: emit the span of a test in which its worker died."""
        if self._sink is not None:
            now = time.time_ns()
            failure = Failure(f"worker {worker!r} crashed while it ran this test", now, ErrorType.CRASHED)
            place = Place(self.trace_id, new_span_id(), self.root_span_id, self._state, start, now)
            attributes: Attributes = {"code.file.path": report.location[0]}
            self._sink(case_span(shown_id(report.nodeid), "fail", (failure,), attributes, place))

    def _end(self) -> None:
        attempt = self._attempt
        if attempt is None:
            return
        self._attempt = None
        if self._stack is not None:
            self._stack.close()
        if self._sink is not None:
            name, attributes = self._shown(attempt.nodeid), code_attributes(attempt.item)
            now = time.time_ns()
            place = Place(self.trace_id, attempt.span_id, self.root_span_id, self._state, attempt.start, now)
            self._sink(case_span(name, attempt.verdict(), attempt.failures, attributes, place))

    def _shown(self, nodeid: str) -> str:
        """The node id; a parameter in it may be an address or a token. Looking is cheap, `shown_id` is not."""
        odd = "://" in nodeid or "=" in nodeid or " " in nodeid
        if odd or any(map(nodeid.__contains__, self._secrets)):
            return shown_id(nodeid)
        return nodeid
