"""Both programs, each in a phase. Their spans stand below the phase that ran them."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from pytest_contextcore import Gate, Phase

HERE = Path(__file__).parent
WORK = HERE / "work"
OURS = [sys.executable, "-m", "pytest_contextcore"]
NAMED = "CONTEXTCORE_PROGRAM"
MISSING = f"{NAMED} names no program: `contextcore` of the other distribution"


def succeeds(phase: Phase, gate: Gate, *command: str, program: list[str] | None = None) -> None:
    """Run a command in the workspace, by default the other distribution's; its exit code is the gate's verdict."""
    if NAMED not in os.environ:
        gate.not_applicable(MISSING)
        return
    done = phase.run([*(program or [os.environ[NAMED]]), *command], cwd=WORK)
    said = (done.stderr or done.stdout).strip()[-500:]
    assert done.returncode == 0, f"exit code {done.returncode}, expected 0: {said}"


@pytest.mark.phase("VALIDATE")
def test_validate(phase: Phase) -> None:
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir()
    shutil.copy(HERE / "contextcore.yaml", WORK / ".contextcore.yaml")
    shutil.copy(HERE / "task-mapping.json", WORK)
    phase.input(HERE / "contextcore.yaml")
    with phase.gate("C1") as gate:
        succeeds(phase, gate, "manifest", "validate", "-p", ".contextcore.yaml")


@pytest.mark.phase("EXPORT")
def test_export(phase: Phase) -> None:
    with phase.gate("C1") as gate:
        how = ["-p", ".contextcore.yaml", "-o", "export", "--no-strict-quality", "--emit-provenance"]
        succeeds(phase, gate, "manifest", "export", *how, "--task-mapping", "task-mapping.json")


@pytest.mark.phase("THEIR_CHECK")
def test_their_check(phase: Phase) -> None:
    with phase.gate("C1") as gate:
        succeeds(phase, gate, "contract", "a2a-check-pipeline", "export", "--fail-on-unhealthy")


@pytest.mark.phase("OUR_CHECK")
def test_our_check(phase: Phase) -> None:
    with phase.gate("C1") as gate:
        succeeds(phase, gate, "contract", "a2a-check-pipeline", "export", program=OURS)


@pytest.mark.phase("PILOT")
def test_pilot(phase: Phase) -> None:
    """An export alone is not ingested yet, so that the pilot is blocked at S4. Without one it builds a workspace."""
    evidence = HERE / "out" / "pilot" / "PI-101-002.json"
    evidence.unlink(missing_ok=True)
    options = [f"--workspace={WORK}", "--min-coverage=0"] if NAMED in os.environ else []
    with phase.gate("C1"):
        done = phase.run([*OURS, "contract", "a2a-pilot", "--contextcore-out", "out/pilot", *options], cwd=HERE)
        assert evidence.exists(), f"the pilot wrote nothing: {(done.stderr or done.stdout).strip()[-500:]}"
        statuses = {span["span_id"]: span["status"] for span in json.loads(evidence.read_text("utf-8"))["spans"]}
        wrong = {span: status for span, status in list(statuses.items())[:3] if status != "completed"}
        assert not wrong, f"observed {wrong}, expected completed"
    with phase.gate("C2"):
        observed = json.loads(evidence.read_text("utf-8"))["otel_trace_id"]
        assert observed == phase.trace_id, f"observed trace {observed}, expected {phase.trace_id}"
