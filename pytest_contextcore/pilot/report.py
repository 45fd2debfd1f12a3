"""What a phase does with its gates' findings: attach them as evidence, and assert that there are none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_contextcore import Gate

from .findings import Finding, Unreadable, reason
from .gates import export, finalize
from .workspace import Workspace


def require(gate: Gate, findings: Sequence[Finding], *, unless: str | None = None) -> None:
    """Attach the findings to the gate as evidence, and fail it if there are any; `unless`: why it does not apply."""
    if unless is not None:
        gate.not_applicable(unless)
        return
    for finding in findings:
        ref = finding.ref or finding.file
        gate.evidence(finding.type, ref=ref, file=finding.file, description=finding.sentence)
    assert not findings, reason(findings)  # noqa: S101  (an assert is how a gate fails)


def scan(gate: Gate, workspace: Workspace, folder: Path) -> export.Scan | None:
    """What `--scan-existing` finds, also as evidence; None if the export cannot be read, which other gates report."""
    try:
        found = export.scan_existing(workspace, folder)
    except Unreadable:
        return None
    said = f"{found.percent} % with {len(found.found)} found: {found.existing} of {found.required} required"
    gate.evidence("scanned_coverage", ref=folder, description=said)
    return found


def rollup(gate: Gate, workspace: Workspace) -> None:
    """Record the provenance chain and the one digest over it."""
    chain = finalize.rollup(workspace)
    for link in chain.links:
        gate.evidence("provenance", ref=link.path, description=f"sha256:{link.sha256}")
    gate.evidence("provenance_rollup", ref=f"sha256:{chain.digest}", description=f"over {len(chain.links)} files")
