"""What an exception says: to a person, as a reason; on a span, as OpenTelemetry's ``exception.*`` attributes."""

from __future__ import annotations

import linecache
import traceback
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import pytest

from .redact import redact
from .span import Attributes, ErrorType, SpanEvent
from .text import relative

_START = Path.cwd()  # where the run began: a test may leave that folder, or delete it
_MAX_LINE = 500
_MAX_DETAILS = 20_000


def exception_text(error: BaseException) -> str:
    """An exception's message, not redacted. Its own ``__str__`` can raise anything."""
    try:
        return str(error)
    except Exception as raised:  # noqa: BLE001  (see above: the test has failed already)
        return f"(its text raised {type(raised).__name__})"


def exception_type(error: BaseException) -> str:
    """The qualified name of its class, without a module for built-in ones, as the semantic conventions say."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def exception_attributes(error: BaseException, stack: str = "") -> dict[str, str]:
    """The attributes of an event ``exception``, without secrets; with a ``stack`` that too."""
    said = {"exception.type": exception_type(error), "exception.message": redact(exception_text(error))}
    return said | ({"exception.stacktrace": redact(stack)} if stack else {})


def exception_reason(error: BaseException) -> str:
    """Type and message, as the last line of a traceback would say it."""
    text = exception_text(error).strip()
    if isinstance(error, pytest.fail.Exception) and text:
        return redact(text)
    name = type(error).__qualname__
    return redact(f"{name}: {text}" if text else name)


class Assertion(NamedTuple):
    """What a failed assert says: its message, or the asserted expression; and what pytest found out about it."""

    reason: str
    details: str = ""


def assertion(error: AssertionError) -> Assertion:
    """The message that stands behind the assert, and apart from it what pytest adds, such as a difference."""
    text, details = exception_text(error), ""
    message, rewritten, found = text.partition("\nassert ")
    if rewritten:
        first, *more = message.split("\n")
        text, details = "\n".join([first, *(line.removeprefix("  ") for line in more)]), f"assert {found}"
    elif text.startswith("assert "):
        text, _, details = text.partition("\n")
    return Assertion(redact(text.strip() or _source_line(error) or "assertion failed"), redact(details, _MAX_DETAILS))


def _source_line(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    known = frames and frames[-1].lineno is not None
    return linecache.getline(frames[-1].filename, frames[-1].lineno or 0).strip() if known else ""


def location(error: BaseException, root: Path) -> Attributes:
    """``code.*`` attributes of the line in the test that led to it, its path relative to ``root`` if it lies below.

    None for a gate that its plan decides.
    """
    line = error.__traceback__
    if line is None or _package(line) == _OURS:
        return {}
    return {
        "code.file.path": str(relative(line.tb_frame.f_code.co_filename, root)),
        "code.line.number": line.tb_lineno,
    }


def shown_path(filename: str) -> str:
    """A source file as a user would name it: relative to where the run began, if it lies below."""
    return str(relative(filename, _START))


class Failure(NamedTuple):
    """A failure: a line for the span's status, its ``error.type``, and the exception's whole message if it is known.

    ``time`` is in nanoseconds.
    """

    line: str
    time: int
    type: str
    message: str | None = None

    def events(self) -> tuple[SpanEvent, ...]:
        """The ``exception`` event; none where only a report told of the failure."""
        if self.message is None:
            return ()
        return (SpanEvent("exception", self.time, {"exception.type": self.type, "exception.message": self.message}),)


def failure_of(error: BaseException, when: int) -> Failure:
    """What an exception says by itself."""
    message = exception_text(error)
    line = ": ".join(filter(None, (type(error).__name__, message.partition("\n")[0])))
    return Failure(redact(line, _MAX_LINE), when, exception_type(error), redact(message))


def failure_in(report: pytest.TestReport) -> Failure:
    """What a report says by itself; all that is known where no exception is shown, such as at a strict xpass."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message if crash is not None else report.longreprtext)
    return Failure(redact(text.partition("\n")[0], _MAX_LINE), int(report.stop * 1e9), ErrorType.TEST_FAILED)


def end_at_caller(error: BaseException) -> None:
    """End a traceback at the line that called us; ours would be printed with arguments, such as the environment."""
    entry = error.__traceback__
    while entry is not None and _package(entry) in _RUNNERS:  # from the hook that called the test down to it
        entry = entry.tb_next
    while entry is not None:
        if entry.tb_next is not None and _package(entry.tb_next) == _OURS:
            entry.tb_next = None
        entry = entry.tb_next


_OURS = "pytest_contextcore"
_RUNNERS = frozenset({_OURS, "pluggy", "_pytest"})


def _package(entry: TracebackType) -> str:
    """The package that a frame belongs to: all of ours is one, but for the pilot, which is a user's code here."""
    name = str(entry.tb_frame.f_globals.get("__package__") or "")
    return _OURS if name.startswith(f"{_OURS}.") and not name.startswith(f"{_OURS}.pilot") else name
