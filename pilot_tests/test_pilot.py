"""PI-101-002: ten phases, each one test; the plan is `plan.toml` beside this file.

A phase lets the pipeline do its step, takes over what the phase before vouched for, checks its exit criteria by opening
the files, and hands on what it saw itself.
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
from pytest_contextcore.pilot.steps import Steps
from pytest_contextcore.pilot.workspace import Workspace


@pytest.mark.phase("S1")
def test_init_baseline(phase: Phase, workspace: Workspace, pipeline: Steps, pytestconfig: pytest.Config) -> None:
    """Establish trusted environment."""
    with phase.gate("G1"):
        pipeline.run("prepare")
        broken = [check for check in check_installation(out_folder(pytestconfig)) if not check.ok]
        assert not broken, "; ".join(f"{check.name}: {check.found}: {check.problem}" for check in broken)
    with phase.gate("G2") as gate:
        report.require(gate, export.source_manifest(workspace))
    with phase.gate("G3") as gate:
        endpoint = check_endpoint()
        if endpoint is None:
            gate.not_applicable("no OTLP endpoint is configured")
        else:
            assert endpoint.ok, endpoint.problem
    report.hand_on(phase, workspace, handoffs.BaselineHandoff)


@pytest.mark.phase("S2")
def test_export_contract(phase: Phase, workspace: Workspace, pipeline: Steps, pytestconfig: pytest.Config) -> None:
    """Produce fresh contract artifacts."""
    phase.receive(handoffs.BaselineHandoff)
    with phase.gate("G1") as gate:
        pipeline.run("export")
        report.require(gate, export.files(workspace))
    with phase.gate("C1") as gate:
        folder = scan_folder(pytestconfig)
        scan = report.scan(gate, workspace, folder) if folder is not None else None
        report.require(gate, export.coverage(workspace, min_coverage(pytestconfig), scan))
    with phase.gate("G2") as gate:
        report.require(gate, export.onboarding(workspace))
    report.hand_on(phase, workspace, handoffs.ExportHandoff)


@pytest.mark.phase("S3")
def test_contract_integrity(phase: Phase, workspace: Workspace) -> None:
    """Validate checksums/mappings/schema."""
    phase.receive(handoffs.ExportHandoff)
    with phase.gate("C1") as gate:
        report.require(gate, integrity.mapping(workspace))
    with phase.gate("C2") as gate:
        report.require(gate, integrity.checksums(workspace))
    with phase.gate("G1") as gate:
        report.require(gate, integrity.schema(workspace))
    with phase.gate("G2") as gate:
        report.require(gate, integrity.ingestion_provenance(workspace))
    report.hand_on(phase, workspace, handoffs.IntegrityHandoff)


@pytest.mark.phase("S4")
def test_ingest_parse_assess(phase: Phase, workspace: Workspace, pipeline: Steps) -> None:
    """Ensure faithful translation and scoring."""
    phase.receive(handoffs.IntegrityHandoff)
    with phase.gate("C1") as gate:
        pipeline.run("ingest")
        report.require(gate, ingestion.parity(workspace))
    with phase.gate("G1") as gate:
        report.require(gate, ingestion.score(workspace))
    with phase.gate("G2") as gate:
        report.require(gate, ingestion.source(workspace))
    with phase.gate("G3") as gate:
        report.require(gate, ingestion.unmapped_features(workspace))
    report.hand_on(phase, workspace, handoffs.IngestionHandoff)


@pytest.mark.phase("S5")
def test_routing_decision(phase: Phase, workspace: Workspace, pipeline: Steps) -> None:
    """Confirm correct path (Prime vs Artisan)."""
    phase.receive(handoffs.IngestionHandoff)
    with phase.gate("G1") as gate:
        pipeline.run("route")
        report.require(gate, routing.route(workspace))
    with phase.gate("G2") as gate:
        override = routing.override(workspace)
        if override is None:
            gate.not_applicable("the route was not overridden: there is no route-override.json")
        report.require(gate, override or [])
    report.hand_on(phase, workspace, handoffs.RoutingHandoff)


@pytest.mark.phase("S6")
def test_artisan_design(phase: Phase, workspace: Workspace, pipeline: Steps) -> None:
    """Produce design-handoff from enriched seed."""
    phase.receive(handoffs.RoutingHandoff)
    with phase.gate("C1") as gate:
        pipeline.run("design")
        report.require_design(gate, workspace, design.handoff_schema)
    with phase.gate("G1") as gate:
        report.require_design(gate, workspace, design.task_set)
    with phase.gate("G2") as gate:
        report.require_design(gate, workspace, design.source)
    report.hand_on(phase, workspace, handoffs.DesignHandoff)


@pytest.mark.phase("S7")
def test_artisan_implement(phase: Phase, workspace: Workspace, pipeline: Steps) -> None:
    """Generate/compose artifacts."""
    phase.receive(handoffs.DesignHandoff)
    with phase.gate("C1") as gate:
        pipeline.run("implement")
        report.require(gate, implementation.paths(workspace))
    with phase.gate("G1") as gate:
        report.require(gate, implementation.artifacts(workspace))
    with phase.gate("G2") as gate:
        report.require(gate, implementation.unexpected(workspace))
    report.hand_on(phase, workspace, handoffs.ImplementationHandoff)


@pytest.mark.phase("S8")
def test_test_validate(phase: Phase, workspace: Workspace, pipeline: Steps) -> None:
    """Run artifact validation gates."""
    phase.receive(handoffs.ImplementationHandoff)
    with phase.gate("G1") as gate:
        pipeline.run("validate")
        report.require(gate, validation.recorded(workspace))
    with phase.gate("G2") as gate:
        report.require(gate, validation.validators(workspace))
    with phase.gate("G3") as gate:
        nothing_to_parse = validation.no_promql(workspace)
        if nothing_to_parse is not None:
            gate.not_applicable(nothing_to_parse)
        report.require(gate, validation.promql_checked(workspace))
    report.hand_on(phase, workspace, handoffs.ValidationHandoff)


@pytest.mark.phase("S9")
def test_review_calibrate(phase: Phase, workspace: Workspace, pipeline: Steps) -> None:
    """Multi-agent/human quality pass."""
    phase.receive(handoffs.ValidationHandoff)
    with phase.gate("G1") as gate:
        pipeline.run("review")
        for severity, count in review.counts(workspace).items():
            gate.evidence("review_findings", ref=f"{count} {severity.lower()}")
        report.require(gate, review.blocking(workspace))
    with phase.gate("G2") as gate:
        report.require(gate, review.triaged(workspace))
    report.hand_on(phase, workspace, handoffs.ReviewHandoff)


@pytest.mark.phase("S10")
def test_finalize_verify(phase: Phase, workspace: Workspace, pipeline: Steps) -> None:
    """Close trace with provenance proof."""
    phase.receive(handoffs.ReviewHandoff)
    with phase.gate("C1") as gate:
        pipeline.run("finalize")
        report.require(gate, finalize.reconciliation(workspace))
    with phase.gate("G1") as gate:
        report.require(gate, finalize.report(workspace))
    with phase.gate("G2") as gate:
        report.rollup(gate, workspace)
        report.require(gate, finalize.checksums(workspace))
    report.hand_on(phase, workspace, None)
