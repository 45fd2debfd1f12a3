"""What a phase does with its gates' findings: record, assert, hand on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_contextcore import Gate, Phase

from .findings import Finding, Unreadable, reason
from .gates import design, export, finalize
from .handoffs import WorkspaceHandoff
from .inputs import relied_on
from .observations import observe
from .workspace import Workspace


def require(gate: Gate, findings: Sequence[Finding]) -> None:
    """Attach the findings to the gate as evidence, and fail it if there are any."""
    for finding in findings:
        ref = finding.ref or finding.file
        gate.evidence(finding.type, ref=ref, file=finding.file, description=finding.sentence)
    assert not findings, reason(findings)  # noqa: S101  (an assert is how a gate fails)


def require_design(gate: Gate, workspace: Workspace, check: Callable[[Workspace], Sequence[Finding]]) -> None:
    """Like :func:`require`, where there may be no design to check: a plan on the prime route has none."""
    reason_without_design = design.not_applicable(workspace)
    if reason_without_design is not None:
        gate.not_applicable(reason_without_design)
    else:
        require(gate, check(workspace))


def scan(gate: Gate, workspace: Workspace, folder: Path) -> export.Scan | None:
    """What `--scan-existing` finds, also as evidence; None if the export cannot be read, which other gates report."""
    try:
        found = export.scan_existing(workspace, folder)
    except Unreadable:
        return None
    gate.evidence("scanned_coverage", ref=folder, description=export.describe(found))
    return found


def rollup(gate: Gate, workspace: Workspace) -> None:
    """Record the provenance chain and the one digest over it."""
    try:
        chain = finalize.rollup(workspace)
    except Unreadable as error:
        require(gate, [error.finding])
        return
    for link in chain.links:
        gate.evidence("provenance", ref=link.path, description=f"sha256:{link.sha256}")
    gate.evidence("provenance_rollup", ref=f"sha256:{chain.digest}", description=f"over {len(chain.links)} files")


def hand_on(phase: Phase, workspace: Workspace, kind: type[WorkspaceHandoff] | None) -> None:
    """Record what the phase observed and every file that it read; hand on those it vouches for if its gates hold.

    Inputs are every file that the verdict rests on, so that a resumed run sees any change. The handoff vouches for
    fewer: for those that no later phase writes to.
    """
    position = int(phase.short_id.removeprefix("S"))
    phase.record(**observe(workspace, position))
    files: dict[str, str] = {}
    for path in relied_on(workspace, position):
        try:
            files[path] = workspace.digest(path)
        except Unreadable:
            continue  # absent or unreadable: the gate that is about this file says so
    for path, digest in {**files, **workspace.digests}.items():
        phase.input(workspace.root / path, sha256=digest)
    if kind is not None and not phase.failed_gates:
        phase.handoff(kind(root=str(workspace.root), files=files))
