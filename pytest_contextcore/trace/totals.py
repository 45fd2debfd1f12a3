"""What follows from all phases of a trace, kept up to date for the phase that changed: a plan may have thousands."""

from __future__ import annotations

from .evidence import Attributes, AttributeValue, Evidence, GateEvidence, Result, Status


class Totals:
    """Keeps an evidence's summary in step with its phases, and knows their gates and values."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
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

    def values(self) -> Attributes:
        """Every recorded value as the last phase that observed it did."""
        return {name: value for name, (_, value) in self._values.items()}
