"""JUnit: every phase and gate of the session's traces as a test case, in the file that pytest is about to write."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pytest

from ..ids import named
from ..plan.model import Kind
from ..private import LogXml, log_xml
from ..spans.of_trace import gate_span, parent_span, phase_spans
from ..text import escaped
from ..trace.evidence import Evidence, GateEvidence, Result, SpanEvidence, Status
from ..trace.rules import DESELECTED, blocking_gates
from .rows import Row, as_text, cause_rows, held_rows
from .terminal import stopped_message
from .verdict import STOPPED, Phase, Printed, Verdict, joined, lasted, of_gate, place

Properties = Sequence[tuple[str, object]]
Attributes = Mapping[str, str]

_SHOWN = ("task.", "gate.", "input.", "quality.", "routing.", "output.")
_MOST = 50
_OUTCOMES = ("error", "failure", "skipped")


def phase_properties(evidence: Evidence, span: SpanEvidence) -> Properties:
    """Trace and span id (hex), and what the span says of task, inputs, quality, routing and output."""
    *_, phase = phase_spans(evidence, span)
    shown = [(name, as_one(value)) for name, value in phase.attributes.items() if name.startswith(_SHOWN)]
    waived = [("gate.waived", f"{gate.gate_id}: {gate.waived}") for gate in span.gates if gate.waived]
    return [("otel_trace_id", phase.trace_id), ("otel_span_id", phase.span_id), *shown, *waived]


def gate_properties(evidence: Evidence, span: SpanEvidence, gate: GateEvidence) -> Properties:
    """Trace and span id (hex), and what the gate's span says; a gate that did not start has none, and no status."""
    made = gate_span(evidence, span, gate)
    started = gate.started_at is not None
    shown = {name: as_one(value) for name, value in made.attributes.items() if name.startswith(_SHOWN)}
    if not started:
        del shown["task.status"]
    ids = [("otel_trace_id", made.trace_id), *([("otel_span_id", made.span_id)] if started else [])]
    return [*ids, *shown.items(), *([("task.reused", str(span.reused))] if span.reused else [])]


def as_one(value: object) -> str:
    """An attribute's value as a property's: a list is one text."""
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)


def is_shown(span: SpanEvidence) -> bool:
    """Whether a phase has a case; deselected ones are left out, as everywhere in pytest."""
    return span.nodeid is not None and span.blocked_reason != DESELECTED


def trace_cases(
    verdict: Verdict, drafts: Mapping[str, Sequence[ET.Element]], addresses: Mapping[str, Attributes], prefix: str
) -> Iterator[ET.Element]:
    """A trace's cases in the plan's order; ``drafts`` are those that pytest made, both mappings are by node id."""
    evidence = verdict.evidence
    for phase in verdict.phases:
        if is_shown(phase.span):
            nodeid = phase.span.nodeid or ""
            yield (case := phase_case(verdict, phase, drafts.get(nodeid, ()), addresses[nodeid]))
            yield from _further_failures(phase, drafts.get(nodeid, ()), case)
            for gate in phase.span.gates:
                yield gate_case(verdict, phase, gate, case, prefix=prefix, drafts=drafts.get(nodeid, ()))
    if evidence.status is Status.BLOCKED and verdict.cause is not None:
        attributes = {
            "classname": ".".join(filter(None, (prefix, evidence.trace_id))),
            "name": "definition of done",
            "time": "0.000",
        }
        case = ET.Element("testcase", attributes)
        case.append(_properties([("otel_trace_id", evidence.otel_trace_id), ("otel_span_id", evidence.otel_span_id)]))
        text = "\n".join(as_text(cause_rows(verdict.cause, _MOST)))
        case.append(_element("failure", text, message=verdict.cause.headline))
        yield case


def phase_case(verdict: Verdict, phase: Phase, drafts: Sequence[ET.Element], address: Attributes) -> ET.Element:
    """One case for a phase, with one outcome; pytest made none after ``-x``, two where call and teardown failed."""
    took = _seconds(phase.span, phase.span)  # bounds pytest's time, which has subtests and earlier attempts twice
    ran = max(((lasted(program) or 0) / 1e9 for program in phase.span.programs), default=0.0)  # maybe before its test
    time = min(took, max(ran, sum(float(draft.get("time", 0)) for draft in drafts))) if drafts else took
    case = ET.Element("testcase", {**address, **(drafts[-1].attrib if drafts else {}), "time": f"{time:.3f}"})
    ours = _properties(phase_properties(verdict.evidence, phase.span))
    names = {found.get("name") for found in ours}
    theirs = (found for draft in drafts for found in draft.iter("property"))
    ours.extend(found for found in theirs if found.get("name") not in names)
    case.append(ours)
    children = [child for draft in drafts for child in draft if child.tag != "properties"]
    outcome = _phase_outcome(verdict, phase, _failures(drafts))
    if outcome is not None:
        case.append(outcome)
    case.extend(child for child in children if child.tag not in _OUTCOMES)
    gates = [gate.otel_span_id for gate in phase.span.gates]
    _add_output(case, [printed for printed in phase.printed if printed.where not in gates])
    return case


def _phase_outcome(verdict: Verdict, phase: Phase, failed: Sequence[ET.Element]) -> ET.Element | None:
    """What the evidence says, and all that pytest said of failures: one element.

    A phase that its gates block is no second failure: theirs is the failing case, and it says which.
    """
    if phase.span.status is Status.NOT_STARTED:
        return _element("skipped", phase.why, message=phase.why)
    if phase.span.status not in STOPPED:
        return None
    workspace = [Row("workspace", (verdict.evidence.workspace,))] if verdict.evidence.workspace else []
    around = [*workspace, *held_rows(phase)]
    gates = blocking_gates(phase.span)
    pieces = [] if len(gates) == 1 else [_text_of(child) for child in failed if not gates or _is_of_gates(phase, child)]
    if not any(phase.title in piece for piece in pieces) and len(gates) != 1:  # which pytest shows of a blocked phase
        pieces.append(stopped_message(phase))
    text = "\n\n".join(filter(None, (*pieces, "\n".join(as_text(around)))))
    if gates:
        return _element("skipped", text or phase.why, message=phase.why)
    only_errors = bool(failed) and all(child.tag == "error" for child in failed)
    return _element("error" if only_errors else "failure", text, message=phase.headline)


def _text_of(failed: ET.Element) -> str:
    return failed.text or failed.get("message") or ""


def _is_of_gates(phase: Phase, failed: ET.Element) -> bool:
    """Whether this is the failure into which we turn failed gates."""
    return phase.title in _text_of(failed)


def _failures(drafts: Sequence[ET.Element]) -> list[ET.Element]:
    return [child for draft in drafts for child in draft if child.tag in ("failure", "error")]


def _further_failures(phase: Phase, drafts: Sequence[ET.Element], beside: ET.Element) -> Iterator[ET.Element]:
    """Cases for what pytest counted as failures of a phase's test beyond what fails here: its gates' cases, or its own.

    Such as subtests, or a teardown after a failed gate.
    """
    failed, gates = _failures(drafts), len(blocking_gates(phase.span))
    others = sorted(failed, key=lambda child: _is_of_gates(phase, child)) if gates else failed
    apart = sum(not _is_of_gates(phase, child) for child in failed) if gates else 0
    for number, child in enumerate(others[: max(apart, len(failed) - max(gates, 1))], 1):
        name = f"{beside.get('name', '')}: failure {number}"
        case = ET.Element("testcase", {**beside.attrib, "name": name, "time": "0.000"})
        case.append(child)
        yield case


def gate_case(
    verdict: Verdict,
    phase: Phase,
    gate: GateEvidence,
    beside: ET.Element,
    *,
    prefix: str,
    drafts: Sequence[ET.Element] = (),
) -> ET.Element:
    """The case of a gate, which fails only if its failure blocks the phase; ``beside`` is the phase's case."""
    attributes = {
        **{name: value for name, value in beside.attrib.items() if name in ("file", "line")},  # of xunit1
        "classname": ".".join(filter(None, (prefix, phase.span.span_id))),
        "name": _legal(named(gate.gate_id, " ".join(gate.purpose.split()))),
        "time": f"{min(_seconds(phase.span, gate), float(beside.get('time', 0))):.3f}",  # lies inside its phase's
    }
    case = ET.Element("testcase", attributes)
    proof = verdict.proofs.get(gate.gate_id)
    proven = [("gate.proof", proof)] if proof else []
    case.append(_properties([*gate_properties(verdict.evidence, phase.span, gate), *proven]))
    if (said := _gate_says(phase, gate, drafts)) is not None:
        case.append(said)
    _add_output(case, [printed for printed in phase.printed if printed.where == gate.otel_span_id])
    return case


def _add_output(case: ET.Element, found: Sequence[Printed]) -> None:
    """What failed programs printed, behind what pytest captured."""
    said = "\n".join(f"{printed.program}\n{printed.text}" for printed in found)
    if found and (known := case.find("system-err")) is not None:
        known.text = f"{known.text or ''}\n{_legal(said)}"
    elif found:
        case.append(_element("system-err", said))


def _gate_says(phase: Phase, gate: GateEvidence, drafts: Sequence[ET.Element]) -> ET.Element | None:
    if gate.result is Result.PASS:
        return None
    if gate.result is Result.NOT_CHECKED:
        why = phase.why if phase.span.status is Status.NOT_STARTED else f"not checked: {gate.reason or phase.why}"
        return _element("skipped", why, message=why)
    if gate.result is Result.NOT_APPLICABLE:
        return _element("system-out", f"not applicable: {gate.reason}")
    cause = of_gate(phase.span, gate)
    test = "" if cause.place else place(phase.span.attributes) or phase.span.nodeid  # another gate's assert is not its
    text = "\n".join(as_text([*cause_rows(cause, _MOST), *([Row("test", (test,))] if test else [])]))
    if gate.result is Result.WAIVED or gate.kind is Kind.ADVISORY:
        head = "warning" if gate.waived is None else f"waived by {gate.waived}"
        return _element("system-out", f"{head}\n{text}")
    if len(blocking_gates(phase.span)) == 1:  # then pytest's text is about this gate, with the difference it found
        text = next((_text_of(child) for child in _failures(drafts) if _is_of_gates(phase, child)), text)
    return _element("failure", text, message=joined(cause.name, cause.headline), type=gate.kind.value)


def counts(cases: Iterable[ET.Element]) -> dict[str, int]:
    """How many cases passed, failed, had an error, were skipped; each counts once, under the first that applies."""
    found = dict.fromkeys(("passed", *_OUTCOMES), 0)
    for case in cases:
        tags = {child.tag for child in case}
        found[next((tag for tag in _OUTCOMES if tag in tags), "passed")] += 1
    return found


def _seconds(span: SpanEvidence, timed: SpanEvidence | GateEvidence) -> float:
    return 0.0 if span.reused else (lasted(timed) or 0) / 1e9


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
    """The text with what XML cannot hold, and what nobody can see, as escapes."""
    return escaped(text, keep="\t\n\r")


# --- pytest's file ---------------------------------------------------------------------------------------------------


def complete(config: pytest.Config, verdicts: Sequence[Verdict]) -> list[str]:
    """Put phases and gates into the file, behind the cases of ordinary tests; lines to print if that cannot be."""
    if not verdicts or not config.getoption("xmlpath", None):
        return []
    xml = log_xml(config)
    if isinstance(xml, str):
        return [
            f"JUnit: {config.getoption('xmlpath')} has no gates: pytest {pytest.__version__} keeps its report in a way "
            f"that is not known ({xml}); use an older pytest, or a newer pytest-contextcore"
        ]
    spans = [phase.span for verdict in verdicts for phase in verdict.phases if is_shown(phase.span)]
    addresses = {span.nodeid or "": _address(xml, span) for span in spans}
    phase_of = {(each["classname"], each["name"]): nodeid for nodeid, each in addresses.items()}
    drafts: dict[str, list[ET.Element]] = {}
    cases: list[ET.Element] = []
    for reporter in xml.reporters:
        element = reporter.to_xml()
        address = element.get("classname", ""), element.get("name", "")
        nodeid = phase_of.get(address) or str(getattr(reporter, "id", ""))  # its teardown was not reported
        if nodeid in addresses:
            drafts.setdefault(nodeid, []).append(element)
        else:
            cases.append(element)
    cases += (case for verdict in verdicts for case in trace_cases(verdict, drafts, addresses, xml.prefix))
    xml.replace(cases, counts(cases))
    for verdict in verdicts:
        done = parent_span(verdict.evidence, 0).attributes.get("task.definition_of_done", [])
        xml.add_property(f"{verdict.evidence.trace_id} task.definition_of_done", _legal(as_one(done)))
    return []


def _address(xml: LogXml, span: SpanEvidence) -> dict[str, str]:
    """The attributes that pytest gives the case of a test."""
    *classes, name = xml.mangle(span.nodeid or span.span_id)
    return {"classname": ".".join(filter(None, (xml.prefix, *classes))), "name": xml.escape(name)}
