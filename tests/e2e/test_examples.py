"""The pipelines in ``examples/``: each runs green where its packages are, and blocks where something breaks."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ..support.plans import HERE
from ..support.traces import output

EXAMPLES = Path(__file__).parents[2] / "examples"


class Example(NamedTuple):
    """A pipeline: the modules that it needs, its trace, its table, and an edit that one gate finds."""

    needs: tuple[str, ...]
    trace: str
    gates: dict[str, int]
    edit: tuple[str, str, str]
    stops: str
    reason: str


FOUND = {
    "wine": Example(
        ("sklearn", "pandas", "pandera", "matplotlib"),
        "WINE",
        {"INGEST": 1, "VALIDATE": 1, "TRAIN": 1, "EVALUATE": 2, "PACKAGE": 1},
        ("plan.toml", "`0.9`", "`0.99`"),
        "EVALUATE",
        "expected >= 0.99",
    ),
    "release": Example(
        ("build", "hatchling", "twine", "cyclonedx_py"),
        "RELEASE",
        {"BUILD": 2, "METADATA": 0, "CONTENTS": 1, "SBOM": 1},
        ("expected.json", '"greeting/__init__.py"', '"greeting/__init__.py", "greeting/py.typed"'),
        "CONTENTS",
        "1 missing and 0 extra",
    ),
    "dbt_orders": Example(
        ("dbt", "duckdb"),
        "ORDERS",
        {"SEED": 1, "MODELS": 1, "TESTS": 2},
        ("seeds/raw_orders.csv", "\n1,", "\n2,"),
        "TESTS",
        "target/run_results.json",
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_an_example_runs_green_and_finds_what_is_broken(
    name: str, pytester: pytest.Pytester, evidence: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    example = FOUND[name]
    if lacking := [module for module in example.needs if importlib.util.find_spec(module) is None]:
        pytest.skip(f"the example needs {', '.join(lacking)}; see examples/README.md")
    monkeypatch.setenv("PYTHONWARNINGS", "")  # those of the packages are not ours
    folder = pytester.path / name
    shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns("build", "dist", "target", "out", "logs"))
    monkeypatch.chdir(folder)
    result = pytester.runpytest_inprocess(*HERE, f"--rootdir={folder}", "plan.toml")
    assert result.ret == 0, output(result)
    document = evidence(example.trace, folder / "out")
    table = [(span["span_id"], span["status"], len(span["gates"])) for span in document["spans"]]
    assert table == [(f"{example.trace}-{phase}", "completed", count) for phase, count in example.gates.items()]
    assert {gate["result"] for span in document["spans"] for gate in span["gates"]} <= {"pass", "not_applicable"}

    file, old, new = example.edit
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    result = pytester.runpytest_inprocess(*HERE, f"--rootdir={folder}", "plan.toml")
    assert result.ret == 1, output(result)
    stopped = next(span for span in evidence(example.trace, folder / "out")["spans"] if span["status"] != "completed")
    assert stopped["span_id"] == f"{example.trace}-{example.stops}", output(result)
    assert example.reason in stopped["blocked_reason"]
