"""A JUnit file read with an independent parser, and compared case by case with the evidence."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from junitparser import xunit2

from pytest_contextcore.trace.rules import DESELECTED

Document = dict[str, Any]

_SAYS = ("failure", "error", "skipped")
_SCHEMA = {
    "testsuites": ("testsuite", "name time tests failures errors"),
    "testsuite": ("testcase properties", "name tests failures errors time skipped timestamp hostname"),
    "testcase": (f"properties {' '.join(_SAYS)} system-out system-err", "name time classname"),
    "properties": ("property", ""),
    "property": ("", "name value"),
    **dict.fromkeys(_SAYS, ("", "type message")),
    **dict.fromkeys(("system-out", "system-err"), ("", "")),
}
"""What the strict xunit2 schema (junit-10 of Jenkins' plugin) allows: children and attributes.

It has no properties in test cases; pytest writes them there all the same, first, and so do we.
"""


def violations(element: ET.Element) -> list[str]:
    """What the schema forbids in an element, a line each."""
    children, attributes = (allowed.split() for allowed in _SCHEMA[element.tag])
    found = [f"{element.tag}: attribute {name}" for name in element.attrib if name not in attributes]
    if element.tag not in (*_SAYS, "system-out", "system-err") and (element.text or "").strip():
        found.append(f"{element.tag}: text")
    for position, child in enumerate(element):
        if child.tag not in children or (child.tag == "properties" and position):
            found.append(f"{element.tag}: {child.tag} at {position}")
        else:
            found += violations(child)
    return found


@dataclass(frozen=True)
class Case:
    """One test case: ``outcome`` is passed, failure, error or skipped; ``says`` the message and text of a bad one."""

    classname: str
    name: str
    outcome: str
    says: str
    message: str
    output: str
    time: float
    properties: dict[str, str]


class JUnitFile:
    """What a consumer sees of a file, and whether it is valid and adds up."""

    def __init__(self, path: Path, *, family: str = "xunit2") -> None:
        root = ET.parse(path).getroot()
        if family == "xunit2":
            assert violations(root) == []
        [suite] = list(xunit2.JUnitXml.fromfile(str(path)))
        self.suite = suite
        self.properties = {p.attrib["name"]: p.attrib["value"] for p in root.iterfind("testsuite/properties/property")}
        self.cases = [_read(case) for case in suite]
        self._adds_up(root[0])

    def _adds_up(self, suite: ET.Element) -> None:
        counted = [sum(case.outcome == outcome for case in self.cases) for outcome in ("failure", "error", "skipped")]
        assert [self.suite.tests, self.suite.failures, self.suite.errors, self.suite.skipped] == [
            len(self.cases), *counted,
        ]  # fmt: skip
        assert all(case.time <= float(suite.attrib["time"]) + 0.001 for case in self.cases)

    def case(self, name: str) -> Case:
        """The only case whose name starts so, as a word."""
        [found] = [case for case in self.cases if case.name.split(" ")[0] == name]
        return found

    def agrees_with(self, evidence: Document) -> None:
        """Every phase and gate that was not deselected, in the plan's order, says what the evidence says."""
        done = self.properties[f"{evidence['trace_id']} task.definition_of_done"]
        assert all(condition["condition"] in done for condition in evidence["definition_of_done"])
        shown = [span for span in evidence["spans"] if span["nodeid"] and span["blocked_reason"] != DESELECTED]
        expected = [(span, gate) for span in shown for gate in (None, *span["gates"])]
        ids, nodeids = {span["span_id"] for span in shown}, [span["nodeid"] for span in shown]
        seen = [case for case in self.cases if case.classname in ids or _of_phase(case, nodeids)]
        assert len(seen) == len(expected)
        for case, (span, gate) in zip(seen, expected, strict=True):
            assert case.properties["otel_trace_id"] == evidence["otel_trace_id"]
            assert ("task.reused" in case.properties) == span["reused"]
            if gate is None:
                phase = case
                _same_phase(case, span)
            else:
                assert case.time <= phase.time
                _same_gate(case, span, gate)


def _of_phase(case: Case, nodeids: list[str | None]) -> bool:
    in_python = f"{case.classname.replace('.', '/')}.py::{case.name}"
    return any(nodeid in (in_python, f"{case.classname}::{case.name}") for nodeid in nodeids)


def _read(case: Any) -> Case:
    outcome, says, message = "passed", "", ""
    assert len(case.result) <= 1
    for result in case.result:
        outcome, message = type(result).__name__.lower(), result.message or ""
        says = f"{message}\n{result.text or ''}"
    properties = {found.name: found.value for found in case.properties()}
    return Case(case.classname, case.name, outcome, says, message, case.system_out or "", case.time, properties)


OUTCOMES = {"completed": {"passed"}, "not_started": {"skipped"}, "blocked": {"failure"}, "failed": {"failure", "error"}}


def _same_phase(case: Case, span: Document) -> None:
    blocking = [gate for gate in span["gates"] if _blocks(gate)]
    assert case.outcome in ({"skipped"} if blocking else OUTCOMES[span["status"]])  # the gate's case is the failure
    assert case.properties["otel_span_id"] == span["otel_span_id"]
    assert case.properties["task.id"] == span["span_id"]
    assert case.properties["task.status"] == span["status"]
    assert case.properties["task.goal"] == span["goal"]
    assert case.properties["task.exit_criteria"] == "; ".join(span["exit_criteria"])
    for name, value in span["attributes"].items():
        if name.startswith(("quality.", "routing.", "output.", "input.")):
            assert case.properties[name] == str(value)
    if span["status"] in ("blocked", "not_started"):
        assert case.properties["task.blocked_reason"] == span["blocked_reason"]
        assert case.properties["task.next_action"] == span["next_action"]
    if span["status"] != "completed":
        assert (span["blocked_on_span_id"] or "") in case.says
    if blocking:
        assert case.message.startswith(f"{span['span_id']} {span['phase']} is blocked: ")
        assert all(gate["gate_id"].removeprefix(f"{span['span_id']}-") in case.message for gate in blocking)
    elif span["status"] in ("blocked", "failed"):
        assert is_said(span["blocked_reason"], case.says)
        assert span["next_action"] in case.says


def _same_gate(case: Case, span: Document, gate: Document) -> None:
    assert case.classname == span["span_id"]
    assert case.name == f"{gate['gate_id']} {gate['purpose']}"
    assert case.properties["gate.result"] == gate["result"]
    said = {f"gate.{name}": gate[name] for name in ("kind", "purpose", "criterion")}
    said |= {name: str(value) for name, value in gate["attributes"].items()}
    assert case.properties.items() >= said.items()
    assert case.properties.get("otel_span_id") == (gate["otel_span_id"] if gate["started_at"] else None)
    blocks = _blocks(gate)
    assert case.outcome == ("failure" if blocks else "skipped" if gate["result"] == "not_checked" else "passed")
    if blocks:
        name = gate["purpose"].replace("`", "").partition(" (")[0]
        assert case.message.startswith(f"{gate['gate_id'].removeprefix(span['span_id'] + '-')} {name}: ")
        assert is_said(gate["reason"].splitlines()[0], case.message)
        assert is_said(gate["reason"], case.says)
        assert gate["next_action"] in case.says
        assert all(item["ref"] in case.says for item in gate["evidence"][:50])
    elif gate["result"] in ("fail", "waived", "not_applicable"):
        assert is_said(gate["reason"], case.output)
        assert gate["reason"] == case.properties["gate.reason"]
    if gate["result"] == "not_checked":
        assert (span["blocked_on_span_id"] or "not checked") in case.says


def is_said(reason: str, text: str) -> bool:
    """Whether every file and every sentence of a reason is in the text, digests by their beginning."""
    shown = re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1…", reason)
    return all(part in text for line in shown.splitlines() for part in line.partition(": ")[::2])


def _blocks(gate: Document) -> bool:
    return bool(gate["result"] == "fail" and gate["kind"] != "advisory")
