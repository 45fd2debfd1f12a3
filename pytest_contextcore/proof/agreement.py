"""Evidence against its plan and against itself: whatever follows from something else in it must follow. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import AttributeRefused
from ..phase.handoff import portable
from ..plan.attributes import RECORDABLE, checked
from ..plan.checks import output_plan
from ..plan.model import Kind, Plan
from ..redact import redact
from ..span import ErrorType
from ..text import format_time
from ..trace.blank import fresh_evidence
from ..trace.consistency import contradictions
from ..trace.evidence import SEVERITY_OF, Evidence, GateEvidence, Result, SpanEvidence, Status
from ..trace.resume import fingerprint
from ..trace.rules import (
    blocking_gates,
    conditions,
    given_values,
    last_values,
    next_action,
    parent_outcome,
    phase_outcome,
    trace_end,
    values_before,
)
from .difference import AGAIN, EDITED, Difference, compared, said

_OF_TRACE = ("trace_id", "project_id", "title", "type")
_OF_PHASE = ("span_id", "parent_id", "phase", "goal", "exit_criteria")
_OF_GATE = ("gate_id", "purpose", "criterion", "kind")
_OUTCOME = ("status", "blocked_reason", "blocked_on_span_id", "next_action", "error_type")
_NOT_PASSED = (Result.FAIL, Result.WAIVED)
_UNSAID = {
    Result.PASS: ("reason", "next_action", "waived", "error_type"),
    Result.NOT_APPLICABLE: ("next_action", "waived", "error_type"),
    Result.NOT_CHECKED: ("next_action", "waived"),
    Result.WAIVED: ("error_type",),
    Result.FAIL: ("waived", "error_type"),
}
"""Result of a gate → what a gate with it does not have."""


def disagreements(plan: Plan, evidence: Evidence, root: Path) -> Iterator[Difference]:
    """Everything in evidence that cannot be; paths of options and workspace inside ``root`` count from there."""
    for sentence in contradictions(plan, evidence):
        yield Difference(evidence.trace_id, sentence, "evidence that agrees with itself", EDITED)
    for span in evidence.spans:
        yield from _of_phase(span)
        yield from _of_times(evidence, span)
        yield from _of_handoffs(evidence, span)
    if evidence.plan_digest != plan.digest:
        yield Difference(f"the plan {plan.path}", f"digest {plan.digest}", f"{evidence.plan_digest} as recorded", AGAIN)
        return
    declared = list(_declared(plan, evidence))
    yield from declared
    if not declared:  # the rules below go by the plan's phases and gates
        yield from _of_upstreams(plan, evidence)
        yield from _of_work(plan, evidence, root)
        yield from _of_values(plan, evidence)
        yield from _of_drift(plan, evidence)
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
    if failed and span.status in (Status.FAILED, Status.BLOCKED):
        outcome = phase_outcome(span, ())
        reason = outcome.reason or ""
        if not (span.blocked_reason or "").startswith(reason):  # what else went wrong may follow
            yield Difference(f"{span.span_id}: blocked_reason", said(span.blocked_reason), reason, EDITED)
        for name in ("status", "next_action", "error_type"):
            yield from compared(f"{span.span_id}: {name}", getattr(span, name), getattr(outcome, name))
    if not failed and span.status is Status.BLOCKED and span.error_type == ErrorType.GATE_FAILED:
        yield Difference(span.span_id, "blocked by a gate, but none failed", "a gate that failed", EDITED)
    if span.status is Status.COMPLETED:
        for name in ("blocked_on_span_id", "next_action", "error_type"):
            yield from compared(f"{span.span_id} is completed: {name}", getattr(span, name), None)
    if span.status is Status.NOT_STARTED and span.started_at is not None:
        yield Difference(span.span_id, "not started, but has a time at which it started", "no such time", EDITED)
    for gate in span.gates if settled else ():
        yield from _of_gate(gate)
    for program in span.programs:
        code, ended = program.exit_code, program.end.startswith("exit code ")
        expected = (f"exit code {code}", ErrorType.EXIT_CODE if code else None)
        if (code is not None or ended) and (program.end, program.error_type) != expected:
            yield Difference(f"{span.span_id}: how a program of it ended", program.end, said(expected[0]), EDITED)


def _of_gate(gate: GateEvidence) -> Iterator[Difference]:
    """A gate says what its result asks for, and nothing else."""
    result = gate.result
    found = [_moment(event.name, event.time) for event in gate.events if event.name.startswith("gate.check.")]
    last = f"gate.check.{'failed' if result in _NOT_PASSED else 'passed'}"
    decided = [_moment("gate.check.started", gate.started_at), _moment(last, gate.ended_at)]
    has = f"{gate.gate_id} has the result {result}"
    yield from compared(f"{has}: its events", found, found[:1] if result is Result.NOT_CHECKED else decided)
    severity = SEVERITY_OF[gate.kind] if result is Result.FAIL else None
    yield from compared(f"{has}: severity", gate.severity, severity)
    for name in _UNSAID[result]:
        yield from compared(f"{has}: {name}", getattr(gate, name), None)
    if result is Result.NOT_APPLICABLE and not gate.reason:
        yield Difference(f"{gate.gate_id} does not apply", "no reason", "a reason", EDITED)
    if result is Result.WAIVED and (gate.kind is not Kind.REQUIRED or not gate.waived):
        observed = f"{gate.kind} gate, waived by {said(gate.waived)}"
        yield Difference(f"{gate.gate_id} was waived", observed, "a required gate, and who waived it", EDITED)


def _moment(name: str, time: int | None) -> str:
    return f"{name} at {format_time(time) if time is not None else 'no time'}"


def _of_times(evidence: Evidence, span: SpanEvidence) -> Iterator[Difference]:
    """A trace, a phase and a gate lie one inside the other; a phase that is reused may be older than its trace."""
    if span.started_at is None:
        return
    begins = span.started_at if span.reused else evidence.started_at
    if begins is None:
        yield Difference(evidence.trace_id, "no time at which it started", f"before {span.span_id}", EDITED)
    for gate in (None, *span.gates):
        inner = (gate.started_at, gate.ended_at) if gate is not None else ()
        times = [each for each in (begins, span.started_at, *inner, span.ended_at) if each is not None]
        if times != sorted(times):
            what = f"{gate.gate_id if gate is not None else span.span_id}: its times"
            yield Difference(what, ", ".join(map(format_time, times)), "one after the other", EDITED)


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


def _of_work(plan: Plan, evidence: Evidence, root: Path) -> Iterator[Difference]:
    """A completed phase read and made what the plan says that it reads and makes, and its program ended well."""
    for phase, span in zip(plan.phases, evidence.spans, strict=True):
        if span.status is not Status.COMPLETED:
            continue
        made = [output_plan(output).path for output in phase.outputs]
        for word, names, items in (("input", phase.inputs, span.inputs), ("output", made, span.outputs)):
            known = {item.path for item in items}
            for name in names:
                path = redact(str(portable(os.path.abspath(plan.path.parent / name), root)))  # noqa: PTH100
                if path not in known and not os.path.isabs(path):  # noqa: PTH117
                    yield Difference(f"{span.span_id}: its {word} {name}", "no record", "its path and digest", EDITED)
        if phase.run is not None and (not span.programs or span.programs[0].exit_code != 0):
            yield Difference(f"{span.span_id} is completed", "no exit code 0", "that of its program", EDITED)
        file, _, name = (span.nodeid or "").partition("::")
        if not name or (file.endswith(".toml") and (Path(file).name, name) != (plan.path.name, phase.id)):
            yield Difference(f"{span.span_id}: its test", said(span.nodeid), "a test, or the plan's own", EDITED)
        if span.reused and span.reused_from is None and not evidence.joined:
            yield Difference(f"{span.span_id} is reused", "no span of another trace", "the span that it was", EDITED)


def _of_values(plan: Plan, evidence: Evidence) -> Iterator[Difference]:
    """Each value is one of a declared attribute."""
    declared = plan.known_attributes
    for span in evidence.spans:
        holders = ((span.span_id, span.attributes), *((gate.gate_id, gate.attributes) for gate in span.gates))
        for holder, attributes in holders:
            for name, value in attributes.items():
                try:
                    if name.startswith(RECORDABLE) or name not in declared:
                        checked(declared, name, value)
                except AttributeRefused as error:
                    yield Difference(f"{holder}: {name}", str(error), "a value of a declared attribute", EDITED)


def _of_drift(plan: Plan, evidence: Evidence) -> Iterator[Difference]:
    """What a trace was given is the same in all of its phases, or an event says that it is not."""
    for phase, span in zip(plan.phases, evidence.spans, strict=True):
        given = given_values(span.attributes)
        before = values_before(plan, evidence, phase.id) if given else {}
        told = {event.attributes.get("drift.attribute") for event in span.events if event.name == "drift.detected"}
        for name, value in given.items():
            if name in before and name not in told:
                yield from compared(f"{span.span_id}: {name}, without an event", value, before[name])


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
    values = last_values(evidence.spans)
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
    if evidence.ended_at is not None or evidence.status is Status.COMPLETED:
        yield from compared(f"{evidence.trace_id}: its end", evidence.ended_at, trace_end(evidence, 0))
    if len(evidence.definition_of_done) != len(done):
        return
    counted = evidence.model_copy()
    counted.recount()
    observed = tuple(getattr(evidence, name) for name in _OUTCOME)
    allowed = []
    for finished in (True, False):  # phases that were selected leave the trace in progress
        outcome = parent_outcome(plan, counted, finished=finished)
        allowed.append((outcome.status, outcome.reason, outcome.blocked_on, outcome.next_action, outcome.error_type))
    if observed not in allowed:
        what = f"{evidence.trace_id}: how it ended, beside its phases"
        yield Difference(what, _outcome(observed), _outcome(allowed[0]), EDITED)


def _outcome(values: tuple[object, ...]) -> str:
    pairs = zip(_OUTCOME, values, strict=True)
    return ", ".join(f"{name} {value}" for name, value in pairs if value is not None)
