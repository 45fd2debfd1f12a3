"""Phases as pytest runs them: their order, their outcome, and what becomes of the phases behind them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from ..support.plans import PASSING, WAREHOUSE, Suite
from ..support.traces import FAILED, GOOD, HELD, HELPERS, LAST, gates, phase, refusal, statuses, transform

Read = Callable[..., dict[str, Any]]

LOST = 'with phase.gate("C1"):\n    assert False, "row 7 is lost"'
COLOUR = 'with phase.gate("C2"):\n    assert False, "colour is unknown"'


def ran(result: pytest.RunResult) -> list[str]:
    """The tests' names, in the order in which ``-v`` reported them."""
    found = re.findall(r"^\S+\.py::(?:\w+::)?(\w+)", result.stdout.str(), re.MULTILINE)
    return list(dict.fromkeys(found))


# --- order -----------------------------------------------------------------------------------------------------------

CHECK, EXTRACT = HELPERS.split("@pytest", maxsplit=1)
EXTRACT = f"@pytest{EXTRACT}"
MIDDLE = f'@pytest.mark.phase("T")\ndef test_transform(phase):\n    {GOOD}\n'
IN_ORDER = ["test_extract", "test_transform", "test_publish"]
ORDINARY = "\ndef test_{name}():\n    pass\n\n"


@pytest.fixture
def two_files(suite: Suite) -> Suite:
    """The last phase in the first file."""
    (suite.pytester.path / "test_load.py").unlink()
    suite.write(CHECK + LAST, "test_a_publish.py")
    suite.write(CHECK + EXTRACT + MIDDLE, "test_b_load.py")
    return suite


@pytest.mark.parametrize("options", [[], ["--nf"], ["--collect-only", "-qq"]], ids=["plain", "new", "collect"])
def test_the_order_is_the_plans_across_files(two_files: Suite, options: list[str]) -> None:
    assert ran(two_files.here("-v", *options)) == IN_ORDER


def test_ordinary_tests_beside_phases_run_and_keep_their_order(suite: Suite) -> None:
    z, y, x = (ORDINARY.format(name=name) for name in "zyx")
    suite.write(CHECK + z + LAST + y + MIDDLE + x + EXTRACT)
    result = suite.here("-v")
    assert ran(result) == ["test_z", *IN_ORDER, "test_y", "test_x"]
    result.assert_outcomes(passed=6)


# --- outcomes --------------------------------------------------------------------------------------------------------


def test_one_failing_gate_does_not_hide_the_next(suite: Suite, evidence: Read) -> None:
    suite.write(transform(f'{LOST}\n{COLOUR}\ncheck(phase, "C3")'))
    assert suite.here().ret == 1
    assert gates(evidence()) == {"C1": "fail", "C2": "fail", "C3": "pass"}
    reasons = [gate["reason"] for gate in phase(evidence())["gates"]]
    assert reasons == ["row 7 is lost", "colour is unknown", None]
    assert phase(evidence())["blocked_reason"] == "C1: row 7 is lost (also failed: C2)"


@pytest.mark.parametrize(
    ("source", "root", "skipped"),
    [
        (PASSING.replace("assert True", 'assert False, "no answer"', 1), "E", 2),
        (transform('raise OSError("disk full")'), "T", 1),
    ],
    ids=["blocked", "failed"],
)
def test_phases_that_did_not_start_name_the_root_cause(
    suite: Suite, evidence: Read, source: str, root: str, skipped: int
) -> None:
    suite.write(source)
    result = suite.here("-rs")
    held, cause = phase(evidence(), "P"), phase(evidence(), root)
    assert (held["status"], held["blocked_on_span_id"]) == ("not_started", f"LOAD-7-{root}")
    assert f"LOAD-7-{root}" in held["blocked_reason"]
    assert cause["blocked_reason"] in held["blocked_reason"]
    assert held["next_action"] == cause["next_action"]
    skips = [line for line in result.outlines if line.startswith("SKIPPED")]
    assert [f"LOAD-7-{root}" in line for line in skips] == [True] * skipped


def test_an_advisory_gate_that_fails_warns_and_lets_its_phase_complete(suite: Suite, evidence: Read) -> None:
    suite.write(transform('check(phase, "C1", "C2")\nwith phase.gate("C3"):\n    assert False, "will be dropped"'))
    result = suite.here()
    assert result.ret == 0
    advisory = phase(evidence())["gates"][2]
    assert (advisory["result"], advisory["severity"], advisory["reason"]) == ("fail", "warning", "will be dropped")
    assert advisory["next_action"] == "Drop the deprecated column soon."
    assert evidence()["status"] == "completed"
    result.stdout.fnmatch_lines(["*warning:*C3 No deprecated column: will be dropped"])


NOT_APPLICABLE = 'check(phase, "C1", "C3")\nwith phase.gate("C2") as gate:\n    gate.not_applicable("no columns")'
# name: what the test does, the phase's status, what C2 is then, and what the reason says
VERDICTS = {
    "not applicable": (NOT_APPLICABLE, "completed", "not_applicable", ""),
    "not applicable, yet failed": (f"{NOT_APPLICABLE}\n    assert False, 'one'", "blocked", "fail", "C2: one"),
    "unchecked": ('check(phase, "C1", "C3")', "failed", "not_checked", "gate C2 was never checked"),
    "advisory unchecked": ('check(phase, "C1", "C2")', "failed", "pass", "gate C3 was never checked"),
    "checked twice": (f'{GOOD}\ncheck(phase, "C2")', "failed", "pass", "checked twice"),
    "checked again after it failed": (f'{COLOUR}\ncheck(phase, "C2")', "blocked", "fail", "C2: colour is unknown"),
    "unknown": (f'{GOOD}\ncheck(phase, "C" + str(9))', "failed", "pass", "declares no gate 'C9'"),
    "long ids": ('check(phase, "T-C1", "LOAD-7-T-C2", "C3")', "completed", "pass", ""),
    "raises": ('with phase.gate("C2"):\n    raise OSError("full")', "failed", "not_checked", "OSError: full"),
    "skips": ('with phase.gate("C2"):\n    pytest.skip("not today")', "failed", "not_checked", "not today"),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_a_gates_verdict_decides_its_phase(suite: Suite, evidence: Read, name: str) -> None:
    body, status, second, reason = VERDICTS[name]
    suite.write(transform(body))
    assert suite.here().ret == (0 if status == "completed" else 1)
    assert (statuses(evidence())["T"], gates(evidence())["C2"]) == (status, second)
    assert reason in (phase(evidence())["blocked_reason"] or "")


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
HIDDEN = "class Hidden(Exception):\n    def __str__(self):\n        raise KeyError\nraise Hidden"
XFAIL = '@pytest.mark.xfail(reason="known since May"{})'
# name: decorator, arguments, what the body does in the end, what the reason says
IN_CALL = {
    "exception": ("", "phase", 'raise ValueError("disk full")', "disk full"),
    "exception without a text": ("", "phase", HIDDEN, "Hidden: (its text raised KeyError)"),
    "assertion outside of gates": ("", "phase", 'assert False, "outside"', "outside"),
    "system exit": ("", "phase", "raise SystemExit(0)", "SystemExit"),
    "fail": ("", "phase", 'pytest.fail("gave up")', "gave up"),
    "skip": ("", "phase", 'pytest.skip("not today")', "not today"),
    "imperative xfail": ("", "phase", 'pytest.xfail("known since May")', "known since May"),
    "xfail": (XFAIL.format(""), "phase", 'raise ValueError("x")', "known since May"),
    "strict xfail": (XFAIL.format(", strict=True"), "phase", 'raise ValueError("x")', "known since May"),
    "subtest": ("", "phase, subtests", 'with subtests.test("one"):\n    assert False, "inside"', "subtest"),
    "pytest-timeout": ('@pytest.mark.timeout(1, method="signal")', "phase", WAIT, "Timeout"),
    "undeclared attribute": ("", "phase", "phase.record(no_such_thing=1)", "no_such_thing"),
    "teardown error": ("", "phase, breaks_later", "pass", "disk lost"),
    "xpass": (XFAIL.format(""), "phase", "pass", "known since May"),
    "strict xpass": (XFAIL.format(", strict=True"), "phase", "pass", "known since May"),
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


@pytest.mark.parametrize("name", [*IN_CALL, *IN_SETUP])
def test_it_makes_the_phase_failed_and_nothing_behind_it_starts(suite: Suite, evidence: Read, name: str) -> None:
    decorator, arguments, body, why = {**IN_CALL, **IN_SETUP}[name]
    suite.write(transform(f"{GOOD}\n{body}", arguments, FIXTURES, decorator))
    assert suite.here().ret == 1
    document = evidence()
    assert (statuses(document), document["status"]) == (FAILED, "failed")
    assert why in phase(document)["blocked_reason"]
    assert phase(document)["next_action"]
    assert phase(document, "P")["blocked_on_span_id"] == "LOAD-7-T"


@pytest.mark.parametrize("name", IN_CALL)
def test_a_failed_gate_wins_over_it(suite: Suite, evidence: Read, name: str) -> None:
    decorator, arguments, body, why = IN_CALL[name]
    suite.write(transform(f"{LOST}\n{body}", arguments, FIXTURES, decorator))
    assert suite.here().ret == 1
    document = evidence()
    assert (statuses(document), document["status"]) == (HELD, "blocked")
    assert phase(document)["blocked_reason"] == "C1: row 7 is lost"
    assert gates(document) == {"C1": "fail", "C2": "not_checked", "C3": "not_checked"}
    if name in ("exception", "assertion outside of gates", "skip", "imperative xfail", "pytest-timeout"):
        said = [event["attributes"].get("exception.message", "") for event in phase(document)["events"]]
        assert any(why in message for message in said)


# --- interruptions, and runs that run nothing ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code", "why", "ended"),
    [
        ("raise KeyboardInterrupt", 2, "interrupted: KeyboardInterrupt", FAILED),
        ('pytest.exit("enough", returncode=7)', 7, "enough", FAILED),
        (f"{LOST}\nraise KeyboardInterrupt", 2, "C1: row 7 is lost", HELD),
    ],
    ids=["ctrl-c", "exit", "ctrl-c after a failed gate"],
)
def test_an_interrupted_phase_has_failed_unless_it_was_blocked_and_the_exit_code_is_pytests(
    suite: Suite, evidence: Read, body: str, code: int, why: str, ended: dict[str, str]
) -> None:
    suite.write(transform(body))
    assert suite.here().ret == code
    assert statuses(evidence()) == ended
    assert why in phase(evidence())["blocked_reason"]
    assert phase(evidence(), "P")["blocked_on_span_id"] == "LOAD-7-T"


def test_neither_a_usage_error_nor_deselecting_everything_touches_the_last_evidence(suite: Suite) -> None:
    suite.here()
    out = suite.pytester.path / "out"
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert out / "LOAD-7.json" in before
    assert suite.here("-k", "nothing_is_named_so").ret == 5
    suite.plan(WAREHOUSE.replace('name = "PUBLISH"', 'nam = "PUBLISH"'))
    assert suite.here().ret == 4
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_collection_error_is_shown_and_keeps_pytests_exit_code(two_files: Suite) -> None:
    two_files.write("import no_such_module_at_all\n", "test_b_load.py")
    result = two_files.here()
    assert "no_such_module_at_all" in result.stdout.str()
    assert result.ret == 2


@pytest.mark.parametrize("off", [[], ["-p", "no:contextcore"]], ids=["no plan", "plugin off"])
def test_without_a_plan_or_the_plugin_nothing_is_traced(suite: Suite, off: list[str]) -> None:
    suite.write(ORDINARY.format(name="alone"))
    if not off:
        (suite.pytester.path / "plan.toml").unlink()
    result = suite.pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:hypothesispytest", *off)
    result.assert_outcomes(passed=1)
    assert not [line for line in result.outlines if "contextcore" in line and not line.startswith("plugins:")]
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
    assert suite.here().ret == 0
    assert [found["nodeid"].partition("[")[0] for found in evidence()["spans"]] == ["test_load.py::test_phase"] * 3
    assert evidence()["status"] == "completed"


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


@pytest.mark.parametrize(("conftest", "status"), [(ASYNC, "blocked"), ("", "failed")], ids=["run", "run by nobody"])
def test_an_async_test_can_be_a_phase(suite: Suite, evidence: Read, conftest: str, status: str) -> None:
    suite.pytester.makeconftest(conftest)
    source = transform(f'import asyncio\ncheck(phase, "C1", "C3")\nawait asyncio.sleep(0)\n{COLOUR}')
    suite.write(source.replace("def test_transform", "async def test_transform"))
    assert suite.here().ret == 1
    assert statuses(evidence()) == {"E": "completed", "T": status, "P": "not_started"}


def test_methods_of_a_class_can_be_phases(suite: Suite, evidence: Read) -> None:
    body, methods = PASSING.split('@pytest.mark.phase("E")')
    source = '@pytest.mark.phase("E")' + methods
    lines = [f"    {line.replace('(phase)', '(self, phase)')}" for line in source.splitlines()]
    suite.write(body + "class TestLoad:\n" + "\n".join(lines))
    assert suite.here().ret == 0
    assert phase(evidence(), "P")["nodeid"] == "test_load.py::TestLoad::test_publish"


def test_a_phase_in_a_unittest_class_is_a_usage_error(suite: Suite) -> None:
    suite.write(
        "import unittest, pytest\n\nclass TestLoad(unittest.TestCase):\n"
        '    @pytest.mark.phase("E")\n    def test_extract(self):\n        pass\n'
    )
    said = refusal(suite.here())
    assert "test_load.py::TestLoad::test_extract" in said
    assert "unittest.TestCase" in said


def test_the_phase_fixture_in_a_test_that_is_no_phase_says_how_to_mark_it(suite: Suite) -> None:
    suite.write(PASSING + "\ndef test_other(phase):\n    pass\n")
    result = suite.here()
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["*test_load.py::test_other uses the fixture 'phase' but is no phase*"])
