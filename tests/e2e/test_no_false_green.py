"""Green means green: whoever fails, repeats, drops or keeps back a phase's test, the run is not green."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ..support.junit_file import JUnitFile
from ..support.otlp_receiver import Receiver
from ..support.plans import WAREHOUSE, Suite
from ..support.traces import FAILED, GOOD, HELD, phase, sent, statuses, transform

Read = Callable[..., dict[str, Any]]

COUNTS = """
import json, pathlib, pytest

@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    if not hasattr(session.config, "workerinput"):
        pathlib.Path("counted.json").write_text(json.dumps(session.testsfailed))
"""
T = 'item.name == "test_transform"'


def run(suite: Suite, conftest: str, *arguments: str, apart: bool = False) -> pytest.RunResult:
    """Run with a conftest; JUnit must not show fewer failures than pytest counted."""
    suite.pytester.makeconftest(f"{COUNTS}\n{conftest}")
    given = ("--junitxml=junit.xml", "-W", "ignore", *arguments)
    result = suite.run(*given) if apart else suite.here(*given)
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    file = JUnitFile(suite.pytester.path / "junit.xml")
    shown = sum(case.outcome in ("failure", "error") for case in file.cases)
    assert shown >= json.loads((suite.pytester.path / "counted.json").read_text())
    return result


# --- whoever fails a phase's test ------------------------------------------------------------------------------------

AROUND = """
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_{when}(item):
    result = yield
    if item.name == "test_transform":
        raise AssertionError("another plugin says no")
    return result
"""
REPORTS = """
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if item.name == "test_transform" and report.when == "{when}":
        report.outcome = "{outcome}"
        report.longrepr = ("a.py", 1, "no") if report.skipped else "another plugin says no"
    return report
"""
LOGGING = """
@pytest.hookimpl({how})
def pytest_runtest_logreport(report):
    if "test_transform" in report.nodeid and report.when == "call":
        report.outcome = "failed"
        report.longrepr = "another plugin says no"
"""
ONE_MORE = """
from _pytest.reports import TestReport

def pytest_runtest_logfinish(nodeid, location):
    if "test_transform" in nodeid:
        report = TestReport(nodeid, location, {}, "failed", "another plugin says no", "call")
        plugins.hook.pytest_runtest_logreport(report=report)

def pytest_configure(config):
    global plugins
    plugins = config.pluginmanager
"""
SWALLOWS = """
@pytest.hookimpl(wrapper=True)
def pytest_{hook}({argument}):
    try:
        return (yield)
    except BaseException:
        return True
"""
KEEPS_BACK = """
from _pytest import runner

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    if item.name != "test_transform":
        return None
    for report in runner.runtestprotocol(item, log=False, nextitem=nextitem):
        if report.when != "{when}":
            item.ihook.pytest_runtest_logreport(report=report)
    return True
"""
NOT_CALLED = """
@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    return True if pyfuncitem.name == "test_transform" else None
"""
NO_CALL = """
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    if item.name == "test_transform":
        return True
"""
FAILING = {
    "a hook around the call": AROUND.format(when="call"),
    "around setup": AROUND.format(when="setup"),
    "around teardown": AROUND.format(when="teardown"),
    "a report of the call": REPORTS.format(when="call", outcome="failed"),
    "of the setup": REPORTS.format(when="setup", outcome="failed"),
    "of the teardown": REPORTS.format(when="teardown", outcome="failed"),
    "a report that is skipped": REPORTS.format(when="call", outcome="skipped"),
    "an outcome of nobody's": REPORTS.format(when="call", outcome="fine"),
    "logging, before": LOGGING.format(how="tryfirst=True"),
    "logging, after": LOGGING.format(how="trylast=True"),
    "one report more": ONE_MORE,
    "a setup that is not logged": KEEPS_BACK.format(when="setup"),
    "a call that is not logged": KEEPS_BACK.format(when="call"),
    "a teardown that is not logged": KEEPS_BACK.format(when="teardown"),
    "a function that is not called": NOT_CALLED,
}


@pytest.mark.parametrize("conftest", FAILING.values(), ids=FAILING.keys())
def test_whoever_fails_a_phases_test_fails_the_phase_and_what_depends_on_it_does_not_start(
    suite: Suite, evidence: Read, exporting: Receiver, conftest: str
) -> None:
    suite.write(transform(GOOD))
    assert run(suite, conftest).ret == 1
    document = evidence()
    assert statuses(document) == FAILED
    assert document["status"] == "failed"
    assert phase(document)["blocked_reason"]
    assert phase(document)["next_action"]
    assert phase(document, "P")["blocked_on_span_id"] == "LOAD-7-T"
    last = next(span for span in sent(exporting) if span.id == phase(document)["otel_span_id"])
    assert (last.status, last.attributes["task.status"]) == ("error", "failed")
    cases = JUnitFile(suite.pytester.path / "junit.xml")
    assert cases.case("test_transform").outcome in ("failure", "error")
    assert cases.case("test_publish").outcome == "skipped"


@pytest.mark.parametrize("hook", [("runtest_call", "item"), ("pyfunc_call", "pyfuncitem")], ids=["around", "within"])
@pytest.mark.parametrize(
    "raised",
    [("raise OSError('disk')", "OSError: disk"), ("pytest.exit('bye', 0)", "interrupted: Exit: bye")],
    ids=["exception", "exit"],
)
def test_whoever_swallows_what_a_test_raises_does_not_make_it_green(
    suite: Suite, evidence: Read, hook: tuple[str, str], raised: tuple[str, str]
) -> None:
    suite.write(transform(f"{GOOD}\n{raised[0]}"))
    assert run(suite, SWALLOWS.format(hook=hook[0], argument=hook[1])).ret == 1
    assert statuses(evidence()) == FAILED
    assert phase(evidence())["blocked_reason"] == raised[1]


WORKER_OR_NOT = "import os\nif ('PYTEST_XDIST_WORKER' in os.environ) is {there}:\n"


@pytest.mark.parametrize("there", [True, False], ids=["in the worker", "in the controller"])
def test_it_is_the_same_under_xdist_and_what_the_controller_hears_counts(
    suite: Suite, evidence: Read, exporting: Receiver, there: bool
) -> None:
    pytest.importorskip("xdist")
    lines = LOGGING.format(how="tryfirst=True").replace("\n", "\n    ")
    suite.write(transform(GOOD))
    assert run(suite, WORKER_OR_NOT.format(there=there) + lines, "-n2", apart=True).ret == 1
    document = evidence()
    assert statuses(document)["T"] == "failed"
    assert "another plugin says no" in phase(document)["blocked_reason"]
    assert document["status"] == "failed"
    spans = sent(exporting)
    assert [span.status for span in spans if span.id == phase(document)["otel_span_id"]] == ["error"]
    assert [span.status for span in spans if span.name == "LOAD-7"] == ["error"]


def test_a_failure_of_the_teardown_and_of_each_subtest_is_a_case_in_junit_too(suite: Suite, evidence: Read) -> None:
    body = f"{GOOD}\nfor n in range(3):\n    with subtests.test(n=n):\n        assert n == 7"
    suite.write(transform(body, "phase, subtests, lost", before="@pytest.fixture\ndef lost():\n    yield\n    1 / 0"))
    assert run(suite, "").ret == 1
    assert statuses(evidence()) == FAILED
    names = [case.name for case in JUnitFile(suite.pytester.path / "junit.xml").cases]
    assert len([name for name in names if name.startswith("test_transform")]) == 5


# --- whoever repeats it ----------------------------------------------------------------------------------------------

ATTEMPT = """
numbers = []

def attempt():
    numbers.append(1)
    return len(numbers)
"""
INTEGRITY = 'with phase.gate("C1"):\n    assert attempt() > 1, "row 7 is lost"\ncheck(phase, "C2", "C3")'
REQUIRED = 'check(phase, "C1", "C3")\nwith phase.gate("C2"):\n    assert attempt() > 1, "no colour"'
CALLS_AGAIN = """
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_{hook}({argument}):
    try:
        return (yield)
    except BaseException:
        {argument}.{again}
        return True
"""
IN_THE_REPORT = """
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call" and report.failed:
        pytest.CallInfo.from_call(lambda: item.ihook.pytest_runtest_teardown(item=item, nextitem=None), "teardown")
        item._initrequest()
        pytest.CallInfo.from_call(lambda: item.ihook.pytest_runtest_setup(item=item), "setup")
        again = pytest.CallInfo.from_call(lambda: item.ihook.pytest_runtest_call(item=item), "call")
        if again.excinfo is None:
            report.outcome, report.longrepr = "passed", None
    return report
"""
PROTOCOL = """
from _pytest.runner import runtestprotocol

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    reports = runtestprotocol(item, log=False, nextitem=nextitem)
    if any(report.failed for report in reports):
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    return True
"""
REPEATING = {
    "around the call": CALLS_AGAIN.format(hook="runtest_call", argument="item", again="runtest()"),
    "the function": CALLS_AGAIN.format(
        hook="pyfunc_call", argument="pyfuncitem", again="obj(phase=pyfuncitem.funcargs['phase'])"
    ),
    "in the report": IN_THE_REPORT,
    "the protocol": PROTOCOL,
}


@pytest.mark.parametrize("conftest", REPEATING.values(), ids=REPEATING.keys())
def test_whoever_repeats_a_phase_cannot_pass_its_failed_integrity_gate(
    suite: Suite, evidence: Read, exporting: Receiver, conftest: str
) -> None:
    suite.write(transform(INTEGRITY, before=ATTEMPT))
    assert run(suite, conftest).ret == 1
    document = evidence()
    assert statuses(document) == HELD
    assert phase(document)["blocked_reason"] == "C1: row 7 is lost"
    assert phase(document)["attempts"] == []
    assert [span.status for span in sent(exporting) if span.name == "LOAD-7-T TRANSFORM"] == ["error"]


@pytest.mark.parametrize("name", ["around the call", "in the report", "the protocol"])
def test_every_attempt_has_its_span_and_the_last_one_decides(
    suite: Suite, evidence: Read, exporting: Receiver, name: str
) -> None:
    suite.write(transform(REQUIRED, before=ATTEMPT))
    assert run(suite, REPEATING[name]).ret == 0
    document = evidence()
    assert set(statuses(document).values()) == {"completed"}
    assert [found["status"] for found in phase(document)["attempts"]] == ["blocked"]
    spans = sent(exporting)
    first, last = [span for span in spans if span.name == "LOAD-7-T TRANSFORM"]
    assert (first.status, last.status) == ("error", "ok")
    assert [span.parent for span in spans if span.name == "LOAD-7-T-C2"] == [first.id, last.id]


# --- what never ran --------------------------------------------------------------------------------------------------

DROPS = {
    "reversed after collection": "def pytest_collection_finish(session):\n    session.items.reverse()",
    "dropped after collection": "def pytest_collection_finish(session):\n    del session.items[1]",
    "all dropped": "def pytest_collection_finish(session):\n    session.items.clear()",
    "dropped without a word": "def pytest_collection_modifyitems(items):\n    del items[1]",
    "no loop": "@pytest.hookimpl(tryfirst=True)\ndef pytest_runtestloop(session):\n    return True",
    "no protocol": NO_CALL,
    "forks": (
        "import os\n\n@pytest.hookimpl(tryfirst=True)\ndef pytest_runtest_protocol(item, nextitem):\n"
        "    from _pytest.runner import runtestprotocol\n    child = os.fork()\n    if child == 0:\n"
        "        runtestprotocol(item, log=False, nextitem=None)\n        os._exit(0)\n    os.waitpid(child, 0)\n"
        "    return True"
    ),
}


UNDER_XDIST = ("dropped without a word", "no protocol")  # which has a loop of its own


@pytest.mark.parametrize(
    ("conftest", "arguments"),
    [*((source, ()) for source in DROPS.values()), *((DROPS[name], ("-n2",)) for name in UNDER_XDIST)],
    ids=[*DROPS, *(f"{name}, xdist" for name in UNDER_XDIST)],
)
def test_a_phase_that_never_ran_and_was_not_deselected_is_exit_1_and_in_the_table(
    suite: Suite, evidence: Read, conftest: str, arguments: tuple[str, ...]
) -> None:
    suite.write(transform(GOOD))
    result = run(suite, conftest, *arguments, apart=bool(arguments) or "fork" in conftest)
    assert result.ret == (5 if "clear" in conftest else 1)
    document = evidence()
    left = [found for found in document["spans"] if found["status"] == "not_started"]
    assert left
    assert all(found["blocked_reason"] and found["next_action"] for found in left)
    assert document["status"] != "completed"
    assert "not_started" in result.stdout.str()
    assert "reason:   " in result.stdout.str()


FORKS_AND_GOES_ON = """
import json, os
child = os.fork()
if child:
    os.waitpid(child, 0)
    said = json.load(open("out/LOAD-7.json"))["spans"][1]["status"]
    with phase.gate("C2"):
        assert said == "in_progress", said
    check(phase, "C1", "C3")
else:
    check(phase, "C1", "C2", "C3")
"""


def test_a_child_that_a_phase_forks_and_that_goes_on_as_pytest_writes_no_evidence(suite: Suite, evidence: Read) -> None:
    suite.write(transform(FORKS_AND_GOES_ON))
    assert suite.run("-W", "ignore").ret == 0
    assert set(statuses(evidence()).values()) == {"completed"}


def test_a_usage_error_of_another_plugin_leaves_the_last_evidence_as_it_is(suite: Suite, evidence: Read) -> None:
    suite.write(transform(GOOD))
    assert run(suite, "").ret == 0
    refuses = "def pytest_collection_finish(session):\n    raise pytest.UsageError('no')"
    suite.pytester.makeconftest(f"import pytest\n{refuses}")
    assert suite.here().ret == 4
    assert evidence()["status"] == "completed"


def test_what_is_deselected_explicitly_stays_green(suite: Suite) -> None:
    suite.write(transform(GOOD))
    assert run(suite, "", "-k", "extract").ret == 0
    says = "def pytest_collection_modifyitems(items, config):\n    config.hook.pytest_deselected(items=items[1:])\n"
    assert run(suite, f"{says}    del items[1:]").ret == 0


# --- an integrity failure outlives a deselection ---------------------------------------------------------------------

ALONE = ('[[phases]]\nid = "P"\n', '[[phases]]\nid = "P"\ndepends_on = []\n')


def test_a_failed_integrity_gate_stands_until_its_phase_has_run_again(suite: Suite, evidence: Read) -> None:
    suite.plan(WAREHOUSE.replace(*ALONE))
    suite.write(transform('with phase.gate("C1"):\n    assert False, "row 7 is lost"\ncheck(phase, "C2", "C3")'))
    assert suite.here().ret == 1
    for _ in range(2):
        refused = suite.here("-k", "publish")
        assert refused.ret == 4
        said = refused.stdout.str() + refused.stderr.str()
        assert "an integrity gate of T, a phase before it, failed in the last run" in said
        assert "pytest ./" in said
        before = suite.here("-k", "extract")  # a phase before it may run, and takes nothing away
        assert before.ret == 0
        assert "an integrity gate of T failed; no later phase runs before T" in before.stdout.str()
        assert statuses(evidence())["T"] == "not_started"
    suite.write(transform(GOOD).replace('check(phase, "C1")', "assert False", 1))
    assert suite.here("-x").ret == 1  # it was selected, but not reached
    assert suite.here("-k", "publish").ret == 4
    suite.write(transform(GOOD))
    assert suite.here().ret == 0
    assert suite.here("-k", "publish").ret == 0


# --- plugins of pytest's own that are switched off, and other exit codes ---------------------------------------------


@pytest.mark.parametrize("off", ["capture", "logging", "terminal", "junitxml", "skipping", "cacheprovider"])
@pytest.mark.parametrize("body", [GOOD, INTEGRITY], ids=["passes", "blocks"])
def test_a_plan_runs_without_pytests_own_plugins(suite: Suite, evidence: Read, off: str, body: str) -> None:
    suite.write(transform(body, before=ATTEMPT))
    assert suite.here("-p", f"no:{off}", *(() if off == "terminal" else ("-v",))).ret == (0 if body == GOOD else 1)
    assert statuses(evidence())["T"] == ("completed" if body == GOOD else "blocked")


def test_pytests_exit_code_for_too_many_warnings_is_kept(suite: Suite, evidence: Read) -> None:
    suite.write(transform(f"{GOOD}\nimport warnings\nwarnings.warn('old')"))
    assert suite.here("-W", "default", "--max-warnings=0").ret == 6
    assert evidence()["status"] == "completed"


def test_a_traces_time_does_not_include_what_runs_after_it(suite: Suite, evidence: Read) -> None:
    suite.write(transform(GOOD))
    suite.write("import time\n\ndef test_later():\n    time.sleep(0.3)\n", "test_z.py")
    assert suite.here().ret == 0
    document = evidence()
    assert document["ended_at"] == document["spans"][-1]["ended_at"]
