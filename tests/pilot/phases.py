"""The gates of PI-101-002 in the plan's order, and a walk through them as a trace makes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pytest_contextcore.pilot.checks import CHECKS, COVERAGE
from pytest_contextcore.pilot.findings import Finding
from pytest_contextcore.pilot.workspace import Memo, Workspace

Gate = Callable[[Workspace], list[Finding]]
MINIMUM = 80.0


def asked(gate_id: str) -> Gate:
    """A gate as the phases and the commands ask it: nothing is found where there is nothing to check."""
    check = CHECKS[gate_id]

    def ask(ws: Workspace) -> list[Finding]:
        if check.not_applicable(ws) is not None:
            return []
        return check.function(ws, MINIMUM) if gate_id == COVERAGE else check.function(ws)

    return ask


ADVISORY = {gate_id: asked(gate_id) for gate_id in ("S2-G3", "S3-G2", "S3-G3", "S4-G3", "S8-G3", "S10-G3")}
GATES = {gate_id: asked(gate_id) for gate_id in CHECKS if gate_id not in ADVISORY}


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
