"""Phases and gates as JUnit test cases: XML elements out of a verdict. Pure.

``junit_file`` puts them into pytest's file. A phase's case is what pytest made of its reports, brought in line with the
evidence; a gate's case is made here.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..plan.model import Kind
from ..spans.of_trace import phase_spans
from ..trace.evidence import Evidence, GateEvidence, Result, SpanEvidence, Status
from ..trace.rules import DESELECTED
from .rows import Row, as_text, cause_rows
from .terminal import stopped_message
from .verdict import STOPPED, Phase, Verdict, joined, of_gate

Properties = list[tuple[str, object]]

_SHOWN = ("task.", "input.", "quality.", "routing.", "output.")
_MOST = 50
_OUTCOMES = ("error", "failure", "skipped")
_NOT_IN_XML = "[^\t\n\r\x20-\x7e\x80-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"  # XML 1.0, 2.2, and DEL


def phase_properties(evidence: Evidence, span: SpanEvidence) -> Properties:
    """Trace and span id (hex), and what the span says of task, inputs, quality, routing and output."""
    *_, phase = phase_spans(evidence, span)
    shown = [(name, str(value)) for name, value in phase.attributes.items() if name.startswith(_SHOWN)]
    waived = [("gate.waived", f"{gate.gate_id}: {gate.waived}") for gate in span.gates if gate.waived]
    return [("otel_trace_id", phase.trace_id), ("otel_span_id", phase.span_id), *shown, *waived]


def gate_properties(evidence: Evidence, span: SpanEvidence, gate: GateEvidence) -> Properties:
    """Trace and span id (hex), whose gate it is, its kind and its result; a gate that did not start has no span."""
    found: Properties = [("otel_trace_id", evidence.otel_trace_id)]
    if gate.started_at is not None:
        found.append(("otel_span_id", gate.otel_span_id))
    found += [("task.id", gate.gate_id), ("task.parent_id", span.span_id), ("task.phase", span.phase)]
    found += [("gate.kind", gate.kind.value), ("gate.result", gate.result.value)]
    optional = {"gate.severity": gate.severity, "gate.reason": gate.reason, "gate.waived": gate.waived}
    found += [(name, str(value)) for name, value in optional.items() if value]
    return [*found, ("task.reused", True)] if span.reused else found


def is_shown(span: SpanEvidence) -> bool:
    """Whether a phase has a case; deselected ones are left out, as everywhere in pytest."""
    return span.nodeid is not None and span.blocked_reason != DESELECTED


def trace_cases(verdict: Verdict, phases: Iterable[ET.Element], *, prefix: str) -> Iterator[ET.Element]:
    """The cases of a trace in the plan's order, each phase's gates behind it.

    ``phases`` are the cases of those phases that were not deselected, in order. An unmet definition of done fails the
    run although every phase completed, so it is a failing case of its own, under the trace's id.
    """
    evidence = verdict.evidence
    shown = [phase for phase in verdict.phases if is_shown(phase.span)]
    for phase, case in zip(shown, phases, strict=True):
        yield case
        for gate in phase.span.gates:
            yield gate_case(verdict, phase, gate, case, prefix=prefix)
    if evidence.status is Status.BLOCKED and verdict.cause is not None:
        attributes = {"classname": _dotted(prefix, evidence.trace_id), "name": "definition of done", "time": "0.000"}
        case = ET.Element("testcase", attributes)
        case.append(_properties([("otel_trace_id", evidence.otel_trace_id), ("otel_span_id", evidence.otel_span_id)]))
        text = "\n".join(as_text(cause_rows(verdict.cause, _MOST)))
        case.append(_element("failure", text, message=verdict.cause.headline))
        yield case


def phase_case(verdict: Verdict, phase: Phase, drafts: Sequence[ET.Element], address: Mapping[str, str]) -> ET.Element:
    """One case for a phase, with one outcome at most.

    ``drafts`` are what pytest made of the phase's reports: none after ``-x`` or where it is reused, two where its call
    and its teardown failed, several outcomes in one where subtests failed. ``address`` are the attributes of a case
    without a draft. The time is pytest's, bounded by the evidence's: pytest counts subtests and earlier attempts twice.
    """
    attributes = {**address, **(drafts[-1].attrib if drafts else {})}
    ours = phase_properties(verdict.evidence, phase.span)
    names = {name for name, _ in ours}
    theirs = [
        (found.get("name", ""), found.get("value", ""))
        for draft in drafts
        for found in draft.iter("property")
        if found.get("name") not in names
    ]
    took = 0.0 if phase.span.reused else _seconds(phase.span)
    time = min(took, sum(float(draft.get("time", 0)) for draft in drafts)) if drafts else took
    case = ET.Element("testcase", {**attributes, "time": f"{time:.3f}"})
    case.append(_properties([*ours, *theirs]))
    children = [child for draft in drafts for child in draft if child.tag != "properties"]
    outcomes = [child for child in children if child.tag in _OUTCOMES]
    if (outcome := _one_outcome(verdict, phase, outcomes)) is not None:
        case.append(outcome)
    case.extend(child for child in children if child.tag not in _OUTCOMES)
    return case


def _one_outcome(verdict: Verdict, phase: Phase, found: Sequence[ET.Element]) -> ET.Element | None:
    """What pytest said, its pieces in one element; where it said nothing or something else, what the evidence says."""
    status = phase.span.status
    if status is Status.NOT_STARTED:
        skipped = (child for child in found if child.tag == "skipped")
        return next(skipped, _element("skipped", phase.why, message=phase.why))
    if status not in STOPPED:
        return None
    said = stopped_message(phase)
    around = _legal("\n".join(as_text(_around(verdict, phase))))
    failed = sorted((child for child in found if child.tag != "skipped"), key=lambda child: child.tag != "failure")
    if not failed:
        return _element("failure", "\n\n".join(filter(None, (said, around))), message=phase.headline)
    pieces = [child.text or child.get("message") or "" for child in failed]
    if status is Status.BLOCKED:  # the text is ours and says all that; pytest's message is all of it, too
        failed[0].set("message", _legal(phase.headline))
    else:
        pieces.append(_legal(said))
    failed[0].text = "\n\n".join(filter(None, (*pieces, around)))
    return failed[0]


def _around(verdict: Verdict, phase: Phase) -> Iterator[Row]:
    """What a reader of this case alone would have to gather from others: where the files are, and what did not run."""
    if verdict.evidence.workspace:
        yield Row("workspace", (verdict.evidence.workspace,))
    if phase.held:
        yield Row("did not start", (", ".join(phase.held),))


def gate_case(verdict: Verdict, phase: Phase, gate: GateEvidence, beside: ET.Element, *, prefix: str) -> ET.Element:
    """The case of a gate: failed only where its failure blocks; skipped where it was not checked.

    A gate that passed with a remark (advisory and failed, waived, not applicable) passes, and says so in properties and
    in its output: an advisory failure fails no run, so it must not fail a case either. ``beside`` is its phase's case.
    """
    attributes: dict[str, str] = {
        "classname": _dotted(prefix, phase.span.span_id),
        "name": _legal(f"{gate.gate_id} {' '.join(gate.purpose.split())}".rstrip()),
    }
    attributes.update((name, value) for name, value in beside.attrib.items() if name in ("file", "line"))  # of xunit1
    took = 0.0 if phase.span.reused else _seconds(gate)
    attributes["time"] = f"{min(took, float(beside.get('time', 0))):.3f}"  # lies inside its phase's
    case = ET.Element("testcase", attributes)
    case.append(_properties(gate_properties(verdict.evidence, phase.span, gate)))
    if (said := _gate_says(phase, gate)) is not None:
        case.append(said)
    return case


def _gate_says(phase: Phase, gate: GateEvidence) -> ET.Element | None:
    if gate.result is Result.PASS:
        return None
    if gate.result is Result.NOT_CHECKED:
        why = phase.why if phase.span.status is Status.NOT_STARTED else f"not checked: {gate.reason or phase.why}"
        return _element("skipped", why, message=why)
    if gate.result is Result.NOT_APPLICABLE:
        return _element("system-out", f"not applicable: {gate.reason}")
    cause = of_gate(phase.span, gate)
    test = [Row("test", (phase.place,))] if phase.place else []
    text = "\n".join(as_text([*cause_rows(cause, _MOST), *test]))
    if gate.result is Result.WAIVED:
        return _element("system-out", f"waived by {gate.waived}\n{text}")
    if gate.kind is Kind.ADVISORY:
        return _element("system-out", f"warning\n{text}")
    return _element("failure", text, message=joined(cause.name, cause.headline), type=gate.kind.value)


def counts(cases: Iterable[ET.Element]) -> dict[str, int]:
    """How many cases passed, failed, had an error, were skipped: every case counts once, under the first that applies.

    pytest itself counts reports, so that a test with three subtests counts four times.
    """
    found = dict.fromkeys(("passed", *_OUTCOMES), 0)
    for case in cases:
        tags = {child.tag for child in case}
        found[next((tag for tag in _OUTCOMES if tag in tags), "passed")] += 1
    return found


def _seconds(timed: SpanEvidence | GateEvidence) -> float:
    start, end = timed.started_at, timed.ended_at
    return (end - start) / 1e9 if start is not None and end is not None else 0.0


def _dotted(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _properties(given: Properties) -> ET.Element:
    element = ET.Element("properties")
    for name, value in given:
        ET.SubElement(element, "property", name=_legal(name), value=_legal(str(value)))
    return element


def _element(tag: str, text: str, **attributes: str) -> ET.Element:
    element = ET.Element(tag, {name: _legal(value) for name, value in attributes.items()})
    element.text = _legal(text)
    return element


def _legal(text: str) -> str:
    """The text with what XML cannot hold shown as an escape."""
    if text.isascii() and text.isprintable():  # most of them; compiling the pattern takes milliseconds
        return text
    return re.sub(_NOT_IN_XML, lambda found: found.group().encode("unicode_escape").decode(), text)
