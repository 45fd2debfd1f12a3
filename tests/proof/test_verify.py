"""``contextcore verify``: whatever is changed on the pilot's evidence, plan, files and handoffs is found."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.commands.cli import main
from pytest_contextcore.proof import world
from pytest_contextcore.trace import file

from .conftest import Project

Captured = pytest.CaptureFixture[str]
Change = Callable[[bytes], bytes | None]

EVIDENCE, HANDOFFS = "out/PI-101-002.json", "out/PI-101-002.handoffs.json"
PLAN, CODE, INI = "pilot_tests/plan.toml", "pilot_tests/test_pilot.py", "pytest.ini"
WORKSPACE = "out/workspace"
FILES = [
    ".contextcore.yaml", "artisan/design-handoff.json", "artisan/generation-manifest.json",
    "artisan/workflow-execution-report.json", "export/export-quality-report.json",
    "export/onboarding-metadata.json", "export/order-service-artifact-manifest.yaml",
    "export/order-service-projectcontext.yaml", "export/provenance.json", "export/run-provenance.json",
    "export/validation-report.json", "ingestion/.startd8/plan_ingestion_state.json",
    "ingestion/artisan-context-seed-enriched.json", "ingestion/artisan-context-seed.json",
    "ingestion/ingestion-traceability.json", "ingestion/plan-ingestion-diagnostic.json",
    "ingestion/review-config.json", "project/.startd8/state/generation_results.json",
    "project/.startd8/state/review_results.json", "project/.startd8/state/test_results.json",
    "project/grafana/dashboards/orders-api-dashboard.json",
    "project/prometheus/recording/orders-api-recording-rules.yaml",
    "project/prometheus/rules/orders-api-prometheus-rules.yaml",
]  # fmt: skip
STALE = "0" * 63 + "1"


def flip(data: bytes) -> bytes:
    """One bit of the last letter is another."""
    at = max(index for index, byte in enumerate(data) if chr(byte).isalnum())
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def put(old: str, new: str, count: int = 1) -> Change:
    return lambda data: data.replace(old.encode(), new.encode(), count)


def gone(data: bytes) -> None:
    del data


ON_FILES: list[tuple[str, Change, str]] = [
    *((f"{WORKSPACE}/{name}", flip, f"{name}, input of") for name in FILES),
    (f"{WORKSPACE}/{FILES[-1]}", flip, f"{FILES[-1]}, output of PI-101-002-S7"),
    (f"{WORKSPACE}/{FILES[-1]}", gone, "it is gone, or cannot be read"),
    (f"{WORKSPACE}/export/provenance.json", lambda _: b"", "export/provenance.json, input of"),
    (CODE, flip, "test_pilot.py, code of PI-101-002-S1, PI-101-002-S2, PI-101-002-S3 and 7 more"),
    (CODE, put("report.require(gate, ", "(lambda *_: None)(gate, "), "code of PI-101-002-S1"),
    (INI, put("[pytest]", "[pytest] "), "pytest.ini, code of"),
    (HANDOFFS, put("test_results", "test_resultz"), "none that is whole and can be read"),
    (HANDOFFS, put("PI-101-002-S3", "PI-101-002-S9"), "handoff IntegrityHandoff of PI-101-002-S3"),
    (HANDOFFS, put('"name": "ExportHandoff"', '"name": "ExportHandofg"'), "handoff ExportHandoff of PI-101-002-S2"),
    (HANDOFFS, put('"kind": "ExportHandoff"', '"kind": "ExportHandofg"'), "handoff ExportHandoff of PI-101-002-S2"),
    (HANDOFFS, lambda data: json.dumps(json.loads(data)[1:]).encode(), "handoff BaselineHandoff of PI-101-002-S1"),
    (HANDOFFS, lambda data: data + b"]", "none that is whole and can be read"),
    (HANDOFFS, gone, "none that is whole and can be read"),
    (PLAN, put('kind = "integrity"', 'kind = "advisory"'), "differs: the plan"),
    (PLAN, put("Mend ", "Leave "), "differs: the plan"),
    (PLAN, put('title = "', 'title = "A'), "differs: the plan"),
    (PLAN, put('goal = "', 'goal = "A'), "differs: the plan"),
    (PLAN, put("[[trace.definition_of_done]]", "[[trace.not_done]]"), "not_done"),
    (PLAN, lambda data: data[: len(data) // 2], "plan.toml"),
    (PLAN, put('id = "PI-101-002"', 'id = "PI-101-003"'), "no plan of PI-101-002"),
    (PLAN, gone, "no plan of PI-101-002"),
    (EVIDENCE, flip, "its seal does not fit"),
    (EVIDENCE, put('"pass"', '"fail"'), "its seal does not fit"),
    (EVIDENCE, put("\n  ", "\n   "), "its seal does not fit"),
    (EVIDENCE, lambda data: data[:-3], "Invalid JSON"),
    (EVIDENCE, gone, "there is no evidence"),
]  # fmt: skip


def spans(index: int, **values: Any) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["spans"][index].update(values)


def gates(index: int, at: int, **values: Any) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["spans"][index]["gates"][at].update(values)


def top(**values: Any) -> Callable[[dict[str, Any]], object]:
    return lambda document: document.update(values)


EARLY, LATE = "1999-11-29T07:57:54.311871Z", "2199-11-29T07:57:54.311871Z"
DRIFT = {"input.source_checksum": f"sha256:{STALE}"}
PROGRAM = {"otel_span_id": "0" * 16, "args": ["true"], "exit_code": 1, "end": "exit code 0"}
BLOCKED = {"status": "blocked", "blocked_reason": "C1: lost", "next_action": "mend", "error_type": "gate_failed"}
RESEALED: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    # a gate
    (gates(2, 0, result="fail"), "its gate PI-101-002-S3-C1 failed"),
    (gates(2, 0, result="fail", kind="advisory"), "PI-101-002-S3-C1"),
    (gates(2, 0, result="not_checked"), "its gate PI-101-002-S3-C1 was not checked"),
    (gates(2, 0, result="not_applicable"), "PI-101-002-S3-C1 does not apply"),
    (gates(2, 0, result="waived", waived="me"), "PI-101-002-S3-C1 was waived"),
    (gates(0, 2, result="pass"), "PI-101-002-S1-G3 has the result pass: reason"),
    (gates(2, 0, kind="required"), "PI-101-002-S3-C1 is not as the plan declares it"),
    (gates(2, 0, criterion="none"), "PI-101-002-S3-C1: criterion"),
    (gates(2, 0, purpose="none"), "PI-101-002-S3-C1: purpose"),
    (gates(2, 0, severity="warning"), "severity"),
    (gates(2, 0, reason="it is wrong"), "PI-101-002-S3-C1 has the result pass: reason"),
    (gates(2, 0, events=[]), "its events"),
    (gates(2, 0, ended_at=None), "but no times"),
    (gates(2, 0, gate_id="PI-101-002-S3-C9"), "PI-101-002-S3-C9 is not as the plan declares it"),
    (lambda document: document["spans"][2]["gates"].pop(0), "PI-101-002-S3: its gates"),
    (lambda document: document["spans"][2]["gates"].append(document["spans"][2]["gates"][0]), "its gates"),
    (gates(2, 0, error_type="ValueError"), "PI-101-002-S3-C1 has the result pass: error_type"),
    (gates(4, 0, next_action="mend"), "PI-101-002-S5-G1 has the result pass: next_action"),
    (gates(4, 1, waived="me"), "PI-101-002-S5-G2 has the result not_applicable: waived"),
    (gates(2, 0, started_at=EARLY), "PI-101-002-S3-C1: its times"),
    (gates(2, 0, ended_at=LATE), "PI-101-002-S3-C1 has the result pass: its events"),
    (gates(2, 0, attributes={"speed": 1}), "PI-101-002-S3-C1: speed"),
    # a phase
    (spans(2, **BLOCKED), "blocked by a gate, but none failed"),
    (spans(2, status="failed", error_type="x"), "PI-101-002-S4 is completed"),
    (spans(9, status="not_started"), "has a time at which it started"),
    (spans(2, blocked_reason="it is wrong"), "has a reason why it is not"),
    (spans(2, error_type="ValueError"), "PI-101-002-S3 is completed: error_type"),
    (spans(2, phase="OTHER"), "PI-101-002-S3: phase"),
    (spans(2, goal="other"), "PI-101-002-S3: goal"),
    (spans(2, exit_criteria=[]), "PI-101-002-S3: exit_criteria"),
    (spans(2, ended_at=None), "has no time at which it ended"),
    (spans(2, started_at=EARLY), "PI-101-002-S3: its times"),
    (spans(2, ended_at=EARLY), "PI-101-002-S3: its times"),
    (spans(2, modules=[]), "pilot_tests/conftest.py, code of PI-101-002-S3"),
    (spans(2, nodeid="pilot_tests/other.py::test_x"), "pilot_tests/other.py, code of PI-101-002-S3"),
    (spans(2, nodeid="plan.toml::S4"), "PI-101-002-S3: its test"),
    (spans(2, nodeid=None), "PI-101-002-S3: its test"),
    (spans(2, reused=True), "PI-101-002-S3 is reused"),
    (lambda document: document["spans"][3]["attributes"].update({"quality.gap_count": "3"}), "declared as int"),
    (lambda document: document["spans"][3]["attributes"].update(extra="x"), "PI-101-002-S4: extra"),
    (lambda document: document["spans"][3]["attributes"].update(DRIFT), "PI-101-002-S4: input.source_checksum, with"),
    (spans(2, programs=[PROGRAM]), "PI-101-002-S3: how a program of it ended"),
    (spans(2, handoffs=[]), "its handoffs, beside its events"),
    (lambda document: document["spans"][2]["handoffs"][0].update(digest=STALE), "its handoffs, beside its events"),
    (lambda document: document["spans"][2]["handoffs"][1].update(direction="rejected"), "its handoffs"),
    (lambda document: document["spans"][2]["inputs"][0].update(sha256=STALE), "input of PI-101-002-S3"),
    (lambda document: document["spans"][6]["outputs"][0].update(sha256=STALE), "output of PI-101-002-S7"),
    (lambda document: document["spans"][2]["modules"][0].update(sha256=STALE), "code of PI-101-002-S3"),
    (lambda document: document["spans"][2]["fingerprint"].update(workspace=STALE), "the digest of its workspace"),
    (lambda document: document["spans"][2]["fingerprint"].update(plan=STALE), "the digest of its plan"),
    (lambda document: document["spans"].pop(4), "its phases"),
    (lambda document: document["spans"].reverse(), "its phases"),
    # the trace
    (top(status="in_progress"), "observed: in_progress"),
    (top(started_at=None), "no time at which it started"),
    (top(started_at=LATE), "PI-101-002-S1: its times"),
    (top(ended_at=None), "PI-101-002: its end"),
    (top(ended_at=LATE), "PI-101-002: its end"),
    (lambda document: document["summary"]["phases"].update(failed=1), "its summary does not count"),
    (lambda document: document["summary"]["phases"].pop("blocked"), "its summary does not count"),
    (top(status="failed", blocked_reason="x", error_type="x"), "PI-101-002: how it ended"),
    (top(title="Other"), "PI-101-002: title"),
    (top(project_id="other"), "PI-101-002: project_id"),
    (top(plan_digest=STALE), "differs: the plan"),
    (top(trace_id="PI-101-003"), "no plan of PI-101-003"),
    (top(workspace="/elsewhere"), "the digest of its workspace"),
    (lambda document: document["options"].update(min_coverage=10.0), "the digest of its option min_coverage"),
    (lambda document: document["summary"]["gates"].update({"pass": 34}), "its summary does not count"),
    (lambda document: document["definition_of_done"][0].update(met=False), "is not met"),
    (lambda document: document["definition_of_done"][0].update(condition="done"), "definition of done"),
    (lambda document: document["definition_of_done"].pop(), "definition of done: its length"),
    (lambda document: document["attributes"].update({"output.rollup": f"sha256:{STALE}"}), "PI-101-002: output.rollup"),
    (lambda document: document["spans"][9]["attributes"].update({"output.rollup": "x"}), "PI-101-002: output.rollup"),
    (lambda document: document["attributes"].update({"quality.coverage_percent": 95.0}), "quality.coverage_percent"),
]  # fmt: skip


def verified(project: Project, capsys: Captured, *more: str) -> tuple[int, str]:
    code = main(["verify", "--out", str(project.root / "out"), *more])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


@pytest.fixture(autouse=True)
def _in_the_project(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)


def test_evidence_that_holds_is_said_to_and_nothing_is_written(project: Project, capsys: Captured) -> None:
    before = {path: path.stat().st_mtime_ns for path in project.root.rglob("*")}
    said = "PI-101-002 holds: completed, 10 phases, 33 gates, 23 inputs, 3 outputs, 9 handoffs\n"
    assert verified(project, capsys) == (0, said)
    assert {path: path.stat().st_mtime_ns for path in project.root.rglob("*")} == before
    recorded = {item["path"] for span in json.loads(project.evidence.read_bytes())["spans"] for item in span["inputs"]}
    assert recorded == {f"{WORKSPACE}/{name}" for name in FILES}


@pytest.mark.parametrize(("name", "change", "said"), ON_FILES, ids=range(len(ON_FILES)))
def test_a_change_of_a_file_is_found(project: Project, capsys: Captured, name: str, change: Change, said: str) -> None:
    with project.changed(name, change):
        code, told = verified(project, capsys)
    assert (code, said in told) == (1, True), told
    assert "Traceback" not in told


@pytest.mark.parametrize(("edit", "said"), RESEALED, ids=range(len(RESEALED)))
def test_a_change_of_a_value_is_found_even_if_the_evidence_was_sealed_anew(
    project: Project, capsys: Captured, edit: Callable[[dict[str, Any]], object], said: str
) -> None:
    with project.changed(EVIDENCE, project.resealed(edit)):
        code, told = verified(project, capsys)
    assert (code, said in told, "seal" in told) == (1, True, False), told


Raw = Callable[[dict[str, Any]], object]
ON_FORM: list[Raw] = [
    top(more=1),
    top(ended_at=1795941004043612000),
    lambda document: document.pop("in_ci"),
    lambda document: document["spans"][2].pop("attempts"),
    lambda document: document["summary"]["phases"].update(failed="0"),
    lambda document: document.update(spans=document.pop("spans")),
]


@pytest.mark.parametrize("edit", ON_FORM, ids=range(len(ON_FORM)))
def test_evidence_has_the_form_in_which_it_is_written(project: Project, capsys: Captured, edit: Raw) -> None:
    def change(data: bytes) -> bytes:
        document = json.loads(data)
        edit(document)
        document["seal"] = document.pop("seal")
        text = json.dumps({**document, "seal": "0" * 64}, indent=2, ensure_ascii=False).encode() + b"\n"
        pieces = text.replace(b"0" * 64, b"").split(file._BEGIN)
        return text.replace(b"0" * 64, file._seal(map(file._digest, pieces)))

    with project.changed(EVIDENCE, change):
        assert file.is_unaltered(project.evidence.read_bytes())
        code, told = verified(project, capsys)
    assert (code, "a key, a type or the layout" in told) == (1, True), told


PROGRAMS = """
[trace]
id = "T"
[[phases]]
id = "MAKE"
run = ["true"]
inputs = ["in.txt"]
outputs = ["in.txt"]
[[phases.gates]]
id = "G1"
check = { exists = "in.txt" }
"""


def test_a_record_that_was_taken_out_is_found_where_the_plan_names_it(
    pytester: pytest.Pytester, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pytester.path)
    kept = PROGRAMS.replace('outputs = ["in.txt"]', 'outputs = [{ path = "in.txt", kept = true }]')
    (pytester.path / "plan.toml").write_text(kept, encoding="utf-8")
    (pytester.path / "in.txt").touch()
    assert pytester.runpytest_inprocess("-q", "-p", "no:randomly", "plan.toml").ret == 0
    assert main(["verify"]) == 0
    project = Project(pytester.path, "T")
    for edit, said in (
        (spans(0, inputs=[]), "T-MAKE: its input in.txt"),
        (spans(0, outputs=[]), "T-MAKE: its output in.txt"),
        (spans(0, programs=[]), "T-MAKE is completed\n  observed: no exit code 0"),
        (spans(0, nodeid="plan.toml::OTHER"), "T-MAKE: its test"),
    ):
        capsys.readouterr()
        with project.changed("out/T.json", project.resealed(edit)):
            code = main(["verify"])
        told = capsys.readouterr().out
        assert (code, said in told) == (1, True), told


def test_what_differs_is_told_for_programs_too(project: Project, capsys: Captured) -> None:
    with project.changed(f"{WORKSPACE}/export/provenance.json", flip):
        code, told = verified(project, capsys, "--format", "json")
    document = json.loads(told)
    assert (code, document["holds"], document["trace_id"]) == (1, False, "PI-101-002")
    [difference] = document["differences"]
    assert difference.keys() == {"what", "observed", "expected", "next_action"}
    assert all(difference.values())


def test_a_trace_that_is_not_completed_proves_nothing(project: Project, capsys: Captured) -> None:
    def kill(document: dict[str, Any]) -> None:
        document.update(status="in_progress", ended_at=None, definition_of_done=[])
        document["spans"][9].update(status="in_progress", ended_at=None)

    with project.changed(EVIDENCE, project.resealed(kill)):
        code, told = verified(project, capsys)
    assert code == 1
    assert "differs: PI-101-002\n  observed: in_progress\n  expected: completed\n  next:     run the plan whole" in told


def test_evidence_that_was_moved_says_where_to_look(
    project: Project, capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (project.evidence, project.root / HANDOFFS):
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    file = str(tmp_path / "PI-101-002.json")
    assert main(["verify", file]) == 1
    assert "name that folder by --root DIR, or the plan by --plan FILE" in capsys.readouterr().err
    assert main(["verify", file, "--root", str(project.root)]) == 0
    monkeypatch.chdir(project.root)
    assert main(["verify", file, "--plan", PLAN]) == 0


def test_what_evidence_names_is_bounded(
    project: Project, capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "many").mkdir()
    for number in range(200):
        (tmp_path / "many" / str(number)).touch()

    def named(path: str) -> Change:
        return project.resealed(lambda document: document["spans"][0]["inputs"][0].update(path=path))

    with project.changed(EVIDENCE, named(str(tmp_path / "pipe"))):
        code, told = verified(project, capsys)
    assert (code, "pipe, input of PI-101-002-S1\n  observed: it is gone, or cannot be read" in told) == (1, True)
    monkeypatch.setattr(world, "_MOST_FILES", 100)
    for path in ("many", "many/**", "**/*"):
        with project.changed(EVIDENCE, named(str(tmp_path / path))):
            code, told = verified(project, capsys)
        assert (code, "names more than 100 files" in told) == (1, True), told


def test_a_bad_command_line_is_exit_code_2(project: Project, capsys: Captured) -> None:
    assert verified(project, capsys, "--attestation", "a.json")[0] == 2
    assert verified(project, capsys, "--what")[0] == 2
