"""PI-101-002-PRIME: nine phases over the output of a prime run; the plan is `plan.toml` beside this file.

Each phase does what the phase of PI-101-002 does that it names, but S5, which also asks that there is no design.
"""

from __future__ import annotations

import pytest
import test_pilot as pilot  # type: ignore[import-not-found]  # beside the conftest above; its package differs in a wheel

from pytest_contextcore import Phase
from pytest_contextcore.pilot import handoffs, report
from pytest_contextcore.pilot.gates import design, routing
from pytest_contextcore.pilot.turn import Turn
from pytest_contextcore.pilot.workspace import Workspace


@pytest.mark.phase("S1")
def test_init_baseline(phase: Phase, workspace: Workspace, turn: Turn, pytestconfig: pytest.Config) -> None:
    """Establish trusted environment."""
    pilot.test_init_baseline(phase, workspace, turn, pytestconfig)


@pytest.mark.phase("S2")
def test_export_contract(phase: Phase, workspace: Workspace, turn: Turn, pytestconfig: pytest.Config) -> None:
    """Produce fresh contract artifacts."""
    pilot.test_export_contract(phase, workspace, turn, pytestconfig)


@pytest.mark.phase("S3")
def test_contract_integrity(phase: Phase, workspace: Workspace, turn: Turn) -> None:
    """Validate checksums/mappings/schema."""
    pilot.test_contract_integrity(phase, workspace, turn)


@pytest.mark.phase("S4")
def test_ingest_parse_assess(phase: Phase, workspace: Workspace, turn: Turn) -> None:
    """Ensure faithful translation and scoring."""
    pilot.test_ingest_parse_assess(phase, workspace, turn)


@pytest.mark.phase("S5")
def test_routing_decision(phase: Phase, workspace: Workspace, turn: Turn) -> None:
    """Confirm the prime route."""
    turn.take_over(handoffs.IngestionHandoff)
    with phase.gate("G1") as gate:
        turn.measure("complexity_score", "selected_path")
        report.require(gate, routing.route(workspace))
        gate.evidence("route_reasoning", ref=routing.reasoning(workspace) or "none")
    with phase.gate("G2") as gate:
        report.require(gate, routing.override(workspace), unless=routing.not_overridden(workspace))
    with phase.gate("G3") as gate:
        report.require(gate, design.none_made(workspace))
    turn.hand_on(handoffs.DesignHandoff, taker=7)


@pytest.mark.phase("S7")
def test_prime_implement(phase: Phase, workspace: Workspace, turn: Turn) -> None:
    """Generate/compose artifacts."""
    pilot.test_artisan_implement(phase, workspace, turn)


@pytest.mark.phase("S8")
def test_test_validate(phase: Phase, workspace: Workspace, turn: Turn) -> None:
    """Run artifact validation gates."""
    pilot.test_test_validate(phase, workspace, turn)


@pytest.mark.phase("S9")
def test_review_calibrate(phase: Phase, workspace: Workspace, turn: Turn) -> None:
    """Multi-agent/human quality pass."""
    pilot.test_review_calibrate(phase, workspace, turn)


@pytest.mark.phase("S10")
def test_finalize_verify(phase: Phase, workspace: Workspace, turn: Turn) -> None:
    """Close trace with provenance proof."""
    pilot.test_finalize_verify(phase, workspace, turn)
