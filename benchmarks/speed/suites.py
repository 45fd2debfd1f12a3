"""The suites that are measured: trivial parametrized tests in 50 files."""

from __future__ import annotations

import shutil
from pathlib import Path

from .environments import ROOT

FILES = 50

_PLAIN = """
import pytest


@pytest.mark.parametrize("value", [{values}], ids=[{ids}])
def test_trivial(value):
    assert value >= 0
"""

_PLAN = """
[trace]
id = "BENCH-1"
project_id = "bench"
title = "One phase beside many ordinary tests"
type = "benchmark"

[[trace.definition_of_done]]
condition = "the phase was checked"
gates = ["A-G1"]
next_action = "Look at the phase."

[[phases]]
id = "A"
name = "ALONE"
goal = "Make the plugin active"
exit_criteria = ["true"]

[[phases.gates]]
id = "G1"
purpose = "Nothing is asked"
criterion = "true"
next_action = "Nothing can be done."
"""

_PHASE = """
import pytest


@pytest.mark.phase("A")
def test_alone(phase):
    with phase.gate("G1"):
        assert True
"""


def write_suite(folder: Path, kind: str, tests: int) -> Path:
    """A folder with a suite of that many ordinary tests; written once.

    ``plain``: nothing else. ``plan``: beside them a plan of one phase with one gate. ``ordered``: every test has
    an order mark (of pytest-order). Each test's id is unique in the suite, as in ``[f07n0042]``.
    """
    home = folder / f"{kind}-{tests}"
    done = home / "pytest.ini"
    if done.is_file():
        return home
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    files = min(FILES, tests)
    for number in range(files):
        share = tests // files + (number < tests % files)
        ids = [f"f{number:02d}n{index:04d}" for index in range(share)]
        value = "pytest.param({0}, marks=pytest.mark.order({0}))" if kind == "ordered" else "{0}"
        values = [value.format(index) for index in range(share)]
        text = _PLAIN.format(values=", ".join(values), ids=", ".join(f'"{name}"' for name in ids))
        (home / f"test_f{number:02d}.py").write_text(text.lstrip(), encoding="utf-8")
    if kind == "plan":
        (home / "plan").mkdir()
        (home / "plan" / "plan.toml").write_text(_PLAN.lstrip(), encoding="utf-8")
        (home / "plan" / "test_plan.py").write_text(_PHASE.lstrip(), encoding="utf-8")
    # an ini file ends pytest's search for a root directory here
    done.write_text("[pytest]\nmarkers =\n    order: of pytest-order\n", encoding="utf-8")
    return home


def pilot_suite(folder: Path) -> Path:
    """The pilot's suite, copied out of the checkout, so that nothing of the checkout is used but what is installed."""
    home = folder / "pilot"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(ROOT / "pilot_tests", home / "pilot_tests", ignore=shutil.ignore_patterns("__pycache__", "out"))
    (home / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    return home


def tidy(home: Path) -> None:
    """Remove what a run left behind."""
    shutil.rmtree(home / "out", ignore_errors=True)
    for path in home.glob("*otel-traces*"):
        path.unlink()
