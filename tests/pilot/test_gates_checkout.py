"""The gates against real output of the pipeline, which is kept beside the repository and never inside of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
from pytest_contextcore.pilot.observations import observe
from pytest_contextcore.pilot.workspace import Memo, Workspace

SHARED = Path(__file__).parents[3] / "shared"
CHECKOUT = SHARED / "workspaces/checkout"
TIDEPOOL = SHARED / "workspaces/tidepool-export-only"

needs_checkout = pytest.mark.skipif(not CHECKOUT.is_dir(), reason="the shared workspace checkout is not there")
needs_tidepool = pytest.mark.skipif(not TIDEPOOL.is_dir(), reason="the shared workspace tidepool is not there")

Gate = Callable[[Workspace], list[Finding] | None]


def phases(minimum: float) -> dict[str, list[Gate]]:
    """The required gates of each phase, in the plan's order."""
    return {
        "S1": [export.source_manifest],
        "S2": [export.files, export.onboarding, lambda ws: export.coverage(ws, minimum)],
        "S3": [integrity.mapping, integrity.checksums, integrity.schema],
        "S4": [ingestion.parity, ingestion.score, ingestion.source],
        "S5": [routing.route, routing.override],
        "S6": [design.handoff_schema, design.task_set, design.source],
        "S7": [implementation.paths, implementation.artifacts, implementation.unexpected],
        "S8": [validation.recorded, validation.validators],
        "S9": [review.triaged, review.blocking],
        "S10": [finalize.reconciliation, finalize.report, finalize.checksums],
    }


ADVISORY: list[Gate] = [integrity.ingestion_provenance, ingestion.unmapped_features, validation.promql_checked]


def stopped(root: Path, minimum: float = 60.0, memo: Memo | None = None) -> tuple[str, list[Finding]]:
    """Go through the phases as a trace does: each with a workspace of its own, up to the first with findings."""
    for phase, gates in phases(minimum).items():
        ws = Workspace(root, memo=memo)
        found = [finding for gate in gates for finding in gate(ws) or []]
        if found:
            return phase, found
    return "", []


def copy(base: Path, to: Path) -> Path:
    shutil.copytree(base, to, symlinks=True)
    for path in [to, *to.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    return to


@needs_checkout
def test_the_untouched_workspace_is_clean() -> None:
    assert stopped(CHECKOUT) == ("", [])


@needs_checkout
def test_coverage_below_the_threshold_stops_at_s2() -> None:
    phase, found = stopped(CHECKOUT, 80.0)
    assert phase == "S2"
    assert [finding.type for finding in found] == ["coverage_below_minimum"]
    assert "66.7 %" in str(found[0])


@needs_checkout
def test_a_scan_raises_the_coverage_that_is_held_against_the_threshold_and_nothing_else(tmp_path: Path) -> None:
    for name in ("runbooks/checkout-api-runbook.md", "runbooks/checkout-worker-runbook.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("# Runbook\n")
    (tmp_path / "alertmanager").symlink_to(CHECKOUT / "project/alertmanager")
    ws = Workspace(CHECKOUT)
    scan = export.scan_existing(ws, tmp_path)
    assert scan.found == {"checkout_api-runbook", "checkout_worker-runbook"}
    assert scan.percent == 83.3
    assert export.coverage(ws, 80.0, scan) == []
    assert export.coverage(ws, 90.0, scan) != []
    assert observe(ws, 2)["gap_count"] == 7


@needs_checkout
def test_only_the_digest_that_real_runs_get_wrong_is_advised() -> None:
    ws = Workspace(CHECKOUT)
    advised = [finding for gate in ADVISORY for finding in gate(ws) or []]
    assert [finding.type for finding in advised] == ["checksum_mismatch"]
    assert "$.tasks" in str(advised[0])


@needs_tidepool
def test_an_export_alone_is_clean_up_to_s3_and_s4_says_what_to_run() -> None:
    phase, found = stopped(TIDEPOOL, 0.0)
    assert phase == "S4"
    assert "run plan ingestion" in str(found[0])


@needs_tidepool
def test_failure_forensics_are_named_when_ingestion_failed(tmp_path: Path) -> None:
    root = copy(TIDEPOOL, tmp_path / "w")
    (root / "ingestion").mkdir()
    (root / "ingestion/plan-ingestion-failure-forensics.json").write_text("{}")
    _, found = stopped(root, 0.0)
    assert "plan-ingestion-failure-forensics.json" in str(found[0])


@needs_checkout
def test_each_phase_observes_what_it_knows() -> None:
    values = observe(Workspace(CHECKOUT), 10)
    assert observe(Workspace(CHECKOUT), 1) == {}
    assert "feature_count" not in observe(Workspace(CHECKOUT), 3)
    assert values["coverage_percent"] == 66.7
    assert (values["gap_count"], values["feature_count"], values["path_count"], values["artifact_count"]) == (
        7,
        7,
        7,
        7,
    )
    assert (values["complexity_score"], values["selected_path"], values["finalize_status"]) == (
        38.0,
        "prime",
        "complete",
    )
    assert str(values["source_checksum"]).startswith("sha256:6923fb06")


@needs_checkout
def test_nothing_is_observed_of_an_empty_folder(tmp_path: Path) -> None:
    assert observe(Workspace(tmp_path), 10) == {}


@needs_checkout
def test_the_rollup_is_the_digest_of_its_text() -> None:
    import hashlib

    rollup = finalize.rollup(Workspace(CHECKOUT))
    assert rollup.missing == ()
    assert [link.role for link in rollup.links] == ["source", "artifact_manifest", "seed", "handoff", *["artifact"] * 7]
    lines = [
        f"{hashlib.sha256((CHECKOUT / link.path).read_bytes()).hexdigest()}  {link.path}\n" for link in rollup.links
    ]
    assert hashlib.sha256("".join(lines).encode()).hexdigest() == rollup.digest


# -- variants that real pipelines write --------------------------------------------------------------------------------
def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document, indent=2), encoding="utf-8")


def without_design(root: Path) -> None:
    """A prime run that made no design: no handoff, no design documents, no design hash."""
    for path in (root / "artisan").glob("*design*"):
        path.unlink()
    for path in (root / "project/.startd8/state").glob("*.json"):
        edit(path, lambda d: d["_cache_meta"].pop("design_hash"))


@needs_checkout
def test_a_prime_route_without_any_trace_of_a_design_makes_s6_not_applicable(tmp_path: Path) -> None:
    root = copy(CHECKOUT, tmp_path / "w")
    without_design(root)
    assert design.not_applicable(Workspace(root))
    assert stopped(root) == ("", [])
    assert [link.role for link in finalize.rollup(Workspace(root)).links][:4] == [
        "source",
        "artifact_manifest",
        "seed",
        "artifact",
    ]


@needs_checkout
@pytest.mark.parametrize("trace", ["state", "document", "contract"])
def test_each_trace_of_a_design_without_its_handoff_stops_at_s6(trace: str, tmp_path: Path) -> None:
    root = copy(CHECKOUT, tmp_path / "w")
    without_design(root)
    if trace == "state":
        edit(root / "project/.startd8/state/test_results.json", lambda d: d["_cache_meta"].update(design_hash="0" * 64))
    else:
        name = "PI-001-design.md" if trace == "document" else "design-handoff-contract.json"
        (root / "artisan" / name).write_text("{}")
    assert stopped(root)[0] == "S6"


def overridden(root: Path) -> None:
    """Route every statement to artisan, against the score, with an override that says why."""
    for path in [*(root / "ingestion").glob("*.json"), *(root / "ingestion/.startd8").glob("*.json")]:
        text = path.read_text(encoding="utf-8").replace('"prime"', '"artisan"')
        path.write_text(text, encoding="utf-8")
        if path.name.startswith("prime-"):
            path.rename(path.with_name(path.name.replace("prime-", "artisan-")))
    for path in (root / "artisan").glob("*.json"):
        text = path.read_text(encoding="utf-8").replace("prime-context-seed", "artisan-context-seed")
        path.write_text(text, encoding="utf-8")


@needs_checkout
def test_an_override_with_reason_and_approver_justifies_the_other_route(tmp_path: Path) -> None:
    root = copy(CHECKOUT, tmp_path / "w")
    overridden(root)
    assert stopped(root)[0] == "S5"
    override = {"route": "artisan", "reason": "dashboards are shared", "approved_by": "lee"}
    (root / "route-override.json").write_text(json.dumps(override))
    assert stopped(root) == ("", [])
    assert observe(Workspace(root), 5)["selected_path"] == "artisan"


@needs_checkout
@pytest.mark.parametrize("key", ["route", "reason", "approved_by"])
@pytest.mark.parametrize("value", ["", "  ", None, 1, "other"])
def test_an_override_that_lacks_one_of_its_three_statements_stops_at_s5(
    key: str, value: object, tmp_path: Path
) -> None:
    if value == "other" and key != "route":
        return
    root = copy(CHECKOUT, tmp_path / "w")
    overridden(root)
    override = {"route": "artisan", "reason": "dashboards are shared", "approved_by": "lee", key: value}
    (root / "route-override.json").write_text(json.dumps(override))
    assert stopped(root)[0] == "S5"


@needs_checkout
def test_an_override_that_is_a_symlink_is_refused(tmp_path: Path) -> None:
    root = copy(CHECKOUT, tmp_path / "w")
    (root / "route-override.json").symlink_to(root / "export/provenance.json")
    assert stopped(root)[0] == "S5"


@needs_checkout
def test_keys_that_nobody_has_seen_are_accepted(tmp_path: Path) -> None:
    root = copy(CHECKOUT, tmp_path / "w")
    for path in [
        *(root / "ingestion").rglob("*.json"),
        *(root / "artisan").glob("*.json"),
        *(root / "project").rglob("*.json"),
    ]:
        edit(path, lambda d: d.update(zz_unseen={"a": [1, None, {"b": 1.5}]}))
    assert stopped(root) == ("", [])


@needs_checkout
def test_checksums_with_the_sha256_prefix_are_accepted(tmp_path: Path) -> None:
    root = copy(CHECKOUT, tmp_path / "w")

    def prefix(d: dict[str, Any]) -> None:
        d["source_checksum"] = "sha256:" + d["source_checksum"]

    for path in (root / "ingestion").glob("*-context-seed*.json"):
        edit(path, prefix)
    edit(root / "artisan/design-handoff.json", prefix)
    assert stopped(root) == ("", [])


@needs_checkout
@pytest.mark.parametrize("file", ["export", "ingestion", "artisan", "project"])
def test_a_folder_that_is_a_symlink_is_refused(file: str, tmp_path: Path) -> None:
    root = copy(CHECKOUT, tmp_path / "w")
    shutil.move(root / file, tmp_path / file)
    (root / file).symlink_to(tmp_path / file)
    phase, found = stopped(root)
    assert phase == {"export": "S2", "ingestion": "S4", "artisan": "S6", "project": "S7"}[file]
    assert "symlink" in str(found[0]) or "no regular file" in str(found[0])
