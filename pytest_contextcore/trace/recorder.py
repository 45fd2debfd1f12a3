"""The state machine of one trace: what happened comes in, one current ``Evidence`` value comes out.

The recorder does no I/O and decides nothing itself: decisions are ``rules``'s, and a listener hears of every change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from ..failures import exception_text, exception_type
from ..ids import Remote, new_span_id, new_trace_id
from ..plan.attributes import RECORDABLE
from ..plan.model import Kind, Plan, fill
from ..plan.waivers import Waivers
from ..redact import redact
from ..span import SpanData
from . import rules
from .attempts import remember_attempt
from .blank import fresh_evidence, fresh_span
from .changes import Change, Listener
from .evidence import (
    SEVERITY_OF,
    Attributes,
    Event,
    Evidence,
    EvidenceItem,
    GateEvidence,
    HandoffRecord,
    Input,
    ProgramEvidence,
    Result,
    SpanEvidence,
    SpanReference,
    Status,
)
from .rules import Outcome, Trouble


class TraceRecorder:
    """Records one execution of a plan. Every ``phase_id`` is the plan's short id, such as ``S3``."""

    def __init__(
        self,
        plan: Plan,
        *,
        options: Mapping[str, str | int | float | bool | list[str] | None] | None = None,
        workspace: str | None = None,
        otel_trace_id: str | None = None,
        otel_span_id: str | None = None,
        remote: Remote | None = None,
        clock: Callable[[], int] = time.time_ns,
        listener: Listener | None = None,
        waivers: Waivers | None = None,
    ) -> None:
        self.plan = plan
        self.waivers = waivers or Waivers()
        self.remote = remote
        self.trouble: dict[str, list[Trouble]] = {}
        self._last_raised: BaseException | None = None
        self.sealed: set[str] = set()
        """Phases whose test has been called: no gate of theirs can be checked any more."""
        self.partial = False
        """Whether phases were deselected: then this run does not complete the trace, and another may go on with it."""
        self.failed_at: dict[str, str | None] = {}
        self.child_spans: dict[str, list[SpanData]] = {}
        self._inputs: dict[str, dict[str, int]] = {}
        self._clock = clock
        self._last_time = 0
        self.listener: Listener = listener or (lambda _change, _span, _gate: None)
        self.evidence = fresh_evidence(
            plan,
            otel_trace_id=remote.trace_id if remote else otel_trace_id or new_trace_id(),
            otel_span_id=otel_span_id or new_span_id(),
            otel_parent_span_id=remote.span_id if remote else None,
            workspace=workspace,
            options=options or {},
        )
        self._gates = {gate.gate_id: gate for span in self.evidence.spans for gate in span.gates}
        self._position = {phase.id: index for index, phase in enumerate(plan.phases)}
        self.refresh()

    @classmethod
    def take_over(cls, plan: Plan, evidence: Evidence, *, listener: Listener | None = None) -> TraceRecorder:
        """A recorder that goes on from evidence which another process left, such as a worker that died."""
        recorder = cls(plan, listener=listener)
        recorder.evidence = evidence
        ends = (moment for span in evidence.spans for moment in (span.started_at, span.ended_at) if moment)
        recorder._last_time = max(ends, default=0)
        recorder._gates = {gate.gate_id: gate for span in evidence.spans for gate in span.gates}
        recorder.partial = any(span.blocked_reason == rules.DESELECTED for span in evidence.spans)
        return recorder

    def join(self, last: Evidence) -> None:
        """Go on with the trace of an earlier run, which emitted the spans of the phases that it ran."""
        evidence = self.evidence
        evidence.otel_trace_id, evidence.otel_span_id = last.otel_trace_id, last.otel_span_id
        evidence.otel_parent_span_id, evidence.started_at = last.otel_parent_span_id, last.started_at
        evidence.runs = [*last.runs, *evidence.runs]

    def now(self) -> int:
        """Nanoseconds since the epoch; never backwards, whatever the machine's clock does."""
        self._last_time = max(self._clock(), self._last_time)
        return self._last_time

    def span(self, phase_id: str) -> SpanEvidence:
        """The evidence of a phase."""
        return self.evidence.spans[self._position[phase_id]]

    def gate(self, phase_id: str, gate_id: str) -> GateEvidence:
        """The evidence of a gate.

        Raises:
            KeyError: the plan has no such gate.
        """
        return self._gates[self.plan.gate_id(phase_id, gate_id)]

    def start(self) -> None:
        """The trace begins."""
        now = self.now()
        self.evidence.started_at = min(self.evidence.started_at or now, now)
        self.evidence.status = Status.IN_PROGRESS
        self._announce(Change.TRACE_STARTED)

    def begin_phase(self, phase_id: str, nodeid: str, attributes: Attributes | None = None) -> None:
        """A phase's test starts, or starts anew: of an earlier attempt only is kept that it was, and how it ended."""
        before = self.span(phase_id)
        span = fresh_span(self.plan, self.plan.by_id[phase_id])
        span.nodeid, span.fingerprint = nodeid, before.fingerprint
        span.attributes = dict(attributes or {})
        span.status, span.started_at = Status.IN_PROGRESS, self.now()
        if before.started_at is not None and not before.reused:
            remember_attempt(span, before, span.started_at)
        self.failed_at = {gate: place for gate, place in self.failed_at.items() if gate not in _gate_ids(span)}
        self.evidence.spans[self._position[phase_id]] = span
        self._gates.update((gate.gate_id, gate) for gate in span.gates)
        self.trouble[phase_id] = []
        self._inputs[phase_id] = {}
        self.sealed.discard(phase_id)
        self._announce(Change.PHASE_STARTED, span)

    def reopen_phase(self, phase_id: str) -> None:
        """A phase that had ended is not over: its span was written, so that what comes is said by another one."""
        span = self.span(phase_id)
        moment = self.now()
        remember_attempt(span, span, moment)
        span.otel_span_id, span.status = new_span_id(), Status.IN_PROGRESS

    def begin_gate(self, phase_id: str, gate_id: str) -> GateEvidence:
        """A gate's check starts."""
        gate = self.gate(phase_id, gate_id)
        gate.started_at = self.now()
        gate.events.append(Event(name="gate.check.started", time=gate.started_at))
        self.note(phase_id)
        return gate

    def end_gate(self, phase_id: str, gate_id: str, result: Result, reason: str | None = None) -> None:
        """A gate was decided, or (``not_checked``) left without a verdict."""
        gate = self.gate(phase_id, gate_id)
        gate.result, gate.reason, gate.ended_at = result, reason, self.now()
        if result is Result.FAIL:
            gate.next_action = self._next_action(phase_id, gate_id, gate.evidence)
            if gate.kind is Kind.REQUIRED:
                gate.waived = self.waivers.cover(f"{phase_id}-{gate_id}", [item.ref for item in gate.evidence])
            if gate.waived:
                gate.result = Result.WAIVED
            else:
                gate.severity = SEVERITY_OF[gate.kind]
        if result is not Result.NOT_CHECKED:
            name = "gate.check.failed" if result is Result.FAIL else "gate.check.passed"
            gate.events.append(Event(name=name, time=gate.ended_at))
        self._announce(Change.GATE_ENDED, self.span(phase_id), gate)

    def _next_action(self, phase_id: str, gate_id: str, evidence: Iterable[EvidenceItem]) -> str:
        planned = self.plan.by_id[phase_id].gate(gate_id)
        if planned is None:
            raise KeyError(gate_id)
        refs: dict[str, list[str]] = {}
        for item in evidence:
            refs.setdefault(item.type, []).append(item.ref)
        return fill(planned.next_action, refs)

    def add_event(self, phase_id: str, name: str, attributes: Attributes | None = None) -> None:
        """Something happened in a phase."""
        self.span(phase_id).events.append(Event(name=name, time=self.now(), attributes=attributes or {}))

    def add_handoff(self, phase_id: str, record: HandoffRecord, reason: str | None = None) -> None:
        """A handoff was emitted, accepted or refused."""
        self.span(phase_id).handoffs.append(record)
        attributes: Attributes = {"handoff.name": record.name, "handoff.digest": record.digest}
        if reason:
            attributes["handoff.reason"] = reason
        self.add_event(phase_id, f"handoff.{record.direction}", attributes)

    def add_input(self, phase_id: str, item: Input) -> None:
        """A phase relies on a file; a path counts once, with the digest seen last."""
        inputs, positions = self.span(phase_id).inputs, self._inputs.setdefault(phase_id, {})
        if item.path in positions:
            inputs[positions[item.path]] = item
        else:
            positions[item.path] = len(inputs)
            inputs.append(item)

    def add_trouble(
        self, phase_id: str, trouble: Trouble, exception: BaseException | None = None, *, stack: str = ""
    ) -> None:
        """Something was raised in a phase that is no gate's verdict; each exception counts once."""
        if exception is not None and exception is self._last_raised:
            return
        self._last_raised = exception
        self.trouble.setdefault(phase_id, []).append(trouble)
        if exception is not None:
            attributes: Attributes = {
                "exception.type": exception_type(exception),
                "exception.message": redact(exception_text(exception)),
            }
            if stack:
                attributes["exception.stacktrace"] = redact(stack)
            self.add_event(phase_id, "exception", attributes)

    def begin_program(self, phase_id: str, program: ProgramEvidence) -> None:
        """A program was started; its record is brought up to date when it ends."""
        self.span(phase_id).programs.append(program)
        self.note(phase_id)

    def note(self, phase_id: str) -> None:
        """Let the listeners know that there is something new in a phase's record."""
        self._announce(Change.NOTED, self.span(phase_id))

    def add_child(self, phase_id: str, child: SpanData) -> None:
        """A span within a phase ended that is no gate's: a program, a subtest."""
        self.child_spans.setdefault(phase_id, []).append(child)
        self._announce(Change.CHILD_ENDED, self.span(phase_id))

    def outcome(self, phase_id: str) -> Outcome:
        """How the phase stands now."""
        return rules.phase_outcome(self.span(phase_id), self.trouble.get(phase_id, ()))

    def seal_phase(self, phase_id: str) -> Outcome:
        """The phase's test was called; its outcome, which only a failure that is still to come can change."""
        self.sealed.add(phase_id)
        outcome = self.outcome(phase_id)
        if outcome.status is Status.FAILED and not self.trouble.get(phase_id):
            self.add_trouble(phase_id, Trouble(outcome.reason or "", outcome.next_action or ""))
        return outcome

    def end_phase(self, phase_id: str) -> Outcome:
        """A phase's test is over, teardown included."""
        outcome = self.outcome(phase_id)
        self._settle(self.span(phase_id), outcome)
        return outcome

    def hold_phase(self, phase_id: str, outcome: Outcome) -> None:
        """A phase does not start."""
        self._settle(self.span(phase_id), outcome)

    def leave_out(self, phase_id: str) -> None:
        """A phase was deselected, and nothing proves it."""
        self.span(phase_id).blocked_reason = rules.DESELECTED

    def adopt(self, phase_id: str, proven: SpanEvidence, last: Evidence) -> None:
        """A phase is not run, since the last evidence proves it; in a joined trace it keeps the span it had there."""
        update: dict[str, object] = {"reused": True}
        if not self.evidence.joined:
            proof = SpanReference(otel_trace_id=last.otel_trace_id, otel_span_id=proven.otel_span_id)
            update |= {"otel_span_id": new_span_id(), "reused_from": proof}
        span = proven.model_copy(deep=True, update=update)
        if not self.evidence.joined:
            for gate in span.gates:  # the last trace has spans of these ids, and ``TRACEPARENT`` may make it the same
                gate.otel_span_id = new_span_id()
        self.evidence.spans[self._position[phase_id]] = span
        self._gates.update((gate.gate_id, gate) for gate in span.gates)

    def _settle(self, span: SpanEvidence, outcome: Outcome) -> None:
        span.status = outcome.status
        span.blocked_reason = outcome.reason
        span.blocked_on_span_id = outcome.blocked_on
        span.next_action = outcome.next_action
        if span.started_at is not None:
            span.ended_at = self.now()
        self._announce(Change.PHASE_ENDED, span)

    def finish(self) -> None:
        """The session is over: what has not ended did not start, or was interrupted."""
        for phase in self.plan.phases:
            span = self.span(phase.id)
            if span.status is Status.IN_PROGRESS:
                self.add_trouble(phase.id, Trouble("interrupted before its end", "run the phase again"))
                self.end_phase(phase.id)
        for phase in self.plan.phases:
            span = self.span(phase.id)
            if span.status is Status.NOT_STARTED and span.blocked_reason is None:
                self._settle(span, rules.upstream_block(self.plan, self.evidence, phase.id) or _NEVER_REACHED)
        self.refresh(finished=True)
        left = any(span.status is Status.NOT_STARTED for span in self.evidence.spans)
        if self.evidence.status is not Status.IN_PROGRESS or not (self.partial and left):
            ends = (span.ended_at for span in self.evidence.spans if span.ended_at)  # other machines have other clocks
            self.evidence.ended_at = max(self.now(), *ends, 0)
        self.listener(Change.TRACE_ENDED, None, None)

    def _announce(self, change: Change, span: SpanEvidence | None = None, gate: GateEvidence | None = None) -> None:
        if change not in (Change.NOTED, Change.GATE_ENDED, Change.CHILD_ENDED):
            self.refresh()
        self.listener(change, span, gate)

    def refresh(self, *, finished: bool = False) -> None:
        """Bring everything that follows from the phases up to date.

        Not done at every gate, where it would be quadratic; who reads the evidence between two phases calls it.
        """
        evidence = self.evidence
        evidence.recount()
        evidence.definition_of_done = rules.conditions(self.plan, evidence)
        if evidence.started_at is None:
            return
        outcome = rules.parent_outcome(self.plan, evidence, finished=finished and not self.partial)
        evidence.attributes = {
            name: value for name, value in rules.last_values(evidence).items() if name.startswith(RECORDABLE)
        }
        evidence.status, evidence.blocked_reason = outcome.status, outcome.reason
        evidence.blocked_on_span_id, evidence.next_action = outcome.blocked_on, outcome.next_action


_NEVER_REACHED = Outcome(Status.NOT_STARTED, "the session ended before this phase", "run the suite again")


def _gate_ids(span: SpanEvidence) -> set[str]:
    return {gate.gate_id for gate in span.gates}
