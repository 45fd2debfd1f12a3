"""``contextcore prove``: planted gates that cannot fail are found, and the project itself is left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_contextcore.commands.cli import main
from pytest_contextcore.proof.result import ProofReport, found_for, load

PLAN = """
[trace]
id = "T"

[[phases]]
id = "MAKE"
run = ["python", "make.py"]
inputs = ["make.py"]
outputs = ["m.json"]

[[phases.gates]]
id = "GOOD"
check = { query = "m.json#n == `1`" }

[[phases.gates]]
id = "ALWAYS"
check = { query = "m.json#n == `1` || `true`" }

[[phases]]
id = "LOOK"

[[phases.gates]]
id = "GOOD"
prove = { file = "m.json", set = { "/n" = 2 } }

[[phases.gates]]
id = "TRUE"
prove = { file = "m.json", set = { "/n" = 2 } }

[[phases.gates]]
id = "WRONG_FILE"
prove = { file = "other.json", set = { "/n" = 2 } }

[[phases.gates]]
id = "SWALLOWS"
prove = { file = "m.json", set = { "/n" = 2 } }

[[phases.gates]]
id = "NO_EFFECT"
prove = { file = "m.json", set = { "/n" = 1 } }

[[phases.gates]]
id = "READ_BEFORE"
prove = { file = "other.json", set = { "/n" = 2 } }

[[phases.gates]]
id = "OPTION"
prove = { option = "--lose thing" }

[[phases.gates]]
id = "UNNAMED"

[[phases]]
id = "SHIP"
run = ["python", "ship.py"]
external = true

[[phases.gates]]
id = "SHIPPED"
check = { exists = "shipped" }
"""

CONFTEST = """
def pytest_addoption(parser):
    parser.addoption("--lose", default="")
"""

TESTS = """
import json
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def n(name):
    return json.loads((HERE / name).read_text())["n"]


@pytest.fixture
def early():
    return n("other.json")


@pytest.mark.phase("LOOK")
def test_look(phase, early, pytestconfig):
    with phase.gate("GOOD"):
        assert n("m.json") == 1
    with phase.gate("TRUE"):
        assert True
    with phase.gate("WRONG_FILE"):
        assert n("m.json") == 1
    with phase.gate("SWALLOWS"):
        try:
            assert n("m.json") == 1
        except AssertionError:
            pass
    with phase.gate("NO_EFFECT"):
        assert n("m.json") == 1
    with phase.gate("READ_BEFORE"):
        assert early == 1
    with phase.gate("OPTION"):
        assert not pytestconfig.getoption("lose")
    with phase.gate("UNNAMED"):
        assert True
"""


def project(folder: Path, monkeypatch: pytest.MonkeyPatch, plan: str) -> None:
    files = {
        "plan.toml": plan,
        "pytest.ini": "[pytest]\n",
        "conftest.py": CONFTEST,
        "test_look.py": TESTS,
        "make.py": "open('m.json', 'w').write('{\"n\": 1}'); open('calls', 'a').write('1')",
        "ship.py": f"open({str(folder / 'shipped')!r}, 'w')",
        "other.json": '{"n": 1}',
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(folder)


def results(report: ProofReport | None) -> dict[str, str]:
    assert report is not None
    return {gate.gate_id.removeprefix("T-"): gate.result.value for gate in report.gates}


def test_planted_gates_that_cannot_fail_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project(tmp_path, monkeypatch, PLAN)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    code = main(["prove"])
    said = capsys.readouterr()
    assert results(load(tmp_path / "out", "T")) == {
        "MAKE-GOOD": "proven",
        "MAKE-ALWAYS": "cannot fail",
        "LOOK-GOOD": "proven",
        "LOOK-TRUE": "cannot fail",
        "LOOK-WRONG_FILE": "cannot fail",
        "LOOK-SWALLOWS": "cannot fail",
        "LOOK-NO_EFFECT": "error",
        "LOOK-READ_BEFORE": "proven",
        "LOOK-OPTION": "proven",
        "LOOK-UNNAMED": "unproven",
        "SHIP-SHIPPED": "unproven",
    }, said.err
    assert code == 1
    assert "| T-LOOK-TRUE | TRUE | **cannot fail** | m.json: set /n = 2 |" in said.out.splitlines()
    assert "- T-LOOK-NO_EFFECT: m.json: set /n = 1: it changes nothing" in said.out.splitlines()
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert after == before  # neither the program nor a mutation reached the project


def test_a_plan_without_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make = PLAN.partition('[[phases.gates]]\nid = "ALWAYS"')[0]
    drift = '[[phases.gates]]\nid = "DRIFT"\ncheck = { drift = "quality.gap_count", within = 0 }\n'
    project(tmp_path, monkeypatch, make.replace('`1`"', '`1`", values = { gap_count = "m.json#n" }') + drift)
    (tmp_path / "test_look.py").unlink()
    assert main(["prove", "--format", "json"]) == 0
    report = ProofReport.model_validate(json.loads(capsys.readouterr().out))
    assert results(report) == {"MAKE-GOOD": "proven", "MAKE-DRIFT": "proven"}
    assert found_for(tmp_path / "out", "T", report.plan_digest)["T-MAKE-GOOD"] == "proven"
    assert found_for(tmp_path / "out", "T", "of another plan") == {}
    (tmp_path / "make.py").write_text("open('m.json', 'w').write('{\"n\": 2}')", encoding="utf-8")
    assert main(["prove"]) == 1
    said = capsys.readouterr().err
    assert "the plan has to pass on the copy before its gates can be proven" in said
    assert "observed 2, expected == 1" in said


def test_a_plan_that_cannot_be_proven_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["prove"]) == 4
    assert "there is no plan.toml here" in capsys.readouterr().err
    project(tmp_path, monkeypatch, PLAN.replace("external = true", 'external = "yes"'))
    assert main(["prove"]) == 4
    assert "phase SHIP: external must be true or false" in capsys.readouterr().err
