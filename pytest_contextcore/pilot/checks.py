"""The pilot's gates by their ids in the plan, for commands that ask them without pytest.

Purpose, kind and next action come from the plan, findings from the gates. This module decides which of them belong
together, and when a finding only warns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from .findings import Finding, clean, reason
from .gates import (
    design,
    export,
    finalize,
    hints,
    implementation,
    ingestion,
    integrity,
    review,
    routing,
    validation,
)
from .workspace import Workspace

if TYPE_CHECKING:
    from pytest_contextcore import Plan

COVERAGE, BELOW_THRESHOLD = "S2-C1", "coverage_below_minimum"


class Outcome(StrEnum):
    """What a gate says."""

    PASS = "pass"  # noqa: S105  (an outcome, not a password)
    FAIL = "fail"
    WARNING = "warning"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, slots=True)
class Threshold:
    """S2's coverage threshold in percent, and how it was given.

    The default only warns where no pilot runs, since a partly built export is normal; a given one fails.
    """

    percent: float = 80.0
    given: str | None = None
    fraction: bool = False

    @property
    def asked(self) -> bool:
        """Whether `--min-coverage` asks for it."""
        return self.given is not None

    @property
    def how(self) -> str:
        """How `--min-coverage` was read; empty for the default."""
        if self.given is None:
            return ""
        return f"--min-coverage {clean(self.given)} read as {'a fraction' if self.fraction else 'percent'}"

    @classmethod
    def read(cls, value: str | None) -> Threshold:
        """Give the threshold that `--min-coverage` asks for, or the default: up to 1 a fraction, above it percent.

        Raises:
            ValueError: it is neither. Coverage may exceed 100, but nobody can be asked for more.
        """
        if value is None:
            return cls()
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not 0 <= number <= 100:
            message = "is not a percentage from 0 to 100, nor a fraction up to 1.0"
            raise ValueError(f"--min-coverage: {clean(repr(value))} {message}")
        fraction = number <= 1
        return cls(round(number * 100, 9) if fraction else number, value.strip(), fraction)


class Check(NamedTuple):
    """A gate's function, which lists what is wrong, and the function that says why there is nothing to check."""

    function: Callable[..., list[Finding]]
    not_applicable: Callable[[Workspace], str | None] = lambda ws: None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one gate says about a workspace; `next_action` is None where nothing has to be done."""

    gate_id: str
    phase: str
    kind: str
    purpose: str
    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    reason: str | None = None
    next_action: str | None = None


def _no_ingestion(ws: Workspace) -> str | None:
    return None if ws.occupied("ingestion") else "plan ingestion has not run: there is no ingestion folder"


_design = partial(Check, not_applicable=design.not_applicable)

# S1-G1 (this machine's packages) and S1-G3 (the telemetry endpoint) say nothing about a pipeline's files.
CHECKS: dict[str, Check] = {
    "S1-G2": Check(export.source_manifest),
    "S2-G1": Check(export.files),
    COVERAGE: Check(export.coverage),
    "S2-G2": Check(export.onboarding),
    "S2-G3": Check(export.own_provenance),
    "S3-C1": Check(integrity.mapping),
    "S3-C2": Check(integrity.checksums),
    "S3-G1": Check(integrity.schema),
    "S3-G2": Check(integrity.ingestion_provenance, _no_ingestion),
    "S3-G3": Check(integrity.unexported),
    "S4-C1": Check(ingestion.parity),
    "S4-G1": Check(ingestion.score),
    "S4-G2": Check(ingestion.source),
    "S4-G3": Check(ingestion.unmapped_features),
    "S5-G1": Check(routing.route),
    "S5-G2": Check(routing.override, routing.not_overridden),
    "S6-C1": _design(design.handoff_schema),
    "S6-G1": _design(design.task_set),
    "S6-G2": _design(design.source),
    "S7-C1": Check(implementation.paths),
    "S7-G1": Check(implementation.artifacts),
    "S7-G2": Check(implementation.unexpected),
    "S8-G1": Check(validation.recorded),
    "S8-G2": Check(validation.validators),
    "S8-G3": Check(validation.promql_checked, validation.no_promql),
    "S9-G1": Check(review.blocking),
    "S9-G2": Check(review.triaged),
    "S10-C1": Check(finalize.reconciliation),
    "S10-G1": Check(finalize.report),
    "S10-G2": Check(finalize.checksums),
    "S10-G3": Check(finalize.existing),
}


class Advice(NamedTuple):
    """A gate that only the checker asks, and that only warns: the plan does not know it."""

    purpose: str
    next_action: str
    check: Check


ADVICE = {
    "S2-A1": Advice(
        "Parameters of artifacts that have no value (`parameter_resolvability`)",
        "State these values in the source manifest and run the export again, or leave them to whoever generates.",
        Check(hints.unresolved, partial(hints.without, hints.RESOLVABILITY)),
    ),
    "S2-A2": Advice(
        "Depth tiers of the artifacts' types (`design_calibration_hints`)",
        "Run the export again with a release that states one depth tier for each type.",
        Check(hints.depth, partial(hints.without, hints.HINTS)),
    ),
}


def gate_ids(plan: Plan, *phases: str) -> list[str]:
    """List the gates of some phases that have a check, in the plan's order; advice stands behind its phase."""
    planned = {phase: [f"{phase}-{gate.id}" for gate in plan.by_id[phase].gates] for phase in phases}
    found = [[*ids, *(each for each in ADVICE if each.startswith(f"{phase}-"))] for phase, ids in planned.items()]
    return [gate_id for ids in found for gate_id in ids if gate_id in CHECKS or gate_id in ADVICE]


def verdict(plan: Plan, gate_id: str, ws: Workspace, threshold: Threshold) -> Verdict:
    """Ask one gate."""
    phase_id, _, short = gate_id.partition("-")
    phase = plan.by_id[phase_id]
    if gate_id in ADVICE:
        purpose, next_action, check = ADVICE[gate_id]
        kind = "advisory"
    else:
        gate = phase.gate(short)
        if gate is None:
            raise KeyError(gate_id)
        purpose, next_action, check, kind = gate.purpose, gate.next_action, CHECKS[gate_id], gate.kind.value
    said = partial(Verdict, gate_id, phase.name, kind, purpose)
    absent = check.not_applicable(ws)
    if absent is not None:
        return said(Outcome.NOT_APPLICABLE, reason=absent)
    findings = tuple(check.function(ws, threshold.percent) if gate_id == COVERAGE else check.function(ws))
    if not findings:
        return said(Outcome.PASS)
    only_warns = kind == "advisory" or (
        not threshold.asked and all(finding.type == BELOW_THRESHOLD for finding in findings)
    )
    outcome = Outcome.WARNING if only_warns else Outcome.FAIL
    return said(outcome, findings, reason(findings), next_action)
