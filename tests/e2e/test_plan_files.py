"""Plans without Python: pytest collects ``plan.toml``, runs programs, and decides gates by their checks."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.commands.cli import main

from ..support.junit_file import JUnitFile
from ..support.plans import HERE
from ..support.traces import output, statuses

Read = Callable[..., dict[str, Any]]

WINE = """
[trace]
id = "WINE"

[[phases]]
id = "INGEST"
run = "sh ingest.sh"
inputs = ["ingest.sh"]
outputs = ["ids.json"]
gates = [{ check = { exists = "ids.json" } }]

[[phases]]
id = "TRAIN"
run = "sh train.sh"
inputs = ["id*.json"]
outputs = ["metrics.json"]
gates = [
  { id = "C1", kind = "integrity", check = { same = ["ids.json", "metrics.json#ids"] } },
  { id = "G1", check = { query = "metrics.json#accuracy >= `0.9`", values = { accuracy = "metrics.json#accuracy" } } },
]

[[phases]]
id = "SHIP"
gates = [{ check = { exists = "*.json", min = 2 } }]

[[attributes]]
name = "quality.accuracy"
"""

INGEST = "echo '[1, 2, 3]' > ids.json\n"
TRAIN = """echo '{"ids": [3, 2, 1], "accuracy": 0.95}' > metrics.json\n"""


OLD = 1_000_000_000


class Folder:
    """A folder with a plan and its programs; runs pytest in it."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester, self.path = pytester, pytester.path

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.path / name.replace("_", ".")).write_text(text, encoding="utf-8")

    def here(self, *arguments: str) -> pytest.RunResult:
        return self.pytester.runpytest_inprocess(*HERE, *arguments, no_reraise_ctrlc=True)


def phase(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(span for span in document["spans"] if span["span_id"] == f"WINE-{name}")
    return found


def gates(document: dict[str, Any], name: str) -> dict[str, str]:
    return {gate["gate_id"].rpartition("-")[2]: gate["result"] for gate in phase(document, name)["gates"]}


def refusal(result: pytest.RunResult) -> str:
    """What a refused run says, all lines of it."""
    assert result.ret == 4, output(result)
    assert "Traceback" not in output(result)
    return "\n".join(line for line in (*result.outlines, *result.errlines) if line.startswith(("ERROR: ", "  ")))


@pytest.fixture
def wine(pytester: pytest.Pytester) -> Folder:
    folder = Folder(pytester)
    folder.write(plan_toml=WINE, ingest_sh=INGEST, train_sh=TRAIN)
    return folder


def test_a_plan_runs_green_with_no_line_of_python(wine: Folder, evidence: Read) -> None:
    result = wine.here("plan.toml", "-v")
    result.stdout.fnmatch_lines(["plan.toml::INGEST PASSED*", "plan.toml::TRAIN *", "plan.toml::SHIP *"])
    assert result.ret == 0
    document = evidence("WINE")
    assert document["status"] == "completed"
    assert set(statuses(document).values()) == {"completed"}
    assert phase(document, "TRAIN")["attributes"]["quality.accuracy"] == 0.95
    assert [entry["path"] for entry in phase(document, "TRAIN")["inputs"]] == ["id*.json"]
    code = {name: value for name, value in phase(document, "TRAIN")["attributes"].items() if name.startswith("code.")}
    assert code == {"code.file.path": "plan.toml", "code.line.number": 13}
    (program,) = phase(document, "INGEST")["programs"]
    assert (program["args"], program["exit_code"]) == (["sh", "ingest.sh"], 0)
    assert gates(document, "TRAIN") == {"C1": "pass", "G1": "pass"}


@pytest.mark.parametrize(
    ("arguments", "ran"),
    [
        (["."], ["INGEST", "TRAIN", "SHIP"]),
        ([], ["INGEST", "TRAIN", "SHIP"]),
        (["sub"], ["INGEST", "TRAIN", "SHIP"]),
        ([".", "sub", "plan.toml"], ["INGEST", "TRAIN", "SHIP"]),
        (["plan.toml::INGEST"], ["INGEST"]),
        (["plan.toml::WINE-INGEST"], ["INGEST"]),
        (["plan.toml::INGEST", "plan.toml::TRAIN"], ["INGEST", "TRAIN"]),
        (["-k", "INGEST or TRAIN"], ["INGEST", "TRAIN"]),
        (["--deselect", "plan.toml::SHIP"], ["INGEST", "TRAIN"]),
    ],
    ids=" ".join,
)
def test_what_pytest_collects_and_selects(wine: Folder, evidence: Read, arguments: list[str], ran: list[str]) -> None:
    (wine.path / "sub").mkdir()
    (wine.path / "sub" / "test_other.py").write_text("def test_other(): pass\n")
    result = wine.here(*arguments)
    assert result.ret == 0, output(result)
    completed = [name for name, status in statuses(evidence("WINE")).items() if status == "completed"]
    assert completed == ran


def test_a_folder_beside_the_plan_and_a_file_do_not_start_it(wine: Folder) -> None:
    (wine.path / "sub").mkdir()
    (wine.path / "sub" / "test_other.py").write_text("def test_other(): pass\n")
    wine.here("sub/test_other.py").assert_outcomes(passed=1)
    assert not (wine.path / "ids.json").exists()


def test_collecting_runs_nothing(wine: Folder) -> None:
    result = wine.here("--collect-only", "-q")
    result.stdout.fnmatch_lines(["plan.toml::INGEST", "plan.toml::TRAIN", "plan.toml::SHIP"])
    for option in ("--setup-only", "--setup-plan"):
        assert wine.here(option).ret == 0
    assert not (wine.path / "ids.json").exists()
    assert not (wine.path / "out").exists()


def test_only_what_failed_and_what_waited_for_it_runs_again(wine: Folder, evidence: Read) -> None:
    wine.write(train_sh=TRAIN.replace("0.95", "0.8"))
    wine.here().assert_outcomes(passed=1, failed=1, skipped=1)
    (wine.path / "ingest.sh").write_text(INGEST)  # unchanged
    wine.write(train_sh=TRAIN)
    wine.here("--lf").assert_outcomes(passed=1)


def test_under_xdist_the_plan_runs_on_one_worker(wine: Folder, evidence: Read) -> None:
    wine.write(train_sh=TRAIN.replace("0.95", "0.8"))
    result = wine.here("-n", "2")
    result.assert_outcomes(passed=1, failed=1, skipped=1)
    assert statuses(evidence("WINE")) == {"INGEST": "completed", "TRAIN": "blocked", "SHIP": "not_started"}
    assert wine.here("-n", "2", "plan.toml::INGEST").ret == 0


def test_junit_has_phases_and_gates(wine: Folder, evidence: Read) -> None:
    wine.here("--junitxml=junit.xml")
    JUnitFile(wine.path / "junit.xml").agrees_with(evidence("WINE"))


STOPPED = {
    "a gate": (
        {"train_sh": TRAIN.replace("0.95", "0.8")},
        ("blocked", "G1: metrics.json: accuracy: observed 0.8, expected >= 0.9", "gate_failed"),
    ),
    "an exit status": (
        {"train_sh": f"{TRAIN}echo oh no >&2\nexit 3\n"},
        ("failed", "sh train.sh: observed exit status 3, expected 0: oh no", "exit_code"),
    ),
    "a gate and an exit status": (
        {"train_sh": f"{TRAIN.replace('0.95', '0.8')}\nexit 3\n"},
        ("blocked", "expected >= 0.9; sh train.sh: observed exit status 3, expected 0", "gate_failed"),
    ),
    "a program that does not exist": (
        {"plan_toml": WINE.replace("sh train.sh", "trainer --fast")},
        ("failed", "trainer --fast: observed that trainer cannot be started (No such file or di", "FileNotFoundError"),
    ),
    "a program that exists beside the plan only": (
        {"plan_toml": WINE.replace("sh train.sh", "train.sh")},
        ("failed", "train.sh: observed that train.sh cannot be started (No such file or di", "FileNotFoundError"),
    ),
    "an output that is not made": (
        {"plan_toml": WINE.replace('["metrics.json"]', '["metrics.json", "model.pkl"]')},
        ("blocked", "output model.pkl: observed no file, expected one that the program makes", "output_missing"),
    ),
    "an output that is kept and empty": (
        {"plan_toml": WINE.replace('["metrics.json"]', '[{ path = "empty", kept = true }]')},
        ("blocked", "output empty: observed ", "output_missing"),
    ),
    "an input that is missing": (
        {"plan_toml": WINE.replace('["id*.json"]', '["rows.csv"]')},
        ("blocked", "input rows.csv: observed no such file or directory, expected it in the plan's", "input_missing"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STOPPED)
def test_what_stops_a_phase(wine: Folder, evidence: Read, name: str) -> None:
    files, (status, reason, error_type) = STOPPED[name]
    wine.pytester.mkdir("empty")
    wine.write(**files)
    result = wine.here()
    assert result.ret == 1
    document = evidence("WINE")
    train = phase(document, "TRAIN")
    assert (train["status"], train["error_type"]) == (status, error_type)
    assert reason in train["blocked_reason"]
    assert train["next_action"].endswith(".")
    assert ("./train.sh" in train["next_action"]) == ("beside" in name)
    assert "    \n  test:" not in output(result)
    assert "Traceback" not in output(result)
    assert "perform.py" not in output(result)
    assert phase(document, "SHIP")["status"] == "not_started"
    never_ran = name.startswith("a program") or name == "an input that is missing"
    assert ("not_checked" in gates(document, "TRAIN").values()) == never_ran


def test_an_output_or_a_report_of_an_earlier_run_does_not_count(wine: Folder, evidence: Read) -> None:
    report = '<testsuite><testcase name="a"/></testsuite>'
    wine.write(
        metrics_json='{"ids": [1, 2, 3], "accuracy": 0.95}',
        train_sh="true\n",
        plan_toml=WINE.replace('{ exists = "ids.json" }', '{ junit = "*.xml" }'),
    )
    wine.write(ingest_sh=f"{INGEST}echo '{report}' > junit.xml\n")
    os.utime(wine.path / "metrics.json", (OLD, OLD))
    wine.here()
    train = phase(evidence("WINE"), "TRAIN")
    assert train["status"] == "blocked"
    assert train["blocked_reason"].startswith("output metrics.json: observed a file that was not written since")
    wine.write(ingest_sh=INGEST)
    os.utime(wine.path / "junit.xml", (OLD, OLD))
    wine.here()
    ingest = phase(evidence("WINE"), "INGEST")
    assert "not written since the phase's program began" in ingest["blocked_reason"]
    wine.write(
        plan_toml=(wine.path / "plan.toml").read_text().replace('junit = "*.xml"', 'junit = "*.xml", kept = true')
    )
    wine.here()
    assert phase(evidence("WINE"), "INGEST")["status"] == "completed"


def test_programs_find_this_interpreter_their_folder_and_the_trace(wine: Folder, evidence: Read) -> None:
    wine.write(ingest_sh="python -c 'import sys; print(sys.prefix)' > prefix.txt; echo $TRACEPARENT; pwd\n" + INGEST)
    (wine.path / "elsewhere").mkdir()
    wine.pytester.mkdir("start")
    assert wine.here(f"--rootdir={wine.path}", str(wine.path)).ret == 0
    assert Path((wine.path / "prefix.txt").read_text().strip()) == Path(sys.prefix)
    document = evidence("WINE")
    (program,) = phase(document, "INGEST")["programs"]
    said = program["stdout"].splitlines()
    assert said[0] == f"00-{document['otel_trace_id']}-{program['otel_span_id']}-01"
    assert said[1] == str(wine.path)


def test_a_program_that_hangs_is_ended_at_the_timeout(wine: Folder, evidence: Read) -> None:
    wine.write(plan_toml=WINE.replace('inputs = ["id*.json"]', "timeout = 0.5"), train_sh="sleep 60\n")
    assert wine.here().ret == 1
    train = phase(evidence("WINE"), "TRAIN")
    assert (train["status"], train["error_type"]) == ("failed", "timeout")
    assert set(gates(evidence("WINE"), "TRAIN").values()) == {"not_checked"}


# --- beside tests in Python -------------------------------------------------------------------------------------------

SHIP = """
from pathlib import Path
import pytest

@pytest.mark.phase("SHIP")
def test_ship(phase):
    Path("shipped.json").write_text("{}")
    REST
"""


def test_checks_are_evaluated_after_a_test_in_python(wine: Folder, evidence: Read) -> None:
    wine.write(plan_toml=WINE.replace('"*.json", min = 2', '"shipped.json"'))
    (wine.path / "test_ship.py").write_text(SHIP.replace("REST", ""))
    wine.here("plan.toml").assert_outcomes(passed=3)
    assert phase(evidence("WINE"), "SHIP")["nodeid"] == "test_ship.py::test_ship"
    (wine.path / "test_ship.py").write_text(SHIP.replace("REST", "assert False, 'but why'"))
    wine.here().assert_outcomes(passed=2, failed=1)
    ship = phase(evidence("WINE"), "SHIP")
    assert (ship["status"], gates(evidence("WINE"), "SHIP")) == ("failed", {"G1": "pass"})
    (wine.path / "test_ship.py").write_text(SHIP.replace("REST", "assert False, 'but why'").replace("shipped", "lost"))
    (wine.path / "shipped.json").unlink()
    wine.here()
    assert phase(evidence("WINE"), "SHIP")["status"] == "blocked"


def test_inputs_and_outputs_of_the_plan_count_for_a_test_in_python(wine: Folder, evidence: Read) -> None:
    plan = WINE.replace('id = "SHIP"\n', 'id = "SHIP"\ninputs = ["metrics.json"]\noutputs = ["shipped.json"]\n')
    wine.write(plan_toml=plan)
    (wine.path / "test_ship.py").write_text(SHIP.replace("REST", ""))
    wine.here().assert_outcomes(passed=3)
    ship = phase(evidence("WINE"), "SHIP")
    assert [item["path"] for item in (*ship["inputs"], *ship["outputs"])] == ["metrics.json", "*.json", "shipped.json"]
    for old, new, reason in (
        ('["metrics.json"]\noutputs', '["nothing"]\noutputs', "input nothing: observed no such file or directory"),
        ('["shipped.json"]', '["lost.json"]', "output lost.json: observed no file"),
    ):
        (wine.path / "shipped.json").unlink(missing_ok=True)
        wine.write(plan_toml=plan.replace(old, new))
        wine.here().assert_outcomes(passed=2, failed=1)
        ship = phase(evidence("WINE"), "SHIP")
        assert ship["status"] == "blocked"
        assert ship["blocked_reason"].startswith(reason)
        assert (wine.path / "shipped.json").exists() == (new == '["lost.json"]')


def test_a_failed_check_fails_a_test_that_passed(wine: Folder, evidence: Read) -> None:
    wine.write(plan_toml=WINE.replace('"*.json", min = 2', '"*.whl"'))
    (wine.path / "test_ship.py").write_text(SHIP.replace("REST", ""))
    result = wine.here()
    result.assert_outcomes(passed=2, failed=1)
    assert "*.whl: observed 0 files, expected at least 1" in phase(evidence("WINE"), "SHIP")["blocked_reason"]


def test_a_program_beside_a_test_and_a_gate_that_both_decide_are_refused(wine: Folder) -> None:
    (wine.path / "test_ship.py").write_text(SHIP.replace('"SHIP"', '"TRAIN"').replace("REST", ""))
    result = wine.here()
    assert result.ret == 4
    assert "phase TRAIN of" in refusal(result)
    assert "test_ship.py::test_ship" in refusal(result)
    (wine.path / "test_ship.py").write_text(SHIP.replace("REST", "with phase.gate('G1'): pass"))
    result = wine.here()
    assert result.ret == 4
    assert "its check in" in refusal(result)


def test_a_plan_of_somebody_else_is_left_alone(wine: Folder) -> None:
    wine.write(plan_toml="[project]\nphases = 3\n", test_other_py="")
    (wine.path / "test_other.py").write_text("def test_other(): pass\n")
    wine.here().assert_outcomes(passed=1)
    wine.write(plan_toml='[trace]\nid = "W"\n[[phases]]\nidd = "E"\n')
    result = wine.here()
    assert result.ret == 4
    assert "phase 1" in refusal(result) or "phases" in refusal(result)


def test_ten_mistakes_are_ten_lines(wine: Folder) -> None:
    wine.write(
        plan_toml="""
[trace]
id = "WINE"
[[phases]]
id = "INGEST"
runs = "sh ingest.sh"
[[phases]]
id = "TRAIN"
run = "sh 'train.sh"
depends_on = ["INGST"]
timeout = -1
gates = [
  { id = "C1", kind = "fatal", check = { same = ["ids.json"] } },
  { id = "C1", check = { exist = "*.json" } },
  { check = { query = "metrics.json#accuracy >= 0.9" } },
  { check = { query = "metrics.json#status != \\"failed\\"" } },
]
[[phases]]
id = "SHIP"
gates = [{ check = { exists = "/etc/passwd" } }]
"""
    )
    result = wine.here("plan.toml")
    assert result.ret == 4
    lines = refusal(result).splitlines()
    assert len([line for line in lines if line.startswith(("ERROR:", "  "))]) >= 10, "\n".join(lines)
    assert "INTERNALERROR" not in output(result)


def test_another_plan_by_its_option(wine: Folder, evidence: Read) -> None:
    (wine.path / "plan.toml").rename(wine.path / "pipeline.toml")
    wine.write(plan_toml=WINE.replace('"WINE"', '"NEIGHBOUR"'))  # with the same phases, in the same folder
    assert wine.here("--contextcore-plan=pipeline.toml", ".").ret == 0
    assert evidence("WINE")["status"] == "completed"
    assert not (wine.path / "out/NEIGHBOUR.json").exists()
    result = wine.here("--contextcore-jobs=none", "--contextcore-plan=pipeline.toml")
    assert result.ret == 4
    assert "--contextcore-jobs: 'none' is not a number from 1 on" in output(result)


def test_only_plans_with_tests_in_python_need_asserts(wine: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_contextcore.session.planned.asserts_are_disabled", lambda: "asserts are disabled")
    assert wine.here().ret == 0
    (wine.path / "test_ship.py").write_text(SHIP.replace("REST", ""))
    assert wine.here().ret == 4


def test_a_repeated_phase_runs_its_program_again(wine: Folder, evidence: Read) -> None:
    wine.write(
        train_sh=f"if test -e tried; then {TRAIN}fi; touch tried\n", plan_toml=WINE.replace('kind = "integrity", ', "")
    )
    result = wine.here("--reruns", "1", "-p", "rerunfailures")
    assert result.ret == 0, output(result)
    assert len(phase(evidence("WINE"), "TRAIN")["attempts"]) == 1


def test_another_plugins_format_is_read_by_its_hook(wine: Folder, evidence: Read) -> None:
    wine.write(plan_toml=WINE.replace('{ exists = "*.json", min = 2 }', '{ report = "*.lint", format = "lint" }'))
    (wine.path / "style.lint").write_text("line 3 is long\n")
    (wine.path / "conftest.py").write_text(
        "from pytest_contextcore import EvidenceItem\n"
        "def pytest_contextcore_report(format, path):\n"
        "    if format == 'lint':\n"
        "        return [EvidenceItem(type='lint', ref=line) for line in path.read_text().splitlines()]\n"
    )
    wine.here()
    assert "line 3 is long" in json.dumps(phase(evidence("WINE"), "SHIP"))
    assert phase(evidence("WINE"), "SHIP")["status"] == "blocked"


def test_two_plans_are_two_traces_and_each_is_asked_for_by_its_file(wine: Folder, evidence: Read) -> None:
    for name in ("one", "two"):
        wine.pytester.mkdir(name)
        plan = f'[trace]\nid = "{name.upper()}"\n[[phases]]\nid = "RUN"\nrun = "touch made"\noutputs = ["made"]\n'
        (wine.path / name / "plan.toml").write_text(plan)
    wine.here("one/plan.toml", "two/plan.toml::RUN").assert_outcomes(passed=2)
    assert (evidence("ONE")["status"], evidence("TWO")["status"]) == ("completed", "completed")
    assert (wine.path / "two" / "made").is_file()
    assert not (wine.path / "ids.json").exists()
    result = wine.here("two/plan.toml::WALK")
    assert "there is no such phase; tests were found for: RUN" in refusal(result)


def test_a_phase_alone_is_refused_with_the_command_that_runs_the_plan(wine: Folder) -> None:
    said = refusal(wine.here("plan.toml::TRAIN", "-q"))
    assert "phase TRAIN is selected but needs INGEST, which is deselected" in said
    assert said.endswith(f"run the plan whole: pytest ./ {' '.join(HERE)} -q")


def test_a_plan_beyond_the_rootdir_is_not_collected(wine: Folder) -> None:
    below = wine.pytester.mkdir("project")
    (below / "tests").mkdir()
    (below / "tests" / "test_other.py").write_text("def test_other(): pass\n")
    wine.here("project/tests", "--rootdir=project").assert_outcomes(passed=1)
    assert not (wine.path / "ids.json").exists()


def test_a_check_may_run_a_program_of_its_own(wine: Folder, evidence: Read) -> None:
    wine.write(plan_toml=WINE.replace('{ exists = "*.json", min = 2 }', "{ run = \"sh -c 'echo bad; exit 2'\" }"))
    wine.here()
    ship = phase(evidence("WINE"), "SHIP")
    assert (ship["status"], ship["gates"][0]["reason"]) == (
        "blocked",
        "sh -c echo bad; exit 2: observed exit status 2 (bad), expected exit status 0",
    )
    assert [program["exit_code"] for program in ship["programs"]] == [2]


def test_a_program_without_inputs_is_never_reused_and_one_with_inputs_is(wine: Folder, evidence: Read) -> None:
    assert wine.here().ret == 0
    result = wine.here("--contextcore-resume", "-v")
    result.assert_outcomes()
    assert [span["reused"] for span in evidence("WINE")["spans"]] == [True, True, True]
    wine.write(plan_toml=WINE.replace('inputs = ["ingest.sh"]\n', ""))
    assert wine.here().ret == 0
    result = wine.here("--contextcore-resume", "--collect-only", "-q")
    result.stdout.fnmatch_lines(["resume: INGEST runs: it names no inputs, so nothing tells *"])
    wine.write(plan_toml=WINE.replace('"SHIP"', '"PUBLISH"'))
    assert wine.here().ret == 0
    wine.write(plan_toml=WINE.replace('"SHIP"', '"PUBLISH"').replace("`0.9`", "`0.8`"), train_sh=f"{TRAIN}# new\n")
    result = wine.here("--contextcore-resume", "--collect-only", "-q")
    result.stdout.fnmatch_lines(["resume: INGEST is reused: unchanged", "resume: TRAIN runs: *changed"])


def test_what_a_check_reads_counts_though_the_plan_does_not_declare_it(wine: Folder, evidence: Read) -> None:
    report = '<testsuite><testcase name="a"/></testsuite>'
    plan = WINE.replace('run = "sh ingest.sh"', 'run = "sh ingest.sh r.xml"')
    checks = '{ query = "limit.json#max >= `3`" } }, { check = { junit = "r.xml" }'
    plan = plan.replace('{ exists = "ids.json" }', checks)
    wine.write(plan_toml=plan, limit_json='{"max": 3}', ingest_sh=f"{INGEST}echo '{report}' > $1\n")
    for text in ("older", "old"):
        (wine.path / "r.xml").write_text(text)
        assert wine.here().ret == 0
    ingest = phase(evidence("WINE"), "INGEST")
    assert {item["path"] for item in ingest["inputs"]} == {"ingest.sh", "limit.json"}
    assert {item["path"] for item in ingest["modules"]} == {"ingest.sh"}
    assert main(["verify"]) == 0
    wine.here("--contextcore-resume", "--collect-only").stdout.fnmatch_lines(["resume: INGEST is reused: unchanged"])
    wine.write(limit_json='{"max": 2}')
    assert main(["verify"]) == 1
    wine.here("--contextcore-resume").stdout.fnmatch_lines(["resume: INGEST runs: its input limit.json changed"])
    assert phase(evidence("WINE"), "INGEST")["status"] == "blocked"


def test_a_program_may_write_over_what_an_earlier_check_read(wine: Folder, evidence: Read) -> None:
    """If a check of its phase reads it, too: this says that the phase makes it."""
    train = f"""{TRAIN}echo '{{"n": 2}}' > ids.json\n"""
    checks = '{ exists = "ids.json" } }, { kind = "advisory", check = { exists = "." }'
    look = f'[[phases]]\nid = "LOOK"\ngates = [{{ check = {checks} }}]\n\n'
    plan = WINE.replace('[[phases]]\nid = "TRAIN"', f'{look}[[phases]]\nid = "TRAIN"').replace(
        'inputs = ["id*.json"]\n', ""
    )
    wine.write(plan_toml=plan.replace('same = ["ids.json", "metrics.json#ids"]', 'query = "ids.json#n == `2`"'))
    wine.write(train_sh=train)
    result = wine.here()
    assert result.ret == 0, output(result)
    paths = {
        key: [item["path"] for item in phase(evidence("WINE"), name)[key]]
        for name, key in (("LOOK", "inputs"), ("TRAIN", "outputs"))
    }
    assert paths == {"inputs": ["ids.json"], "outputs": ["metrics.json", "ids.json"]}
    assert main(["verify"]) == 0


@pytest.mark.parametrize("program", ["", 'run = "true"\n'], ids=["checks alone", "a program"])
def test_a_check_may_read_what_the_program_of_another_check_wrote(wine: Folder, program: str) -> None:
    gates = '[{ check = { run = "sh count.sh" } }, { check = { query = "n.json#n > `1`" } }]'
    wine.write(plan_toml=f'[trace]\nid = "T"\n[[phases]]\nid = "COUNT"\n{program}gates = {gates}\n')
    for number in (2, 30):
        wine.write(count_sh=f"""echo '{{"n": {number}}}' > n.json\n""")
        result = wine.here()
        assert result.ret == 0, output(result)


def test_without_a_file_verify_looks_at_each_trace(wine: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    wine.pytester.mkdir("other")
    (wine.path / "other" / "plan.toml").write_text(WINE.replace('"WINE"', '"ABLE"').replace("min = 2", "min = 9"))
    wine.here("other/plan.toml", "plan.toml")
    capsys.readouterr()
    assert main(["verify"]) == 1
    assert "ABLE does not hold" in (told := capsys.readouterr().out)
    assert "WINE holds: completed" in told
