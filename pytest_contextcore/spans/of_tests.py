"""Spans of tests that are no phase: one for each attempt at a test, below one span of the whole session."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from ..ids import Remote, derived_span_id, new_span_id
from ..reasons import Failure, failure_in, failure_of
from ..redact import redact
from ..span import OK, Attributes, SpanData, code_attributes, error_status
from .current import SpanContexts
from .of_subtests import Place, SubtestSpans, Verdict, case_span

ROOT_NAME = "pytest"
"""Name of the session's span, and of its test suite."""

_RUN_STATUS: dict[int, str] = {
    pytest.ExitCode.OK: "success",
    pytest.ExitCode.TESTS_FAILED: "failure",
    pytest.ExitCode.NO_TESTS_COLLECTED: "skipped",
}
"""``test.suite.run.status`` by exit code (semantic conventions, test); every other one is ``aborted``."""


class _Attempt:
    """A test that runs: what its span is made of when it ends. Made for each test, hence no dataclass."""

    passed = failed = skipped = interrupted = False
    failures: tuple[Failure, ...] = ()

    def __init__(self, item: pytest.Item, span_id: str) -> None:
        self.item, self.nodeid, self.span_id, self.start = item, item.nodeid, span_id, time.time_ns()

    def verdict(self) -> Verdict:
        """What became of it: any failed report fails it."""
        if self.failed:
            return "fail"
        if self.interrupted:
            return "interrupted"
        return "pass" if self.passed and not self.skipped else ""


class OrdinaryTests:
    """Makes each test that is no phase a span, and OpenTelemetry's current context.

    A runner for `pytest_contextcore.session.traced`; a pytest plugin object as well, where it `records`.

    Args:
        trace_id: 32 hex digits.
        root_span_id: 16 hex digits; the parent of every test's span.
        sink: takes each finished span; None where none are wanted: then ids and context are all that is made.
        sampled: whether the trace is; without it nothing goes to ``sink``.
        remote: the parent of the session's span, from ``TRACEPARENT``.
        worker: the id of the xdist worker that this is. Then `finish` emits nothing, since the controller does it, and
            the controller can derive the id of a span, so that it can end a test in which the worker dies.
    """

    def __init__(
        self,
        trace_id: str,
        root_span_id: str,
        sink: Callable[[SpanData], None] | None,
        *,
        sampled: bool = True,
        remote: Remote | None = None,
        worker: str = "",
    ) -> None:
        self.trace_id, self.root_span_id = trace_id, root_span_id
        self._sink = sink if sampled else None
        self._remote, self._worker = remote, worker
        self._state = remote.state if remote else ""
        self._stack = SpanContexts(trace_id, sampled=sampled, state=self._state)
        self._start = time.time_ns()
        self._item: pytest.Item | None = None
        self._attempts = 0
        self._attempt: _Attempt | None = None
        self._subtests = SubtestSpans(trace_id, self._sink, self._state) if self._sink is not None else None
        self.ran = False
        """Whether there was any such test; an xdist controller sets it, since it runs none itself."""

    @property
    def records(self) -> bool:
        """Whether spans are made; otherwise nothing needs to be known of a test but that it runs."""
        return self._sink is not None

    def begin(self, item: pytest.Item) -> None:
        """Open the test's first attempt."""
        self._item, self._attempts = item, 0
        self._begin(item)

    def interrupt(self, item: pytest.Item, error: BaseException) -> None:
        """The attempt has no result, and its span says why."""
        del item
        if (attempt := self._attempt) is not None and self._sink is not None:
            failure = failure_of(error, time.time_ns())
            attempt.interrupted = True
            attempt.failures = (*attempt.failures, failure._replace(line=f"interrupted: {failure.line}"))

    def end(self, item: pytest.Item) -> None:
        """Close what is still open."""
        del item
        self._end()
        self._item = None

    def pytest_runtest_logstart(self) -> None:
        """A plugin that repeats tests starts another attempt: a span of its own."""
        if self._item is not None and self._attempt is None:
            self._begin(self._item)

    def pytest_runtest_logfinish(self) -> None:
        """The attempt is over."""
        self._end()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Learn the outcome, from the reports of subtests and of repeated ones too."""
        attempt = self._attempt
        if attempt is None or report.nodeid != attempt.nodeid:
            return
        if isinstance(report, pytest.SubtestReport):
            if self._subtests is not None:
                self._subtests.add(report, attempt.span_id, attempt.start)
            if not report.failed:
                return  # one that passed or was skipped says nothing of its test
        match report.outcome:
            case "passed":
                attempt.passed = attempt.passed or report.when == "call"
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
        if attempt is None or node is not attempt.item or call.excinfo is None or self._subtests is None:
            return
        if isinstance(report, pytest.SubtestReport):
            self._subtests.explain(report, call.excinfo.value)
            return
        failure = failure_of(call.excinfo.value, int(call.stop * 1e9))
        known = attempt.failures
        same = bool(known) and known[0].type == ""  # what the report told of it before
        attempt.failures = (failure, *known[1:]) if same else (*known, failure)

    def finish(self, exitstatus: int) -> None:
        """Emit the session's span, if it has children; in an xdist worker nothing is left to do."""
        if self._sink is None or self._worker or not self.ran:
            return
        status = _RUN_STATUS.get(exitstatus, "aborted")
        failed = status not in ("success", "skipped")
        self._sink(self.root_span(status, f"exit status {int(exitstatus)}" if failed else ""))

    def root_span(self, status: str, error: str) -> SpanData:
        """The session's span if it ended now, with its ``test.suite.run.status`` and, if it failed, why."""
        return SpanData(
            name=ROOT_NAME,
            trace_id=self.trace_id,
            span_id=self.root_span_id,
            parent_id=self._remote.span_id if self._remote else None,
            start=self._start,
            end=max(self._start, time.time_ns()),
            attributes={"test.suite.name": ROOT_NAME, "test.suite.run.status": status},
            status=error_status(error) if error else OK,
            trace_state=self._state,
            parent_remote=self._remote is not None,
        )

    def crashed(
        self, nodeid: str, worker: str, attempt: int, start: int, location: tuple[str, int | None, str]
    ) -> None:
        """In an xdist controller: emit the span of a test in which its worker died, with the id that it had there."""
        path, line, _ = location
        attributes: Attributes = {"code.file.path": path}
        if line is not None:
            attributes["code.line.number"] = line + 1
        now = time.time_ns()
        failure = Failure(f"worker {worker!r} crashed while it ran this test", now)
        if self._sink is not None:
            span_id = self._derived(nodeid, worker, attempt)
            place = Place(self.trace_id, span_id, self.root_span_id, self._state, start, now)
            self._sink(case_span(_shown(nodeid), "fail", (failure,), attributes, place))

    def _derived(self, nodeid: str, worker: str, attempt: int) -> str:
        return derived_span_id(self.trace_id, self.root_span_id, worker, nodeid, attempt)

    def _begin(self, item: pytest.Item) -> None:
        self._attempts += 1
        span_id = self._derived(item.nodeid, self._worker, self._attempts) if self._worker else new_span_id()
        self.ran = True
        self._attempt = _Attempt(item, span_id)
        self._stack.open(span_id)

    def _end(self) -> None:
        attempt = self._attempt
        if attempt is None:
            return
        self._attempt = None
        self._stack.close()
        if self._sink is not None and self._subtests is not None:
            self._subtests.flush()
            name, attributes = _shown(attempt.nodeid), code_attributes(attempt.item)
            ids = self.trace_id, attempt.span_id, self.root_span_id
            place = Place(*ids, self._state, attempt.start, time.time_ns())
            self._sink(case_span(name, attempt.verdict(), attempt.failures, attributes, place))


def _shown(nodeid: str) -> str:
    """The node id; a parameter in it may be an address or a token. Looking is cheap, `redact` is not."""
    return redact(nodeid) if "://" in nodeid or "=" in nodeid or " " in nodeid else nodeid
