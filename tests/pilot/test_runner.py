"""``PilotRunner``: a seed as options, a run in a process of its own, its evidence by the original's names."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

from pytest_contextcore import ContextcoreError, load_evidence
from pytest_contextcore.pilot import PilotNotRun, PilotResult, PilotRunner, PilotSeed, SeedRefused
from pytest_contextcore.pilot.embedded import example_gap_ids

NAMES = """
source_checksum artifact_manifest_checksum project_context_checksum expected_source_checksum
expected_artifact_manifest_checksum expected_project_context_checksum artifact_ids task_mapping gap_ids feature_ids
coverage_percent complexity_score selected_path generated_artifact_count generated_paths test_critical_failures
review_blocking_issues
"""


def test_a_seed_has_the_originals_names() -> None:
    assert [field.name for field in fields(PilotSeed)] == NAMES.split()


@pytest.mark.parametrize(
    ("seed", "options"),
    [
        (PilotSeed(), []),
        (PilotSeed(source_checksum="sha256:STALE"), ["--source-checksum=sha256:STALE"]),
        (PilotSeed(source_checksum="sha256:a", expected_source_checksum="sha256:a"), []),
        (PilotSeed(feature_ids=["gap-throughput", "gap-error-budget"]), ["--drop-feature=gap-latency-panel"]),
        (PilotSeed(gap_ids=list(example_gap_ids())[::-1]), []),
        (PilotSeed(test_critical_failures=2, review_blocking_issues=1), ["--test-failures=2", "--review-blockers=1"]),
    ],
)
def test_a_seed_is_options(seed: PilotSeed, options: list[str]) -> None:
    assert seed.options() == options


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("artifact_ids", ["a"], "the example's source manifest"),
        ("task_mapping", {}, "maps every artifact"),
        ("gap_ids", ["gap-a"], "lose one's feature with feature_ids"),
        ("feature_ids", [*example_gap_ids(), "F-9"], "feature_ids has F-9, of no gap"),
        ("coverage_percent", 84.0, "coverage is counted"),
        ("complexity_score", 39.0, "computes the score"),
        ("selected_path", "prime", "follows from the score"),
        ("generated_artifact_count", 2, "one artifact is made for each gap"),
        ("generated_paths", ["x.json"], "each artifact type's convention"),
        ("artifact_manifest_checksum", "sha256:x", "the file that it just wrote"),
        ("expected_project_context_checksum", "sha256:x", "the file that it just wrote"),
        ("expected_source_checksum", "sha256:x", "the digest of the source manifest"),
    ],
)
def test_what_cannot_be_done_to_real_files_is_refused_with_the_reason(name: str, value: object, said: str) -> None:
    with pytest.raises(SeedRefused, match=said) as refused:
        PilotRunner(PilotSeed(**{name: value}))  # type: ignore[arg-type]
    assert name in str(refused.value)
    assert isinstance(refused.value, ContextcoreError)


@pytest.fixture(scope="module")
def blocked(tmp_path_factory: pytest.TempPathFactory) -> tuple[PilotResult, Path]:
    out = tmp_path_factory.mktemp("runner") / "out"
    return PilotRunner(PilotSeed(test_critical_failures=2), out=out).execute(), out


def test_a_result_is_the_evidence_by_the_originals_names(blocked: tuple[PilotResult, Path], tmp_path: Path) -> None:
    result, out = blocked
    path = result.write_evidence(tmp_path / "deep" / "evidence.json")
    assert path.read_bytes() == (out / "PI-101-002.json").read_bytes()
    evidence = load_evidence(path)
    assert (result.trace_id, result.project_id, result.final_status) == ("PI-101-002", "contextcore", "blocked")
    assert result.blocked_spans == ["PI-101-002-S8"]
    assert [span.status for span in result.spans] == [span.status for span in evidence.spans]
    assert (result.is_success, result.errors) == (False, [])
    assert result.started_at < str(result.ended_at)
    span = result.spans[7]
    assert (span.contract["status"], span.contract["phase"]) == ("blocked", "TEST_VALIDATE")
    failed = [gate["gate_id"] for gate in span.gate_results if gate["result"] == "fail"]
    assert "PI-101-002-S8-G1" in failed
    summary = result.summary()
    assert (summary["total_spans"], summary["completed_spans"]) == (10, 7)
    assert summary["total_gates"] == summary["gates_passed"] + summary["gates_failed"] == len(result.gate_results)
    document = json.loads(json.dumps(result.to_dict()))
    assert (document["summary"], len(document["spans"])) == (summary, 10)


def test_a_suite_that_does_not_run_is_an_error_that_says_why(tmp_path: Path) -> None:
    with pytest.raises(PilotNotRun, match="4 is more than the 3 artifacts"):
        PilotRunner(PilotSeed(test_critical_failures=4), out=tmp_path).execute()
