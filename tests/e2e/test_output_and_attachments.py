"""What programs say while they run and when they fail, and what phases attach."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..support.otlp_receiver import Receiver
from ..support.plans import HERE, Suite
from ..support.traces import output, sent
from .test_phase_fixture import CHECK, extract

Read = Callable[..., dict[str, Any]]


def plan_of(*phases: str) -> str:
    return '[trace]\nid = "B"\n' + "".join(f"[[phases]]\n{phase}\n" for phase in phases)


def entry(name: str, program: str, *more: str) -> str:
    return "\n".join([f'id = "{name}"', "depends_on = []", f"run = {json.dumps(['sh', '-c', program])}", *more])


@pytest.fixture
def run(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    def runs(plan: str, *arguments: str) -> pytest.RunResult:
        (pytester.path / "plan.toml").write_text(plan, encoding="utf-8")
        return pytester.runpytest_inprocess(*HERE, *arguments)

    return runs


Run = Callable[..., pytest.RunResult]


@pytest.mark.parametrize("options", [["-v"], ["-s"]])
def test_lines_are_shown_while_the_program_still_runs(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.setenv("MY_TOKEN", "hunter2hunter2")
    meets = "printf 'I am %s\\n' {me}; while ! test -e go; do sleep 0.02; done; printf 'bye %s' hunter2hunter2 >&2"
    plan = plan_of(*(entry(me, meets.format(me=me)) for me in "AB"))
    (pytester.path / "plan.toml").write_text(plan, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:randomly", "--contextcore-jobs=2", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as session:
        assert session.stdout is not None
        said = b""
        while b"A | I am A" not in said or b"B | I am B" not in said:  # neither of them ends before
            piece = os.read(session.stdout.fileno(), 4096)
            assert piece, said
            said += piece
        (pytester.path / "go").touch()
        said += session.stdout.read()
        assert session.wait() == 0
    lines = said.decode().splitlines()
    assert sorted(line for line in lines if " | " in line) == ["A | I am A", "A | bye ***", "B | I am B", "B | bye ***"]


def test_under_xdist_lines_are_shown_when_their_phase_is_over(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pytester.path / "plan.toml").write_text(plan_of(entry("A", "echo one; echo two")), encoding="utf-8")
    result = pytester.runpytest_subprocess("-n1", "-v", "-p", "no:randomly")
    assert result.ret == 0, output(result)
    assert [line for line in result.outlines if " | " in line] == ["A | one", "A | two"]


FAILS = "for n in $(seq 30); do echo line $n; done; printf '\\033[31m10%%\\r100%%\\033[0m\\n' >&2; exit 3"


@pytest.mark.parametrize("where", ["run", "check"])
def test_the_end_of_what_a_failed_program_printed_stands_below_the_reason(run: Run, evidence: Read, where: str) -> None:
    check = f'gates = [{{ id = "C1", check = {{ run = {json.dumps(["sh", "-c", FAILS])} }} }}]'
    phase = entry("A", FAILS) if where == "run" else f'id = "A"\n{check}'
    result = run(plan_of(phase), "--junitxml=j.xml", "--contextcore-html=page.html")
    assert result.ret == 1, output(result)
    shown = [line.strip() for line in result.outlines]
    last = [*(f"line {n}" for n in range(12, 31)), "100%"]
    at = shown.index("100%")
    assert shown[at - 19 : at + 1] == last
    assert "line 11" not in shown
    assert shown[at - 20].startswith("output: of sh -c ")
    (program,) = evidence("B")["spans"][0]["programs"]
    assert program["stderr"] == "100%\n"
    name = "A" if where == "run" else "B-A-C1"
    (case,) = (each for each in ET.parse("j.xml").iter("testcase") if each.get("name", "").startswith(name))
    assert (case.findtext("system-err") or "").splitlines()[1:] == [f"line {n}" for n in range(1, 31)] + ["100%"]
    page = Path("page.html").read_text(encoding="utf-8")
    article = page[page.index(f'<article id="{"B-A" if where == "run" else "B-A-C1"}"') :].partition("</article>")[0]
    assert "line 30</pre>" in article
    assert "\\u001b" not in page


@pytest.mark.parametrize(
    ("attach", "program", "reason"),
    [
        ('"plot.png"', "true", "attachment plot.png: observed no file, expected one to show"),
        (
            '"old.log"',
            "true",
            "attachment old.log: observed a file that was not written since the phase's program began",
        ),
        ('"../x.png"', "true", "attachment ../x.png: observed a path out of the plan's folder"),
        ('"many/*"', "mkdir many; for n in $(seq 101); do echo >many/$n; done", "this phase has 100 already"),
    ],
)
def test_an_attachment_that_is_not_there_or_not_new_blocks(
    run: Run, evidence: Read, attach: str, program: str, reason: str
) -> None:
    Path("old.log").touch()
    os.utime("old.log", (1e9, 1e9))
    result = run(plan_of(entry("A", program, f"attach = [{attach}]")))
    assert result.ret == 1, output(result)
    span = evidence("B")["spans"][0]
    assert (span["status"], span["error_type"]) == ("blocked", "output_missing")
    assert reason in span["blocked_reason"]
    assert "correct attach of phase A in plan.toml" in span["next_action"]


def test_attachments_of_a_plan_are_recorded_with_their_titles_also_where_the_program_failed(
    run: Run, evidence: Read
) -> None:
    attach = 'attach = [{ path = "*.png", title = "Plot" }, "run.log", { path = "old.log", kept = true }, "never.txt"]'
    Path("old.log").touch()
    os.utime("old.log", (1e9, 1e9))
    run(plan_of(entry("A", "touch a.png b.png run.log; exit 1", attach)))
    span = evidence("B")["spans"][0]
    assert span["status"] == "failed"
    assert [(item["path"], item["title"]) for item in span["attachments"]] == [
        ("a.png", "Plot: a.png"),
        ("b.png", "Plot: b.png"),
        ("run.log", "run.log"),
        ("old.log", "old.log"),
    ]


def test_a_test_attaches_files_and_what_is_no_file_fails_it(suite: Suite, evidence: Read) -> None:
    Path("report").mkdir()
    Path("report", "log.txt").write_text("what happened", encoding="utf-8")
    attach = 'phase.attach("report/log.txt", title="The log")\nphase.attach(Path("report/log.txt").absolute())\n'
    suite.write(extract(f"{CHECK}{attach}"))
    assert suite.here("--contextcore-html=page.html").ret == 0
    assert evidence()["spans"][0]["attachments"] == [{"path": "report/log.txt", "title": "log.txt"}]
    assert "what happened</pre>" in Path("page.html").read_text(encoding="utf-8")
    for path, said in (("none.png", "No such file or directory"), ("report", "is not a regular file")):
        suite.write(extract(f'{CHECK}phase.attach("{path}")'))
        assert suite.here().ret == 1
        span = evidence()["spans"][0]
        assert (span["status"], span["attachments"]) == ("failed", [])
        assert said in span["blocked_reason"]


def test_what_is_recorded_in_a_gate_stands_with_the_gate_too(suite: Suite, evidence: Read, exporting: Receiver) -> None:
    suite.write(extract('with phase.gate("C1"):\n    phase.record(row_count=0)\nphase.record(feature_count=2)'))
    assert suite.here("--junitxml=j.xml", "--contextcore-html=page.html").ret == 0
    span = evidence()["spans"][0]
    assert span["attributes"]["quality.row_count"] == span["gates"][0]["attributes"]["quality.row_count"] == 0
    found = {each.name: each.attributes for each in sent(exporting)}
    assert found["LOAD-7-E-C1"]["quality.row_count"] == 0
    assert "quality.feature_count" not in found["LOAD-7-E-C1"]
    (case,) = (each for each in ET.parse("j.xml").iter("testcase") if each.get("name", "").startswith("LOAD-7-E-C1"))
    assert [each.get("value") for each in case.iter("property") if each.get("name") == "quality.row_count"] == ["0"]
    page = Path("page.html").read_text(encoding="utf-8")
    article = page[page.index('<article id="LOAD-7-E-C1"') :].partition("</article>")[0]
    assert "<h4>Recorded values</h4>" in article
