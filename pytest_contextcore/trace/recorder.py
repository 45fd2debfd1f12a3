"""The record of one trace: what happened comes in through methods, one current ``Evidence`` value comes out.

The recorder does no I/O and decides nothing: `rules` decides, and those who subscribed hear of every change.
Nobody else changes the evidence.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from enum import Enum, auto

from ..ids import Remote, new_span_id
from ..plan.attributes import RECORDABLE
from ..plan.model import Kind, Plan
from ..plan.waivers import Waivers
from ..reasons import Assertion, exception_attributes
from . import rules
from .blank import fresh_evidence, fresh_span, remember_attempt
from .evidence import (
    SEVERITY_OF,
    Attachment,
    Attributes,
    Direction,
    Event,
    Evidence,
    EvidenceItem,
    FileList,
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
from .totals import Totals


class Change(Enum):
    """What a listener hears: the trace or a phase moved on, or a gate was decided.

    ``NOTED``: something else of a phase stands in the record now, such as a gate that began.
    """

    TRACE_STARTED = auto()
    PHASE_STARTED = auto()
    NOTED = auto()
    PROGRAM_STARTS = auto()
    GATE_ENDED = auto()
    PHASE_ENDED = auto()
    TRACE_ENDED = auto()


Listener = Callable[[Change, SpanEvidence | None, GateEvidence | None], None]
"""Hears of a change, and which phase and which gate it was, if it was one of theirs."""


class TraceRecorder:
    """Records one execution of a plan. Every ``phase_id`` is the plan's short id, such as ``S3``.

    Args:
        evidence: the record to go on from, such as that of a worker that died; a blank one by default.
        remote: the parent that the environment names.
        waivers: what may be passed by although its gate failed.
        partial: phases were deselected, so that this run does not complete the trace.
        clock: nanoseconds since the epoch.
    """

    def __init__(
        self,
        plan: Plan,
        evidence: Evidence | None = None,
        *,
        remote: Remote | None = None,
        waivers: Waivers | None = None,
        partial: bool = False,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.plan, self.remote, self.waivers = plan, remote, waivers or Waivers()
        self.evidence = evidence or fresh_evidence(plan)
        spans = self.evidence.spans
        self._clock, self._process = clock, os.getpid()
        self._last_time = max((at for span in spans for at in (span.started_at, span.ended_at) if at), default=0)
        self.partial = partial or any(span.blocked_reason == rules.DESELECTED for span in spans)
        self._last_raised: BaseException | None = None
        self._listeners: list[Listener] = []
        self._troubles: dict[str, list[Trouble]] = {}
        self._sealed: set[str] = set()
        self._details: dict[str, str] = {}
        self._position = {phase.id: index for index, phase in enumerate(plan.phases)}
        self._totals = Totals(self.evidence)
        self._follow()

    def subscribe(self, listener: Listener) -> None:
        """Let a listener hear of every change from now on. Listeners hear in the order in which they subscribed."""
        self._listeners.append(listener)

    def now(self) -> int:
        """Nanoseconds since the epoch; never backwards, whatever the machine's clock does."""
        self._last_time = max(self._clock(), self._last_time)
        return self._last_time

    def span(self, phase_id: str) -> SpanEvidence:
        """The evidence of a phase."""
        return self.evidence.spans[self._position[phase_id]]

    def gate(self, phase_id: str, gate_id: str) -> GateEvidence:
        """The evidence of a gate of the plan."""
        return self._totals.gates[self.plan.gate_id(phase_id, gate_id)]

    def details(self, phase_id: str) -> dict[str, str]:
        """What pytest found out about the failed asserts of a phase's gates, by the gates' full ids."""
        return {gate.gate_id: self._details.get(gate.gate_id, "") for gate in self.span(phase_id).gates}

    def is_sealed(self, phase_id: str) -> bool:
        """Whether the phase's test has been called: no gate of it can be checked any more."""
        return phase_id in self._sealed

    def outcome(self, phase_id: str) -> Outcome:
        """How the phase stands now."""
        return rules.phase_outcome(self.span(phase_id), self._troubles.get(phase_id, ()))

    # The trace

    def join(self, last: Evidence) -> None:
        """Go on with the trace of an earlier run, which emitted the spans of the phases that it ran."""
        evidence = self.evidence
        evidence.otel_trace_id, evidence.otel_span_id = last.otel_trace_id, last.otel_span_id
        evidence.otel_parent_span_id, evidence.started_at = last.otel_parent_span_id, last.started_at
        evidence.runs = [*last.runs, *evidence.runs]

    def adopt(self, phase_id: str, kept: SpanEvidence, last: Evidence, *, deselected: bool = False) -> None:
        """A phase is not run, since it is unchanged; in a joined trace it keeps the span it had there.

        A run of its own that ``deselected`` a phase does not complete its trace, though the phase is completed.
        """
        joined = self.evidence.joined
        span = kept.model_copy(deep=True, update={"reused": True})
        if not joined:  # the last trace has spans of the old ids, and ``TRACEPARENT`` may make it the same trace
            span.reused_from = SpanReference(otel_trace_id=last.otel_trace_id, otel_span_id=kept.otel_span_id)
            span.otel_span_id = new_span_id()
            for gate in span.gates:
                gate.otel_span_id = new_span_id()
        self.partial = self.partial or (deselected and not joined)
        self.evidence.spans[self._position[phase_id]] = span
        self._totals.count(self._position[phase_id])

    def leave_out(self, phase_id: str) -> None:
        """A phase was deselected and cannot be reused: this run does not complete the trace, another may."""
        self.partial = True
        self.span(phase_id).blocked_reason = rules.DESELECTED

    def start(self) -> None:
        """The trace begins."""
        now = self.now()
        self.evidence.started_at = min(self.evidence.started_at or now, now)
        self._follow()
        self._tell(Change.TRACE_STARTED)

    def finish(self, left: Outcome = rules.NEVER_REACHED) -> None:
        """The session is over: what has not ended was interrupted, or did not start for ``left`` or another phase."""
        for phase in self.plan.phases:
            if self.span(phase.id).status is Status.IN_PROGRESS:
                self.add_trouble(phase.id, rules.CUT_OFF)
                self.end_phase(phase.id)
        for phase in self.plan.phases:
            span = self.span(phase.id)
            if span.status is Status.NOT_STARTED and span.blocked_reason is None:
                self._settle(phase.id, rules.upstream_block(self.plan, self.evidence, phase.id) or left)
        self._follow(finished=not self.partial)
        waiting = any(span.status is Status.NOT_STARTED for span in self.evidence.spans)
        if self.evidence.status is not Status.IN_PROGRESS or not (self.partial and waiting):
            self.evidence.ended_at = rules.trace_end(self.evidence, self.now())
        self._tell(Change.TRACE_ENDED)

    # A phase

    def begin_phase(self, phase_id: str, nodeid: str, attributes: Attributes | None = None) -> None:
        """A phase's test starts, or starts anew: of an earlier attempt is kept that it was, and how it ended."""
        before = self.span(phase_id)
        span = fresh_span(self.plan, self.plan.by_id[phase_id])
        span.nodeid, span.fingerprint = nodeid, before.fingerprint
        span.attributes = dict(attributes or {})
        span.status, span.started_at = Status.IN_PROGRESS, self.now()
        if before.started_at is not None and not before.reused:
            remember_attempt(span, before, span.started_at)
        self.evidence.spans[self._position[phase_id]] = span
        self._troubles[phase_id] = []
        self._sealed.discard(phase_id)
        for gate in span.gates:
            self._details.pop(gate.gate_id, None)
        self._announce(Change.PHASE_STARTED, phase_id)

    def reopen_phase(self, phase_id: str) -> None:
        """A phase that had ended is not over: its span was written, so that what comes is said by another one."""
        span = self.span(phase_id)
        remember_attempt(span, span, self.now())
        span.otel_span_id, span.status, span.reused = new_span_id(), Status.IN_PROGRESS, False

    def hold_phase(self, phase_id: str, outcome: Outcome) -> None:
        """A phase does not start."""
        self._settle(phase_id, outcome)
        self._announce(Change.PHASE_ENDED, phase_id)

    def seal_phase(self, phase_id: str) -> Outcome:
        """The phase's test was called; its outcome, which only a failure that is still to come can change."""
        self._sealed.add(phase_id)
        outcome = self.outcome(phase_id)
        if outcome.status is Status.FAILED and not self._troubles.get(phase_id):
            self.add_trouble(phase_id, outcome.as_trouble())
        return outcome

    def end_phase(self, phase_id: str, moment: int | None = None) -> None:
        """A phase's test is over, teardown included, since a ``moment`` or now."""
        self._settle(phase_id, self.outcome(phase_id), moment)
        self._announce(Change.PHASE_ENDED, phase_id)

    def add_event(self, phase_id: str, name: str, attributes: Attributes | None = None) -> None:
        """Something happened in a phase."""
        self.span(phase_id).events.append(Event(name=name, time=self.now(), attributes=attributes or {}))

    def add_values(self, phase_id: str, values: Attributes, *, inside: GateEvidence | None = None) -> None:
        """A phase observed values of declared attributes, ``inside`` of a gate: one of its own that is still open."""
        for gate in self.span(phase_id).gates:
            if gate is inside and gate.ended_at is None:
                gate.attributes.update(values)
        for attributes in rules.drift(self.plan, self.evidence, phase_id, values):
            self.add_event(phase_id, "drift.detected", attributes)
        self.span(phase_id).attributes.update(values)

    def add_handoff(
        self, phase_id: str, direction: Direction, name: str, digest: str, reason: str | None = None
    ) -> None:
        """A handoff was emitted, accepted or refused."""
        self.span(phase_id).handoffs.append(HandoffRecord(name=name, direction=direction, digest=digest))
        why: Attributes = {"handoff.reason": reason} if reason else {}
        self.add_event(phase_id, f"handoff.{direction}", {"handoff.name": name, "handoff.digest": digest, **why})

    def add_file(self, phase_id: str, kind: FileList, item: Input | Attachment) -> None:
        """A phase relies on a file, made it or shows it; a path counts once, as it was told last."""
        items: list[Input | Attachment] = getattr(self.span(phase_id), kind)
        position = next((index for index, known in enumerate(items) if known.path == item.path), len(items))
        items[position : position + 1] = [item]

    def set_modules(self, phase_id: str, modules: list[Input]) -> None:
        """The code that a phase ran is known."""
        self.span(phase_id).modules = modules

    def add_trouble(
        self,
        phase_id: str,
        trouble: Trouble,
        exception: BaseException | None = None,
        *,
        stack: str = "",
        first: bool = False,
    ) -> None:
        """Something stops a phase that is no gate's verdict: an exception counts once, the ``first`` is the reason."""
        if exception is not None and exception is self._last_raised:
            return
        self._last_raised = exception
        troubles = self._troubles.setdefault(phase_id, [])
        troubles.insert(0 if first else len(troubles), trouble)
        if exception is not None:
            self.add_event(phase_id, "exception", {**exception_attributes(exception, stack)})

    def begin_gate(self, phase_id: str, gate_id: str) -> GateEvidence:
        """A gate's check starts."""
        gate = self.gate(phase_id, gate_id)
        gate.started_at = self.now()
        gate.events.append(Event(name="gate.check.started", time=gate.started_at))
        self._tell(Change.NOTED, self.span(phase_id))
        return gate

    def add_finding(self, phase_id: str, gate_id: str, item: EvidenceItem) -> None:
        """A gate found something."""
        self.gate(phase_id, gate_id).evidence.append(item)

    def fail_gate(self, phase_id: str, gate_id: str, failed: Assertion, place: Attributes) -> None:
        """A gate's assert failed, at a place in the test (``code.*`` attributes)."""
        self._details[self.plan.gate_id(phase_id, gate_id)] = failed.details
        self.end_gate(phase_id, gate_id, Result.FAIL, failed.reason, place)

    def end_gate(
        self, phase_id: str, gate_id: str, result: Result, reason: str | None = None, place: Attributes | None = None
    ) -> None:
        """A gate was decided, or (``not_checked``) left without a verdict."""
        gate = self.gate(phase_id, gate_id)
        gate.result, gate.reason, gate.ended_at = result, reason, self.now()
        if result is Result.FAIL:
            gate.next_action = rules.next_action(self.plan, phase_id, gate_id, gate.evidence)
            if gate.kind is Kind.REQUIRED:
                gate.waived = self.waivers.cover(f"{phase_id}-{gate_id}", [item.ref for item in gate.evidence])
            if gate.waived:
                gate.result = Result.WAIVED
            else:
                gate.severity = SEVERITY_OF[gate.kind]
        if result is not Result.NOT_CHECKED:
            name = "gate.check.failed" if result is Result.FAIL else "gate.check.passed"
            gate.events.append(Event(name=name, time=gate.ended_at, attributes=place or {}))
        self._totals.count(self._position[phase_id])
        self._tell(Change.GATE_ENDED, self.span(phase_id), gate)

    def leave_gate(self, phase_id: str, gate_id: str, reason: str, error_type: str) -> None:
        """An error left a gate without a verdict."""
        self.gate(phase_id, gate_id).error_type = error_type
        self.end_gate(phase_id, gate_id, Result.NOT_CHECKED, reason)

    def begin_program(self, phase_id: str, program: ProgramEvidence) -> None:
        """A program is about to start; ``program`` is the value that `note_program` completes."""
        self.span(phase_id).programs.append(program)
        self._tell(Change.PROGRAM_STARTS, self.span(phase_id))

    def note_program(self, phase_id: str, program: ProgramEvidence, **fields: str | int | None) -> None:
        """A program started or ended: the fields of its record that are known now."""
        for name, value in fields.items():
            setattr(program, name, value)
        self._tell(Change.NOTED, self.span(phase_id))

    def _settle(self, phase_id: str, outcome: Outcome, moment: int | None = None) -> None:
        span = self.span(phase_id)
        rules.settle(span, outcome)
        if span.started_at is not None:
            span.ended_at = moment or self.now()
        self._totals.count(self._position[phase_id])

    def _follow(self, *, finished: bool = False) -> None:
        """Bring definition of done, values and status of the trace up to date."""
        evidence, values = self.evidence, rules.last_values(self.evidence.spans)
        evidence.definition_of_done = rules.conditions(self.plan, evidence.spans, self._totals.gates, values)
        if evidence.started_at is not None:
            evidence.attributes = {name: value for name, value in values.items() if name.startswith(RECORDABLE)}
            rules.settle(evidence, rules.parent_outcome(self.plan, evidence, finished=finished))

    def _announce(self, change: Change, phase_id: str) -> None:
        """A phase moved on."""
        self._totals.count(self._position[phase_id])
        self._follow()
        self._tell(change, self.span(phase_id))

    def _tell(self, change: Change, span: SpanEvidence | None = None, gate: GateEvidence | None = None) -> None:
        for listener in self._listeners if os.getpid() == self._process else ():  # a forked child writes nothing
            listener(change, span, gate)
