"""What is said of an exception on a span: OpenTelemetry's ``exception.*`` attributes and a status description."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from .redact import redact
from .span import SpanEvent

_MAX_LINE = 500


class Failure(NamedTuple):
    """A failure: a line for the span's status, and the exception, if it is known; ``time`` in nanoseconds."""

    line: str
    time: int
    type: str = ""
    message: str = ""

    def events(self) -> tuple[SpanEvent, ...]:
        """The ``exception`` event; none where only a report told of the failure."""
        if not self.type:
            return ()
        return (SpanEvent("exception", self.time, {"exception.type": self.type, "exception.message": self.message}),)


def failure_of(error: BaseException, when: int) -> Failure:
    """What an exception says by itself."""
    message = exception_text(error)
    first = next(iter(message.splitlines()), "")
    name = type(error).__name__
    return Failure(
        redact(f"{name}: {first}" if first else name, _MAX_LINE), when, exception_type(error), redact(message)
    )


def failure_in(report: pytest.TestReport) -> Failure:
    """What a report says by itself; all that is known where no exception is shown, such as at a strict xpass."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message if crash is not None else report.longreprtext)
    return Failure(redact(next(iter(text.splitlines()), ""), _MAX_LINE), int(report.stop * 1e9))


def exception_type(error: BaseException) -> str:
    """The qualified name of its class, without a module for built-in ones (semantic conventions, exceptions)."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def exception_text(error: BaseException) -> str:
    """Its message, not redacted; an exception's own ``__str__`` can raise anything."""
    try:
        return str(error)
    except Exception as raised:  # noqa: BLE001  (see above: the test has failed already)
        return f"(its text raised {type(raised).__name__})"
