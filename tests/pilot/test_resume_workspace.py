"""A workspace that blocks is mended, and the run goes on where the mended files count (``docs/runs.md``)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_contextcore.pilot.embedded import Injections, Pipeline

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


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pipeline writes if nothing goes wrong (``whole``), and with a badly generated artifact (``faulty``)."""
    folder = tmp_path_factory.mktemp("made")
    for name, broken in (("whole", 0), ("faulty", 1)):
        Pipeline(folder / "workspace", Injections(test_failures=broken)).run()
        shutil.move(folder / "workspace", folder / name)  # both were written at the same place: records name it
    return folder


@pytest.fixture
def whole(made: Path) -> Path:
    """What the pipeline writes if nothing goes wrong."""
    return made / "whole"


@pytest.fixture
def run(pilot: Pilot, whole: Path, tmp_path: Path) -> Run:
    """Check a copy of it, which tests may change."""
    shutil.copytree(whole, tmp_path / "ws")
    return lambda *arguments: pilot("-p", "no:randomly", f"--workspace={tmp_path / 'ws'}", *arguments)


@pytest.fixture
def broken(run: Run, made: Path, tmp_path: Path) -> Path:
    """The workspace as it stands when an artifact was generated badly and its tests say so; what comes later is not."""
    for path in (ARTIFACT, *RECORDS):
        shutil.copy(made / "faulty" / path, tmp_path / "ws" / path)
    for path in LATER:
        (tmp_path / "ws" / path).unlink()
    blocked = run()
    assert blocked.code == 1
    assert blocked.statuses == ["completed"] * 7 + ["blocked", "not_started", "not_started"]
    return tmp_path / "ws"


def mend(broken: Path, whole: Path) -> None:
    """The pipeline generates the artifact again, tests it, and goes on to its end."""
    for path in (ARTIFACT, *RECORDS, *LATER):
        shutil.copy(whole / path, broken / path)


def test_a_mended_workspace_is_resumed_where_the_artifact_is_an_input(run: Run, broken: Path, whole: Path) -> None:
    shutil.copy(whole / ARTIFACT, broken / ARTIFACT)  # without its records it still blocks
    resumed = run("--contextcore-resume")
    assert (resumed.code, reused(resumed)) == (1, phases(6))
    assert resumed.span("S8")["status"] == "blocked"
    mend(broken, whole)
    resumed = run("--contextcore-resume")
    assert (resumed.code, resumed.statuses) == (0, ["completed"] * 10), resumed.text
    assert reused(resumed) == phases(6)
    assert "S7 runs: its input " in resumed.text


def test_one_more_byte_runs_the_phases_that_read_the_file(run: Run, tmp_path: Path) -> None:
    assert run().code == 0
    for path, last_reused in ((RECORDS[0], 6), ("export/run-provenance.json", 1)):
        file = tmp_path / "ws" / path
        file.write_bytes(file.read_bytes() + b"\n")
        resumed = run("--contextcore-resume")
        assert reused(resumed) == phases(last_reused), resumed.text
        assert f"{path} changed" in resumed.text


def test_what_the_embedded_pipeline_wrote_proves_all_of_its_own_run(pilot: Pilot) -> None:
    assert pilot("-q").code == 0
    resumed = pilot("--contextcore-resume")
    assert (resumed.code, reused(resumed)) == (0, phases(10)), resumed.text
