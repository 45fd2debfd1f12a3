"""Evidence against its plan and against itself: whatever follows from something else in it must follow. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..phase.handoff import portable
from ..plan.attributes import RECORDABLE
from ..plan.model import Kind, Plan
from ..span import ErrorType
from ..trace.blank import fresh_evidence
from ..trace.consistency import contradictions
from ..trace.evidence import SEVERITY_OF, Evidence, GateEvidence, Result, SpanEvidence, Status
from ..trace.resume import fingerprint
from ..trace.rules import blocking_gates, conditions, last_values, next_action, parent_outcome, phase_outcome
from .difference import AGAIN, EDITED, Difference, compared, said

_OF_TRACE = ("trace_id", "project_id", "title", "type")
_OF_PHASE = ("span_id", "parent_id", "phase", "goal", "exit_criteria")
_OF_GATE = ("gate_id", "purpose", "criterion", "kind")
_OUTCOME = ("status", "blocked_reason", "blocked_on_span_id", "next_action", "error_type")
_NOT_PASSED = (Result.FAIL, Result.WAIVED)


def disagreements(plan: Plan, evidence: Evidence, root: Path) -> Iterator[Difference]:
    """Everything in evidence that cannot be; paths of options and workspace inside ``root`` count from there."""
    for sentence in contradictions(plan, evidence):
        yield Difference(evidence.trace_id, sentence, "evidence that agrees with itself", EDITED)
    for span in evidence.spans:
        yield from _of_phase(span)
        yield from _of_handoffs(evidence, span)
    if evidence.plan_digest != plan.digest:
        yield Difference(f"the plan {plan.path}", f"digest {plan.digest}", f"{evidence.plan_digest} as recorded", AGAIN)
        return
    declared = list(_declared(plan, evidence))
    yield from declared
    if not declared:  # the rules below go by the plan's phases and gates
        yield from _of_upstreams(plan, evidence)
        yield from _of_fingerprints(plan, evidence, root)
        yield from _of_failed_gates(plan, evidence)
        yield from _of_trace(plan, evidence)


def _declared(plan: Plan, evidence: Evidence) -> Iterator[Difference]:
    """What the plan says of the trace, its phases and its gates stands in the evidence."""
    fresh = fresh_evidence(plan)
    for name in _OF_TRACE:
        yield from compared(f"{evidence.trace_id}: {name}", getattr(evidence, name), getattr(fresh, name))
    ids = [span.span_id for span in evidence.spans]
    expected = [span.span_id for span in fresh.spans]
    yield from compared(f"{evidence.trace_id}: its phases", ", ".join(ids), ", ".join(expected))
    for span, blank in zip(evidence.spans, fresh.spans, strict=False):
        for name in _OF_PHASE:
            yield from compared(f"{span.span_id}: {name}", getattr(span, name), getattr(blank, name))
        gates, wanted = ([gate.gate_id for gate in each.gates] for each in (span, blank))
        yield from compared(f"{span.span_id}: its gates", ", ".join(gates), ", ".join(wanted))
        for gate, planned in zip(span.gates, blank.gates, strict=False):
            for name in _OF_GATE:
                yield from compared(f"{gate.gate_id}: {name}", getattr(gate, name), getattr(planned, name))


def _of_phase(span: SpanEvidence) -> Iterator[Difference]:
    failed = blocking_gates(span)
    settled = span.status not in (Status.NOT_STARTED, Status.IN_PROGRESS)
    if failed and span.status is Status.FAILED:
        yield Difference(span.span_id, "failed", f"blocked, since {failed[0].gate_id} failed", EDITED)
    if failed and span.status is Status.BLOCKED:
        outcome = phase_outcome(span, ())
        reason = outcome.reason or ""
        if not (span.blocked_reason or "").startswith(reason):  # what else went wrong may follow
            yield Difference(f"{span.span_id}: blocked_reason", said(span.blocked_reason), reason, EDITED)
        yield from compared(f"{span.span_id}: next_action", span.next_action, outcome.next_action)
        yield from compared(f"{span.span_id}: error_type", span.error_type, outcome.error_type)
    if not failed and span.status is Status.BLOCKED and span.error_type == ErrorType.GATE_FAILED:
        yield Difference(span.span_id, "blocked by a gate, but none failed", "a gate that failed", EDITED)
    if span.status is Status.COMPLETED:
        for name in ("blocked_on_span_id", "next_action", "error_type"):
            yield from compared(f"{span.span_id} is completed: {name}", getattr(span, name), None)
    if span.status is Status.NOT_STARTED and span.started_at is not None:
        yield Difference(span.span_id, "not started, but has a time at which it started", "no such time", EDITED)
    for gate in span.gates if settled else ():
        yield from _of_gate(gate)


def _of_gate(gate: GateEvidence) -> Iterator[Difference]:
    """A gate says what its result asks for, and nothing else."""
    result = gate.result
    last = None if result is Result.NOT_CHECKED else f"gate.check.{'failed' if result in _NOT_PASSED else 'passed'}"
    names = [event.name for event in gate.events if event.name.startswith("gate.check.")]
    expected = [] if last is None else ["gate.check.started", last]
    if result is not Result.NOT_CHECKED or names[1:]:
        yield from compared(f"{gate.gate_id} has the result {result}: its events", names, expected)
    severity = SEVERITY_OF[gate.kind] if result is Result.FAIL else None
    yield from compared(f"{gate.gate_id} has the result {result}: severity", gate.severity, severity)
    if result is Result.PASS:
        for name in ("reason", "next_action", "waived"):
            yield from compared(f"{gate.gate_id} has the result {result}: {name}", getattr(gate, name), None)
    if result is Result.NOT_APPLICABLE and not gate.reason:
        yield Difference(f"{gate.gate_id} does not apply", "no reason", "a reason", EDITED)
    if result is Result.WAIVED and (gate.kind is not Kind.REQUIRED or not gate.waived):
        observed = f"{gate.kind} gate, waived by {said(gate.waived)}"
        yield Difference(f"{gate.gate_id} was waived", observed, "a required gate, and who waived it", EDITED)


def _of_handoffs(evidence: Evidence, span: SpanEvidence) -> Iterator[Difference]:
    """Each handoff has its event; what was received is what an earlier phase emitted, if one emitted that name."""
    recorded = [(f"handoff.{each.direction}", each.name, each.digest) for each in span.handoffs]
    happened = [
        (event.name, event.attributes.get("handoff.name"), event.attributes.get("handoff.digest"))
        for event in span.events
        if event.name in ("handoff.emitted", "handoff.validated", "handoff.rejected")
    ]
    yield from compared(f"{span.span_id}: its handoffs, beside its events", recorded, happened)
    emitted = [h for each in evidence.spans for h in each.handoffs if h.direction == "emitted"]
    for handoff in span.handoffs:
        known = {each.digest for each in emitted if each.name == handoff.name}
        if handoff.direction == "validated" and known and handoff.digest not in known:
            what = f"{span.span_id}: the handoff {handoff.name} that it received"
            yield Difference(what, handoff.digest, " or ".join(sorted(known)), EDITED)
        if handoff.direction == "rejected" and span.status is Status.COMPLETED:
            yield Difference(f"{span.span_id} is completed", f"{handoff.name} refused", "no refused handoff", EDITED)


def _of_upstreams(plan: Plan, evidence: Evidence) -> Iterator[Difference]:
    """A completed phase depends on completed phases only."""
    status = {phase.id: span.status for phase, span in zip(plan.phases, evidence.spans, strict=True)}
    for phase_id, state in status.items():
        for upstream in plan.upstream[phase_id]:
            if state is Status.COMPLETED is not status[upstream]:
                what = f"{plan.span_id(phase_id)} is completed"
                yield Difference(what, f"{plan.span_id(upstream)} is {status[upstream]}", "completed before it", EDITED)
    for span in evidence.spans:
        if (name := span.blocked_on_span_id) is not None and plan.short_phase_id(name) not in status:
            yield Difference(f"{span.span_id}: blocked_on_span_id", name, "a phase of the plan", EDITED)


def _of_fingerprints(plan: Plan, evidence: Evidence, root: Path) -> Iterator[Difference]:
    """The digests of what a phase depended on are those of the plan, the options and the workspace in the evidence."""
    options = {name: portable(value, root) for name, value in evidence.options.items()}
    workspace = str(portable(evidence.workspace, root)) if evidence.workspace else None
    for phase, span in zip(plan.phases, evidence.spans, strict=True):
        if span.nodeid is None and not span.fingerprint:
            continue  # its test was not found in that run
        expected = fingerprint(plan, phase.id, options=options, workspace=workspace)
        for name in {**expected, **span.fingerprint}:
            what = f"{span.span_id}: the digest of its {name}"
            yield from compared(what, span.fingerprint.get(name), expected.get(name))


def _of_failed_gates(plan: Plan, evidence: Evidence) -> Iterator[Difference]:
    for phase, span in zip(plan.phases, evidence.spans, strict=True):
        for planned, gate in zip(phase.gates, span.gates, strict=True):
            if gate.result in _NOT_PASSED:
                action = next_action(plan, phase.id, planned.id, gate.evidence)
                yield from compared(f"{gate.gate_id}: next_action", gate.next_action, action)


def _of_trace(plan: Plan, evidence: Evidence) -> Iterator[Difference]:
    """Definition of done, values and status of the trace follow from its phases."""
    values = last_values(evidence)
    gates = {gate.gate_id: gate for span in evidence.spans for gate in span.gates}
    done = conditions(plan, evidence.spans, gates, values)
    for at, expected in enumerate(done):
        found = evidence.definition_of_done[at] if at < len(evidence.definition_of_done) else None
        yield from compared(f"definition of done: {expected.condition}", found, expected)
    yield from compared("definition of done: its length", len(evidence.definition_of_done), len(done))
    if evidence.started_at is None:
        return
    known = {name: value for name, value in values.items() if name.startswith(RECORDABLE)}
    for name in {**known, **evidence.attributes}:
        what = f"{evidence.trace_id}: {name}, beside its phases"
        yield from compared(what, evidence.attributes.get(name), known.get(name))
    if len(evidence.definition_of_done) != len(done):
        return
    observed = tuple(getattr(evidence, name) for name in _OUTCOME)
    allowed = []
    for finished in (True, False):  # phases that were selected leave the trace in progress
        outcome = parent_outcome(plan, evidence, finished=finished)
        allowed.append((outcome.status, outcome.reason, outcome.blocked_on, outcome.next_action, outcome.error_type))
    if observed not in allowed:
        what = f"{evidence.trace_id}: how it ended, beside its phases"
        yield Difference(what, _outcome(observed), _outcome(allowed[0]), EDITED)


def _outcome(values: tuple[object, ...]) -> str:
    pairs = zip(_OUTCOME, values, strict=True)
    return ", ".join(f"{name} {value}" for name, value in pairs if value is not None)
