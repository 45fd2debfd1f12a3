"""Phases as pytest runs them: their order, their outcome, and what becomes of the phases behind them (contract 2)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from typing import Any

import pytest

from ..support.plans import PASSING, WAREHOUSE, Suite

Read = Callable[..., dict[str, Any]]

ONE, TWO, THREE = ("LOAD-7-E", "LOAD-7-T", "LOAD-7-P")

FIRST = """
import pytest

@pytest.mark.phase("E")
def test_extract(phase):
    check(phase, "C1")

def check(phase, *names):
    for name in names:
        with phase.gate(name):
            pass
"""
LAST = """
@pytest.mark.phase("P")
def test_publish(phase):
    check(phase, "C1")
    phase.record(row_count=3)
"""


def transform(body: str, decorator: str = "", arguments: str = "phase") -> str:
    """Tests of which the first and the last pass, and the second is what a test is about."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f'{FIRST}\n{decorator}\n@pytest.mark.phase("T")\ndef test_transform({arguments}):\n{lines}\n{LAST}'


def run(suite: Suite, *arguments: str) -> pytest.RunResult:
    """Run pytest in this process, which is a good deal faster."""
    return suite.pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:hypothesispytest", *arguments)


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {span["span_id"].rpartition("-")[2]: span["status"] for span in document["spans"]}


def span(document: dict[str, Any], phase: str) -> dict[str, Any]:
    found: dict[str, Any] = next(span for span in document["spans"] if span["span_id"] == f"LOAD-7-{phase}")
    return found


def gates(document: dict[str, Any], phase: str = "T") -> dict[str, str]:
    return {gate["gate_id"].rpartition("-")[2]: gate["result"] for gate in span(document, phase)["gates"]}


def ran(result: pytest.RunResult) -> list[str]:
    """The tests' names, in the order in which ``-v`` reported them."""
    found = re.findall(r"^\S+\.py::(?:\w+::)?(\w+)", result.stdout.str(), re.MULTILINE)
    return list(dict.fromkeys(found))


# --- order -----------------------------------------------------------------------------------------------------------

REVERSED = f'{FIRST.split("@pytest", maxsplit=1)[0]}\n{LAST}\n@pytest.mark.phase("T")\ndef test_transform(phase):\n'
REVERSED += '    check(phase, "C1", "C2", "C3")\n' + FIRST.replace("import pytest", "")
IN_ORDER = ["test_extract", "test_transform", "test_publish"]
ORDINARY = "def test_{name}():\n    pass\n"


def test_the_order_is_the_plans_when_the_file_has_them_reversed(suite: Suite) -> None:
    suite.write(REVERSED)
    assert ran(run(suite, "-v")) == IN_ORDER


@pytest.fixture
def two_files(suite: Suite) -> Suite:
    """The last phase in the first file."""
    helpers, check = FIRST.split("@pytest", maxsplit=1)[0], FIRST[FIRST.index("def check") :]
    (suite.pytester.path / "test_load.py").unlink()
    suite.write(f"{helpers}\n{check}\n{LAST}", "test_a_publish.py")
    middle = '@pytest.mark.phase("T")\ndef test_transform(phase):\n    check(phase, "C1", "C2", "C3")\n'
    suite.write(FIRST + middle, "test_b_load.py")
    return suite


def test_the_order_is_the_plans_across_files(two_files: Suite) -> None:
    assert ran(run(two_files, "-v")) == IN_ORDER


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_is_the_plans_beside_pytest_randomly(two_files: Suite, seed: int) -> None:
    pytest.importorskip("pytest_randomly")
    result = two_files.pytester.runpytest_subprocess("-v", "-p", "no:hypothesispytest", f"--randomly-seed={seed}")
    assert ran(result) == IN_ORDER


def test_the_order_is_the_plans_with_failed_first(two_files: Suite, evidence: Read) -> None:
    path = two_files.pytester.path / "test_a_publish.py"
    good = path.read_text()
    path.write_text(good.replace("            pass", '            assert False, "not yet"'))
    assert run(two_files).ret == 1
    path.write_text(good)
    assert ran(run(two_files, "-v", "--ff")) == IN_ORDER
    assert evidence()["status"] == "completed"


def test_the_order_is_the_plans_with_new_first(two_files: Suite) -> None:
    new = two_files.pytester.path / "test_a_publish.py"
    os.utime(new, (new.stat().st_mtime + 100, new.stat().st_mtime + 100))
    assert ran(run(two_files, "-v", "--nf")) == IN_ORDER


def test_ordinary_tests_beside_phases_run_and_keep_their_order(suite: Suite) -> None:
    parts = REVERSED.split("@pytest.mark.phase")
    assert len(parts) == 4
    source = parts[0] + "".join(
        ORDINARY.format(name=name) + "@pytest.mark.phase" + part for name, part in zip("zyx", parts[1:], strict=True)
    )
    suite.write(source + ORDINARY.format(name="w"))
    result = run(suite, "-v")
    assert ran(result) == ["test_z", *IN_ORDER, "test_y", "test_x", "test_w"]
    result.assert_outcomes(passed=7)


# --- outcomes --------------------------------------------------------------------------------------------------------


def test_all_phases_passing_completes_the_trace(suite: Suite, evidence: Read) -> None:
    assert run(suite).ret == 0
    document = evidence()
    assert document["status"] == "completed"
    assert statuses(document) == {"E": "completed", "T": "completed", "P": "completed"}


def test_one_failing_gate_does_not_hide_the_next(suite: Suite, evidence: Read) -> None:
    suite.write(
        transform(
            'with phase.gate("C1"):\n    assert 1 == 2, "row 7 is lost"\n'
            'with phase.gate("C2"):\n    assert 3 == 4, "colour is unknown"\n'
            'with phase.gate("C3"):\n    pass'
        )
    )
    assert run(suite).ret == 1
    document = evidence()
    assert gates(document) == {"C1": "fail", "C2": "fail", "C3": "pass"}
    assert [gate["reason"] for gate in span(document, "T")["gates"]] == ["row 7 is lost", "colour is unknown", None]
    assert "C2" in span(document, "T")["blocked_reason"]


def test_a_required_gate_that_fails_blocks_its_phase_and_the_parent(suite: Suite, evidence: Read) -> None:
    suite.write(transform('check(phase, "C1", "C3")\nwith phase.gate("C2"):\n    assert False, "colour is unknown"'))
    assert run(suite).ret == 1
    document = evidence()
    assert statuses(document) == {"E": "completed", "T": "blocked", "P": "not_started"}
    assert "colour is unknown" in span(document, "T")["blocked_reason"]
    assert span(document, "T")["next_action"] == "Declare the new column."
    assert span(document, "T")["blocked_on_span_id"] is None
    assert document["status"] == "blocked"
    assert document["blocked_on_span_id"] == TWO
    assert "colour is unknown" in document["blocked_reason"]
    assert document["next_action"] == "Declare the new column."


@pytest.mark.parametrize(
    ("source", "root", "why"),
    [
        (PASSING.replace("assert True", 'assert False, "no answer"', 1), "E", "no answer"),
        (transform('raise OSError("disk full")'), "T", "disk full"),
    ],
    ids=["blocked", "failed"],
)
def test_phases_that_did_not_start_name_the_root_cause(
    suite: Suite, evidence: Read, source: str, root: str, why: str
) -> None:
    suite.write(source)
    result = run(suite, "-rs")
    held = span(evidence(), "P")
    assert held["status"] == "not_started"
    assert held["blocked_on_span_id"] == f"LOAD-7-{root}"
    assert why in held["blocked_reason"]
    assert f"LOAD-7-{root}" in held["blocked_reason"]
    assert held["next_action"] == span(evidence(), root)["next_action"]
    skips = [line for line in result.outlines if line.startswith("SKIPPED")]
    assert all(f"LOAD-7-{root}" in line for line in skips)
    assert len(skips) == 2 if root == "E" else 1


def test_an_advisory_gate_that_fails_warns_and_lets_its_phase_complete(suite: Suite, evidence: Read) -> None:
    suite.write(
        transform('check(phase, "C1", "C2")\nwith phase.gate("C3"):\n    assert False, "colour will be dropped"')
    )
    result = run(suite)
    assert result.ret == 0
    advisory = span(evidence(), "T")["gates"][2]
    assert (advisory["result"], advisory["severity"], advisory["reason"]) == (
        "fail",
        "warning",
        "colour will be dropped",
    )
    assert advisory["next_action"] == "Drop the deprecated column soon."
    assert evidence()["status"] == "completed"
    result.stdout.fnmatch_lines(["*warning:*C3 No deprecated column: colour will be dropped"])


def test_a_gate_that_is_not_applicable_counts_as_checked(suite: Suite, evidence: Read) -> None:
    suite.write(
        transform('check(phase, "C1", "C3")\nwith phase.gate("C2") as gate:\n    gate.not_applicable("no columns")')
    )
    assert run(suite).ret == 0
    assert gates(evidence()) == {"C1": "pass", "C2": "not_applicable", "C3": "pass"}


def test_a_gate_that_is_not_applicable_and_whose_assert_fails_has_failed(suite: Suite, evidence: Read) -> None:
    suite.write(
        transform(
            'check(phase, "C1", "C3")\n'
            'with phase.gate("C2") as gate:\n    gate.not_applicable("no columns")\n    assert False, "one after all"'
        )
    )
    assert run(suite).ret == 1
    assert gates(evidence())["C2"] == "fail"


def test_a_gate_left_unchecked_fails_its_phase(suite: Suite, evidence: Read) -> None:
    suite.write(transform('check(phase, "C1", "C3")'))
    result = run(suite)
    assert result.ret == 1
    assert statuses(evidence()) == {"E": "completed", "T": "failed", "P": "not_started"}
    assert gates(evidence())["C2"] == "not_checked"
    result.stdout.fnmatch_lines(["*C2 was never checked*"])


def test_an_advisory_gate_left_unchecked_fails_its_phase_too(suite: Suite, evidence: Read) -> None:
    suite.write(transform('check(phase, "C1", "C2")'))
    assert run(suite).ret == 1
    assert statuses(evidence())["T"] == "failed"


def test_a_gate_checked_twice_fails_its_phase_and_keeps_its_first_verdict(suite: Suite, evidence: Read) -> None:
    suite.write(transform('check(phase, "C1", "C2", "C3")\ncheck(phase, "C2")'))
    assert run(suite).ret == 1
    assert "checked twice" in span(evidence(), "T")["blocked_reason"]
    assert gates(evidence())["C2"] == "pass"
    assert statuses(evidence())["T"] == "failed"


def test_a_failed_gate_checked_again_stays_failed(suite: Suite, evidence: Read) -> None:
    suite.write(transform('with phase.gate("C2"):\n    assert False, "colour is unknown"\ncheck(phase, "C2")'))
    assert run(suite).ret == 1
    assert statuses(evidence())["T"] == "blocked"
    assert gates(evidence())["C2"] == "fail"


def test_a_literal_gate_id_that_the_plan_lacks_is_a_usage_error_before_anything_runs(suite: Suite) -> None:
    suite.write(transform('with phase.gate("C9"):\n    pass'))
    result = run(suite)
    assert result.ret == 4
    errors = [line for line in (*result.outlines, *result.errlines) if line.startswith("ERROR: ")]
    assert len(errors) == 1
    assert "test_load.py::test_transform" in errors[0]
    assert "'C9'" in errors[0]
    assert "C1, C2, C3" in errors[0]
    assert not (suite.pytester.path / "out").exists()


def test_a_computed_gate_id_that_the_plan_lacks_fails_its_phase(suite: Suite, evidence: Read) -> None:
    suite.write(transform('check(phase, "C1", "C2", "C3", "C" + str(9))'))
    assert run(suite).ret == 1
    failed = span(evidence(), "T")
    assert failed["status"] == "failed"
    assert "declares no gate 'C9'" in failed["blocked_reason"]
    assert "C1, C2, C3" in failed["blocked_reason"]


def test_the_longer_forms_of_a_gates_id_are_understood(suite: Suite) -> None:
    suite.write(
        transform(
            'with phase.gate("T-C1"):\n    pass\n'
            'with phase.gate("LOAD-7-T-C2"):\n    pass\n'
            'with phase.gate("C3"):\n    pass'
        )
    )
    assert run(suite).ret == 0


FIXTURES = """
@pytest.fixture
def skips():
    pytest.skip("no disk")

@pytest.fixture
def xfails():
    pytest.xfail("known since May")

@pytest.fixture
def breaks():
    raise RuntimeError("no disk")

@pytest.fixture
def breaks_later():
    yield
    raise RuntimeError("disk lost")
"""
WAIT = "import threading; threading.Event().wait()"
# name: decorator, arguments, what the body does in the end, what the reason says
IN_CALL = {
    "exception": ("", "phase", 'raise ValueError("disk full")', "disk full"),
    "assertion outside of gates": ("", "phase", 'assert False, "outside"', "outside"),
    "system exit": ("", "phase", "raise SystemExit(0)", "SystemExit"),
    "fail": ("", "phase", 'pytest.fail("gave up")', "gave up"),
    "skip": ("", "phase", 'pytest.skip("not today")', "not today"),
    "importorskip": ("", "phase", 'pytest.importorskip("no_such_module")', "no_such_module"),
    "imperative xfail": ("", "phase", 'pytest.xfail("known since May")', "known since May"),
    "xfail": ('@pytest.mark.xfail(reason="known since May")', "phase", 'raise ValueError("x")', "known since May"),
    "strict xfail": (
        '@pytest.mark.xfail(reason="known since May", strict=True)',
        "phase",
        'raise ValueError("x")',
        "known since May",
    ),
    "subtest": ("", "phase, subtests", 'with subtests.test("one"):\n    assert False, "inside"', "subtest"),
    "timeout": ('@pytest.mark.timeout(1, method="signal")', "phase", WAIT, "Timeout"),
    "undeclared attribute": ("", "phase", "phase.record(no_such_thing=1)", "no_such_thing"),
    "teardown error": ("", "phase, breaks_later", "pass", "disk lost"),
}
XPASS = {
    "xpass": ('@pytest.mark.xfail(reason="known since May")', "phase", "pass", "known since May"),
    "strict xpass": ('@pytest.mark.xfail(reason="known since May", strict=True)', "phase", "pass", "known since May"),
}
IN_SETUP = {
    "skip marker": ('@pytest.mark.skip(reason="not today")', "phase", "pass", "not today"),
    "skipif": ('@pytest.mark.skipif(True, reason="not today")', "phase", "pass", "not today"),
    "xfail without a run": ('@pytest.mark.xfail(run=False, reason="known")', "phase", "pass", "known"),
    "skip in a fixture": ("", "phase, skips", "pass", "no disk"),
    "skip in a fixture before": ("", "skips, phase", "pass", "no disk"),
    "xfail in a fixture": ("", "phase, xfails", "pass", "known since May"),
    "setup error": ("", "phase, breaks", "pass", "no disk"),
}


def troubled(trouble: tuple[str, str, str, str], before: str) -> str:
    decorator, arguments, body, _ = trouble
    return FIXTURES.join(transform(f"{before}\n{body}", decorator, arguments).split(LAST)) + LAST


@pytest.mark.parametrize("name", [*IN_CALL, *XPASS, *IN_SETUP])
def test_it_makes_the_phase_failed_and_nothing_behind_it_starts(suite: Suite, evidence: Read, name: str) -> None:
    trouble = {**IN_CALL, **XPASS, **IN_SETUP}[name]
    suite.write(troubled(trouble, 'check(phase, "C1", "C2", "C3")'))
    result = run(suite)
    document = evidence()
    assert statuses(document) == {"E": "completed", "T": "failed", "P": "not_started"}
    assert trouble[-1] in span(document, "T")["blocked_reason"]
    assert span(document, "T")["next_action"]
    assert span(document, "P")["blocked_on_span_id"] == TWO
    assert document["status"] == "failed"
    assert result.ret == 1


@pytest.mark.parametrize("name", [*IN_CALL, *XPASS])
def test_a_failed_gate_wins_over_it(suite: Suite, evidence: Read, name: str) -> None:
    trouble = {**IN_CALL, **XPASS}[name]
    suite.write(troubled(trouble, 'with phase.gate("C1"):\n    assert False, "row 7 is lost"'))
    result = run(suite)
    document = evidence()
    assert statuses(document) == {"E": "completed", "T": "blocked", "P": "not_started"}
    assert "row 7 is lost" in span(document, "T")["blocked_reason"]
    assert gates(document) == {"C1": "fail", "C2": "not_checked", "C3": "not_checked"}
    assert document["status"] == "blocked"
    assert result.ret == 1


@pytest.mark.parametrize("name", ["exception", "assertion outside of gates", "skip", "imperative xfail", "timeout"])
def test_what_was_raised_after_a_failed_gate_is_recorded_as_an_event(suite: Suite, evidence: Read, name: str) -> None:
    suite.write(troubled(IN_CALL[name], 'with phase.gate("C1"):\n    assert False, "row 7 is lost"'))
    run(suite)
    messages = [event["attributes"].get("exception.message", "") for event in span(evidence(), "T")["events"]]
    assert any(IN_CALL[name][-1] in message for message in messages)


def test_an_exception_whose_text_raises_fails_its_phase_too(suite: Suite, evidence: Read) -> None:
    hidden = "class Hidden(Exception):\n    def __str__(self):\n        raise KeyError\n"
    suite.write(transform(f'check(phase, "C1", "C2", "C3")\n{hidden}raise Hidden'))
    assert run(suite).ret == 1
    assert statuses(evidence()) == {"E": "completed", "T": "failed", "P": "not_started"}
    assert span(evidence(), "T")["blocked_reason"].endswith("Hidden: (its text raised KeyError)")
    (event,) = span(evidence(), "T")["events"]
    assert event["attributes"]["exception.type"].endswith("Hidden")


def test_an_exception_inside_a_gate_leaves_it_without_a_verdict(suite: Suite, evidence: Read) -> None:
    suite.write(transform('check(phase, "C1")\nwith phase.gate("C2"):\n    raise OSError("disk full")'))
    assert run(suite).ret == 1
    assert gates(evidence()) == {"C1": "pass", "C2": "not_checked", "C3": "not_checked"}
    assert statuses(evidence())["T"] == "failed"


@pytest.mark.parametrize("call", ['pytest.skip("not today")', 'pytest.xfail("known")', 'pytest.fail("gave up")'])
def test_pytests_own_exceptions_inside_a_gate_are_no_verdict(suite: Suite, evidence: Read, call: str) -> None:
    suite.write(transform(f'check(phase, "C1", "C3")\nwith phase.gate("C2"):\n    {call}'))
    assert run(suite).ret == 1
    assert gates(evidence())["C2"] == "not_checked"
    assert statuses(evidence())["T"] == "failed"


# --- what an integrity gate and the definition of done do ------------------------------------------------------------

INDEPENDENT = WAREHOUSE.replace('name = "PUBLISH"', 'name = "PUBLISH"\ndepends_on = ["E"]')


def test_a_failed_integrity_gate_stops_phases_that_do_not_depend_on_it(suite: Suite, evidence: Read) -> None:
    suite.plan(INDEPENDENT)
    suite.write(transform('check(phase, "C2", "C3")\nwith phase.gate("C1"):\n    assert False, "row 7 is lost"'))
    assert run(suite).ret == 1
    document = evidence()
    assert statuses(document) == {"E": "completed", "T": "blocked", "P": "not_started"}
    assert span(document, "P")["blocked_on_span_id"] == TWO


def test_a_failed_required_gate_lets_independent_phases_run(suite: Suite, evidence: Read) -> None:
    suite.plan(INDEPENDENT)
    suite.write(transform('check(phase, "C1", "C3")\nwith phase.gate("C2"):\n    assert False, "colour is unknown"'))
    assert run(suite).ret == 1
    assert statuses(evidence()) == {"E": "completed", "T": "blocked", "P": "completed"}
    assert evidence()["status"] == "blocked"


def test_an_unmet_definition_of_done_blocks_the_parent_although_every_phase_completed(
    suite: Suite, evidence: Read
) -> None:
    suite.replace("phase.record(row_count=3)", "phase.record(row_count=2)")
    result = run(suite)
    assert result.ret == 1
    document = evidence()
    assert statuses(document) == {"E": "completed", "T": "completed", "P": "completed"}
    assert document["status"] == "blocked"
    assert "every row arrived" in document["blocked_reason"]
    assert document["next_action"] == "Compare the row counts of source and target."
    assert document["blocked_on_span_id"] is None
    result.stdout.fnmatch_lines(["*LOAD-7 blocked*", "*every row arrived*"])


# --- interruptions, and runs that run nothing ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code", "why"),
    [("raise KeyboardInterrupt", 2, "KeyboardInterrupt"), ('pytest.exit("enough", returncode=7)', 7, "enough")],
    ids=["ctrl-c", "exit"],
)
def test_an_interrupted_phase_has_failed_and_the_exit_code_is_pytests(
    suite: Suite, evidence: Read, body: str, code: int, why: str
) -> None:
    suite.write(transform(f'check(phase, "C1")\n{body}'))
    result = suite.run("-p", "no:hypothesispytest")
    assert result.ret == code
    document = evidence()
    assert statuses(document) == {"E": "completed", "T": "failed", "P": "not_started"}
    assert why in span(document, "T")["blocked_reason"]
    assert gates(document) == {"C1": "pass", "C2": "not_checked", "C3": "not_checked"}
    assert span(document, "P")["blocked_on_span_id"] == TWO


def test_an_interruption_after_a_failed_gate_leaves_the_phase_blocked(suite: Suite, evidence: Read) -> None:
    suite.write(transform('with phase.gate("C1"):\n    assert False, "row 7 is lost"\nraise KeyboardInterrupt'))
    assert suite.run("-p", "no:hypothesispytest").ret == 2
    assert statuses(evidence()) == {"E": "completed", "T": "blocked", "P": "not_started"}


@pytest.mark.parametrize("option", ["-x", "--maxfail=1"])
def test_stopping_at_the_first_failure_leaves_the_rest_not_started(suite: Suite, evidence: Read, option: str) -> None:
    suite.replace("assert True", 'assert False, "no answer"')
    assert run(suite, option).ret == 1
    document = evidence()
    assert statuses(document) == {"E": "blocked", "T": "not_started", "P": "not_started"}
    assert [span(document, phase)["blocked_on_span_id"] for phase in "TP"] == [ONE, ONE]


def test_stopping_at_an_ordinary_failure_before_any_phase_writes_nothing(suite: Suite) -> None:
    suite.write("def test_fails():\n    assert False\n", "test_a.py")
    assert run(suite, "-x").ret == 1
    assert not (suite.pytester.path / "out").exists()


@pytest.mark.parametrize("option", ["--collect-only", "--setup-only", "--setup-plan"])
def test_a_run_that_runs_nothing_writes_nothing(suite: Suite, option: str) -> None:
    result = run(suite, option)
    assert result.ret == 0
    assert not (suite.pytester.path / "out").exists()


def test_collecting_only_shows_the_plans_order(suite: Suite) -> None:
    suite.write(REVERSED)
    result = run(suite, "--collect-only", "-q")
    assert ran(result) == IN_ORDER


def test_a_usage_error_leaves_the_last_evidence_alone(suite: Suite) -> None:
    run(suite)
    out = suite.pytester.path / "out"
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    suite.plan(WAREHOUSE.replace('name = "PUBLISH"', 'nam = "PUBLISH"'))
    assert run(suite).ret == 4
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert "LOAD-7.json" in before


def test_deselecting_everything_keeps_pytests_exit_code_and_the_last_evidence(suite: Suite) -> None:
    run(suite)
    path = suite.pytester.path / "out" / "LOAD-7.json"
    before = path.read_bytes()
    assert run(suite, "-k", "nothing_is_named_so").ret == 5
    assert path.read_bytes() == before


def test_a_collection_error_is_shown_and_keeps_pytests_exit_code(two_files: Suite) -> None:
    two_files.write("import no_such_module_at_all\n", "test_b_load.py")
    result = run(two_files)
    assert "no_such_module_at_all" in result.stdout.str()
    assert result.ret == 2


def test_no_plan_and_no_phase_means_no_trace(suite: Suite) -> None:
    (suite.pytester.path / "plan.toml").unlink()
    suite.write(ORDINARY.format(name="alone"))
    result = run(suite)
    assert result.ret == 0
    assert "contextcore" not in "\n".join(line for line in result.outlines if not line.startswith("plugins:"))
    assert not (suite.pytester.path / "out").exists()


def test_without_the_plugin_nothing_is_traced(suite: Suite) -> None:
    suite.write(ORDINARY.format(name="alone"))
    result = suite.run("-p", "no:contextcore", "-p", "no:hypothesispytest")
    assert result.ret == 0
    result.assert_outcomes(passed=1)
    assert not (suite.pytester.path / "out").exists()


# --- kinds of tests --------------------------------------------------------------------------------------------------

SEVERAL = """
import pytest

@pytest.mark.parametrize("names", [
    pytest.param(["C1"], marks=pytest.mark.phase("E")),
    pytest.param(["C1", "C2", "C3"], marks=pytest.mark.phase("T")),
    pytest.param(["C1"], marks=pytest.mark.phase("P")),
])
def test_phase(phase, names):
    for name in names:
        with phase.gate(name):
            pass
    phase.record(row_count=3)
"""


def test_a_parametrized_test_can_be_several_phases(suite: Suite, evidence: Read) -> None:
    suite.write(SEVERAL)
    assert run(suite).ret == 0
    assert [found["nodeid"].partition("[")[0] for found in evidence()["spans"]] == ["test_load.py::test_phase"] * 3
    assert evidence()["status"] == "completed"


def test_a_parametrized_test_with_one_value_can_be_a_phase(suite: Suite, evidence: Read) -> None:
    suite.write(transform('check(phase, "C1", "C2", "C3")', '@pytest.mark.parametrize("size", [1])', "phase, size"))
    assert run(suite).ret == 0
    assert span(evidence(), "T")["nodeid"] == "test_load.py::test_transform[1]"


def test_a_parametrized_test_with_two_values_is_two_tests_for_one_phase(suite: Suite) -> None:
    suite.write(transform('check(phase, "C1", "C2", "C3")', '@pytest.mark.parametrize("size", [1, 2])', "phase, size"))
    result = run(suite)
    assert result.ret == 4
    assert "test_transform[1] and test_load.py::test_transform[2]" in result.stderr.str() + result.stdout.str()


ASYNC = """
import asyncio
import inspect
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if inspect.iscoroutinefunction(pyfuncitem.obj):
        asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}))
        return True
"""


def make_async(source: str) -> str:
    return source.replace("def test_transform", "async def test_transform")


def test_an_async_test_can_be_a_phase(suite: Suite, evidence: Read) -> None:
    suite.pytester.makeconftest(ASYNC)
    body = 'import asyncio\ncheck(phase, "C1", "C3")\nawait asyncio.sleep(0)\n'
    suite.write(make_async(transform(body + 'with phase.gate("C2"):\n    assert False, "colour is unknown"')))
    assert run(suite).ret == 1
    assert statuses(evidence())["T"] == "blocked"
    assert span(evidence(), "T")["blocked_reason"].endswith("colour is unknown")


def test_an_async_test_that_nobody_runs_makes_its_phase_failed(suite: Suite, evidence: Read) -> None:
    suite.write(make_async(transform('check(phase, "C1", "C2", "C3")')))
    assert run(suite).ret == 1
    assert statuses(evidence()) == {"E": "completed", "T": "failed", "P": "not_started"}


def test_methods_of_a_class_can_be_phases(suite: Suite, evidence: Read) -> None:
    body, methods = PASSING.split('@pytest.mark.phase("E")')
    source = '@pytest.mark.phase("E")' + methods
    lines = [f"    {line.replace('(phase)', '(self, phase)')}" for line in source.splitlines()]
    suite.write(body + "class TestLoad:\n" + "\n".join(lines))
    assert run(suite).ret == 0
    assert span(evidence(), "P")["nodeid"] == "test_load.py::TestLoad::test_publish"


def test_a_phase_in_a_unittest_class_is_a_usage_error(suite: Suite) -> None:
    suite.write(
        "import unittest, pytest\n\nclass TestLoad(unittest.TestCase):\n"
        '    @pytest.mark.phase("E")\n    def test_extract(self):\n        pass\n'
    )
    result = run(suite)
    assert result.ret == 4
    assert "test_load.py::TestLoad::test_extract" in result.stderr.str()
    assert "unittest.TestCase" in result.stderr.str()


def test_a_phase_whose_source_cannot_be_read_runs(suite: Suite, evidence: Read) -> None:
    source = transform('check(phase, "C1", "C2", "C3")')
    suite.write(f"exec({source!r})")
    result = run(suite)
    assert "INTERNALERROR" not in result.stdout.str()
    assert result.ret == 0
    assert evidence()["status"] == "completed"


def test_the_phase_fixture_in_a_test_that_is_no_phase_says_how_to_mark_it(suite: Suite) -> None:
    suite.write(PASSING + "\ndef test_other(phase):\n    pass\n")
    result = run(suite)
    assert result.ret == 1
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["*test_load.py::test_other uses the fixture 'phase' but is no phase*"])


def test_the_phases_gates_and_evidence_survive_a_restart_by_rerunfailures(suite: Suite, evidence: Read) -> None:
    pytest.importorskip("pytest_rerunfailures")
    body = (
        'from pathlib import Path\nfirst = not Path("ran").exists()\nPath("ran").touch()\ncheck(phase, "C1", "C3")\n'
        'with phase.gate("C2"):\n    assert not first, "colour is unknown"'
    )
    suite.write(transform(body))
    result = run(suite, "--reruns=1")
    document = evidence()
    assert result.ret == 0
    assert statuses(document) == {"E": "completed", "T": "completed", "P": "completed"}
    assert gates(document) == {"C1": "pass", "C2": "pass", "C3": "pass"}
    last = json.dumps({**span(document, "T"), "attempts": [], "events": []})  # where the first attempt is told of
    assert last.count("colour is unknown") == 0
    assert [attempt["status"] for attempt in span(document, "T")["attempts"]] == ["blocked"]
