"""The gates of PI-101-002 in the plan's order, and a walk through them as a trace makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pytest_contextcore.pilot.findings import Finding
from pytest_contextcore.pilot.gates import (
    design,
    export,
    finalize,
    implementation,
    ingestion,
    integrity,
    review,
    routing,
    validation,
)
from pytest_contextcore.pilot.workspace import Memo, Workspace

Gate = Callable[[Workspace], list[Finding] | None]
MINIMUM = 80.0

GATES: Mapping[str, Gate] = {
    "S1-G2": export.source_manifest,
    "S2-G1": export.files,
    "S2-C1": lambda ws: export.coverage(ws, MINIMUM),
    "S2-G2": export.onboarding,
    "S3-C1": integrity.mapping,
    "S3-C2": integrity.checksums,
    "S3-G1": integrity.schema,
    "S4-C1": ingestion.parity,
    "S4-G1": ingestion.score,
    "S4-G2": ingestion.source,
    "S5-G1": routing.route,
    "S5-G2": routing.override,
    "S6-C1": design.handoff_schema,
    "S6-G1": design.task_set,
    "S6-G2": design.source,
    "S7-C1": implementation.paths,
    "S7-G1": implementation.artifacts,
    "S7-G2": implementation.unexpected,
    "S8-G1": validation.recorded,
    "S8-G2": validation.validators,
    "S9-G1": review.blocking,
    "S9-G2": review.triaged,
    "S10-C1": finalize.reconciliation,
    "S10-G1": finalize.report,
    "S10-G2": finalize.checksums,
}
ADVISORY: Mapping[str, Gate] = {
    "S2-G3": export.own_provenance,
    "S3-G2": integrity.ingestion_provenance,
    "S3-G3": integrity.unexported,
    "S4-G3": ingestion.unmapped_features,
    "S8-G3": validation.promql_checked,
    "S10-G3": finalize.existing,
}


def stopped(root: Path, memo: Memo | None = None) -> tuple[str, list[Finding]]:
    """The first required or integrity gate that finds something; each phase reads with a workspace of its own."""
    phase, ws = "", Workspace(root, memo=memo)
    for gate, check in GATES.items():
        if gate.partition("-")[0] != phase:
            phase, ws = gate.partition("-")[0], Workspace(root, memo=memo)
        found = check(ws)
        if found:
            return gate, found
    return "", []
