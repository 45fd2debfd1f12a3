"""Gives the JUnit file that pytest is about to write every phase and gate of the session's traces."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from ..private import LogXml, Reporter, log_xml
from ..trace.evidence import SpanEvidence
from . import junit
from .verdict import Verdict


def complete(config: pytest.Config, verdicts: Sequence[Verdict]) -> list[str]:
    """Put phases and gates into the file; lines to print if that was not possible.

    Runs once, at the session's end: tests that are no phase cost one look at their finished case, and no hook.
    """
    if not verdicts or not config.getoption("xmlpath", None):
        return []
    found = log_xml(config)
    if isinstance(found, str):
        return [
            f"JUnit: {config.getoption('xmlpath')} has no gates: pytest {pytest.__version__} keeps its report in a way "
            f"that is not known ({found}); use an older pytest, or a newer pytest-contextcore"
        ]
    _weave(found, verdicts)
    return []


@dataclass(frozen=True, slots=True)
class _Case:
    """A finished case in the place of one of pytest's reporters."""

    element: ET.Element

    def to_xml(self) -> ET.Element:
        """What pytest writes."""
        return self.element


def _weave(xml: LogXml, verdicts: Sequence[Verdict]) -> None:
    """Put each trace's cases where pytest had the first of them; count anew."""
    shown = [(verdict, phase.span) for verdict in verdicts for phase in verdict.phases if junit.is_shown(phase.span)]
    drafts: dict[str, list[ET.Element]] = {span.nodeid or "": [] for _, span in shown}
    by_address = {_key(_address(xml, span)): span.nodeid or "" for _, span in shown}
    by_span = {span.otel_span_id: span.nodeid or "" for _, span in shown}
    trace_of = {span.nodeid: verdict.evidence.trace_id for verdict, span in shown}
    kept: list[Reporter] = []
    place: dict[str, int] = {}
    for reporter in xml.reporters:
        element = reporter.to_xml()
        nodeid = (
            by_address.get(_key(element.attrib))
            or by_span.get(_span_of(element))  # a test may rename its case
            or str(getattr(reporter, "id", ""))  # its teardown was not reported
        )
        if nodeid not in drafts:
            kept.append(reporter)
            continue
        place.setdefault(trace_of[nodeid], len(kept))
        if "name" in element.attrib:  # without one, only its setup was reported
            drafts[nodeid].append(element)
    for verdict in sorted(verdicts, key=lambda one: place.get(one.evidence.trace_id, len(kept)), reverse=True):
        phases = [
            junit.phase_case(verdict, phase, drafts[phase.span.nodeid or ""], _address(xml, phase.span))
            for phase in verdict.phases
            if junit.is_shown(phase.span)
        ]
        at = place.get(verdict.evidence.trace_id, len(kept))
        kept[at:at] = [_Case(case) for case in junit.trace_cases(verdict, phases, prefix=xml.prefix)]
    xml.replace(kept, junit.counts(reporter.to_xml() for reporter in kept))


def _address(xml: LogXml, span: SpanEvidence) -> dict[str, str]:
    """The attributes that pytest gives the case of a test."""
    *classes, name = xml.mangle(span.nodeid or span.span_id)
    address = {"classname": ".".join([xml.prefix, *classes] if xml.prefix else classes), "name": xml.escape(name)}
    if xml.has_places:
        address["file"] = (span.nodeid or "").partition("::")[0]
        if isinstance(line := span.attributes.get("code.line.number"), int):
            address["line"] = str(line - 1)  # pytest counts from 0 here
    return address


def _key(attributes: dict[str, str]) -> tuple[str | None, str | None]:
    return attributes.get("classname"), attributes.get("name")


def _span_of(case: ET.Element) -> str:
    """The span id among a case's properties."""
    found = case.find("properties/property[@name='otel_span_id']") if len(case) else None
    return "" if found is None else found.get("value", "")
