"""What follows from all phases of a trace, kept up to date for the phase that changed: a plan may have thousands."""

from __future__ import annotations

from ..plan.attributes import RECORDABLE
from ..plan.model import Plan
from . import rules
from .evidence import AttributeValue, Evidence, GateEvidence, Result, Status


class Totals:
    """Keeps an evidence's summary, values, definition of done and status in step with its phases."""

    def __init__(self, plan: Plan, evidence: Evidence) -> None:
        self._plan, self._evidence = plan, evidence
        self.gates: dict[str, GateEvidence] = {}
        """By full id."""
        self._counted: list[tuple[Status, list[Result]]] = []
        self._values: dict[str, tuple[int, AttributeValue]] = {}
        self.recount()

    def recount(self) -> None:
        """Look at every phase anew."""
        self._evidence.recount()
        self._counted = [(span.status, [gate.result for gate in span.gates]) for span in self._evidence.spans]
        self._values.clear()
        for index in range(len(self._evidence.spans)):
            self.count(index)
        self.follow()

    def count(self, index: int) -> None:
        """Look at the phase with this index in the plan."""
        span, summary = self._evidence.spans[index], self._evidence.summary
        status, results = self._counted[index]
        summary.phases[status] -= 1
        summary.phases[span.status] += 1
        for result in results:
            summary.gates[result] -= 1
        for gate in span.gates:
            summary.gates[gate.result] += 1
            self.gates[gate.gate_id] = gate
        self._counted[index] = (span.status, [gate.result for gate in span.gates])
        for name, value in span.attributes.items():  # the last phase in the plan that observed it counts
            if index >= self._values.get(name, (0, value))[0]:
                self._values[name] = (index, value)

    def follow(self, *, finished: bool = False) -> None:
        """Bring definition of done, values and status of the trace up to date."""
        evidence = self._evidence
        values = {name: value for name, (_, value) in self._values.items()}
        evidence.definition_of_done = rules.conditions(self._plan, self.gates, values)
        if evidence.started_at is None:
            return
        evidence.attributes = {name: value for name, value in values.items() if name.startswith(RECORDABLE)}
        outcome = rules.parent_outcome(self._plan, evidence, finished=finished)
        evidence.status, evidence.blocked_reason = outcome.status, outcome.reason
        evidence.blocked_on_span_id, evidence.next_action = outcome.blocked_on, outcome.next_action
