"""PI-101-002-PRIME: nine phases over the output of a prime run; the plan is `plan.toml` beside this file.

All phases but S5 are those of PI-101-002: the same tests, collected here once more for this plan.
"""

from __future__ import annotations

import pytest
from test_pilot import (  # type: ignore[import-not-found]  # beside the conftest above; its name differs in a wheel
    test_contract_integrity,
    test_export_contract,
    test_finalize_verify,
    test_ingest_parse_assess,
    test_init_baseline,
    test_review_calibrate,
    test_test_validate,
)
from test_pilot import test_artisan_implement as test_prime_implement

from pytest_contextcore import Phase
from pytest_contextcore.pilot import handoffs, report
from pytest_contextcore.pilot.gates import design, routing
from pytest_contextcore.pilot.turn import Turn
from pytest_contextcore.pilot.workspace import Workspace

__all__ = [
    "test_contract_integrity",
    "test_export_contract",
    "test_finalize_verify",
    "test_ingest_parse_assess",
    "test_init_baseline",
    "test_prime_implement",
    "test_review_calibrate",
    "test_test_validate",
]


@pytest.mark.phase("S5")
def test_routing_decision(phase: Phase, workspace: Workspace, turn: Turn) -> None:
    """Confirm the prime route."""
    turn.take_over(handoffs.IngestionHandoff)
    with phase.gate("G1") as gate:
        report.require(gate, routing.route(workspace))
        gate.evidence("route_reasoning", ref=routing.reasoning(workspace) or "none")
    with phase.gate("G2") as gate:
        override = routing.override(workspace)
        if override is None:
            gate.not_applicable("the route was not overridden: there is no route-override.json")
        report.require(gate, override or [])
    with phase.gate("G3") as gate:
        report.require(gate, design.none_made(workspace))
    turn.hand_on(handoffs.DesignHandoff, taker=7)
