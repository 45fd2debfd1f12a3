"""Running the pilot as a user does."""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

import pytest_contextcore

from .variants import VARIANTS

ROOT = Path(__file__).parents[2]
LONG = os.environ.get("CONTEXTCORE_LONG") == "1"
"""Whether what takes long runs whole: mutations, kills, scale. By default a sample of each runs."""

PLUGIN = "pytest_contextcore.pilot.plugin"
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
    def __call__(
        self,
        *arguments: str,
        folder: str | Path = "pilot_tests/",
        cwd: Path = ROOT,
        plugins: Sequence[object] = (),
    ) -> PilotRun: ...


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give a variant's workspace, built when it is first asked for; to be copied, never edited."""
    built: dict[str, Path] = {}

    def give(variant: str) -> Path:
        if variant not in built:
            built[variant] = VARIANTS[variant](tmp_path_factory.mktemp(variant) / "w").root
        return built[variant]

    return give


@pytest.fixture(scope="session")
def imported() -> None:
    """Import the package before pytester notes which modules there are, so that no run has to import it again."""
    for module in pkgutil.walk_packages(pytest_contextcore.__path__, "pytest_contextcore."):
        if module.name.rpartition(".")[2] not in ("__main__", "grpc"):
            importlib.import_module(module.name)
    gc.freeze()  # each run collects garbage at its end, and need not look through what is loaded by now


@pytest.fixture
def pilot(imported: None, pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pilot:
    """Run `pytest pilot_tests/` with these options in this process; evidence goes to a folder of this test's own."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(
        *arguments: str, folder: str | Path = "pilot_tests/", cwd: Path = ROOT, plugins: Sequence[object] = ()
    ) -> PilotRun:
        monkeypatch.chdir(cwd)
        # Hypothesis imports all of itself at the end of a session, and pytester forgets it again.
        line = ["-p", "no:hypothesispytest", *_line(tmp_path, folder, arguments)]
        done = pytester.runpytest_inprocess(*line, plugins=list(plugins))
        return PilotRun(int(done.ret), f"{done.stdout}\n{done.stderr}", tmp_path / "out")

    return run


@pytest.fixture
def pilot_process(tmp_path: Path) -> Pilot:
    """The same in a process of its own, for what is about processes."""

    def run(
        *arguments: str, folder: str | Path = "pilot_tests/", cwd: Path = ROOT, plugins: Sequence[object] = ()
    ) -> PilotRun:
        assert not plugins
        environ = {name: value for name, value in os.environ.items() if not name.startswith(PLUMBING)}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *_line(tmp_path, folder, arguments)],
            cwd=cwd,
            env={**environ, "COLUMNS": "80"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return PilotRun(done.returncode, done.stdout + done.stderr, tmp_path / "out")

    return run


def _line(tmp_path: Path, folder: str | Path, arguments: Sequence[str]) -> list[str]:
    cache = f"cache_dir={tmp_path / 'cache'}"
    return ["-o", cache, str(folder), *arguments, "--contextcore-out", str(tmp_path / "out")]
