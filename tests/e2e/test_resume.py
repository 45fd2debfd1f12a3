"""``--contextcore-resume``: what is unchanged is not run again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pytest_contextcore.trace.evidence import Result
from pytest_contextcore.trace.file import dump, load_evidence

from ..support.plans import PASSING, Suite
from ..support.traces import otlp_lines, refusal

Read = Callable[..., dict[str, Any]]
RESUME = "--contextcore-resume"
WITH_INPUT = "from pathlib import Path\n" + PASSING.replace(
    "    rows = phase.receive(Rows)\n",
    "    rows = phase.receive(Rows)\n    phase.input('rows.csv')\n    print('transform runs')\n",
).replace(
    "def test_publish(phase):\n",
    "def test_publish(phase):\n    print('publish runs')\n    assert not Path('broken').exists()\n",
)


@pytest.fixture
def loaded(suite: Suite) -> Suite:
    """The suite, run once to its end; its second phase relies on a file."""
    (suite.pytester.path / "rows.csv").write_text("1\n", encoding="utf-8")
    suite.write(WITH_INPUT)
    assert suite.here().ret == 0
    return suite


def reused(found: dict[str, Any]) -> list[str]:
    return [span["span_id"].rpartition("-")[2] for span in found["spans"] if span["reused"]]


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_what_is_unchanged_is_not_run_again_and_says_so(
    loaded: Suite, evidence: Read, workers: tuple[str, ...]
) -> None:
    before = evidence()
    result = loaded.here(RESUME, "-s", "--junitxml=report.xml", *workers)
    result.assert_outcomes()
    result.stdout.fnmatch_lines(["*completed (reused)*", "*all phases are unchanged since the trace*", "*3 reused*"])
    result.stdout.no_fnmatch_line("*runs*")
    found = evidence()
    assert found["status"] == "completed"
    assert reused(found) == ["E", "T", "P"]
    assert found["otel_trace_id"] != before["otel_trace_id"]
    assert [span["reused_from"] for span in found["spans"]] == [
        {"otel_trace_id": before["otel_trace_id"], "otel_span_id": span["otel_span_id"]} for span in before["spans"]
    ]
    assert found["attributes"] == before["attributes"]
    cases = list(ElementTree.parse(loaded.pytester.path / "report.xml").iter("testcase"))
    bad = [case for case in cases if case.find("failure") is not None or case.find("skipped") is not None]
    assert bad == []
    phases = [case for case in cases if str(case.get("name")).startswith("test_")]
    said = [{(p.get("name"), p.get("value")) for p in case.iter("property")} for case in phases]
    assert [("task.reused", "True") in properties for properties in said] == [True] * 3


def test_a_changed_input_runs_its_phase_and_all_behind_it(loaded: Suite, evidence: Read) -> None:
    before = evidence()
    (loaded.pytester.path / "rows.csv").write_text("2\n", encoding="utf-8")
    result = loaded.here(RESUME)
    result.assert_outcomes(passed=2)
    assert [handoff["direction"] for handoff in evidence()["spans"][1]["handoffs"]] == ["validated"]
    (reused_span,) = [span for span in otlp_lines(loaded) if span["name"] == "LOAD-7-E EXTRACT"]
    (link,) = reused_span["links"]
    assert (link["traceId"], link["spanId"]) == (before["otel_trace_id"], before["spans"][0]["otel_span_id"])
    result.stdout.fnmatch_lines(["resume:   E reused from the trace *; T runs: its input rows.csv changed"])
    assert reused(evidence()) == ["E"]
    assert evidence()["status"] == "completed"


def test_a_failed_phase_runs_again_and_what_came_before_it_does_not(suite: Suite, evidence: Read) -> None:
    for name in ("rows.csv", "broken"):
        (suite.pytester.path / name).write_text("1\n", encoding="utf-8")
    suite.write(WITH_INPUT)
    assert suite.here().ret == 1
    (suite.pytester.path / "broken").unlink()
    result = suite.here(RESUME, "-s")
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*transform runs*")
    result.stdout.fnmatch_lines(["*publish runs*"])
    assert reused(evidence()) == ["E", "T"]


def test_fixtures_of_a_reused_phase_are_not_set_up(loaded: Suite) -> None:
    loaded.pytester.makeconftest(
        "import pytest\n\n\n@pytest.fixture(autouse=True)\ndef costly():\n    print('costly')\n    yield\n"
    )
    assert loaded.here().ret == 0
    result = loaded.here(RESUME, "-s")
    result.stdout.no_fnmatch_line("*costly*")
    assert result.ret == 0


def edited(old: str, new: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")


def linked(path: Path) -> None:
    path.symlink_to(path.rename(path.with_name("moved.json")).name)


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)  # whoever opens it waits for a writer


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda path: path.write_text("{"), "LOAD-7.json: document: Invalid JSON"),
        (edited('"status": "completed"', '"status": "completed" '), "its seal does not fit"),
        (edited('"LOAD-7"', '"LOAD-8"'), "its seal does not fit"),
        (edited('"schema_version": "v1"', '"schema_version": "v2"'), "(expected v1)"),
        (linked, "LOAD-7.json: it is no regular file"),
        (piped, "LOAD-7.json: it is no regular file"),
    ],
    ids=["damaged", "altered", "foreign", "newer", "link", "pipe"],
)
def test_evidence_that_cannot_be_trusted_is_refused_with_the_reason(
    loaded: Suite, change: Callable[[Path], object], why: str
) -> None:
    change(loaded.pytester.path / "out/LOAD-7.json")
    said = refusal(loaded.here(RESUME))
    assert "--contextcore-resume: evidence" in said
    assert why in said
    assert "to begin anew, run without --contextcore-resume" in said


def test_a_phase_whose_handoff_is_lost_runs_again_if_phases_after_it_run(loaded: Suite, evidence: Read) -> None:
    handoffs = loaded.pytester.path / "out/LOAD-7.handoffs.json"
    handoffs.unlink()
    assert loaded.here(RESUME).ret == 0
    assert reused(evidence()) == ["E", "T", "P"]
    (loaded.pytester.path / "rows.csv").write_text("2\n", encoding="utf-8")
    result = loaded.here(RESUME)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["resume:   nothing can be reused; E runs: its handoff Rows is not in the file *"])
    assert evidence()["status"] == "completed"
    assert handoffs.exists()


# --- what may change, and what may not --------------------------------------------------------------------------------

BRANCHED = """
[trace]
id = "MODEL-1"
project_id = "shop"
title = "Train"

[[trace.definition_of_done]]
condition = "trained"
gates = ["TRAIN-G1"]
next_action = "Train again."
"""
PHASE = """
[[phases]]
id = "{id}"
name = "{id}"
goal = "do it"
exit_criteria = ["done"]
depends_on = {needs}
options = {options}
[[phases.gates]]
id = "G1"
purpose = "It is done"
criterion = "done"
next_action = "Do it again."
"""
PLAN_OF_TRAINING = BRANCHED + "".join(
    PHASE.format(id=name, needs=needs, options=options)
    for name, needs, options in (("TRAIN", [], ["rate"]), ("OTHER", [], []), ("SHIP", ["TRAIN"], []))
)
TRAINING = {
    "plan.toml": PLAN_OF_TRAINING,
    "pytest.ini": "[pytest]\n",
    "conftest.py": "def pytest_addoption(parser):\n    parser.addoption('--rate', default='1')\n",
    "t/conftest.py": "from . import near\n",
    "t/__init__.py": "",
    "t/near.py": "",
    "t/test_model.py": """
import sys
from pathlib import Path
import pytest
import helpers.rates
from . import near

LIMIT = 3

@pytest.mark.phase("TRAIN")
def test_train(phase):
    from late import words
    phase.input("rows.csv")
    phase.input("data")
    phase.input("parts/*.txt")
    command = [sys.executable, "train.py", "--config", "config.toml", "--out=model.bin"]
    with phase.gate("G1"):
        assert phase.run(command).returncode == 0
    phase.output("report.txt")

@pytest.mark.phase("SHIP")
def test_ship(phase):
    with phase.gate("G1"):
        pass
""",
    "t/test_other.py": """
import pytest
import unrelated

@pytest.mark.phase("OTHER")
def test_other(phase):
    phase.input("other.csv")
    with phase.gate("G1"):
        pass
""",
    "helpers/__init__.py": "",
    "helpers/rates.py": "from .deep import *\n",
    "helpers/deep/__init__.py": "__all__ = ['layer']\n",
    "helpers/deep/layer.py": "",
    "late.py": "words = 1\n",
    "unrelated.py": "",
    "train.py": "import steps\nfor name in ('model.bin', 'report.txt'):\n    open(name, 'w').write('made')\n",
    "steps.py": "",
    "config.toml": "depth = 1\n",
    "rows.csv": "1\n",
    "other.csv": "1\n",
    "data/a.bin": "1",
    "parts/a.txt": "1",
}
Change = Callable[[Path], object]


def grown(name: str) -> Change:
    return lambda here: (here / name).write_text((here / name).read_text() + "\n# more\n")


def made(name: str) -> Change:
    return lambda here: (here / name).write_text("")


def gone(name: str) -> Change:
    return lambda here: (here / name).unlink()


def replaced(name: str, old: str, new: str) -> Change:
    return lambda here: edited(old, new)(here / name)


def older(here: Path) -> None:
    for path in here.rglob("*.*"):
        if "out" not in path.parts and "__pycache__" not in path.parts:
            os.utime(path, (1, 1))


def cached(here: Path) -> None:
    (here / "data/__pycache__").mkdir()
    (here / "data/__pycache__/a.pyc").write_text("1")
    (here / "notes.md").write_text("1")


CAUGHT: dict[str, tuple[Change, str]] = {
    "a constant in the test's module": (
        replaced("t/test_model.py", "LIMIT = 3", "LIMIT = 4"),
        "t/test_model.py changed",
    ),
    "the plan's entry": (
        replaced("plan.toml", 'goal = "do it"', 'goal = "do it well"'),
        "its entry in plan.toml changed",
    ),
    "a helper module": (grown("helpers/rates.py"), "helpers/rates.py changed"),
    "a package's init": (grown("helpers/__init__.py"), "helpers/__init__.py changed"),
    "a star import": (grown("helpers/deep/layer.py"), "helpers/deep/layer.py changed"),
    "a relative import": (grown("t/near.py"), "t/near.py changed"),
    "an import within the test": (grown("late.py"), "late.py changed"),
    "a helper that is gone": (gone("late.py"), "late.py is gone"),
    "a module before another": (made("helpers/deep/other.py"), "helpers/deep/other.py is new"),
    "the conftest beside it": (grown("t/conftest.py"), "t/conftest.py changed"),
    "the conftest above it": (grown("conftest.py"), "conftest.py changed"),
    "a conftest that is gone": (gone("t/conftest.py"), "t/conftest.py is gone"),
    "pytest's configuration": (grown("pytest.ini"), "pytest.ini changed"),
    "the script": (grown("train.py"), "train.py changed"),
    "what the script imports": (grown("steps.py"), "steps.py changed"),
    "a file that the program is given": (grown("config.toml"), "config.toml changed"),
    "an input": (grown("rows.csv"), "its input rows.csv changed"),
    "an input that is gone": (gone("rows.csv"), "its input rows.csv is gone"),
    "a file in a folder": (grown("data/a.bin"), "its input data changed"),
    "a file more in a folder": (made("data/b.bin"), "its input data changed"),
    "a file more in a glob": (made("parts/b.txt"), "its input parts/*.txt changed"),
    "a product": (gone("model.bin"), "model.bin is gone"),
    "an output that is gone": (gone("report.txt"), "its output report.txt is gone"),
    "an output": (grown("report.txt"), "its output report.txt changed"),
    "an option": (lambda _: None, "option rate changed"),
}
NO_MATTER: dict[str, Change] = {
    "mtime": older,
    "an unrelated file, a cache": cached,
    "a comment in an unrelated module": grown("unrelated.py"),
    "another branch's input": grown("other.csv"),
    "the clock": lambda _: None,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the training has run; each test takes a copy."""
    folder = tmp_path_factory.mktemp("trained") / "here"
    for name, text in TRAINING.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def training(trained: Path, suite: Suite) -> Suite:
    here = suite.pytester.path
    for name in ("plan.toml", "test_load.py"):
        (here / name).unlink()
    if not (trained / "out").exists():
        shutil.copytree(trained, here, dirs_exist_ok=True)
        assert suite.here().ret == 0
        for name in ("out", "model.bin", "report.txt"):
            (shutil.copytree if name == "out" else shutil.copy)(here / name, trained / name)
    else:
        shutil.copytree(trained, here, dirs_exist_ok=True)
    return suite


def preview(suite: Suite, *arguments: str) -> dict[str, str]:
    """Phase → what the preview says of it; nothing runs."""
    before = (suite.pytester.path / "out/MODEL-1.json").read_bytes()
    result = suite.here(RESUME, "--collect-only", "-q", *arguments)
    assert (suite.pytester.path / "out/MODEL-1.json").read_bytes() == before
    lines = [line.split(" ", 2) for line in result.outlines if line.startswith("resume: ")]
    return {line[1]: line[2] for line in lines}


@pytest.mark.parametrize("what", CAUGHT)
def test_a_change_is_caught_and_named(training: Suite, what: str) -> None:
    change, reason = CAUGHT[what]
    change(training.pytester.path)
    said = preview(training, *(["--rate=2"] if what == "an option" else []))
    assert said["TRAIN"] == f"runs: {reason}"
    others = "conftest" in what or "configuration" in what or what in ("the plan's entry", "a relative import")
    assert others or said["OTHER"] == "is reused: unchanged"
    assert said["SHIP"].startswith("runs: ")


@pytest.mark.parametrize("what", NO_MATTER)
def test_a_change_that_does_not_matter_is_none(training: Suite, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    NO_MATTER[what](training.pytester.path)
    if what == "the clock":
        monkeypatch.setattr("time.time_ns", lambda: 4_000_000_000_000_000_000)
    said = preview(training)
    assert (said["TRAIN"], said["SHIP"]) == ("is reused: unchanged", "is reused: unchanged")


def test_what_a_plan_ignores_does_not_matter(training: Suite) -> None:
    here = training.pytester.path
    ignore = '\n[phases.reuse]\nignore = ["helpers/*", "data"]\n'
    train, _, rest = PLAN_OF_TRAINING.partition('\n[[phases]]\nid = "OTHER"')
    (here / "plan.toml").write_text(f'{train}{ignore}\n[[phases]]\nid = "OTHER"{rest}', encoding="utf-8")
    assert training.here().ret == 0
    grown("helpers/rates.py")(here)
    grown("data/a.bin")(here)
    assert preview(training)["TRAIN"] == "is reused: unchanged"
    grown("rows.csv")(here)
    assert preview(training)["TRAIN"] == "runs: its input rows.csv changed"


def test_a_source_that_imports_by_name_rests_on_all_that_is_loaded(training: Suite) -> None:
    here = training.pytester.path
    grown("t/near.py")(here)
    with (here / "t/near.py").open("a") as file:
        file.write("from importlib import import_module\nimport_module('late')\n")
    assert training.here().ret == 0
    grown("unrelated.py")(here)  # another test's module imports it
    assert preview(training)["TRAIN"] == "runs: unrelated.py changed"


def test_code_that_is_edited_while_the_run_goes_on_is_not_taken_for_what_ran(suite: Suite) -> None:
    (suite.pytester.path / "helper.py").write_text("rows = 3\n")
    edits = "    Path('helper.py').write_text('rows = 4')\n"
    suite.write("import helper\n" + WITH_INPUT.replace("    phase.input('rows.csv')\n", edits))
    assert suite.here().ret == 0
    result = suite.here(RESUME, "--collect-only", "-q")
    result.stdout.fnmatch_lines(["resume: E EXTRACT runs: helper.py changed"])


def test_a_product_that_nobody_declared_is_told(training: Suite) -> None:
    grown("rows.csv")(training.pytester.path)
    (training.pytester.path / "model.bin").write_text("older")
    training.here().stdout.fnmatch_lines(
        ["note: TRAIN will run again when resumed: model.bin changed while a program*"]
    )
    assert preview(training)["TRAIN"] == "runs: model.bin changed"
    declared = replaced("t/test_model.py", 'phase.output("report.txt")', 'phase.output("*.bin")')
    declared(training.pytester.path)
    (training.pytester.path / "model.bin").write_text("older")
    training.here().stdout.no_fnmatch_line("note: *")
    assert preview(training)["TRAIN"] == "is reused: unchanged"


def test_resealed_evidence_that_contradicts_itself_is_refused(loaded: Suite) -> None:
    path = loaded.pytester.path / "out/LOAD-7.json"
    evidence = load_evidence(path)
    evidence.spans[1].gates[1].result = Result.FAIL
    evidence.recount()
    path.write_bytes(dump(evidence))
    said = refusal(loaded.here(RESUME))
    assert "it contradicts itself: LOAD-7-T is completed, but its gate LOAD-7-T-C2 failed" in said
    assert "needs T" in (said := refusal(loaded.here("-k", "test_publish")))
    assert "it contradicts itself" in said
