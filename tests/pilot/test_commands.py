"""`contextcore contract a2a-check-pipeline` and `a2a-diagnose`: the pilot's gates, asked without pytest."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.commands.cli import main
from pytest_contextcore.pilot import commands
from pytest_contextcore.pilot.checks import ADVICE, CHECKS, gate_ids
from pytest_contextcore.pilot.commands import suite_folder
from pytest_contextcore.pilot.embedded import Injections, Pipeline
from pytest_contextcore.plan.model import Plan, load_plan

from .conftest import LONG, ROOT, Pilot
from .edits import edit
from .files import Files

Captured = pytest.CaptureFixture[str]
COMMANDS = ("a2a-check-pipeline", "a2a-diagnose")
THIS_MACHINE = ["S1-G1", "S1-G3"]  # gates that say nothing about a pipeline's files


def build(root: Path, injections: Injections = Injections(), *, upto: str = "finalize") -> Path:  # noqa: B008  frozen
    """Let the embedded pipeline run up to a step; gives the workspace."""
    return Pipeline(root, injections).run(upto)


@pytest.fixture
def workspace(base: Callable[[str], Path], tmp_path: Path) -> Path:
    """A healthy workspace of this test's own; its files record the original's root, as after a move."""
    return Path(shutil.copytree(base("embedded"), tmp_path / "workspace"))


class Said:
    """What a command printed and returned."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def document(self) -> dict[str, Any]:
        document = json.loads(self.out)
        assert isinstance(document, dict)
        return document

    @property
    def answers(self) -> list[str]:
        return [question["answer"] for question in self.document["questions"]]

    def gate(self, gate_id: str) -> dict[str, Any]:
        gates = [gate for question in self.document["questions"] for gate in question["gates"]]
        found = next(gate for gate in gates if gate["gate_id"] == gate_id)
        assert isinstance(found, dict)
        return found

    @property
    def refusal(self) -> str:
        """The one line that refuses a command line."""
        assert self.code == 2
        assert self.err.count("\n") == 1
        assert "Traceback" not in self.err
        return self.err


@pytest.fixture
def contract(capsys: Captured) -> Callable[..., Said]:
    def run(*arguments: str | Path) -> Said:
        code = main(["contract", *map(str, arguments)])
        return Said(code, *capsys.readouterr())

    return run


Run = Callable[..., Said]


@pytest.fixture
def diagnosed(contract: Run) -> Run:
    """Diagnose and read the JSON document."""
    return lambda *arguments: contract("a2a-diagnose", *arguments, "--format", "json")


@pytest.fixture
def checked(contract: Run) -> Run:
    """Check the export and read the JSON document."""
    return lambda *arguments: contract("a2a-check-pipeline", *arguments, "--format", "json")


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load_plan(suite_folder() / "plan.toml")


# -- the table of gates ----------------------------------------------------------------------------------------------
def test_every_gate_of_the_plan_that_is_about_files_has_its_check(plan: Plan) -> None:
    declared = [f"{phase.id}-{gate.id}" for phase in plan.phases for gate in phase.gates]
    assert sorted(CHECKS) == sorted(set(declared) - set(THIS_MACHINE))
    asked = gate_ids(plan, *plan.by_id)
    assert [gate for gate in asked if gate not in ADVICE] == [gate for gate in declared if gate not in THIS_MACHINE]
    assert asked[5:8] == ["S2-A1", "S2-A2", "S3-C1"]


def asked_by_the_pilot() -> Iterator[tuple[str, str]]:
    """Each gate of `test_pilot.py` with the names of the functions that are called for it."""
    tree = ast.parse((ROOT / "pilot_tests/test_pilot.py").read_text(encoding="utf-8"))
    for test in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        phase = ast.literal_eval(test.decorator_list[0].args[0])  # type: ignore[attr-defined]  # it is phase("S1")
        for block in (node for node in test.body if isinstance(node, ast.With)):
            gate = ast.literal_eval(block.items[0].context_expr.args[0])  # type: ignore[attr-defined]  # gate("G1")
            names = [ast.unparse(node) for node in ast.walk(block) if isinstance(node, ast.Attribute)]
            yield f"{phase}-{gate}", " ".join(names)


def test_the_commands_ask_the_functions_that_the_pilot_asks() -> None:
    asked = dict(asked_by_the_pilot())
    assert len(asked) == len(CHECKS) + len(THIS_MACHINE)
    for gate_id, check in CHECKS.items():
        name = f"{check.function.__module__.rpartition('.')[2]}.{check.function.__name__}"
        assert name in asked[gate_id].split(), gate_id


# -- healthy ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("command", COMMANDS)
def test_a_consistent_pipeline_is_healthy_and_nothing_is_written_into_it(
    command: str, contract: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = build(tmp_path / "w")
    before = {path: path.lstat().st_mtime_ns for path in workspace.rglob("*")}
    monkeypatch.chdir(workspace / "export")
    said = contract(command, ".")
    assert (said.code, said.err) == (0, "")
    assert "FAIL" not in said.out
    assert "warning" not in said.out
    assert said.out.splitlines()[-1].startswith("healthy: ")
    assert {path: path.lstat().st_mtime_ns for path in workspace.rglob("*")} == before


def test_three_questions_are_answered_yes_by_the_gates_of_the_plan(diagnosed: Run, workspace: Path, plan: Plan) -> None:
    said = diagnosed(workspace / "export")
    assert (said.answers, said.document["start_at"]) == (["yes", "yes", "yes"], None)
    asked = [gate["gate_id"] for question in said.document["questions"] for gate in question["gates"]]
    assert asked == gate_ids(plan, *plan.by_id)
    gate, planned = said.gate("S5-G2"), plan.by_id["S5"].gate("G2")
    assert planned is not None
    assert gate["result"] == "not_applicable"
    assert gate["purpose"] == planned.purpose


def test_an_export_alone_is_healthy_as_far_as_it_can_be_asked(diagnosed: Run, tmp_path: Path) -> None:
    said = diagnosed(build(tmp_path / "w", upto="export") / "export")
    assert said.code == 0
    assert said.answers == ["yes", "not_asked", "not_asked"]
    assert said.gate("S3-G2")["result"] == "not_applicable"


# -- coverage --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "code", "result", "threshold"),
    [
        ([], 0, "pass", 80),
        (["--min-coverage", "85"], 0, "pass", 85),
        (["--min-coverage", "85.5"], 1, "fail", 85.5),
        (["--min-coverage", "0.85"], 0, "pass", 85),
        (["--min-coverage", "0.855"], 1, "fail", 85.5),
        (["--min-coverage", "1.0"], 1, "fail", 100),
    ],
)
def test_coverage_is_held_against_the_threshold_that_is_said(
    checked: Run, workspace: Path, options: list[str], code: int, result: str, threshold: float
) -> None:
    said = checked(workspace / "export", *options)
    assert (said.code, said.gate("S2-C1")["result"], said.document["threshold"]) == (code, result, threshold)


def test_the_default_threshold_warns_and_one_that_was_asked_for_fails(contract: Run, tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path / "w")
    pipeline.prepare()
    for runbook in pipeline.root.rglob("*-runbook.md"):
        runbook.unlink()
    pipeline.export()
    said = contract("a2a-check-pipeline", pipeline.root / "export", "--format", "json")
    assert (said.code, said.gate("S2-C1")["result"]) == (0, "warning")
    said = contract("a2a-check-pipeline", pipeline.root / "export")
    assert "coverage   at least 80 %, the default: less only warns" in said.out
    said = contract("a2a-check-pipeline", pipeline.root / "export", "--min-coverage", "80")
    assert said.code == 1
    assert "coverage   at least 80 % (--min-coverage 80 read as percent)\n" in said.out
    assert "NOT HEALTHY, question 1: 1 of 12 gates fails: S2-C1" in said.out


@pytest.mark.parametrize("given", ["0.84", "84", "0.86", "86"])
def test_the_pilot_and_the_checker_give_one_answer_to_the_same_threshold(
    given: str, contract: Run, pilot: Pilot, workspace: Path
) -> None:
    said = contract("a2a-check-pipeline", workspace / "export", "--min-coverage", given)
    run = pilot("--workspace", str(workspace), "--min-coverage", given)
    assert said.code == run.code == (0 if "4" in given else 1)
    read = f"--min-coverage {given} read as {'a fraction' if '.' in given else 'percent'}"
    assert read in said.out
    assert read in run.text
    (gate,) = (gate for gate in run.span("S2")["gates"] if gate["gate_id"].endswith("S2-C1"))
    assert gate["result"] == ("pass" if run.code == 0 else "fail")


# -- advice ----------------------------------------------------------------------------------------------------------
def test_parameters_without_a_value_and_depth_tiers_that_disagree_warn(checked: Run, workspace: Path) -> None:
    path = workspace / "export/onboarding-metadata.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["expected_output_contracts"]["dashboard"]["expected_depth"] = "brief"
    artifact, parameters = next(iter(document["parameter_resolvability"].items()))
    parameters["extra"] = {"status": "unresolved", "reason": "nobody states it"}
    path.write_text(json.dumps(document), encoding="utf-8")
    Files(workspace).seal()
    said = checked(workspace / "export")
    assert (said.code, said.gate("S2-A1")["result"], said.gate("S2-A2")["result"]) == (0, "warning", "warning")
    assert said.gate("S2-A1")["findings"][-1]["ref"] == f"{artifact}.extra"
    assert "nobody states it" in said.gate("S2-A1")["reason"]
    assert said.gate("S2-A2")["findings"][0]["type"] == "depth_tier_mismatch"
    del document["design_calibration_hints"]["dashboard"], document["expected_output_contracts"]
    document["parameter_resolvability"] = {"_omitted": "profile=source"}
    document["design_calibration_hints"]["recording_rule"] = {"expected_depth": "deep"}
    path.write_text(json.dumps(document), encoding="utf-8")
    Files(workspace).seal()
    said = checked(workspace / "export")
    assert (said.gate("S2-A1")["result"], said.gate("S2-A2")["result"]) == ("not_applicable", "warning")
    assert {finding["type"] for finding in said.gate("S2-A2")["findings"]} >= {"no_depth_tier"}


def test_ids_of_the_caller_and_the_originals_flags_are_accepted(contract: Run, workspace: Path) -> None:
    ids = ("--trace-id", "T-9")
    said = contract("a2a-diagnose", workspace / "export", *ids, "--fail-on-issue", "-r", workspace.parent / "r.json")
    assert said.out.startswith("trace      T-9\n")
    said = contract("a2a-check-pipeline", workspace / "export", *ids, "--task-id", "T-9-1", "--fail-on-unhealthy")
    assert (said.code, said.out.splitlines()[:2]) == (0, ["trace      T-9", "task       T-9-1"])
    document = json.loads((workspace.parent / "r.json").read_text(encoding="utf-8"))
    assert (document["trace_id"], document["task_id"]) == ("T-9", None)
    assert (
        "--task-id: the value is empty" in contract("a2a-check-pipeline", workspace / "export", "--task-id", "").refusal
    )


# -- a2a-gate --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "data", "types"),
    [
        ("checksum", {"expected": {"s": "sha256:AB"}, "actual": {"s": "ab", "t": "x"}}, []),
        (
            "checksum",
            {"expected": {"s": "a", "t": "b"}, "actual": {"s": "x"}},
            ["checksum_mismatch", "checksum_missing"],
        ),
        ("checksum", {"expected": {}, "actual": {}}, ["no_data"]),
        ("mapping", {"artifact_ids": ["a"], "task_mapping": {"a": "PI-001"}}, []),
        ("mapping", {"artifact_ids": ["a", "b"], "task_mapping": {"a": " "}}, ["unmapped_artifact"] * 2),
        ("mapping", {"artifact_ids": [], "task_mapping": {}}, ["no_data"]),
        ("gap-parity", {"gap_ids": [], "feature_ids": []}, []),
        ("gap-parity", {"gap_ids": ["a"], "feature_ids": ["b"]}, ["missing_feature", "orphan_feature"]),
    ],
)
def test_a_gate_over_data_answers_with_a_gate_result(
    contract: Run, tmp_path: Path, kind: str, data: dict[str, Any], types: list[str]
) -> None:
    (tmp_path / "data.json").write_text(json.dumps(data), encoding="utf-8")
    ask = ("a2a-gate", kind, tmp_path / "data.json", "--gate-id", "G-1", "--task-id", "T-1", "--trace-id", "T")
    said = contract(*ask, "--format", "json", "--fail-on-block")
    (tmp_path / "result.json").write_text(said.out, encoding="utf-8")
    result = said.document
    assert said.code == (1 if types else 0)
    assert (result["result"], result["blocking"]) == (("fail", True) if types else ("pass", False))
    assert [item["type"] for item in result.get("evidence", [])] == types
    assert contract("a2a-validate", "GateResult", tmp_path / "result.json").code == 0
    assert contract(*ask).out.splitlines()[-1].startswith("FAIL G-1 " if types else "pass G-1 ")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("{", "is not valid JSON"),
        ("[]", "has the wrong type"),
        ('{"gap_ids": [1]}', "gap_ids[0]"),
        (None, "cannot be read"),
    ],
)
def test_data_that_a_gate_cannot_read_is_bad_usage(contract: Run, tmp_path: Path, data: str | None, said: str) -> None:
    if data is not None:
        (tmp_path / "data.json").write_text(data, encoding="utf-8")
    ask = ("a2a-gate", "gap-parity", tmp_path / "data.json", "--gate-id", "G-1", "--task-id", "T-1")
    assert said in contract(*ask).refusal


# -- not healthy -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("injections", "answers", "gate", "question"),
    [
        (Injections(source_checksum="sha256:STALE"), ["no", "not_asked", "not_asked"], "S3-C2", 1),
        (Injections(drop_features=("gap-throughput",)), ["yes", "no", "not_asked"], "S4-C1", 2),
        (Injections(test_failures=1), ["yes", "yes", "no"], "S8-G1", 3),
        (Injections(review_blockers=1), ["yes", "yes", "no"], "S9-G1", 3),
    ],
)
def test_diagnose_stops_at_the_first_no_and_says_where_to_start(
    diagnosed: Run, tmp_path: Path, injections: Injections, answers: list[str], gate: str, question: int
) -> None:
    said = diagnosed(build(tmp_path / "workspace", injections) / "export")
    start = said.document["start_at"]
    assert (said.code, said.answers) == (1, answers)
    assert (start["question"], start["gate_id"]) == (question, gate)
    assert start["next_action"] == said.gate(gate)["next_action"]
    assert start["reason"] == said.gate(gate)["reason"]
    later = said.document["questions"][question:]
    assert all(q["reason"] == f"question {question} is answered no" and not q["gates"] for q in later)


def test_check_pipeline_looks_at_the_export_only_and_what_ingestion_appended_wrongly_only_warns(
    checked: Run, workspace: Path
) -> None:
    shutil.rmtree(workspace / "artisan")
    (workspace / "ingestion/ingestion-traceability.json").unlink()
    entry = {"stage": "ingestion", "source_file": "ingestion-traceability.json", "json_path": "$.x", "sha256": "0" * 64}
    edit(Files(workspace), "run:artifact_inventory", {"$append": entry})
    said = checked(workspace / "export")
    assert (said.code, said.answers, said.gate("S3-G2")["result"]) == (0, ["yes"], "warning")


def test_a_changed_source_manifest_is_found_by_both(contract: Run, workspace: Path) -> None:
    edit(Files(workspace), ".contextcore.yaml", {"$more": "# changed\n"})
    for command in COMMANDS:
        said = contract(command, workspace / "export")
        assert said.code == 1
        assert "start at S3-C2 CONTRACT_INTEGRITY: Run the export again" in said.out


# -- questions that cannot be asked ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("absent", "answers", "reason"),
    [
        (["artisan"], ["yes", "yes", "not_asked"], "no folder artisan in"),
        (["project"], ["yes", "yes", "not_asked"], "no folder project in"),
        (["ingestion"], ["yes", "not_asked", "not_asked"], "name it with --ingestion-dir"),
        (["ingestion", "artisan", "project"], ["yes", "not_asked", "not_asked"], "--ingestion-dir, --artisan-dir"),
    ],
)
def test_a_question_without_its_folder_is_neither_passed_nor_failed(
    contract: Run, diagnosed: Run, workspace: Path, absent: list[str], answers: list[str], reason: str
) -> None:
    for name in absent:
        shutil.rmtree(workspace / name)
    said = diagnosed(workspace / "export")
    assert (said.code, said.answers) == (0, answers)
    assert reason in said.document["questions"][-1]["reason"]
    assert all(said.document[f"{name}_dir"] is None for name in absent)
    assert "\nhealthy as far as it was asked (not asked: " in contract("a2a-diagnose", workspace / "export").out
    (workspace / absent[0]).mkdir()  # an empty folder is a folder
    assert "no" in diagnosed(workspace / "export").answers


# -- folders ---------------------------------------------------------------------------------------------------------
def test_folders_may_lie_anywhere_and_have_any_name(diagnosed: Run, workspace: Path, tmp_path: Path) -> None:
    places = {"export": "a/x", "ingestion": "b/y", "artisan": "c", "project": "d/z/t", ".contextcore.yaml": "e/s.yaml"}
    for name, place in places.items():
        (tmp_path / place).parent.mkdir(exist_ok=True, parents=True)
        (workspace / name).rename(tmp_path / place)
    options = [f"--{name}-dir={tmp_path / places[name]}" for name in ("ingestion", "artisan", "project")]
    said = diagnosed(tmp_path / "a/x", *options, "--source", tmp_path / "e/s.yaml")
    assert said.answers == ["yes", "yes", "yes"]
    assert said.document["source"] == str(tmp_path / "e/s.yaml")


def test_the_source_may_be_named_by_its_folder(checked: Run, workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (workspace / ".contextcore.yaml").rename(tmp_path / "elsewhere/.contextcore.yaml")
    assert checked(workspace / "export").document["start_at"]["gate_id"] == "S1-G2"
    assert checked(workspace / "export", "--source", tmp_path / "elsewhere").code == 0


def test_what_stands_beside_another_source_is_not_used(diagnosed: Run, workspace: Path, tmp_path: Path) -> None:
    build(tmp_path / "other")
    shutil.rmtree(workspace / "ingestion")
    said = diagnosed(workspace / "export", "--source", tmp_path / "other")
    assert said.answers == ["yes", "not_asked", "not_asked"]
    assert said.gate("S3-G2")["result"] == "not_applicable"


# -- hostile files ---------------------------------------------------------------------------------------------------
def loop(path: Path) -> None:
    path.symlink_to(path.name)


HOSTILE: dict[str, Callable[[Path], object]] = {
    "absent": lambda path: None,
    "empty": lambda path: path.touch(),
    "not text": lambda path: path.write_bytes(b"\xff\xfe\x00\x80" * 99),
    "too deep": lambda path: path.write_text("[" * 100_000),
    "a list": lambda path: path.write_text("[1, 2]"),
    "not a number": lambda path: path.write_text('{"coverage": NaN}'),
    "a folder": lambda path: path.mkdir(),
    "a fifo": os.mkfifo,
    "a symlink": lambda path: path.symlink_to("/etc/passwd"),
    "a loop": loop,
}


@pytest.mark.parametrize("how", HOSTILE)
def test_no_export_file_however_hostile_gives_anything_but_a_verdict(contract: Run, workspace: Path, how: str) -> None:
    names = ["../.contextcore.yaml", *sorted(path.name for path in (workspace / "export").iterdir())]
    sample = names if LONG else names[list(HOSTILE).index(how) % 3 :: 3]
    for index, name in enumerate(sample):
        path = workspace / "export" / name
        path.rename(workspace / "good")
        HOSTILE[how](path)
        said = contract(COMMANDS[index % 2], workspace / "export", "--format", "json")
        assert (said.code, said.err, said.answers[0]) == (1, "", "no"), name
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
        (workspace / "good").rename(path)


@pytest.mark.parametrize("name", ["ingestion", "artisan", "project"])
def test_a_symlink_in_the_place_of_a_folder_is_found_and_refused(
    contract: Run, diagnosed: Run, workspace: Path, tmp_path: Path, name: str
) -> None:
    (workspace / name).rename(tmp_path / "real")
    (workspace / name).symlink_to(tmp_path / "real")
    said = diagnosed(workspace / "export")
    assert said.code == 1
    assert "leads through a symlink" in said.out
    assert diagnosed(workspace / "export", f"--{name}-dir", workspace / name).code == 0  # whoever names it means it
    elsewhere = contract("a2a-diagnose", workspace / "export", "--source", build(tmp_path / "other", upto="prepare"))
    assert f"workspace/{name} is no folder; name one with --{name}-dir" in elsewhere.refusal


def test_texts_out_of_the_files_cannot_reach_the_terminal_as_they_are(contract: Run, workspace: Path) -> None:
    edit(Files(workspace), "onboarding:project_id", "\x1b[31mred\n\u202e")
    edit(Files(workspace), "onboarding:artifact_task_mapping", {})
    said = contract("a2a-check-pipeline", workspace / "export")
    assert said.code == 1
    assert "\\x1b[31mred\\n\\u202e" in said.out
    findings = contract("a2a-check-pipeline", workspace / "export", "--format", "json").gate("S3-C1")["findings"]
    assert f"… and {len(findings) - 3} more; --format json has all of them" in said.out


def test_an_output_that_knows_no_unicode_is_no_problem(workspace: Path) -> None:
    edit(Files(workspace), "onboarding", {"$with": {"project_id": "żółw", "schema": "\U0001f422"}})
    done = subprocess.run(
        [sys.executable, "-m", "pytest_contextcore", "contract", "a2a-check-pipeline", str(workspace / "export")],
        env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
    assert "\\u017c" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_the_report_is_the_document_whatever_is_printed(
    command: str, contract: Run, workspace: Path, tmp_path: Path
) -> None:
    report = tmp_path / "reports/new/report.json"
    said = contract(command, workspace / "export", "--report", report)
    assert said.out.startswith("export ")
    printed = contract(command, workspace / "export", "--format", "json", "--report", tmp_path / "other.json")
    assert report.read_text(encoding="utf-8") == printed.out
    assert printed.document == json.loads((tmp_path / "other.json").read_text(encoding="utf-8"))
    assert sorted(path.name for path in report.parent.iterdir()) == ["report.json"]


def test_a_report_that_cannot_be_written_is_said_and_the_old_one_stands(
    contract: Run, workspace: Path, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    said = contract("a2a-diagnose", workspace / "export", "--report", tmp_path / "folder")
    assert "folder cannot be written: Is a directory" in said.refusal
    assert said.out.splitlines()[-1].startswith("healthy: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "workspace"]


# -- usage -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Missing argument 'EXPORT_DIR'"),
        (["/nowhere/at/all"], "EXPORT_DIR: there is no folder /nowhere/at/all"),
        ([""], "EXPORT_DIR: the value is empty"),
        ([__file__], "is no folder"),
        (["a" * 5000], "cannot be used: File name too long"),
        (["a\0b"], "cannot be used"),
        (["one\ntwo"], "there is no folder one\\ntwo"),
        ([".", "."], "Got unexpected extra argument (.)"),
        ([".", "--nonsense"], "No such option '--nonsense'"),
        ([".", "--min", "3"], "No such option '--min'"),
        ([".", "--min-coverage"], "Option '--min-coverage' requires an argument"),
        ([".", "--min-coverage", ""], "'' is not a percentage"),
        ([".", "--min-coverage", "nan"], "'nan' is not a percentage"),
        ([".", "--min-coverage=-5"], "'-5' is not a percentage"),
        ([".", "--min-coverage=100.1"], "'100.1' is not a percentage from 0 to 100"),
        ([".", "--format", "xml"], "'xml' is not one of 'text', 'json'"),
        ([".", "--report", ""], "--report: the value is empty"),
        ([".", "--source", "/nowhere/at/all"], "--source: there is no file or folder /nowhere/at/all"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(command: str, contract: Run, arguments: list[str], said: str) -> None:
    result = contract(command, *arguments)
    assert result.refusal.startswith(f"contextcore contract {command}: ")
    assert said in result.refusal
    assert result.out == ""


@pytest.mark.parametrize("name", ["ingestion", "artisan", "project"])
@pytest.mark.parametrize(("value", "said"), [("", "is empty"), ("/nowhere", "there is no folder"), (__file__, "is no")])
def test_a_folder_that_was_named_has_to_be_there(
    contract: Run, workspace: Path, name: str, value: str, said: str
) -> None:
    result = contract("a2a-diagnose", workspace / "export", f"--{name}-dir", value)
    assert said in result.refusal
    assert f"--{name}-dir: " in result.refusal


@pytest.mark.parametrize("argument", ["a2a", "", "a2a-nonsense"])
def test_an_unknown_command_is_refused_with_those_that_there_are(contract: Run, argument: str) -> None:
    assert "there are a2a-check-pipeline, a2a-diagnose" in contract(argument).refusal


def test_the_group_lists_its_commands_and_each_explains_itself(contract: Run) -> None:
    assert "a2a-diagnose        Ask the Three Questions" in contract("--help").out
    nothing = contract()
    assert nothing.code == 2
    assert "a2a-check-pipeline" in nothing.err
    for command in COMMANDS:
        said = contract(command, "--help")
        assert (said.code, said.err) == (0, "")
        assert f"Usage: contextcore contract {command} " in said.out


def test_neither_the_group_nor_the_options_import_anything_heavy_before_a_command_runs() -> None:
    program = (
        "import sys, pytest_contextcore.pilot.commands as c\nc.contract(['--help'], standalone_mode=False)\n"
        "from pytest_contextcore.pilot.embedded import example_gap_ids; example_gap_ids()\n"
        "print(sorted({'opentelemetry', 'pydantic', 'yaml', 'pytest'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# -- documents and packaging -----------------------------------------------------------------------------------------


def keys(value: object, at: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield f"{at}{key}"
            yield from keys(below, f"{at}{key}.")
    elif isinstance(value, list):
        yield f"{at.removesuffix('.')}[]"
        for below in value:
            yield from keys(below, f"{at.removesuffix('.')}[].")


def test_every_key_of_the_document_is_documented_and_the_other_way_round(diagnosed: Run, tmp_path: Path) -> None:
    said = diagnosed(build(tmp_path / "w", Injections(test_failures=1)) / "export")
    page = (ROOT / "docs/pilot.md").read_text(encoding="utf-8").partition("### The JSON document")[2]
    page = page.partition("\n## ")[0]
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    documented = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    parents = {"questions", "questions[].gates", "questions[].gates[].findings"}
    assert documented == set(keys(said.document)) - parents


def test_the_plan_is_found_in_a_wheel_and_in_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert suite_folder() == ROOT / "pilot_tests"
    package = tmp_path / "site/pytest_contextcore/pilot"
    (package / "suite").mkdir(parents=True)
    monkeypatch.setattr(commands, "__file__", str(package / "commands.py"))
    with pytest.raises(FileNotFoundError, match="install pytest-contextcore again"):
        suite_folder()
    (package / "suite/plan.toml").touch()
    assert suite_folder() == package / "suite"


def test_folders_of_other_names_are_no_false_alarm(workspace: Path, diagnosed: Run) -> None:
    names = {"export": "plan-out", "ingestion": "ingested", "artisan": "art", "project": "target"}
    for known, other in names.items():
        (workspace / known).rename(workspace / other)
    for path in [*workspace.rglob("*.json"), *workspace.rglob("*.yaml")]:
        text = path.read_text(encoding="utf-8")
        for known, other in names.items():
            text = re.sub(rf'(w/){known}(/|")', rf"\1{other}\2", text)
        path.write_text(text, encoding="utf-8")
    options = [f"--{known}-dir={workspace / names[known]}" for known in ("ingestion", "artisan", "project")]
    said = diagnosed(workspace / "plan-out", *options)
    gates = [gate for question in said.document["questions"] for gate in question["gates"]]
    found = {finding["type"] for gate in gates for finding in gate["findings"]}
    assert found <= {"checksum_mismatch", "stale_result", "unseen_artifact"}  # the rewriting changed bytes
