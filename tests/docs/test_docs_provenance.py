"""The rollup of docs/provenance.md, recomputed with nothing but what the page says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .test_docs import ROOT, blocks, run


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum on this machine")
def test_the_rollup_is_what_sha256sum_computes(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "pilot_tests", tmp_path / "pilot_tests", ignore=shutil.ignore_patterns("__pycache__"))
    run("pytest pilot_tests/ -q", tmp_path)
    shell, python = [block.body for block in blocks(ROOT / "docs/provenance.md")]
    summed = subprocess.run(["sh", "-ec", shell], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    told = subprocess.run(
        [sys.executable, "-c", python], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert told[-1].split()[:2] == ["provenance_rollup", f"sha256:{summed.split()[0]}"]
    paths = [line.rstrip(" \\").split()[-1] for line in shell.replace("| sha256sum", "").splitlines()[1:]]
    assert [line.split()[1] for line in told[:-1]] == paths
