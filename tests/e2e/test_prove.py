"""``contextcore prove``: planted gates that cannot fail are found, and the project itself is left alone."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_contextcore.commands.cli import main
from pytest_contextcore.proof import copying, sessions
from pytest_contextcore.proof.result import ProofReport, load

MAKE = """
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
"""
PLAN = (
    MAKE
    + """
[[phases.gates]]
id = "OR_TRUE"
check = { query = "m.json#n == `1` || `true`" }

[[phases.gates]]
id = "ITSELF"
check = { same = ["m.json#n", "m.json#n"] }

[[phases.gates]]
id = "NO_THRESHOLD"
check = { query = "m.json#length(rows) >= `0`" }

[[phases.gates]]
id = "ANY_SCHEMA"
check = { schema = { file = "m.json", schema = "schema.json" } }

[[phases.gates]]
id = "ALWAYS_THERE"
check = { exists = "plan.toml" }

[[phases.gates]]
id = "EXIT_STATUS_LOST"
check = { run = ["sh", "-c", "grep -q 1 m.json || true"] }
prove = { file = "m.json", remove = true }

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
id = "RETURNS_EARLY"
prove = { file = "m.json", set = { "/n" = 2 } }

[[phases.gates]]
id = "NEVER_APPLICABLE"
prove = { file = "m.json", set = { "/n" = 2 } }

[[phases.gates]]
id = "FAILS_ANYWAY"
kind = "advisory"
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

[[phases.gates]]
id = "REPORT"
check = { report = "report.txt", format = "words" }
prove = { file = "report.txt", flip = true }

[[phases]]
id = "SHIP"
run = ["python", "ship.py"]
external = true

[[phases.gates]]
id = "SHIPPED"
check = { exists = "shipped" }
"""
)

CONFTEST = """
from pytest_contextcore import EvidenceItem


def pytest_addoption(parser):
    parser.addoption("--lose", default="")
    parser.addoption("--workspace")


def pytest_contextcore_workspace(config):
    return config.getoption("workspace")


def pytest_contextcore_report(format, path):
    if format == "words":
        return [EvidenceItem(type="word", ref=word) for word in path.read_text().split() if word != "good"]
"""

TESTS = """
import json
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def n(name):
    return json.loads((HERE / name).read_text())["n"]


def looks(name):
    if name:
        return
    assert n(name) == 1


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
    with phase.gate("RETURNS_EARLY"):
        looks("m.json")
    with phase.gate("NEVER_APPLICABLE") as gate:
        gate.not_applicable("it is Sunday")
    with phase.gate("FAILS_ANYWAY"):
        assert n("m.json") == 3
    with phase.gate("NO_EFFECT"):
        assert n("m.json") == 1
    with phase.gate("READ_BEFORE"):
        assert early == 1
    with phase.gate("OPTION"):
        assert not pytestconfig.getoption("lose")
    with phase.gate("UNNAMED"):
        assert True
"""


@pytest.fixture(autouse=True)
def in_process(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions on the copy run in this process, since there are about twenty. In `tests/docs` they do not."""

    def run(command: list[str], **given: Any) -> subprocess.CompletedProcess[str]:
        quiet = io.StringIO()
        with monkeypatch.context() as patch, redirect_stdout(quiet), redirect_stderr(quiet):
            patch.chdir(given["cwd"])
            done = pytester.runpytest_inprocess(*command[3:])
        return subprocess.CompletedProcess(command, int(done.ret), f"{done.stdout}", f"{done.stderr}")

    there = SimpleNamespace(run=run, TimeoutExpired=subprocess.TimeoutExpired)
    monkeypatch.setattr(sessions, "subprocess", there)


def project(folder: Path, monkeypatch: pytest.MonkeyPatch, plan: str, tests: str = TESTS) -> None:
    folder.mkdir(exist_ok=True)
    files = {
        "plan.toml": plan,
        "pytest.ini": "[pytest]\n",
        "conftest.py": CONFTEST,
        "test_look.py": tests,
        "make.py": "open('m.json', 'w').write('{\"n\": 1, \"rows\": [1]}'); open('calls', 'a').write('1')",
        "ship.py": f"open({str(folder / 'shipped')!r}, 'w')",
        "other.json": '{"n": 1}',
        "schema.json": "{}",
        "report.txt": "good good",
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
        "MAKE-OR_TRUE": "cannot fail",
        "MAKE-ITSELF": "cannot fail",
        "MAKE-NO_THRESHOLD": "cannot fail",
        "MAKE-ANY_SCHEMA": "cannot fail",
        "MAKE-ALWAYS_THERE": "cannot fail",
        "MAKE-EXIT_STATUS_LOST": "cannot fail",
        "LOOK-GOOD": "proven",
        "LOOK-TRUE": "cannot fail",
        "LOOK-WRONG_FILE": "cannot fail",
        "LOOK-SWALLOWS": "cannot fail",
        "LOOK-RETURNS_EARLY": "cannot fail",
        "LOOK-NEVER_APPLICABLE": "cannot fail",
        "LOOK-FAILS_ANYWAY": "error",
        "LOOK-NO_EFFECT": "error",
        "LOOK-READ_BEFORE": "proven",
        "LOOK-OPTION": "proven",
        "LOOK-UNNAMED": "unproven",
        "LOOK-REPORT": "proven",
        "SHIP-SHIPPED": "unproven",
    }, said.err
    assert code == 1
    lines = said.out.splitlines()
    assert "| T-LOOK-TRUE | TRUE | **cannot fail** | m.json: set /n = 2 |" in lines
    assert "- T-LOOK-NO_EFFECT: m.json: set /n = 1: it changes nothing" in lines
    assert "- T-LOOK-FAILS_ANYWAY: it fails without a mutation, too" in lines
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert after == before  # neither the program nor a mutation reached the project


def test_a_plan_without_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drift = '[[phases.gates]]\nid = "DRIFT"\ncheck = { drift = "quality.gap_count", within = 0 }\n'
    project(tmp_path, monkeypatch, MAKE.replace('`1`"', '`1`", values = { gap_count = "m.json#n" }') + drift)
    (tmp_path / "test_look.py").unlink()
    assert main(["prove", "--format", "json"]) == 0
    report = ProofReport.model_validate(json.loads(capsys.readouterr().out))
    assert results(report) == {"MAKE-GOOD": "proven", "MAKE-DRIFT": "proven"}
    lying = "open('m.json', 'w').write('{\"n\": 2}'); print('[prove] copy'); raise SystemExit(1)"
    (tmp_path / "make.py").write_text(lying, encoding="utf-8")
    assert main(["prove"]) == 1
    said = capsys.readouterr().err
    assert "the plan has to pass on the copy before its gates can be proven" in said
    assert "observed 2, expected == 1" in said
    assert "[prove] copy" in said  # which is what too much to copy says, exit code 4


def test_a_plan_that_cannot_be_proven_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["prove"]) == 4
    assert "there is no plan.toml here" in capsys.readouterr().err
    project(tmp_path, monkeypatch, PLAN.replace("external = true", 'external = "yes"'))
    assert main(["prove"]) == 4
    assert "phase SHIP: external must be true or false" in capsys.readouterr().err
    project(tmp_path, monkeypatch, PLAN)
    monkeypatch.setattr(copying, "MAX_FILES", 1)
    assert main(["prove"]) == 4
    assert "name the files that the plan needs, in plan.toml: [prove] copy" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["project/w", "w"])
def test_a_workspace_is_copied_and_left_as_it_was(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = tmp_path / place
    workspace.mkdir(parents=True)
    (workspace / "other.json").write_text('{"n": 1}', encoding="utf-8")
    gates = ("READ_BEFORE", "n", 2), ("NO_EFFECT", "gone/x", 2)
    plan = '[trace]\nid = "T"\n[[phases]]\nid = "LOOK"\n' + "".join(
        f'[[phases.gates]]\nid = "{name}"\nprove = {{ file = "other.json", set = {{ "/{pointer}" = {value} }} }}\n'
        for name, pointer, value in gates
    )
    tests = (
        TESTS.partition("    with phase.gate")[0].replace("early, pytestconfig", "pytestconfig")
        + """
    n = json.loads((Path(pytestconfig.getoption("workspace")) / "other.json").read_text())["n"]
    for name in ("READ_BEFORE", "NO_EFFECT"):
        with phase.gate(name):
            assert n == 1
"""
    )
    project(tmp_path / "project", monkeypatch, plan, tests)
    (tmp_path / "project" / "make.py").unlink()
    assert main(["prove", f"--workspace={workspace}"]) == 1
    said = capsys.readouterr().out
    assert results(load(Path("out"), "T")) == {"LOOK-READ_BEFORE": "proven", "LOOK-NO_EFFECT": "error"}
    assert "- T-LOOK-NO_EFFECT: other.json: set /gone/x = 2: there is nothing at /gone/x: the document ends" in said
    assert [path.name for path in workspace.iterdir()] == ["other.json"]
    assert (workspace / "other.json").read_text(encoding="utf-8") == '{"n": 1}'


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("phases", [1, 2])
def test_a_signal_leaves_no_copy_behind(
    phases: int,
    number: signal.Signals,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    gate = '[[phases.gates]]\nid = "UNNAMED"\nprove = { option = "--lose=1" }\n'
    plan = '[trace]\nid = "T"\n' + "".join(f'[[phases]]\nid = "{name}"\n{gate}' for name in ("LOOK", "B")[:phases])
    body = "    with phase.gate('UNNAMED'):\n        pass\n"
    tests = "import pytest\n" + "".join(
        f"@pytest.mark.phase('{name}')\ndef test_{name}(phase):\n{body}" for name in ("LOOK", "B")[:phases]
    )
    project(tmp_path / "project", monkeypatch, plan, tests)
    once = [sessions.run_session]

    def interrupted(*given: Any) -> sessions.Ended:
        if once:
            return once.pop()(*given)
        signal.raise_signal(number)
        raise KeyboardInterrupt  # in a thread, where a signal raises nothing

    monkeypatch.setattr("pytest_contextcore.proof.prove.run_session", interrupted)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    if number == signal.SIGINT:
        assert main(["prove"]) == 130
        assert capsys.readouterr().err.endswith("contextcore prove: interrupted\n")
    else:
        with pytest.raises(SystemExit, match="143"):
            main(["prove"])
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert list((tmp_path / "temporary").iterdir()) == []
    assert load(Path("out"), "T") is None
