"""One run for all tests of commands: the warehouse completed (LOAD-7), failed (LOAD-8) and blocked (LOAD-9).

In the blocked one the source changed between its phases.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ..support.plans import PASSING, WAREHOUSE

_TESTS = {
    "LOAD-7": PASSING,
    "LOAD-8": PASSING.replace("rows.count == 3", "1 / 0"),
    "LOAD-9": PASSING.replace("assert rows.count == 3", 'assert False, "a row is lost"')
    .replace("    phase.handoff(", '    phase.record(source_checksum="sha256:1")\n    phase.handoff(')
    .replace(
        "    phase.record(row_count=rows",
        '    phase.record(source_checksum="sha256:2")\n    phase.record(row_count=rows',
    ),
}


@pytest.fixture(scope="package")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the run: the evidence in ``out``, and what was printed in ``printed.txt``."""
    folder = tmp_path_factory.mktemp("finished")
    for name, source in _TESTS.items():
        (folder / name).mkdir()
        (folder / name / "plan.toml").write_text(WAREHOUSE.replace("LOAD-7", name), encoding="utf-8")
        (folder / name / f"test_{name[-1]}.py").write_text(source, encoding="utf-8")
    quiet = ["-p", "no:randomly", "-p", "no:hypothesispytest", "-p", "no:cacheprovider"]
    with (folder / "printed.txt").open("wb") as printed:
        subprocess.run([sys.executable, "-m", "pytest", *quiet], cwd=folder, stdout=printed, check=False)
    return folder


@pytest.fixture
def blocked(finished: Path) -> Path:
    """The evidence of the blocked run."""
    return finished / "out" / "LOAD-9.json"
