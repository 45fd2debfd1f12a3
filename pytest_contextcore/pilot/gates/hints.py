"""What only the checker asks of an export, as advice: parameters without a value, and how deep artifacts shall be."""

from __future__ import annotations

from collections.abc import Iterator

from ..exported import Export
from ..findings import Finding, Unreadable, shown
from ..names import ONBOARDING
from ..nodes import Node
from ..workspace import Workspace
from . import attempt, differs, gate

TIERS = ("brief", "standard", "standard-comprehensive", "comprehensive")
RESOLVABILITY, HINTS, _CONTRACTS = "parameter_resolvability", "design_calibration_hints", "expected_output_contracts"
_LEFT_OUT = "_omitted"  # what an export's profile puts in the place of a section


def without(section: str, ws: Workspace) -> str | None:
    """Say why a section cannot be looked at, or None."""
    try:
        node = Export.load(ws).onboarding.get(section)
    except Unreadable:
        return None  # the gate fails, and says what is wrong with the file
    if not node.given or (isinstance(node.value, dict) and _LEFT_OUT in node.value):
        return f"the onboarding metadata has no {section}"
    return None


@gate
def unresolved(ws: Workspace) -> Iterator[Finding]:
    """S2-A1: every parameter of every artifact has a value."""
    for artifact, parameters in Export.load(ws).onboarding.get(RESOLVABILITY).entries():
        for name, entry in parameters.entries():
            status = entry.get("status")
            if status.value != "resolved":
                reason = entry.get("reason")
                why = f": {shown(reason.value)}" if reason.given else ""
                message = f"parameter '{name}' of '{artifact}' has no value{why}"
                yield differs(status, message, "resolved", "unresolved_parameter", f"{artifact}.{name}")


@gate
def depth(ws: Workspace) -> Iterator[Finding]:
    """S2-A2: every type of artifact that is still needed has a depth tier, and the output contracts say the same."""
    export = Export.load(ws)
    hints = export.onboarding.get(HINTS)
    contracts = export.onboarding.get(_CONTRACTS)
    for kind in dict.fromkeys(artifact.type for artifact in export.artifacts if artifact.status == "needed"):
        hint = hints.get(kind)
        if not hint.given:
            yield Finding(ONBOARDING, f"type '{kind}' has no depth tier", "none", "a tier", "no_depth_tier", kind)
            continue
        yield from attempt(lambda hint=hint, kind=kind: _tier(hint, kind))  # type: ignore[misc]
        contract = contracts.get(kind) if contracts.given else contracts
        stated = contract.get("expected_depth") if contract.given else contract
        if stated.given and stated.value != hint.get("expected_depth").value:
            message = f"the output contract of type '{kind}' states another depth tier than its design hint"
            yield differs(stated, message, hint.get("expected_depth").value, "depth_tier_mismatch", kind)


def _tier(hint: Node, kind: str) -> None:
    tier = hint.get("expected_depth")
    if tier.name() not in TIERS:
        message = f"type '{kind}' has an unknown depth tier"
        raise Unreadable(differs(tier, message, ", ".join(TIERS), "unknown_depth_tier", kind))
