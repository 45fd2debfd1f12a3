"""Programs of independent phases run at the same time; a stop ends all of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from ..support.junit_file import JUnitFile
from ..support.otlp_receiver import Receiver
from ..support.plans import HERE
from ..support.traces import output, sent, statuses

Read = Callable[..., dict[str, Any]]

MEETS = "touch {me}; while ! test -e {other}; do sleep 0.02; done; echo {me} saw {other}"
"""A program that ends once another one runs: alone it never does."""

HANGS = "touch {me}; exec sleep 60"


def plan_of(*phases: str) -> str:
    return '[trace]\nid = "B"\n' + "".join(f"[[phases]]\n{phase}\n" for phase in phases)


def entry(name: str, program: str, *more: str, after: str = "") -> str:
    command = json.dumps(["sh", "-c", program])
    lines = [f'id = "{name}"', f"run = {command}", f"depends_on = [{after}]", *more]
    return "\n".join(lines)


def a_and_b(a: str, b: str, *more: str, of_a: str = "", of_b: str = "") -> str:
    a, b = a.format(me="a", other="b"), b.format(me="b", other="a")
    return plan_of(entry("A", a, of_a), entry("B", b, of_b), *more)


@pytest.fixture
def run(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    def runs(plan: str, *arguments: str) -> pytest.RunResult:
        (pytester.path / "plan.toml").write_text(plan, encoding="utf-8")
        jobs = "--contextcore-jobs=2"
        return pytester.runpytest_inprocess(*HERE, jobs, *arguments, no_reraise_ctrlc=True)

    return runs


Run = Callable[..., pytest.RunResult]


def phase(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(span for span in document["spans"] if span["span_id"] == f"B-{name}")
    return found


def test_two_programs_that_wait_for_each_other_end(run: Run, evidence: Read) -> None:
    after = entry("C", "echo done", after='"A", "B"')
    result = run(a_and_b(MEETS, MEETS, after))
    assert result.ret == 0, output(result)
    document = evidence("B")
    a, b = phase(document, "A"), phase(document, "B")
    assert b["started_at"] < a["ended_at"] <= b["ended_at"]
    assert [p["stdout"] for p in (*a["programs"], *b["programs"])] == ["a saw b\n", "b saw a\n"]
    assert phase(document, "C")["started_at"] >= b["ended_at"]


def test_each_program_is_a_child_of_its_own_phase(run: Run, evidence: Read, exporting: Receiver) -> None:
    assert run(a_and_b(MEETS, MEETS)).ret == 0
    document = evidence("B")
    parents = {span.id: span.parent for span in sent(exporting)}
    for name in ("A", "B"):
        span = phase(document, name)
        (program,) = span["programs"]
        assert parents[program["otel_span_id"]] == span["otel_span_id"]


def test_results_are_reported_in_the_plans_order(run: Run, evidence: Read) -> None:
    result = run(plan_of(entry("A", "while ! test -e b; do sleep 0.02; done; exit 3"), entry("B", "touch b")), "-v")
    result.stdout.fnmatch_lines(["plan.toml::A FAILED*", "plan.toml::B PASSED*"])
    assert statuses(evidence("B")) == {"A": "failed", "B": "completed"}


def test_as_many_as_the_option_says(run: Run, evidence: Read) -> None:
    alone = "test ! -e busy && touch busy && sleep 0.05 && rm busy"
    phases = [entry(name, alone) for name in "ABC"]
    assert run(plan_of(*phases), "--contextcore-jobs=1").ret == 0
    for option in (["-x"], ["--maxfail=2"], ["--stepwise"]):
        assert run(plan_of(*phases), *option).ret == 0
    three = "touch $0.{me}; while test $(ls $0.* | wc -l) -lt 3; do sleep 0.02; done"
    result = run(plan_of(*(entry(name, three.format(me=name)) for name in "ABC")), "--contextcore-jobs=3")
    assert result.ret == 0, output(result)


def test_a_failed_integrity_gate_stops_what_runs(run: Run, evidence: Read) -> None:
    gate = 'gates = [{ kind = "integrity", check = { exists = "nothing" } }]'
    result = run(a_and_b("while ! test -e b; do sleep 0.02; done", HANGS, of_a=gate))
    assert result.ret == 1
    result.assert_outcomes(failed=2)
    document = evidence("B")
    assert statuses(document) == {"A": "blocked", "B": "failed"}
    b = phase(document, "B")
    assert b["blocked_reason"] == "stopped: an integrity gate of B-A failed"
    assert b["error_type"] == "interrupted"
    assert "Traceback" not in output(result)


def test_a_failed_required_gate_stops_only_what_depends_on_it(run: Run, evidence: Read) -> None:
    gate = 'gates = [{ check = { exists = "nothing" } }]'
    more = [entry("C", "true", after='"A"'), entry("D", "true", after='"B"')]
    assert run(a_and_b(MEETS, MEETS, *more, of_a=gate)).ret == 1
    assert statuses(evidence("B")) == {"A": "blocked", "B": "completed", "C": "not_started", "D": "completed"}


def test_a_timeout_counts_from_the_programs_start(run: Run, evidence: Read) -> None:
    until_b_ends = "while ! test -e b; do sleep 0.02; done; while kill -0 $(cat b); do sleep 0.02; done"
    result = run(a_and_b(until_b_ends, "echo $$ > b.new; mv b.new b; exec sleep 60", of_b="timeout = 0.5"))
    assert result.ret == 1
    document = evidence("B")
    assert statuses(document) == {"A": "completed", "B": "failed"}
    assert phase(document, "B")["error_type"] == "timeout"


def test_ctrl_c_ends_all_programs(run: Run, evidence: Read, pytester: pytest.Pytester) -> None:
    interrupts = f"while ! test -e b; do sleep 0.02; done; kill -INT {os.getpid()}; exec sleep 60"
    result = run(a_and_b(interrupts, HANGS))
    assert result.ret == pytest.ExitCode.INTERRUPTED
    document = evidence("B")
    assert statuses(document) == {"A": "failed", "B": "failed"}
    assert phase(document, "B")["blocked_reason"].startswith("stopped: ")
    for name in "AB":
        (program,) = phase(document, name)["programs"]
        assert not alive(program["pid"])


def test_a_kill_leaves_the_truth(pytester: pytest.Pytester, evidence: Read) -> None:
    (pytester.path / "plan.toml").write_text(a_and_b(HANGS, MEETS + "; exec sleep 60"), encoding="utf-8")
    arguments = [sys.executable, "-m", "pytest", "-q", "--contextcore-jobs=2", "plan.toml"]
    with subprocess.Popen(arguments, cwd=pytester.path, stdout=subprocess.DEVNULL) as process:
        while not (pytester.path / "a").exists() or not (pytester.path / "b").exists():
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    document = evidence("B")
    assert statuses(document) == {"A": "in_progress", "B": "in_progress"}


def test_nothing_starts_that_was_not_asked_for(run: Run, evidence: Read, pytester: pytest.Pytester) -> None:
    plan = plan_of(entry("A", "touch a"), entry("B", "touch b"), entry("C", "touch c"))
    for option in ("--collect-only", "--setup-only", "--setup-plan"):
        run(plan, option)
    assert run(plan, "--deselect", "plan.toml::B").ret == 0
    assert sorted(path.name for path in pytester.path.glob("?")) == ["a", "c"]


def test_a_program_that_a_fixture_prepares_waits_for_its_turn(
    run: Run, evidence: Read, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(
        "import os, pytest\n"
        "@pytest.fixture(autouse=True)\n"
        "def name(request, monkeypatch): monkeypatch.setenv('NAME', request.node.name)\n"
    )
    assert run(plan_of(entry("A", 'test "$NAME" = A'), entry("B", 'test "$NAME" = B'))).ret == 0


def test_it_works_in_a_worker_of_xdist_and_junit_adds_up(run: Run, evidence: Read, pytester: pytest.Pytester) -> None:
    gate = 'gates = [{ check = { exists = "a" } }]'
    assert run(a_and_b(MEETS, MEETS, of_a=gate, of_b=gate), "-n", "2", "--junitxml=junit.xml").ret == 0
    JUnitFile(pytester.path / "junit.xml").agrees_with(evidence("B"))
    assert set(statuses(evidence("B")).values()) == {"completed"}


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_repeated_phase_runs_its_program_again_when_it_is_its_turn(run: Run, evidence: Read) -> None:
    tries = "touch {me}; echo x >> tries; test $(wc -l < tries) -gt 1"
    waits = "while ! test -e a; do sleep 0.02; done"
    result = run(a_and_b(waits.replace(" a;", " b;"), tries), "--reruns=1", "-p", "rerunfailures")
    assert result.ret == 0, output(result)
    (before,) = phase(evidence("B"), "B")["attempts"]
    assert before["status"] == "failed"
    assert [program["exit_code"] for program in phase(evidence("B"), "B")["programs"]] == [0]


def test_inputs_that_are_missing_are_told_in_turn(run: Run, evidence: Read) -> None:
    result = run(a_and_b("true", "true", of_b='inputs = ["rows.csv"]'))
    result.assert_outcomes(passed=1, failed=1)
    assert phase(evidence("B"), "B")["blocked_reason"].startswith("input rows.csv: observed no such file")
    assert phase(evidence("B"), "B")["programs"] == []


def test_a_phase_that_the_session_never_reaches_is_stopped(run: Run, evidence: Read, pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "def pytest_runtest_logreport(report):\n"
        "    if report.when == 'teardown': session.shouldstop = 'enough'\n"
        "def pytest_sessionstart(session): globals().update(session=session)\n"
    )
    run(a_and_b("while ! test -e b; do sleep 0.02; done", HANGS))
    document = evidence("B")
    assert statuses(document) == {"A": "completed", "B": "failed"}
    assert phase(document, "B")["blocked_reason"] == "stopped: the session ended before its turn"
    assert not alive(phase(document, "B")["programs"][0]["pid"])
