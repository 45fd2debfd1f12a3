"""The gates of PI-101-002 in the plan's order, and a walk through them as a trace makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pytest_contextcore.pilot.findings import Finding
from pytest_contextcore.pilot.gates import (
    baseline,
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

# Late binding, so that a gate's module may be exchanged as a whole (benchmarks/mutation.md).
GATES: Mapping[str, Gate] = {
    "S1-G2": lambda ws: baseline.source_manifest(ws),
    "S2-G1": lambda ws: export.files(ws),
    "S2-C1": lambda ws: export.coverage(ws, MINIMUM),
    "S2-G2": lambda ws: export.onboarding(ws),
    "S3-C1": lambda ws: integrity.mapping(ws),
    "S3-C2": lambda ws: integrity.checksums(ws),
    "S3-G1": lambda ws: integrity.schema(ws),
    "S4-C1": lambda ws: ingestion.parity(ws),
    "S4-G1": lambda ws: ingestion.score(ws),
    "S4-G2": lambda ws: ingestion.source(ws),
    "S5-G1": lambda ws: routing.route(ws),
    "S5-G2": lambda ws: routing.override(ws),
    "S6-C1": lambda ws: design.handoff_schema(ws),
    "S6-G1": lambda ws: design.task_set(ws),
    "S6-G2": lambda ws: design.source(ws),
    "S7-C1": lambda ws: implementation.paths(ws),
    "S7-G1": lambda ws: implementation.artifacts(ws),
    "S7-G2": lambda ws: implementation.unexpected(ws),
    "S8-G1": lambda ws: validation.recorded(ws),
    "S8-G2": lambda ws: validation.validators(ws),
    "S9-G1": lambda ws: review.blocking(ws),
    "S9-G2": lambda ws: review.triaged(ws),
    "S10-C1": lambda ws: finalize.reconciliation(ws),
    "S10-G1": lambda ws: finalize.report(ws),
    "S10-G2": lambda ws: finalize.checksums(ws),
}
ADVISORY: Mapping[str, Gate] = {
    "S3-G2": lambda ws: integrity.ingestion_provenance(ws),
    "S4-G3": lambda ws: ingestion.unmapped_features(ws),
    "S8-G3": lambda ws: validation.promql_checked(ws),
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
