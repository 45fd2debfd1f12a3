"""The examples of checks in docs/reference.md: each gate holds on files that are right, and fails on others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pytest_contextcore import EvidenceItem
from pytest_contextcore.checks.documents import Documents, Given
from pytest_contextcore.checks.evaluate import evaluate
from pytest_contextcore.checks.paths import Folder
from pytest_contextcore.plan.checks import CheckPlan
from pytest_contextcore.plan.model import load_plan

from .pages import blocks

EMPTY_DIGEST = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
RIGHT = {
    "data/ids.json": "[1, 2]",
    "metrics.json": json.dumps(
        {"ids": [2, 1], "accuracy": 0.95, "features": ["colour"], "model": {"sha256": EMPTY_DIGEST}}
    ),
    "parts.csv": "name,state\nfirst,ok\n",
    "schema.yaml": "properties: {colour: {}, sha256: {maxLength: 64}}\n",
    "model.pkl": "",
    "plots/a.png": "",
    "plots/b.png": "",
    "reports/unit.xml": "<testsuite><testcase name='a'/></testsuite>",
    "target/run_results.json": '{"results": [{"status": "pass"}]}',
    "gates.jsonl": '{"gate_id": "A", "result": "pass"}\n',
}
WRONG = {
    "data/ids.json": "[1, 2, 3]",
    "metrics.json": json.dumps({"ids": [1], "accuracy": 0.89, "features": ["size"], "model": {"sha256": "0" * 65}}),
    "parts.csv": "name,state\nfirst,failed\n",
    "model.pkl": "changed",
    "plots/b.png": None,
    "reports/unit.xml": "<testsuite><testcase name='a'><failure/></testcase></testsuite>",
    "target/run_results.json": '{"results": [{"status": "fail"}]}',
    "gates.jsonl": '{"gate_id": "A", "result": "fail"}\n',
}


def write(folder: Path, files: dict[str, Any]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        if text is None:
            path.unlink()
        else:
            path.write_text(text, encoding="utf-8")


def test_every_gate_of_the_example_holds_and_can_fail(tmp_path: Path) -> None:
    (block,) = (block for block in blocks("docs/reference.md") if block.language == "toml")
    (tmp_path / "plan.toml").write_text(block.body, encoding="utf-8")
    plan = load_plan(tmp_path / "plan.toml")

    def verdicts() -> dict[str, tuple[str, str]]:
        found = {}
        for gate in plan.phases[0].gates:
            assert gate.check
            given = Given(Documents(Folder(tmp_path)), declared=plan.known_attributes)
            verdict = evaluate(gate.check, given)
            found[gate.id] = (verdict.result.value, verdict.reason)
        return found

    write(tmp_path, RIGHT)
    assert set(verdicts().values()) == {("pass", "")}
    write(tmp_path, WRONG)
    for result, reason in verdicts().values():
        assert result == "fail"
        assert "observed" in reason
        assert "expected" in reason


def test_the_hook_of_the_reference_reads_a_report(tmp_path: Path) -> None:
    (block,) = (block for block in blocks("docs/reference.md") if block.language == "python")
    names: dict[str, Any] = {}
    exec(block.body, names)
    hook = names["pytest_contextcore_report"]
    (tmp_path / "audit.json").write_text('{"vulnerabilities": ["CVE-1"]}', encoding="utf-8")
    check = CheckPlan(report="audit.json", format="audit")
    assert hook("other", tmp_path) is None
    assert evaluate(check, Given(Documents(Folder(tmp_path)), adapter=hook)).findings == (
        EvidenceItem(type="vulnerability", ref="CVE-1", file="audit.json"),
    )
