"""The edge to pytest's JUnit plugin: the only module that knows how ``_pytest.junitxml`` keeps its cases.

pytest has no public way to add a test case. Used are the list of its reporters (objects with ``to_xml()``), its counts,
its address of a node id, the class name prefix and the family of the schema. Where one of them is not as known, the
file is left as pytest makes it, and a line says so.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from ..trace.evidence import Evidence, SpanEvidence
from . import junit


class _NotAsKnownError(Exception):
    """pytest's JUnit plugin has changed; the message says where."""


def complete(config: pytest.Config, traces: Sequence[Evidence]) -> list[str]:
    """Give the JUnit file that pytest is about to write every phase and gate of these traces; lines if it could not.

    Runs once, at the session's end: tests that are no phase cost one look at their finished case, and no hook.
    """
    if not traces or not config.getoption("xmlpath", None):
        return []
    try:
        pytests = _Pytests(config)
    except _NotAsKnownError as error:
        return [
            f"JUnit: {config.getoption('xmlpath')} has no gates: pytest {pytest.__version__} keeps its report in a way "
            f"that is not known ({error}); use an older pytest, or a newer pytest-contextcore"
        ]
    pytests.weave(traces)
    return []


@dataclass(frozen=True, slots=True)
class _Case:
    """A finished case in the place of one of pytest's reporters."""

    element: ET.Element

    def to_xml(self) -> ET.Element:
        """What pytest writes."""
        return self.element


class _Pytests:
    """pytest's JUnit plugin, as far as it is used here."""

    def __init__(self, config: pytest.Config) -> None:
        try:
            from _pytest.junitxml import bin_xml_escape, mangle_test_address, xml_key  # noqa: PLC0415
        except ImportError as error:
            raise _NotAsKnownError(str(error)) from error
        self._escape, self._mangle = bin_xml_escape, mangle_test_address
        self._xml: Any = config.stash.get(xml_key, None)
        reporters = getattr(self._xml, "node_reporters_ordered", None)
        if not isinstance(reporters, list) or not all(hasattr(reporter, "to_xml") for reporter in reporters[:1]):
            raise _NotAsKnownError("LogXML.node_reporters_ordered")
        if set(getattr(self._xml, "stats", ())) != set(junit.counts([])):
            raise _NotAsKnownError("LogXML.stats")
        for name in ("cnt_double_fail_tests", "prefix", "family"):
            if not hasattr(self._xml, name):
                raise _NotAsKnownError(f"LogXML.{name}")

    def weave(self, traces: Sequence[Evidence]) -> None:
        """Put each trace's cases where pytest had the first of them; count anew."""
        shown = [(evidence, span) for evidence in traces for span in evidence.spans if junit.is_shown(span)]
        drafts: dict[str, list[ET.Element]] = {span.nodeid or "": [] for _, span in shown}
        by_address = {self._key(self._address(span)): span.nodeid or "" for _, span in shown}
        by_span = {span.otel_span_id: span.nodeid or "" for _, span in shown}
        trace_of = {span.nodeid: evidence.trace_id for evidence, span in shown}
        kept: list[Any] = []
        place: dict[str, int] = {}
        for reporter in self._xml.node_reporters_ordered:
            element = reporter.to_xml()
            nodeid = (
                by_address.get(self._key(element.attrib))
                or by_span.get(_span_of(element))  # a test may rename its case
                or str(getattr(reporter, "id", ""))  # its teardown was not reported
            )
            if nodeid not in drafts:
                kept.append(reporter)
                continue
            place.setdefault(trace_of[nodeid], len(kept))
            if "name" in element.attrib:  # without one, only its setup was reported
                drafts[nodeid].append(element)
        for evidence in sorted(traces, key=lambda trace: place.get(trace.trace_id, len(kept)), reverse=True):
            phases = [
                junit.phase_case(evidence, span, drafts[span.nodeid or ""], self._address(span))
                for span in evidence.spans
                if junit.is_shown(span)
            ]
            at = place.get(evidence.trace_id, len(kept))
            kept[at:at] = [_Case(case) for case in junit.trace_cases(evidence, phases, prefix=self._xml.prefix)]
        self._xml.node_reporters_ordered[:] = kept
        self._xml.stats.update(junit.counts(reporter.to_xml() for reporter in kept))
        self._xml.cnt_double_fail_tests = 0

    def _address(self, span: SpanEvidence) -> dict[str, str]:
        """The attributes that pytest gives the case of a test."""
        *classes, name = self._mangle(span.nodeid or span.span_id)
        classname = ".".join([self._xml.prefix, *classes] if self._xml.prefix else classes)
        address = {"classname": classname, "name": self._escape(name)}
        if self._xml.family == "xunit1":
            address["file"] = (span.nodeid or "").partition("::")[0]
            if isinstance(line := span.attributes.get("code.line.number"), int):
                address["line"] = str(line - 1)  # pytest counts from 0 here
        return address

    @staticmethod
    def _key(attributes: dict[str, str]) -> tuple[str | None, str | None]:
        return attributes.get("classname"), attributes.get("name")


def _span_of(case: ET.Element) -> str:
    """The span id among a case's properties."""
    found = case.find("properties/property[@name='otel_span_id']") if len(case) else None
    return "" if found is None else found.get("value", "")
