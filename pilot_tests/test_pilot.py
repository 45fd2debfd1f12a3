"""PI-101-002: ten phases, each one test; the plan is `plan.toml` beside this file.

A phase takes over what the phase before vouched for, lets the pipeline do its step, checks its exit criteria by opening
the files, and hands on what it saw itself. All but the gates is its `Turn`.
"""

from __future__ import annotations

import pytest

from pytest_contextcore import Phase, check_endpoint, check_installation, out_folder
from pytest_contextcore.pilot import handoffs, report
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
from pytest_contextcore.pilot.plugin import min_coverage, scan_folder
from pytest_contextcore.pilot.turn import Turn
from pytest_contextcore.pilot.workspace import Workspace


@pytest.mark.phase("S1")
def test_init_baseline(phase: Phase, workspace: Workspace, turn: Turn, pytestconfig: pytest.Config) -> None:
    """Establish trusted environment."""
    turn.step("prepare")
    with phase.gate("G1"):
        turn.require_step()
        broken = [check for check in check_installation(out_folder(pytestconfig)) if not check.ok]
        assert not broken, "; ".join(f"{check.name}: {check.found}: {check.problem}" for check in broken)
    with phase.gate("G2") as gate:
        turn.measure("source_checksum")
        report.require(gate, export.source_manifest(workspace))
    with phase.gate("G3") as gate:
        endpoint = check_endpoint()
        if endpoint is None:
            gate.not_applicable("no OTLP endpoint is configured")
        else:
            assert endpoint.ok, endpoint.problem
    turn.hand_on(handoffs.BaselineHandoff)


@pytest.mark.phase("S2")
def test_export_contract(phase: Phase, workspace: Workspace, turn: Turn, pytestconfig: pytest.Config) -> None:
    """Produce fresh contract artifacts."""
    turn.take_over(handoffs.BaselineHandoff)
    turn.step("export")
    with phase.gate("G1") as gate:
        turn.require_step()
        turn.measure("source_checksum", "artifact_manifest_checksum", "project_context_checksum")
        report.require(gate, export.files(workspace))
    with phase.gate("C1") as gate:
        folder = scan_folder(pytestconfig)
        scan = report.scan(gate, workspace, folder) if folder is not None else None
        turn.measure("coverage_percent", "gap_count")
        report.require(gate, export.coverage(workspace, min_coverage(pytestconfig), scan))
    with phase.gate("G2") as gate:
        report.require(gate, export.onboarding(workspace))
    with phase.gate("G3") as gate:
        report.require(gate, export.own_provenance(workspace))
    turn.hand_on(handoffs.ExportHandoff)


@pytest.mark.phase("S3")
def test_contract_integrity(phase: Phase, workspace: Workspace, turn: Turn) -> None:
    """Validate checksums/mappings/schema."""
    turn.take_over(handoffs.ExportHandoff)
    with phase.gate("C1") as gate:
        report.require(gate, integrity.mapping(workspace))
    with phase.gate("C2") as gate:
        turn.measure("source_checksum", "artifact_manifest_checksum", "project_context_checksum")
        report.require(gate, integrity.checksums(workspace))
    with phase.gate("G1") as gate:
        report.require(gate, integrity.schema(workspace))
    with phase.gate("G2") as gate:
        report.require(gate, integrity.ingestion_provenance(workspace))
    with phase.gate("G3") as gate:
        report.require(gate, integrity.unexported(workspace))
    turn.hand_on(handoffs.IntegrityHandoff)


@pytest.mark.phase("S4")
def test_ingest_parse_assess(phase: Phase, workspace: Workspace, turn: Turn) -> None:
    """Ensure faithful translation and scoring."""
    turn.take_over(handoffs.IntegrityHandoff)
    turn.step("ingest")
    with phase.gate("C1") as gate:
        turn.require_step()
        turn.measure("gap_count", "feature_count")
        report.require(gate, ingestion.parity(workspace))
    with phase.gate("G1") as gate:
        turn.measure("complexity_score")
        report.require(gate, ingestion.score(workspace))
    with phase.gate("G2") as gate:
        report.require(gate, ingestion.source(workspace))
    with phase.gate("G3") as gate:
        report.require(gate, ingestion.unmapped_features(workspace))
    turn.hand_on(handoffs.IngestionHandoff)


@pytest.mark.phase("S5")
def test_routing_decision(phase: Phase, workspace: Workspace, turn: Turn) -> None:
    """Confirm correct path (Prime vs Artisan)."""
    turn.take_over(handoffs.IngestionHandoff)
    turn.step("route")
    with phase.gate("G1") as gate:
        turn.require_step()
        turn.measure("complexity_score", "selected_path")
        report.require(gate, routing.route(workspace))
        gate.evidence("route_reasoning", ref=routing.reasoning(workspace) or "none")
    with phase.gate("G2") as gate:
        report.require(gate, routing.override(workspace), unless=routing.not_overridden(workspace))
    turn.hand_on(handoffs.RoutingHandoff)


@pytest.mark.phase("S6")
def test_artisan_design(phase: Phase, workspace: Workspace, turn: Turn) -> None:
    """Produce design-handoff from enriched seed."""
    turn.take_over(handoffs.RoutingHandoff)
    turn.step("design")
    undesigned = design.not_applicable(workspace)
    with phase.gate("C1") as gate:
        turn.require_step()
        report.require(gate, design.handoff_schema(workspace), unless=undesigned)
    with phase.gate("G1") as gate:
        report.require(gate, design.task_set(workspace), unless=undesigned)
    with phase.gate("G2") as gate:
        report.require(gate, design.source(workspace), unless=undesigned)
    turn.hand_on(handoffs.DesignHandoff)


@pytest.mark.phase("S7")
def test_artisan_implement(phase: Phase, workspace: Workspace, turn: Turn) -> None:
    """Generate/compose artifacts."""
    turn.take_over(handoffs.DesignHandoff)
    turn.step("implement")
    with phase.gate("C1") as gate:
        turn.require_step()
        turn.measure("path_count")
        report.require(gate, implementation.paths(workspace))
    with phase.gate("G1") as gate:
        turn.measure("artifact_count")
        report.require(gate, implementation.artifacts(workspace))
    with phase.gate("G2") as gate:
        report.require(gate, implementation.unexpected(workspace))
    turn.hand_on(handoffs.ImplementationHandoff)


@pytest.mark.phase("S8")
def test_test_validate(phase: Phase, workspace: Workspace, turn: Turn) -> None:
    """Run artifact validation gates."""
    turn.take_over(handoffs.ImplementationHandoff)
    turn.step("validate")
    with phase.gate("G1") as gate:
        turn.require_step()
        report.require(gate, validation.recorded(workspace))
    with phase.gate("G2") as gate:
        report.require(gate, validation.validators(workspace))
    with phase.gate("G3") as gate:
        report.require(gate, validation.promql_checked(workspace), unless=validation.no_promql(workspace))
    turn.hand_on(handoffs.ValidationHandoff)


@pytest.mark.phase("S9")
def test_review_calibrate(phase: Phase, workspace: Workspace, turn: Turn) -> None:
    """Multi-agent/human quality pass."""
    turn.take_over(handoffs.ValidationHandoff)
    turn.step("review")
    with phase.gate("G1") as gate:
        turn.require_step()
        for severity, count in review.counts(workspace).items():
            gate.evidence("review_findings", ref=f"{count} {severity.lower()}")
        reviewed, reviewers = review.reviewers(workspace)
        gate.evidence("reviewed", ref=reviewed)
        for name in reviewers:
            gate.evidence("reviewer", ref=name)
        report.require(gate, review.blocking(workspace))
    with phase.gate("G2") as gate:
        report.require(gate, review.triaged(workspace))
    turn.hand_on(handoffs.ReviewHandoff)


@pytest.mark.phase("S10")
def test_finalize_verify(phase: Phase, workspace: Workspace, turn: Turn) -> None:
    """Close trace with provenance proof."""
    turn.take_over(handoffs.ReviewHandoff)
    turn.step("finalize")
    with phase.gate("C1") as gate:
        turn.require_step()
        turn.measure("gap_count", "artifact_count")
        report.require(gate, finalize.reconciliation(workspace))
        for artifact in finalize.assumed(workspace):
            gate.evidence("assumed", ref=artifact, description="the artifact manifest says that it exists")
    with phase.gate("G1") as gate:
        turn.measure("finalize_status")
        report.require(gate, finalize.report(workspace))
    with phase.gate("G2") as gate:
        turn.measure("rollup")
        report.rollup(gate, workspace)
        report.require(gate, finalize.checksums(workspace))
    with phase.gate("G3") as gate:
        report.require(gate, finalize.existing(workspace))
    turn.hand_on(None)
