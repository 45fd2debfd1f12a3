"""A workspace that blocks is mended, and the run goes on where the mended files count (``docs/resume.md``)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Pilot, PilotRun

ARTIFACT = "project/prometheus/rules/orders-api-prometheus-rules.yaml"
RECORDS = ("project/.startd8/state/generation_results.json", "project/.startd8/state/test_results.json")
LATER = (
    "project/.startd8/state/review_results.json",
    "artisan/generation-manifest.json",
    "artisan/workflow-execution-report.json",
)
Run = Callable[..., PilotRun]


def reused(run: PilotRun) -> list[str]:
    return [span["span_id"].rpartition("-")[2] for span in run.evidence["spans"] if span["reused"]]


def phases(last: int) -> list[str]:
    return [f"S{number}" for number in range(1, last + 1)]


@pytest.fixture
def whole(pilot: Pilot, tmp_path: Path) -> Path:
    """What the pipeline writes if nothing goes wrong."""
    assert pilot("-q").code == 0
    return Path(shutil.move(tmp_path / "out/workspace", tmp_path / "whole"))


@pytest.fixture
def run(pilot: Pilot, whole: Path, tmp_path: Path) -> Run:
    """Check the workspace, with the evidence of the run before in its place."""
    shutil.copytree(whole, tmp_path / "ws")
    shutil.rmtree(tmp_path / "out")
    return lambda *arguments: pilot("-p", "no:randomly", f"--workspace={tmp_path / 'ws'}", *arguments)


@pytest.fixture
def broken(pilot: Pilot, run: Run, tmp_path: Path) -> Path:
    """The workspace as it stands when an artifact was generated badly and its tests say so; what comes later is not."""
    assert pilot("-q", "--test-failures=1").code == 1
    for path in (ARTIFACT, *RECORDS):
        shutil.copy(tmp_path / "out/workspace" / path, tmp_path / "ws" / path)
    for path in LATER:
        (tmp_path / "ws" / path).unlink()
    shutil.rmtree(tmp_path / "out")
    blocked = run()
    assert blocked.code == 1
    assert blocked.statuses == ["completed"] * 7 + ["blocked", "not_started", "not_started"]
    return tmp_path / "ws"


def mend(broken: Path, whole: Path) -> None:
    """The pipeline generates the artifact again, tests it, and goes on to its end."""
    for path in (ARTIFACT, *RECORDS, *LATER):
        shutil.copy(whole / path, broken / path)


def test_a_mended_workspace_is_resumed_where_the_artifact_is_an_input(run: Run, broken: Path, whole: Path) -> None:
    mend(broken, whole)
    resumed = run("--contextcore-resume")
    assert (resumed.code, resumed.statuses) == (0, ["completed"] * 10), resumed.text
    assert reused(resumed) == phases(6)
    assert "S7 runs: its input " in resumed.text


def test_an_artifact_mended_without_its_records_still_blocks(run: Run, broken: Path, whole: Path) -> None:
    shutil.copy(whole / ARTIFACT, broken / ARTIFACT)
    resumed = run("--contextcore-resume")
    assert resumed.code == 1
    assert reused(resumed) == phases(6)
    assert resumed.span("S8")["status"] == "blocked"


@pytest.mark.parametrize(
    ("path", "last_reused"),
    [
        ("export/provenance.json", 1),
        ("export/run-provenance.json", 1),
        ("ingestion/review-config.json", 3),
        ("artisan/design-handoff.json", 5),
        (RECORDS[0], 6),
        (LATER[0], 8),
        (LATER[2], 9),
    ],
)
def test_a_touched_file_runs_every_phase_that_read_it(run: Run, tmp_path: Path, path: str, last_reused: int) -> None:
    """``touched``: another byte, the same meaning."""
    assert run().code == 0
    file = tmp_path / "ws" / path
    file.write_bytes(file.read_bytes() + b"\n")
    resumed = run("--contextcore-resume")
    assert reused(resumed) == phases(last_reused), resumed.text
    assert f"{path} changed" in resumed.text
    assert all(span["started_at"] is None or span["reused"] or span["inputs"] for span in resumed.evidence["spans"])


def test_a_file_that_an_embedded_run_left_untouched_proves_all_of_it(pilot: Pilot) -> None:
    assert pilot("-q").code == 0
    resumed = pilot("--contextcore-resume")
    assert (resumed.code, reused(resumed)) == (0, phases(10)), resumed.text
