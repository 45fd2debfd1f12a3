"""One completed run of the pilot, in a project of its own, for all that is tried on its evidence and its files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.trace.evidence import Evidence
from pytest_contextcore.trace.file import dump

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Project:
    """A project with a copy of the pilot's tests, and what a run of them left."""

    root: Path
    trace_id: str = "PI-101-002"

    @property
    def evidence(self) -> Path:
        return self.root / "out" / f"{self.trace_id}.json"

    @contextmanager
    def changed(self, name: str, change: Callable[[bytes], bytes | None]) -> Iterator[None]:
        """A file with other bytes, or none, for a while."""
        path = self.root / name
        before = path.read_bytes()
        after = change(before)
        assert after != before
        path.unlink() if after is None else path.write_bytes(after)
        try:
            yield
        finally:
            path.write_bytes(before)

    def resealed(self, edit: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
        """A change of the evidence by somebody who seals it anew."""

        def change(data: bytes) -> bytes:
            document = json.loads(data)
            edit(document)
            return dump(Evidence.model_validate(document))

        return change


@pytest.fixture(scope="package")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "pilot_tests", root / "pilot_tests", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "pytest.ini").write_text("[pytest]\naddopts = -p pytest_contextcore.pilot.plugin\n", encoding="utf-8")
    quiet = ["-q", "-p", "no:randomly", "-p", "no:hypothesispytest", "-p", "no:cacheprovider", "-n", "0"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "TRACE", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", *quiet, "pilot_tests"]
    done = subprocess.run(command, cwd=root, env=environ, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return Project(root)
