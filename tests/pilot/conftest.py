"""Running the pilot as a user does, and the real workspaces where they are at hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
PLUMBING = ("OTEL_", "TRACEPARENT", "TRACESTATE", "PYTEST_", "PYTHONOPTIMIZE", "GITHUB_")


@dataclass(frozen=True)
class PilotRun:
    """One run of the pilot: exit code, what it printed, the evidence that it wrote."""

    code: int
    text: str
    out: Path

    @property
    def evidence(self) -> dict[str, Any]:
        document = json.loads((self.out / "PI-101-002.json").read_text(encoding="utf-8"))
        assert isinstance(document, dict)
        return document

    @property
    def statuses(self) -> list[str]:
        return [span["status"] for span in self.evidence["spans"]]

    def span(self, short: str) -> dict[str, Any]:
        found = next(span for span in self.evidence["spans"] if span["span_id"] == f"PI-101-002-{short}")
        assert isinstance(found, dict)
        return found


class Pilot(Protocol):
    def __call__(self, *arguments: str, folder: str | Path = "pilot_tests/", cwd: Path = ROOT) -> PilotRun: ...


@pytest.fixture
def pilot(tmp_path: Path) -> Pilot:
    """Run `pytest pilot_tests/` with these options; evidence goes to a folder of this test's own."""
    out = tmp_path / "out"

    def run(*arguments: str, folder: str | Path = "pilot_tests/", cwd: Path = ROOT) -> PilotRun:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(PLUMBING)}
        command = [sys.executable, "-m", "pytest", "-o", f"cache_dir={tmp_path / 'cache'}", str(folder), *arguments]
        done = subprocess.run(
            [*command, "--contextcore-out", str(out)],
            cwd=cwd,
            env={**environ, "COLUMNS": "80"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return PilotRun(done.returncode, done.stdout + done.stderr, out)

    return run


@pytest.fixture
def checkout() -> Path:
    """The real workspace `checkout`."""
    folder = SHARED / "workspaces" / "checkout"
    if not folder.is_dir():
        pytest.skip("the shared workspaces are not beside this repository")
    return folder


@pytest.fixture
def export_only() -> Path:
    """A real workspace that holds nothing but an export."""
    folder = SHARED / "workspaces" / "tidepool-export-only"
    if not folder.is_dir():
        pytest.skip("the shared workspaces are not beside this repository")
    return folder
