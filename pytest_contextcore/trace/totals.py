"""What follows from all gates of a trace, kept up to date for the phase that changed: a plan may have thousands."""

from __future__ import annotations

from .evidence import Evidence


class Totals:
    """Keeps an evidence's summary in step with its phases, and knows their gates.

    To count all of them anew would cost more than a gate does.
    """

    def __init__(self, evidence: Evidence) -> None:
        evidence.recount()
        self._evidence = evidence
        self._counted = [(span.status, [gate.result for gate in span.gates]) for span in evidence.spans]
        self.gates = {gate.gate_id: gate for span in evidence.spans for gate in span.gates}
        """By full id."""

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
