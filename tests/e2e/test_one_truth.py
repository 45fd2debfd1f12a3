"""A phase that did not complete looks so to everybody: pytest-dependency, JUnit, xdist, ``--lf``, ``-x``."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest

from ..support.plans import PASSING, Suite
from ..support.traces import statuses

Read = Callable[..., dict[str, Any]]

BLOCKED = PASSING.replace("assert True", 'assert False, "no answer"', 1)
SUBTEST = PASSING.replace("def test_extract(phase):", "def test_extract(phase, subtests):").replace(
    "    phase.handoff", '    with subtests.test("one"):\n        assert False, "inside"\n    phase.handoff'
)
TEARDOWN = PASSING.replace("def test_extract(phase):", "def test_extract(phase, lost):").replace(
    "class Rows", "@pytest.fixture\ndef lost():\n    yield\n    assert False, 'disk lost'\n\n\nclass Rows"
)
DEPENDENT = """
@pytest.mark.dependency(depends=["{name}"], scope="session")
def test_dependent():
    pass
"""


class JUnit:
    """A JUnit file, read."""

    def __init__(self, suite: Suite, *arguments: str) -> None:
        self.result = suite.here("--junitxml=junit.xml", *arguments)
        root = ET.parse(suite.pytester.path / "junit.xml").getroot()
        found = root.find("testsuite")
        assert found is not None
        self.suite = found
        self.cases = {case.attrib["name"]: case for case in self.suite.iter("testcase")}

    def counts(self) -> dict[str, int]:
        return {name: int(self.suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}

    def properties(self, name: str) -> dict[str, str]:
        return {found.attrib["name"]: found.attrib["value"] for found in self.cases[name].iter("property")}

    def says(self, name: str, element: str) -> str:
        found = self.cases[name].find(element)
        assert found is not None
        return f"{found.attrib['message']}\n{found.text or ''}"


# --- pytest-dependency -----------------------------------------------------------------------------------------------


MARKED = PASSING.replace('@pytest.mark.phase("E")', '@pytest.mark.dependency(name="rows")\n@pytest.mark.phase("E")')


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (BLOCKED, "LOAD-7-E"),
        (BLOCKED, "LOAD-7-P"),
        (SUBTEST, "LOAD-7-E"),
        (TEARDOWN, "LOAD-7-E"),
        (MARKED.replace("assert True", "assert False", 1), "rows"),
    ],
    ids=["failed gate", "not started", "failed subtest", "failed teardown", "its author's name"],
)
def test_a_test_that_depends_on_a_phase_that_did_not_complete_is_skipped(suite: Suite, source: str, name: str) -> None:
    suite.write(source + DEPENDENT.format(name=name))
    result = suite.here("-rs")
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"SKIPPED*test_dependent depends on {name}*"])


@pytest.mark.parametrize("scope", ["session", "module"])
def test_a_phase_is_known_by_the_name_that_its_author_gave_it_too(suite: Suite, scope: str) -> None:
    suite.write(MARKED + DEPENDENT.format(name="rows").replace("session", scope))
    suite.here().assert_outcomes(passed=4)


OTHER = """
@pytest.mark.dependency(name="{name}")
def test_other():
    {body}

"""
NEEDS_OTHER = '@pytest.mark.dependency(depends=["other"])\n@pytest.mark.phase("T")'


def test_a_dependency_that_the_author_marked_on_a_phase_is_honoured(suite: Suite, evidence: Read) -> None:
    other = OTHER.format(name="other", body="assert False")
    source = PASSING.replace('@pytest.mark.phase("E")', other + '@pytest.mark.phase("E")')
    suite.write(source.replace('@pytest.mark.phase("T")', NEEDS_OTHER))
    assert suite.here().ret == 1
    document = evidence()
    assert statuses(document) == {"E": "completed", "T": "failed", "P": "not_started"}
    assert "depends on other" in document["spans"][1]["blocked_reason"]


# --- JUnit -----------------------------------------------------------------------------------------------------------


def test_junit_counts_a_block_once_and_what_did_not_start_as_skipped(suite: Suite, evidence: Read) -> None:
    suite.write(BLOCKED)
    junit = JUnit(suite)
    assert junit.counts() == {"tests": 8, "failures": 1, "errors": 0, "skipped": 7}  # with their five gates
    assert "LOAD-7-E EXTRACT is blocked: C1 The source answers" in junit.says("test_extract", "skipped")
    (gate,) = [name for name in junit.cases if name.startswith("LOAD-7-E-C1")]
    assert all(
        text in junit.says(gate, "failure") for text in ("no answer", "Start the source.", "detail: assert False")
    )
    assert "LOAD-7-E" in junit.says("test_transform", "skipped")
    assert "LOAD-7-E" in junit.says("test_publish", "skipped")
    assert statuses(evidence()) == {"E": "blocked", "T": "not_started", "P": "not_started"}


def test_junit_has_the_phases_that_got_no_report_because_of_x(suite: Suite) -> None:
    suite.write(BLOCKED)
    junit = JUnit(suite, "-x")
    assert {"test_extract", "test_transform", "test_publish"} <= set(junit.cases)
    assert junit.counts() == {"tests": 8, "failures": 1, "errors": 0, "skipped": 7}
    assert "LOAD-7-E" in junit.says("test_publish", "skipped")
    assert junit.properties("test_publish")["task.blocked_on_span_id"] == "LOAD-7-E"
    assert junit.properties("test_publish")["task.status"] == "not_started"
    assert junit.properties("test_publish")["task.next_action"] == "Start the source."


@pytest.mark.parametrize("mark", ['xfail(reason="known")', 'skip(reason="known")'])
def test_junit_does_not_show_an_excused_phase_as_skipped(suite: Suite, mark: str) -> None:
    suite.replace('@pytest.mark.phase("E")', f'@pytest.mark.{mark}\n@pytest.mark.phase("E")')
    case = JUnit(suite).cases["test_extract"]
    assert case.find("skipped") is None
    assert [child.tag for child in case if child.tag in ("failure", "error")]


# --- others ----------------------------------------------------------------------------------------------------------


OTHER_LOOP = """
import pytest
from _pytest.runner import runtestprotocol

@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    for item in session.items:
        runtestprotocol(item, nextitem=None)
    return True
"""


def test_a_phase_that_is_run_past_the_protocol_hook_is_no_silent_pass(suite: Suite) -> None:
    (suite.pytester.path / "conftest.py").write_text(OTHER_LOOP)
    result = suite.here()
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["*test_extract is a phase, but another plugin runs it without pytest_runtest_protocol*"]
    )


def test_nor_is_one_that_does_not_use_the_fixture(suite: Suite) -> None:
    (suite.pytester.path / "conftest.py").write_text(OTHER_LOOP)
    bare = [f"@pytest.mark.phase('{phase}')\ndef test_{phase}(): pass\n" for phase in "ETP"]
    suite.write("\n".join(["import pytest", *bare]))
    result = suite.here()
    assert result.ret == 1
    result.assert_outcomes(errors=1, skipped=2)


def test_in_ci_pytests_summary_has_a_blocked_phase_in_one_line(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")  # pytest then prints messages uncut
    suite.write(BLOCKED)
    lines = suite.here().outlines
    (said,) = [line for line in lines if line.startswith("FAILED")]
    assert said == "FAILED test_load.py::test_extract - C1 The source answers: no answer"
    assert lines[lines.index(said) + 1].startswith("=")


@pytest.mark.parametrize(
    "source", [BLOCKED, SUBTEST, TEARDOWN], ids=["failed gate", "failed subtest", "failed teardown"]
)
def test_x_stops_at_a_phase_that_did_not_complete(suite: Suite, source: str) -> None:
    suite.write(source + "\ndef test_last():\n    pass\n")
    result = suite.here("-x")
    assert result.ret == 1
    assert result.parseoutcomes().get("passed", 0) + result.parseoutcomes().get("skipped", 0) <= 1
    assert "test_last" not in result.stdout.str()


def test_the_call_report_that_other_plugins_see_is_failed(suite: Suite) -> None:
    suite.write(BLOCKED)
    suite.pytester.makeconftest(
        "import pytest\n\n"
        "@pytest.hookimpl(wrapper=True, trylast=True)\n"
        "def pytest_runtest_makereport(item, call):\n"
        "    report = yield\n"
        "    with open('seen.txt', 'a') as file:\n"
        "        print(item.name, report.when, report.outcome, file=file)\n"
        "    return report\n"
    )
    suite.here()
    seen = (suite.pytester.path / "seen.txt").read_text().splitlines()
    assert "test_extract call failed" in seen
