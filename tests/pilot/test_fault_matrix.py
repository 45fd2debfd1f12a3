"""Every fault stops at the gate that is responsible for it, and no variant of a good workspace stops anywhere.

The bases are built once in a session by the embedded pipeline; each fault edits a copy of its own (`faults.yaml`).
The gates are called as `pilot_tests/test_pilot.py` calls them, in the plan's order.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from pytest_contextcore.pilot import validators
from pytest_contextcore.pilot.checks import Threshold, verdict
from pytest_contextcore.pilot.exported import Export
from pytest_contextcore.pilot.gates import export, finalize, review, validation
from pytest_contextcore.pilot.observations import observe
from pytest_contextcore.pilot.report import scan
from pytest_contextcore.pilot.workspace import Memo, Workspace
from pytest_contextcore.plan.model import load_plan

from . import phases
from .conftest import LONG, ROOT, Pilot
from .edits import edit
from .faults import FAULTS, Fault
from .files import Files, dump, load, sha
from .variants import VARIANTS

Base = Callable[[str], Path]
Group = tuple[str, str]


@pytest.fixture(scope="session")
def sealed(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Base:
    """The same workspaces, their documents written as edits write them: sealing a fault writes only what it changed."""
    folder = tmp_path_factory.mktemp("sealed")

    def give(variant: str) -> Path:
        root = folder / variant
        if not root.exists():
            shutil.copytree(base(variant), root)
            for path in Files(root).documents():
                dump(path, load(path))
            Files(root).seal()
        return root

    return give


@pytest.fixture(scope="session")
def memo() -> Memo:
    """Most documents of most faults are those of the base: the session parses them once."""
    memo = Memo()
    memo.MAX_ENTRIES = 4096
    return memo


def entries(root: str, folder: str = "") -> dict[str, int]:
    """Everything below a folder with its inode, 0 for folders."""
    found: dict[str, int] = {}
    for entry in os.scandir(f"{root}/{folder}"):
        below = entry.is_dir(follow_symlinks=False)
        found[f"{folder}{entry.name}"] = 0 if below else entry.inode()
        found |= entries(root, f"{folder}{entry.name}/") if below else {}
    return found


wanted = cache(entries)  # of the bases, which nothing changes


def linked(base: Path, root: Path) -> None:
    """Make the folder a copy of the base by hard links; edits write their files anew, so that most stay as they are."""
    root.mkdir(exist_ok=True)
    want, there = wanted(str(base)), entries(str(root))
    for name in (name for name in reversed(there) if there[name] != want.get(name)):
        path = root / name
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    for name in (name for name in want if there.get(name) != want[name]):
        (root / name).mkdir() if want[name] == 0 else (root / name).hardlink_to(base / name)


def judge(fault: Fault, root: Path, memo: Memo | None = None) -> str:
    """Say what is wrong with how the gates see a faulty workspace; empty if all is as the fault demands."""
    gate, found = phases.stopped(root, memo)
    if fault.gate in phases.ADVISORY:
        if gate:
            return f"stopped at {gate}: {found[0]}"
        gate, found = fault.gate, phases.ADVISORY[fault.gate](Workspace(root, memo=memo)) or []
    if gate != fault.gate:
        return f"stopped at {gate or 'no gate'}: {found[0] if found else 'nothing found'}"
    if fault.type != (found[0].type if found else ""):
        return f"{gate} says {[str(finding) for finding in found[:3]]} of type {[f.type for f in found[:3]]}"
    if not all(f.message and f.observed and f.expected and f.type and f.file is not None for f in found):
        return "a finding lacks one of its texts"
    if fault.says not in "\n".join(map(str, found)):
        return f"{gate} says {[str(finding) for finding in found[:3]]}, not {fault.says}"
    blind = [name for name in fault.also if not phases.GATES[name](Workspace(root, memo=memo))]
    return f"{blind[0]} does not see it" if blind else ""


@pytest.mark.parametrize("group", sorted({(fault.gate, fault.type) for fault in FAULTS}), ids=" ".join)
def test_each_fault_is_caught_first_by_the_gate_that_is_responsible(
    group: Group, sealed: Base, memo: Memo, tmp_path: Path
) -> None:
    wrong = {}
    for fault in (fault for fault in FAULTS if group == (fault.gate, fault.type) and (LONG or not fault.variation)):
        root = tmp_path / fault.variant
        linked(sealed(fault.variant), root)
        fault.apply(root)
        wrong[fault.id] = (judge(fault, root, memo), fault.edits)
    assert [(name, *found) for name, found in wrong.items() if found[0]] == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_good_variant_is_clean_also_to_the_advisory_gates(variant: str, base: Base, memo: Memo) -> None:
    root = base(variant)
    assert phases.stopped(root, memo) == ("", [])
    advisory = [gate for name, gate in phases.ADVISORY.items() if name != "S10-G3"]  # they hold nothing that existed
    assert [finding for gate in advisory for finding in gate(Workspace(root, memo=memo)) or []] == []
    assert finalize.rollup(Workspace(root, memo=memo)).missing == ()
    assert observe(Workspace(root, memo=memo), 10)["finalize_status"] == "complete"


def test_every_gate_has_a_fault() -> None:
    assert {fault.gate for fault in FAULTS} == {*phases.GATES, *phases.ADVISORY} - {"S8-G3"}


def test_without_a_promql_parser_only_the_advisory_gate_says_so(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (validation, validators):
        monkeypatch.setattr(module, "promql_available", lambda: False)
    found = phases.ADVISORY["S8-G3"](Workspace(base("embedded"))) or []
    assert [(finding.type, finding.ref) for finding in found] == [
        ("promql_not_checked", "gap-error-budget"),
        ("promql_not_checked", "gap-throughput"),
    ]
    assert all((base("embedded") / finding.file).is_file() for finding in found)
    assert phases.stopped(base("embedded")) == ("", [])
    found = phases.ADVISORY["S8-G3"](Workspace(base("embedded") / "nowhere")) or []
    assert [finding.type for finding in found] == ["missing_file"]


def test_where_no_rules_are_called_for_no_promql_is_said_to_be_parsed(base: Base, tmp_path: Path) -> None:
    assert validation.no_promql(Workspace(base("embedded"))) is None
    assert validation.no_promql(Workspace(base("embedded") / "nowhere")) is None
    root = tmp_path / "w"
    shutil.copytree(base("embedded"), root)
    path = next(root.glob("export/*-artifact-manifest.yaml"))
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"type: (prometheus|recording)_rule", "type: loki_rule", text), encoding="utf-8")
    ws = Workspace(root)
    assert validation.no_promql(ws) == "there is no PromQL to parse: no gap calls for Prometheus rules"
    assert verdict(load_plan(ROOT / "pilot_tests" / "plan.toml"), "S8-G3", ws, Threshold()).outcome == "not_applicable"


def test_what_tests_and_reviews_reject_is_the_artifact_of_the_task(base: Base, tmp_path: Path) -> None:
    """Who reads the reason wants the file that is to be mended; the record that says so stands in the sentence."""
    root, rules = tmp_path / "w", "project/prometheus/rules/orders-api-prometheus-rules.yaml"
    shutil.copytree(base("embedded"), root)
    edit(Files(root), "review:tasks.PI-001.verdict", "FAIL")
    edit(Files(root), "review:tasks.PI-001.issues", ["[BLOCKING] x"])
    edit(Files(root), "test:output.test_plan.0.status", "failed")
    ws = Workspace(root)
    for gate in (validation.recorded, review.blocking, review.triaged):
        finding = gate(ws)[0]
        assert finding.file == rules
        assert "task 'PI-001' in project/.startd8/state/" in finding.message
    for path in root.glob("ingestion/*seed*.json"):
        path.unlink()
    [finding] = review.blocking(Workspace(root))
    assert (finding.file, finding.message) == (
        "project/.startd8/state/review_results.json",
        "a review finding on task 'PI-001' blocks",
    )


def test_review_findings_are_counted_by_severity_as_far_as_they_can_be_read(base: Base, tmp_path: Path) -> None:
    root = tmp_path / "w"
    shutil.copytree(base("with_harmless_marks"), root)
    assert review.counts(Workspace(root)) == {"blocking": 0, "major": 3, "minor": 1}
    edit(Files(root), "review:tasks.PI-002.issues", ["[BLOCKING] x", "[blocking] y", 4])
    assert review.counts(Workspace(root)) == {"blocking": 2, "major": 3, "minor": 1}
    shutil.rmtree(root)
    assert review.counts(Workspace(root)) == dict.fromkeys(("blocking", "major", "minor"), 0)


def test_a_rollup_names_what_is_missing_in_its_chain_and_holds_the_rest(base: Base, tmp_path: Path) -> None:
    root = tmp_path / "w"
    shutil.copytree(base("embedded"), root)
    files = Files(root)
    for path in (files.source, files.path("seed"), files.output("prometheus-rules.yaml")):
        path.unlink()
    chain = finalize.rollup(Workspace(root))
    assert [link.role for link in chain.links] == ["artifact_manifest", "handoff", "artifact", "artifact"]
    assert [finding.type for finding in chain.missing] == ["missing_file"] * 3
    assert chain.text == "".join(f"{sha((root / link.path).read_bytes())}  {link.path}\n" for link in chain.links)
    assert chain.digest == sha(chain.text.encode())
    shutil.copy(files.manifest, files.export / "other-artifact-manifest.yaml")
    chain = finalize.rollup(Workspace(root))
    assert [link.role for link in chain.links] == ["handoff"]
    assert [finding.type for finding in chain.missing] == [
        "missing_file",
        "ambiguous_file",
        "missing_file",
        "ambiguous_file",
    ]


def test_what_exists_on_the_manifests_word_only_is_said_where_it_counts(
    base: Base, pilot: Pilot, tmp_path: Path
) -> None:
    """The bases do without the files that existed before."""
    assert len(finalize.assumed(Workspace(base("embedded")))) == 17
    assert finalize.assumed(Workspace(tmp_path)) == []
    run = pilot("--workspace", str(base("embedded")))
    assert (run.code, run.evidence["status"]) == (0, "completed")
    first = run.evidence["definition_of_done"][0]
    assert first["met"]
    assert first["condition"].startswith("all required artifacts are present and mapped (assumed: orders_api-")
    assert "route_reasoning" in [item["type"] for item in run.span("S5")["gates"][0]["evidence"]]
    assert ("reviewed", "3 of 3 tasks") in [(e["type"], e["ref"]) for e in run.span("S9")["gates"][0]["evidence"]]


def test_only_what_the_manifest_says_exists_and_where_is_looked_for(base: Base, tmp_path: Path) -> None:
    root = tmp_path / "w"
    shutil.copytree(base("of_all_priorities"), root)  # its artifacts 5 and 6 are outdated and deprecated
    edit(Files(root), "manifest:artifacts.7.existingPath", "$gone")
    ids = [artifact.id for artifact in Export.load(Workspace(root)).artifacts]
    found = root / "project/prometheus/rules/orders-gateway-prometheus-rules.yaml"  # artifact 11
    found.parent.mkdir(parents=True, exist_ok=True)
    found.write_text("x", encoding="utf-8")
    unseen = [ids[number] for number in (3, 4, 8, 9, 10, 12, 13, 14, 15, 16, 17, 18, 19)]
    assert [finding.ref for finding in finalize.existing(Workspace(root))] == unseen
    assert finalize.assumed(Workspace(root)) == [ids[number] for number in (10, 12, 15, 16, 17)]


def test_who_reviewed_is_told_where_the_file_says_so(base: Base, tmp_path: Path) -> None:
    root = tmp_path / "w"
    shutil.copytree(base("embedded"), root)
    edit(Files(root), "review:tasks.PI-001.reviewer", "kim")
    edit(Files(root), "review:tasks.PI-002.model", "m-1")
    edit(Files(root), "review:tasks.PI-003", "$gone")
    assert review.reviewers(Workspace(root)) == ("2 of 3 tasks", ["kim", "m-1"])
    assert review.reviewers(Workspace(tmp_path)) == ("unknown", [])


# -- coverage with a scan ----------------------------------------------------------------------------------------------
def test_a_scan_counts_what_is_in_its_folder_and_what_exists_already(base: Base, tmp_path: Path) -> None:
    ws = Workspace(base("embedded"))
    nothing = export.scan_existing(ws, tmp_path)
    assert nothing == export.Scan(frozenset(), 17, 20, 85.0)
    for name in ("grafana/dashboards/orders-api-dashboard.json", "runbooks/orders-api-runbook.md"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("{}")
    scan = export.scan_existing(ws, tmp_path)
    assert scan == export.Scan(frozenset(("gap-latency-panel", "orders_api-runbook")), 18, 20, 90.0)
    assert export.coverage(ws, 90.0, scan) == []
    short = export.coverage(ws, 90.1, scan)
    assert [finding.type for finding in short] == ["coverage_below_minimum"]
    assert "2 artifacts found by the scan" in short[0].message
    assert (short[0].observed, short[0].expected) == ("90.0 %", "at least 90.1 %")
    assert export.held_coverage(ws) == 85.0


def test_a_scan_of_an_export_that_cannot_be_read_is_left_to_other_gates(tmp_path: Path) -> None:
    assert scan(None, Workspace(tmp_path), tmp_path) is None  # type: ignore[arg-type]  # no gate is asked


def test_a_scan_counts_required_artifacts_and_those_that_exist_only(base: Base, tmp_path: Path) -> None:
    found = export.scan_existing(Workspace(base("of_all_priorities")), tmp_path)
    assert found == export.Scan(frozenset(), 15, 11, 136.4)


def test_an_export_that_is_not_there_is_said_once(tmp_path: Path) -> None:
    assert [finding.file for finding in phases.GATES["S2-G1"](Workspace(tmp_path)) or []] == ["export"]


WRONG_GAPS = [
    (["gap-error-budget"], "without gap-latency-panel, gap-throughput"),
    (["a", "b", "gap-error-budget", "gap-latency-panel", "gap-throughput"], "also a, b"),
    (["a", "gap-latency-panel", "gap-throughput"], "also a; without gap-error-budget"),
    (["gap-error-budget", *["gap-latency-panel", "gap-throughput"] * 2], "the same with repetitions"),
    (list("abcdefg"), "also a, b, c, d, e; without gap-error-budget, gap-latency-panel, gap-throughput"),
]


@pytest.mark.parametrize(("gaps", "observed"), WRONG_GAPS)
def test_wrong_gaps_of_a_target_are_named(gaps: list[str], observed: str, base: Base, tmp_path: Path) -> None:
    root = tmp_path / "w"
    shutil.copytree(base("embedded"), root)
    edit(Files(root), "manifest:coverage.byTarget.0.gaps", gaps)
    found = phases.GATES["S2-C1"](Workspace(root)) or []
    assert [(finding.type, finding.observed) for finding in found] == [("gap_mismatch", observed)]


def test_the_threshold_itself_is_enough(base: Base) -> None:
    assert export.coverage(Workspace(base("embedded")), 85.0) == []
    assert export.coverage(Workspace(base("embedded")), 85.1) != []
