"""What an exception says to a person: the message of an assert without pytest's introspection (contract 5)."""

from __future__ import annotations

import linecache
import traceback
from pathlib import Path
from types import TracebackType

import pytest

from .failures import exception_text
from .redact import redact

_START = Path.cwd()  # where the run began: a test may leave that folder, or delete it


def assertion_reason(error: AssertionError) -> str:
    """The message that stands behind the assert; without one, the asserted expression.

    pytest's assertion rewriting puts its explanation behind the message, in lines that start with ``assert``; further
    lines of the message itself are indented by two blanks then.
    """
    text = exception_text(error)
    message, rewritten, _ = text.partition("\nassert ")
    if rewritten:
        first, *more = message.split("\n")
        text = "\n".join([first, *(line.removeprefix("  ") for line in more)])
    elif text.startswith("assert "):
        text = text.partition("\n")[0]
    if not text.strip():
        text = _source_line(error) or "assertion failed"
    return redact(text.strip())


def exception_reason(error: BaseException) -> str:
    """Type and message, as the last line of a traceback would say it."""
    text = exception_text(error).strip()
    if isinstance(error, pytest.fail.Exception) and text:
        return redact(text)
    name = type(error).__qualname__
    return redact(f"{name}: {text}" if text else name)


def location(error: BaseException) -> str | None:
    """``file:line`` in the test that led to it, relative to where the run began if it lies below, or None."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return None
    return f"{shown_path(frames[0].filename)}:{frames[0].lineno}"


def shown_path(filename: str) -> str:
    """A source file as a user would name it: relative to where the run began, if it lies below."""
    path = Path(filename)
    return str(path.relative_to(_START) if path.is_relative_to(_START) else path)


def _source_line(error: BaseException) -> str | None:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames or frames[-1].lineno is None:
        return None
    return linecache.getline(frames[-1].filename, frames[-1].lineno).strip() or None


def end_at_caller(error: BaseException) -> None:
    """End an exception's traceback at the line that called us: what lies below it is no matter of who reads it.

    Pytest would print our lines and their arguments, such as the whole environment of a program that was not found.
    """
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
    """The package whose module a frame belongs to; ours is all of it but the pilot, which is a user's code here."""
    name = str(entry.tb_frame.f_globals.get("__package__") or "")
    return _OURS if name.startswith(f"{_OURS}.") and not name.startswith(f"{_OURS}.pilot") else name
