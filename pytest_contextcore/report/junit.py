"""Phases and gates as JUnit test cases: XML elements out of evidence (contract 5).

Pure; ``logxml`` puts them into the file. A phase's case is what pytest made of its reports, brought in line with the
evidence; a gate's case is made here.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..plan.model import Kind
from ..spans.of_trace import phase_spans
from ..trace.evidence import Evidence, GateEvidence, Result, SpanEvidence, Status
from ..trace.rules import DESELECTED, Outcome
from . import verdict
from .terminal import stopped_message

Properties = list[tuple[str, object]]

_SHOWN = ("task.", "input.", "quality.", "routing.", "output.")
_EVIDENCE_SHOWN = 50
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


def trace_cases(evidence: Evidence, phases: Iterable[ET.Element], *, prefix: str | None) -> Iterator[ET.Element]:
    """The cases of a trace in the plan's order, each phase's gates behind it.

    ``phases`` are the cases of those phases that were not deselected, in order. An unmet definition of done fails the
    run although every phase completed, so it is a failing case of its own, under the trace's id.
    """
    shown = [span for span in evidence.spans if is_shown(span)]
    for span, case in zip(shown, phases, strict=True):
        yield case
        for gate in span.gates:
            yield gate_case(evidence, span, gate, case, prefix=prefix)
    if evidence.status is Status.BLOCKED and evidence.blocked_on_span_id is None:
        attributes = {"classname": _dotted(prefix, evidence.trace_id), "name": "definition of done", "time": "0.000"}
        case = ET.Element("testcase", attributes)
        case.append(_properties([("otel_trace_id", evidence.otel_trace_id), ("otel_span_id", evidence.otel_span_id)]))
        text = f"{evidence.blocked_reason}\nnext: {verdict.plain(evidence.next_action or '')}"
        case.append(_element("failure", text, message=evidence.blocked_reason or ""))
        yield case


def is_shown(span: SpanEvidence) -> bool:
    """Whether a phase has a case; deselected ones are left out, as everywhere in pytest."""
    return span.nodeid is not None and span.blocked_reason != DESELECTED


def phase_case(
    evidence: Evidence, span: SpanEvidence, drafts: Sequence[ET.Element], address: Mapping[str, str]
) -> ET.Element:
    """One case for a phase, with one outcome at most.

    ``drafts`` are what pytest made of the phase's reports: none after ``-x`` or where it is reused, two where its call
    and its teardown failed, several outcomes in one where subtests failed. ``address`` are the attributes of a case
    without a draft. The time is pytest's, bounded by the evidence's: pytest counts subtests and earlier attempts twice.
    """
    attributes = {**address, **(drafts[-1].attrib if drafts else {})}
    ours = phase_properties(evidence, span)
    names = {name for name, _ in ours}
    theirs = [
        (found.get("name", ""), found.get("value", ""))
        for draft in drafts
        for found in draft.iter("property")
        if found.get("name") not in names
    ]
    case = ET.Element("testcase", {**attributes, "time": f"{_phase_time(span, drafts):.3f}"})
    case.append(_properties([*ours, *theirs]))
    children = [child for draft in drafts for child in draft if child.tag != "properties"]
    outcomes = [child for child in children if child.tag in _OUTCOMES]
    if (outcome := _one_outcome(evidence, span, outcomes)) is not None:
        case.append(outcome)
    case.extend(child for child in children if child.tag not in _OUTCOMES)
    return case


def _phase_time(span: SpanEvidence, drafts: Sequence[ET.Element]) -> float:
    took = 0.0 if span.reused else _seconds(span.started_at, span.ended_at)
    return min(took, sum(float(draft.get("time", 0)) for draft in drafts)) if drafts else took


def _one_outcome(evidence: Evidence, span: SpanEvidence, found: Sequence[ET.Element]) -> ET.Element | None:
    """What pytest said, its pieces in one element; where it said nothing or something else, what the evidence says."""
    if span.status is Status.COMPLETED:
        return None
    if span.status is Status.NOT_STARTED:
        reason = not_started(evidence, span)
        return next((child for child in found if child.tag == "skipped"), _element("skipped", reason, message=reason))
    said = stopped_message(span, Outcome(span.status, span.blocked_reason, span.next_action), {})
    around = _legal("\n".join(_around(evidence, span)))
    failed = [child for child in found if child.tag != "skipped"]
    if not failed:
        return _element("failure", "\n\n".join(filter(None, (said, around))), message=verdict.headline(span))
    first = next((child for child in failed if child.tag == "failure"), failed[0])
    texts = [first, *(child for child in failed if child is not first)]
    pieces = [child.text or child.get("message") or "" for child in texts]
    if span.status is Status.BLOCKED:  # the text is ours and says all that; pytest's message is all of it, too
        first.set("message", _legal(verdict.headline(span)))
    else:
        pieces.append(_legal(said))
    first.text = "\n\n".join(filter(None, (*pieces, around)))
    return first


def _around(evidence: Evidence, span: SpanEvidence) -> Iterator[str]:
    """What a reader of this case alone would have to gather from others: where the files are, and what did not run."""
    if evidence.workspace:
        yield f"workspace: {evidence.workspace}"
    if waiting := verdict.held(evidence, span):
        yield f"did not start: {', '.join(f'{other.span_id} {other.phase}' for other in waiting)}"


def not_started(evidence: Evidence, span: SpanEvidence) -> str:
    """Why a phase did not start; names the span that blocks it."""
    return verdict.not_started(evidence, span.blocked_reason, span.blocked_on_span_id)


def gate_case(
    evidence: Evidence, span: SpanEvidence, gate: GateEvidence, phase: ET.Element, *, prefix: str | None
) -> ET.Element:
    """The case of a gate: failed only where its failure blocks; skipped where it was not checked.

    A gate that passed with a remark (advisory and failed, waived, not applicable) passes, and says so in properties and
    in its output: an advisory failure fails no run, so it must not fail a case either.
    """
    took = 0.0 if span.reused else _seconds(gate.started_at, gate.ended_at)
    attributes: dict[str, str] = {
        "classname": _dotted(prefix, span.span_id),
        "name": _legal(f"{gate.gate_id} {' '.join(gate.purpose.split())}".rstrip()),
    }
    attributes.update((name, value) for name, value in phase.attrib.items() if name in ("file", "line"))  # of xunit1
    attributes["time"] = f"{min(took, float(phase.get('time', 0))):.3f}"  # lies inside its phase's
    case = ET.Element("testcase", attributes)
    case.append(_properties(gate_properties(evidence, span, gate)))
    if (said := _gate_says(evidence, span, gate)) is not None:
        case.append(said)
    return case


def _gate_says(evidence: Evidence, span: SpanEvidence, gate: GateEvidence) -> ET.Element | None:
    cause = verdict.of_gate(span, gate)
    if gate.result is Result.FAIL and gate.kind is not Kind.ADVISORY:
        return _element("failure", _findings(span, cause), message=cause.headline, type=gate.kind.value)
    if gate.result is Result.NOT_CHECKED:
        why = _not_checked(evidence, span, gate)
        return _element("skipped", why, message=why)
    if gate.result is Result.FAIL:
        return _element("system-out", f"warning: {_findings(span, cause)}")
    if gate.result is Result.WAIVED:
        return _element("system-out", f"waived by {gate.waived}: {_findings(span, cause)}")
    if gate.result is Result.NOT_APPLICABLE:
        return _element("system-out", f"not applicable: {gate.reason}")
    return None


def _not_checked(evidence: Evidence, span: SpanEvidence, gate: GateEvidence) -> str:
    if span.status is Status.NOT_STARTED:
        return not_started(evidence, span)
    return f"not checked: {gate.reason or verdict.stopped(span)}"


def _findings(span: SpanEvidence, cause: verdict.Cause) -> str:
    """The gate, reasons by file, test, evidence and next action of a gate that failed."""
    lines = [cause.title, *cause.findings()]
    if test := verdict.place(span):
        lines.append(f"test: {test}")
    items = cause.gate.evidence if cause.gate is not None else []
    found: dict[str, None] = {}
    for item in items[:_EVIDENCE_SHOWN]:
        description = verdict.short(item.description)
        told = any(description.endswith(sentence) for about in cause.about for sentence in about.sentences)
        more = "" if told or not description else f" ({description})"
        found[f"evidence: {item.type}: {verdict.short(item.ref)}{more}"] = None
    lines += found
    if len(items) > _EVIDENCE_SHOWN:
        lines.append(f"evidence: {len(items) - _EVIDENCE_SHOWN} more")
    if cause.next_action:
        lines.append(f"next: {cause.next_action}")
    return "\n".join(lines)


def counts(cases: Iterable[ET.Element]) -> dict[str, int]:
    """How many cases passed, failed, had an error, were skipped: every case counts once, under the first that applies.

    pytest itself counts reports, so that a test with three subtests counts four times.
    """
    found = dict.fromkeys(("passed", *_OUTCOMES), 0)
    for case in cases:
        tags = {child.tag for child in case}
        found[next((tag for tag in _OUTCOMES if tag in tags), "passed")] += 1
    return found


def _seconds(start: int | None, end: int | None) -> float:
    return (end - start) / 1e9 if start is not None and end is not None else 0.0


def _dotted(prefix: str | None, name: str) -> str:
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
