"""Every gate of both plans is able to fail: what `contextcore prove` says of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from pytest_contextcore.commands.cli import main
from pytest_contextcore.plan.model import load_plan
from pytest_contextcore.proof.result import load

from .conftest import LONG, ROOT

PLANS = {"PI-101-002": "pilot_tests/plan.toml", "PI-101-002-PRIME": "pilot_tests/prime/plan.toml"}


def whole(base: Path, workspace: Path) -> Path:
    """A workspace with the artifacts that existed before, which S10-G3 looks for."""
    shutil.copytree(base, workspace)
    (manifest,) = workspace.glob("export/*-artifact-manifest.yaml")
    for artifact in yaml.safe_load(manifest.read_text(encoding="utf-8"))["artifacts"]:
        existing = workspace / artifact.get("existingPath", manifest)
        if not existing.exists():
            existing.parent.mkdir(parents=True, exist_ok=True)
            existing.write_text("as it was", encoding="utf-8")
    return workspace


@pytest.mark.parametrize("plan", PLANS.values())
def test_every_gate_names_a_mutation(plan: str) -> None:
    phases = load_plan(ROOT / plan).phases
    assert [gate.id for phase in phases for gate in phase.gates if gate.prove is None] == []


@pytest.mark.skipif(not LONG, reason="takes a minute; CONTEXTCORE_LONG=1 runs it")
@pytest.mark.parametrize("trace_id", PLANS)
def test_every_gate_is_proven(
    trace_id: str, base: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    arguments = ["prove", PLANS[trace_id], "--out", str(tmp_path / "out")]
    if trace_id.endswith("PRIME"):
        arguments += ["--workspace", str(whole(base("prime_without_design"), tmp_path / "w"))]
    code = main(arguments)
    report = load(tmp_path / "out", trace_id)
    assert report is not None
    assert [(gate.gate_id, gate.reason) for gate in report.gates if gate.result.value != "proven"] == []
    assert code == 0
