"""A small plan of another subject than the pilot's, for the tests: a nightly load of a warehouse in three phases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.plan.model import Plan, load_plan

WAREHOUSE = """
[trace]
id = "LOAD-7"
project_id = "warehouse"
title = "Load the nightly orders"
type = "job"

[[trace.definition_of_done]]
condition = "every row arrived"
gates = ["P-C1"]
attributes = { "quality.row_count" = 3 }
next_action = "Compare the row counts of source and target."

[[attributes]]
name = "quality.row_count"
type = "int"
meaning = "Rows that were loaded"

[[phases]]
id = "E"
name = "EXTRACT"
goal = "Take the rows out of the shop"
exit_criteria = ["source reachable"]
[[phases.gates]]
id = "C1"
purpose = "The source answers"
criterion = "source reachable"
next_action = "Start the source."

[[phases]]
id = "T"
name = "TRANSFORM"
goal = "Bring them into the warehouse's shape"
exit_criteria = ["no row lost", "columns known"]
[[phases.gates]]
id = "C1"
purpose = "No row lost"
criterion = "no row lost"
kind = "integrity"
next_action = "Look for {lost_row} in the transformation."
[[phases.gates]]
id = "C2"
purpose = "Columns known"
criterion = "columns known"
next_action = "Declare the new column."
[[phases.gates]]
id = "C3"
purpose = "No deprecated column"
criterion = "columns known"
kind = "advisory"
next_action = "Drop the deprecated column soon."

[[phases]]
id = "P"
name = "PUBLISH"
goal = "Make them visible"
exit_criteria = ["rows visible"]
[[phases.gates]]
id = "C1"
purpose = "Rows visible"
criterion = "rows visible"
next_action = "Publish again."
"""

PASSING = """
import pytest
from pytest_contextcore import Handoff


class Rows(Handoff):
    count: int


@pytest.mark.phase("E")
def test_extract(phase):
    with phase.gate("C1"):
        assert True
    phase.handoff(Rows(count=3))


@pytest.mark.phase("T")
def test_transform(phase):
    rows = phase.receive(Rows)
    with phase.gate("C1"):
        assert rows.count == 3
    with phase.gate("C2"):
        assert True
    with phase.gate("C3"):
        assert True
    phase.record(row_count=rows.count)


@pytest.mark.phase("P")
def test_publish(phase):
    with phase.gate("C1"):
        assert True
    phase.record(row_count=3)
"""


def warehouse(folder: Path, text: str = WAREHOUSE) -> Plan:
    """The plan, read from a file."""
    path = folder / "plan.toml"
    path.write_text(text, encoding="utf-8")
    return load_plan(path)


LEFT_OUT = ("hypothesispytest", "asyncio", "check", "flaky", "pytest-retry")
"""Plugins that sessions of tests do without, but for those that are about them."""

HERE = ("-p", "no:randomly", "-o", "contextcore_global_provider=false")


class Suite:
    """A suite in pytester's folder: the plan and its tests, run in this process or another, and what it left behind."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.plan(WAREHOUSE)

    def plan(self, text: str) -> None:
        """Write the plan."""
        (self.pytester.path / "plan.toml").write_text(text, encoding="utf-8")

    def write(self, source: str, name: str = "test_load.py") -> None:
        """Write the tests."""
        (self.pytester.path / name).write_text(source, encoding="utf-8")

    def replace(self, old: str, new: str, source: str = PASSING) -> None:
        """Write the passing tests with one thing changed."""
        assert old in source
        self.write(source.replace(old, new, 1))

    def here(self, *arguments: str, **keywords: Any) -> pytest.RunResult:
        """Run pytest in this process, which is faster; it sets no tracer provider, since that can be set once only."""
        return self.pytester.runpytest_inprocess(*HERE, *arguments, no_reraise_ctrlc=True, **keywords)

    def run(self, *arguments: str) -> pytest.RunResult:
        """Run pytest in a process of its own: for what processes do, such as to be killed."""
        return self.pytester.runpytest_subprocess("-p", "no:randomly", *arguments)
