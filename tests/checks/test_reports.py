"""Reports of other tools, and programs."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore import EvidenceItem
from pytest_contextcore.checks.documents import Ended
from pytest_contextcore.trace.evidence import Result

from .conftest import Check

JUNIT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="s" tests="3" failures="2" errors="1" skipped="1">
<testcase classname="test_a" name="one"/>
<testcase classname="test_a" name="two"><failure message="assert 1 == 2">long text</failure></testcase>
<testcase name="three"><error type="Oops"/><failure/></testcase>
<testcase name="four"><skipped/></testcase>
</testsuite></testsuites>"""
GOOD_JUNIT = "<testsuite tests='1' failures='0' errors=''><testcase name='a'/></testsuite>"
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><testsuite><testcase name="&b;"/></testsuite>'


def test_each_failed_test_of_a_junit_report_is_evidence(check: Check) -> None:
    verdict = check({"junit": "r/*.xml"}, {"r/a.xml": JUNIT, "r/b.xml": GOOD_JUNIT})
    assert verdict.reason == "r/*.xml: observed 2 of 5 tests failed, expected none"
    assert [(item.type, item.ref, item.file, item.description) for item in verdict.findings] == [
        ("failed_test", "test_a::two", "r/a.xml", "test_a::two: observed failure (assert 1 == 2), expected success"),
        ("failed_test", "three", "r/a.xml", "three: observed error (Oops), expected success"),
    ]
    assert check({"junit": "r/b.xml"}).result is Result.PASS


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (BOMB, "a.xml: has a DOCTYPE: observed a document type declaration"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><testsuite/>', "has a DOCTYPE"),
        ("<testsuite><testcase name='&b;'/></testsuite>", "a.xml: is not valid XML: observed undefined entity"),
        ("<testsuite>", "is not valid XML: observed no element found"),
        ("", "is not valid XML"),
        ("<html/>", "a.xml: is no JUnit report: observed an element html, expected testsuites or testsuite"),
        ("<testsuite/>", "a.xml: observed no tests, expected some"),
        (
            "<testsuite failures='2'><testcase/></testsuite>",
            "itself: observed 2 failures stated, none found",
        ),
        ("<testsuite>" + "<a>" * 200_000, "nested too deeply"),
        ("<?xml version='1.0' encoding='rot13'?><testsuite/>", "is not valid XML: observed 'rot13' is not"),
        ("<testsuite><error message='no import'/></testsuite>", "the suite itself: observed error (no import)"),
        ("<testsuite><testcase name='x'/><error message='y'/></testsuite>", "the suite itself: observed error (y)"),
    ],
)
def test_a_junit_report_that_proves_nothing_fails_the_gate(check: Check, report: str, said: str) -> None:
    verdict = check({"junit": "a.xml"}, {"a.xml": report})
    assert verdict.result is Result.FAIL
    assert said in verdict.reason


def test_a_namespace_or_another_encoding_changes_nothing(check: Check) -> None:
    cases = "<j:testcase name='é'><j:failure/></j:testcase>"
    report = f"<?xml version='1.0' encoding='utf-16'?><j:testsuite xmlns:j='x'>{cases}</j:testsuite>"
    assert "é: observed failure (no message)" in check({"junit": "a.xml"}, {"a.xml": report.encode("utf-16")}).reason


DBT = {
    "results": [
        {"status": "success", "unique_id": "model.a"},
        {"status": "warn", "unique_id": "test.w", "message": "late"},
        {"status": "fail", "unique_id": "test.b", "message": "Got 3 results,\nconfigured to fail if != 0"},
        {"status": "skipped", "unique_id": "model.c", "message": None},
        {"status": "new one"},
    ]
}


def test_each_node_that_dbt_did_not_get_right_is_evidence(check: Check) -> None:
    verdict = check({"dbt": "run_results.json"}, {"run_results.json": DBT})
    assert verdict.reason == "run_results.json: observed 3 of 5 nodes failed, expected none"
    assert [item.description for item in verdict.findings] == [
        "test.b: observed fail (Got 3 results, configured to fail if != 0), expected success, pass or warn",
        "model.c: observed skipped, expected success, pass or warn",
        "results[4]: observed new one, expected success, pass or warn",
    ]
    assert check({"dbt": "ok.json"}, {"ok.json": {"results": DBT["results"][:2]}}).result is Result.PASS


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"results": []}, "run.json: observed no nodes, expected some"),
        ({"result": []}, "run.json: results: observed null, expected a list, as dbt writes"),
        ([], "results: observed null"),
        ({"results": [3]}, "results[0]: observed null, expected success"),
        ("{", "run.json: is not valid JSON"),
    ],
)
def test_dbt_results_that_prove_nothing_fail_the_gate(check: Check, document: Any, said: str) -> None:
    assert said in check({"dbt": "run.json"}, {"run.json": document}).reason


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("g.json#good", ""),
        ("g.json#one", ""),
        ("g.json#bad", "g.json#bad: observed 2 of 3 gates failed, expected none"),
        ("g.json#bad[1:2]", "g.json: B: observed fail (3 rows lost), expected pass"),
        ("g.json#none", "g.json#none: observed no gates, expected some"),
        ("g.json#absent", "g.json: absent: observed nothing (null), expected a value"),
        ("g.json#broken", "g.json: [1]: observed an object with 1 keys, expected a GateResult with gate_id and result"),
        ("g.json#ten", "g.json: [0]: observed 10, expected a GateResult with gate_id and result"),
    ],
)
def test_gate_results(check: Check, source: str, said: str) -> None:
    one = {"gate_id": "A", "result": "pass", "severity": "info"}
    bad = [one, {"gate_id": "B", "result": "fail", "reason": "3 rows\nlost"}, {"gate_id": "C", "result": "not_checked"}]
    good = [one, {"gate_id": "W", "result": "waived"}]
    files = {"g.json": {"good": good, "one": one, "bad": bad, "none": [], "broken": [one, {"gate_id": "D"}], "ten": 10}}
    assert check({"gate_results": source}, files).reason == said


REPORTS: list[tuple[dict[str, Any], str, Any]] = [
    ({"junit": "r.xml"}, "r.xml", GOOD_JUNIT),
    ({"dbt": "r.json"}, "r.json", {"results": [{"status": "pass"}]}),
    ({"gate_results": "r[1].json"}, "r[1].json", {"gate_id": "A", "result": "pass"}),
    ({"report": "r.txt", "format": "mine"}, "r.txt", "fine"),
]


@pytest.mark.parametrize(("plan", "name", "content"), REPORTS)
def test_a_report_that_the_program_did_not_write_fails_the_gate_unless_it_is_kept(
    check: Check, tmp_path: Path, plan: dict[str, Any], name: str, content: Any
) -> None:
    given: dict[str, Any] = {"began": time.time_ns(), "adapter": lambda format, path: []}
    assert check(plan, {name: content}, **given).result is Result.PASS
    os.utime(tmp_path / name, ns=(given["began"] - 10**9 - 1,) * 2)
    verdict = check(plan, **given)
    assert verdict.findings[0].type == "stale_file"
    assert verdict.reason.startswith(f"{name}: observed a file that was not written since the phase's program began")
    assert check({**plan, "kept": True}, **given).result is Result.PASS
    assert check(plan, **{**given, "began": None}).result is Result.PASS
    (tmp_path / name).unlink()
    assert f"{name}: observed no" in check(plan, **given).reason


def test_a_report_of_another_format_is_read_by_a_plugin(check: Check) -> None:
    plan = {"report": "*.txt", "format": "mine"}
    files = {"a.txt": "x", "b.txt": "y"}

    def adapter(format: str, path: Path) -> list[EvidenceItem] | None:
        text = path.read_text(encoding="utf-8")
        return [EvidenceItem(type="odd", ref=text, file=path.name)] if format == "mine" else None

    verdict = check(plan, files, adapter=adapter)
    assert verdict.reason == "*.txt: observed 2 failures, expected none"
    assert [item.ref for item in verdict.findings] == ["x", "y"]
    for unknown in (None, lambda format, path: None):
        assert "observed no plugin that reads the format 'mine'" in check(plan, adapter=unknown).reason

    def broken(format: str, path: Path) -> list[EvidenceItem]:
        raise KeyError("lines")

    assert "observed an error of the plugin (KeyError: 'lines')" in check(plan, adapter=broken).reason
    assert "observed an error of the plugin (AttributeError" in check(plan, adapter=lambda format, path: ["x"]).reason


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (Ended(0), ""),
        (Ended(3, "no such table\n"), "dbt run: observed exit status 3 (no such table), expected exit status 0"),
        (Ended(-9), "dbt run: observed exit status -9, expected exit status 0"),
        (Ended(None), "dbt run: observed that it was killed, expected exit status 0"),
        (
            FileNotFoundError(2, "No such file or directory"),
            "dbt run: observed that it cannot be started (No such file or directory), expected exit status 0",
        ),
        (subprocess.TimeoutExpired("dbt", 5), "dbt run: observed no end within 5 s, expected exit status 0"),
    ],
)
def test_a_program_ends_with_exit_status_0(check: Check, ended: Any, said: str) -> None:
    commands = []

    def run(command: tuple[str, ...]) -> Ended:
        commands.append(command)
        if isinstance(ended, Exception):
            raise ended
        assert isinstance(ended, Ended)
        return ended

    assert check({"run": "dbt 'run'"}, run=run).reason == said
    assert check({"run": ["dbt", "run"]}, run=run).reason == said
    assert commands == [("dbt", "run")] * 2
    assert "observed nobody who runs it" in check({"run": "dbt run"}).reason
