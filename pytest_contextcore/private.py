"""What is used of pytest, xdist and other plugins beyond their public API; what is not as known is never guessed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from io import UnsupportedOperation
from types import SimpleNamespace
from typing import Any, cast
from xml.etree.ElementTree import Element

import pytest

# --- phases: pytest-rerunfailures' Item._terminal_errors --------------------------------------------------------------


def forbid_rerun(item: pytest.Item) -> None:
    """Let pytest-rerunfailures not repeat a test; without this note of its own, the repeat is refused when it comes."""
    errors = getattr(item, "_terminal_errors", None)
    if isinstance(errors, dict):
        errors["contextcore"] = True


# --- terminal: TerminalWriter._file, CaptureManager.global_and_fixture_disabled, TerminalReporter.currentfspath -------


def terminal_encoding(writer: object) -> str | None:
    """The terminal's encoding, if it has one: not every terminal can show every mark."""
    return getattr(getattr(writer, "_file", None), "encoding", None)


def terminal_descriptor(writer: object) -> int | None:
    """A new file descriptor of the terminal, past the capturing of output, for any thread; None where it is no file."""
    try:
        return os.dup(cast(Any, writer)._file.fileno())
    except (AttributeError, OSError, UnsupportedOperation, ValueError):
        return None


def past_capture(config: pytest.Config) -> AbstractContextManager[None]:
    """While it is entered, what is written goes to the terminal although a test runs."""
    capture = config.pluginmanager.get_plugin("capturemanager")
    if capture is None:
        return contextlib.nullcontext()
    found: AbstractContextManager[None] = capture.global_and_fixture_disabled()
    return found


def line_is_open(reporter: pytest.TerminalReporter) -> bool:
    """Whether pytest would begin a new line before a text of its own."""
    return bool(reporter.currentfspath)


def leave_line_ended(reporter: pytest.TerminalReporter) -> None:
    """Tell pytest that something else began a line and ended it."""
    reporter.currentfspath = None


def leave_line_open(reporter: pytest.TerminalReporter) -> None:
    """Have pytest begin a new line before the next result: -2 is its own sign for a line that something else began."""
    reporter.currentfspath = -2


# --- JUnit: pytest has no public way to add a test case to its file --------------------------------------------------
# LogXML.node_reporters_ordered, .stats, .cnt_double_fail_tests, .prefix, .add_global_property; two functions that make
# a node id's address.


@dataclass(frozen=True, slots=True)
class LogXml:
    """pytest's JUnit plugin: how it makes and escapes a case's address, and what it makes cases of, in order."""

    xml: Any
    escape: Callable[[object], str]
    mangle: Callable[[str], list[str]]
    reporters: list[Any]
    prefix: str

    def replace(self, cases: list[Element], counts: dict[str, int]) -> None:
        """Have other cases and their counts written."""
        self.reporters[:] = [SimpleNamespace(to_xml=lambda case=case: case) for case in cases]
        self.xml.stats.update(counts)
        self.xml.cnt_double_fail_tests = 0

    def add_property(self, name: str, value: str) -> None:
        """Have a property of the whole suite written."""
        self.xml.add_global_property(name, value)


def log_xml(config: pytest.Config) -> LogXml | str:
    """pytest's JUnit plugin; the name of what is not as known, if pytest has changed."""
    try:
        from _pytest.junitxml import bin_xml_escape, mangle_test_address, xml_key  # noqa: PLC0415  (if it is asked for)
    except ImportError as error:
        return str(error)
    xml: Any = config.stash.get(xml_key, None)
    for name in ("node_reporters_ordered", "stats", "cnt_double_fail_tests", "prefix", "add_global_property"):
        if not hasattr(xml, name):
            return f"LogXML.{name}"
    return LogXml(xml, bin_xml_escape, mangle_test_address, xml.node_reporters_ordered, xml.prefix or "")


# --- schedulers: _split_scope of xdist's ------------------------------------------------------------------------------


def scopes_of(scheduler: object) -> Callable[[str], str] | None:
    """How a scheduler of xdist's, or a user's subclass, groups tests by their node ids; None if it does not."""
    return getattr(scheduler, "_split_scope", None)
