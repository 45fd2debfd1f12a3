"""PI-101-002 as a user runs it: the default, the injections, real workspaces, beside other plugins."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from pytest_contextcore.pilot.embedded import Pipeline

from ..support.junit_file import JUnitFile
from .conftest import PLUGIN, ROOT, Pilot, PilotRun

DONE = ["completed"] * 10
STALE = [f"export/{name}.json" for name in ("onboarding-metadata", "validation-report", "provenance")]
STALE += ["export/order-service-artifact-manifest.yaml"]
DROPPED = ["ingestion/ingestion-traceability.json"]
RULES = "project/prometheus/rules/orders-api-prometheus-rules.yaml"
DASHBOARD = "project/grafana/dashboards/orders-api-dashboard.json"


def blocked_at(position: int) -> list[str]:
    return ["completed"] * (position - 1) + ["blocked"] + ["not_started"] * (10 - position)


def test_the_default_completes_all_ten_phases_with_the_promised_figures(pilot: Pilot, tmp_path: Path) -> None:
    run = pilot("--junitxml", str(tmp_path / "j.xml"))
    JUnitFile(tmp_path / "j.xml").agrees_with(run.evidence)
    assert (run.code, run.statuses, run.evidence["status"]) == (0, DONE, "completed")
    last = run.span("S10")["attributes"]
    figures = {name: value for name, value in last.items() if name.startswith(("quality.", "routing.", "output."))}
    rollup = figures.pop("output.rollup")
    assert figures == {
        "quality.coverage_percent": 85.0,
        "quality.gap_count": 3,
        "quality.feature_count": 3,
        "routing.complexity_score": 44.0,
        "routing.selected_path": "artisan",
        "output.path_count": 3,
        "output.artifact_count": 3,
        "output.finalize_status": "complete",
    }
    assert all(condition["met"] for condition in run.evidence["definition_of_done"])
    assert "warning" not in run.text
    spans = run.evidence["spans"]
    emitted = [[h["name"] for h in span["handoffs"] if h["direction"] == "emitted"] for span in spans]
    assert emitted[:-1] == [
        [h["name"] for h in span["handoffs"] if h["direction"] == "validated"] for span in spans[1:]
    ]
    assert all(len(names) == 1 for names in emitted[:-1])
    gate = next(gate for gate in run.span("S10")["gates"] if gate["gate_id"] == "PI-101-002-S10-G2")
    assert [item["type"] for item in gate["evidence"]] == ["provenance"] * 7 + ["provenance_rollup"]
    assert gate["evidence"][-1]["ref"] == rollup == gate["attributes"]["output.rollup"]


@pytest.mark.parametrize(
    ("options", "position", "gate", "said", "files"),
    [
        (["--source-checksum", "sha256:STALE"], 3, "C2 Checksum chain verification", "sha256:STALE", STALE),
        (["--drop-feature", "gap-latency-panel"], 4, "C1 Gap-to-feature parity check", "gap-latency-panel", DROPPED),
        (["--test-failures", "2"], 8, "G1 Recorded test results", "PI-002", [RULES, DASHBOARD]),
        (["--review-blockers", "2"], 9, "G1 No blocking finding", "[BLOCKING]", [RULES, DASHBOARD]),
        (["--min-coverage", "90"], 2, "C1 Coverage check", "85.0", ["export/onboarding-metadata.json"]),
    ],
)
def test_an_injected_fault_blocks_where_the_seed_says_in_terminal_junit_and_evidence_alike(
    pilot: Pilot, tmp_path: Path, options: list[str], position: int, gate: str, said: str, files: list[str]
) -> None:
    run = pilot(*options, "--junitxml", str(tmp_path / "j.xml"))
    assert (run.code, run.statuses) == (1, blocked_at(position))
    span = run.span(f"S{position}")
    assert span["blocked_reason"].startswith(f"{gate.partition(' ')[0]}: ")
    found = [item for each in span["gates"] if each["result"] == "fail" for item in each["evidence"]]
    assert [item for item in found if said in f"{item['ref']} {item['description']}"] != []
    assert {item["file"] for item in found} >= set(files)
    evidence = run.evidence
    assert (evidence["status"], evidence["blocked_on_span_id"]) == ("blocked", span["span_id"])
    assert evidence["blocked_reason"] == span["blocked_reason"]
    assert evidence["next_action"] == span["next_action"] != ""
    for held in evidence["spans"][position:]:
        assert (held["blocked_on_span_id"], held["next_action"]) == (span["span_id"], span["next_action"])
    assert f"S{position}" in next(line for line in run.text.splitlines() if " ✗ " in line)
    assert "next:" in run.text
    assert f"     reason:   {gate}" in run.text
    table = run.text[run.text.index("=== trace") :]
    assert [file for file in files if not re.search(rf"^ +(where: +)?{re.escape(file)}$", table, re.M)] == []
    junit = JUnitFile(tmp_path / "j.xml")
    junit.agrees_with(evidence)
    assert len(junit.cases) == 10 + sum(len(span["gates"]) for span in evidence["spans"])
    waiting = {case.message for case in junit.cases if case.message.startswith("not started: ")}
    assert len(waiting) == 1
    assert f"{span['span_id']} {span['phase']} is blocked: {gate}" in min(waiting)
    assert len(min(waiting)) < 160
    failures = [case.message for case in junit.cases if case.outcome == "failure"]
    assert all(file in failures[0] for file in files)


def test_an_existing_workspace_is_checked_and_nothing_is_written_into_it(pilot: Pilot, tmp_path: Path) -> None:
    root = Pipeline(tmp_path / "ws").run()
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in root.rglob("*")}
    run = pilot("--workspace", str(root))
    assert (run.code, run.statuses) == (0, DONE)
    assert run.span("S10")["attributes"]["output.artifact_count"] == 3
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in root.rglob("*")} == before


def test_an_export_without_ingestion_blocks_at_ingestion_and_says_what_to_run(pilot: Pilot, tmp_path: Path) -> None:
    run = pilot("--workspace", str(Pipeline(tmp_path / "ws").run("export")))
    assert (run.code, run.statuses) == (1, blocked_at(4))
    assert "run plan ingestion" in run.span("S4")["blocked_reason"]


def test_scanned_artifacts_count_for_the_threshold_and_leave_stated_values_alone(pilot: Pilot, tmp_path: Path) -> None:
    found = tmp_path / "found" / "grafana" / "dashboards"
    found.mkdir(parents=True)
    (found / "orders-api-dashboard.json").write_text("{}")
    run = pilot("--scan-existing", str(tmp_path / "found"), "--min-coverage", "90")
    assert (run.code, run.statuses) == (0, DONE)
    scanned = next(gate for gate in run.span("S2")["gates"] if gate["gate_id"].endswith("S2-C1"))["evidence"]
    assert scanned[0]["description"] == "90.0 % with 1 found: 18 of 20 required"
    assert run.span("S2")["attributes"]["quality.gap_count"] == 3


def test_a_single_phase_runs_alone_once_the_ones_before_it_are_completed(pilot: Pilot) -> None:
    one = "pilot_tests/test_pilot.py::test_routing_decision"
    refused = pilot(folder=one)
    assert refused.code == 4
    assert "phase S5 is selected but needs S4" in refused.text
    pilot()
    run = pilot(folder=one)
    assert (run.code, run.statuses) == (0, ["completed"] * 5 + ["not_started"] * 5)
    assert [span["reused"] for span in run.evidence["spans"]] == [True] * 4 + [False] * 6
    assert run.evidence["status"] == "in_progress"


def outcome(run: PilotRun) -> tuple[int, list[str], str]:
    return run.code, run.statuses, run.evidence["blocked_on_span_id"]


def test_the_outcome_is_the_same_with_workers(pilot_process: Pilot) -> None:
    run = pilot_process("--drop-feature", "gap-throughput", "-n", "2")
    assert outcome(run) == (1, blocked_at(4), "PI-101-002-S4")


def test_the_outcome_is_the_same_when_failed_tests_run_first(pilot: Pilot) -> None:
    for _ in range(2):
        run = pilot("--drop-feature", "gap-throughput", "--ff")
        assert outcome(run) == (1, blocked_at(4), "PI-101-002-S4")


def reversed_copy(folder: Path) -> Path:
    """The pilot with its test functions in reverse order in the file."""
    folder.mkdir()
    for name in ("plan.toml", "conftest.py"):
        (folder / name).write_text((ROOT / "pilot_tests" / name).read_text(encoding="utf-8"), encoding="utf-8")
    source = (ROOT / "pilot_tests" / "test_pilot.py").read_text(encoding="utf-8")
    tree = ast.parse(source)
    tests: list[ast.stmt] = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    tree.body = [node for node in tree.body if node not in tests] + tests[::-1]
    (folder / "test_pilot.py").write_text(ast.unparse(tree), encoding="utf-8")
    return folder


def test_the_outcome_is_the_same_with_the_tests_in_reverse_order(pilot: Pilot, tmp_path: Path) -> None:
    run = pilot("-p", PLUGIN, "--review-blockers", "2", folder=reversed_copy(tmp_path / "reversed"))
    assert outcome(run) == (1, blocked_at(9), "PI-101-002-S9")
    _, triaged = run.span("S9")["gates"]
    assert triaged["next_action"].startswith("Mend the files of the tasks whose review is negative")
