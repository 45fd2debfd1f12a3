"""Phases and gates as JUnit cases: pure elements, and the file as an independent parser reads it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest

from pytest_contextcore.report import junit
from pytest_contextcore.report.verdict import of_trace
from pytest_contextcore.trace.evidence import Evidence, EvidenceItem, Result, Status

from ..support import page_samples as samples
from ..support.junit_file import JUnitFile
from ..support.plans import PASSING, Suite
from ..support.xunit2 import violations

Read = Callable[..., dict[str, Any]]

BLOCKED = PASSING.replace(
    'with phase.gate("C1"):\n        assert rows.count == 3',
    'with phase.gate("C1") as gate:\n'
    '        gate.evidence("lost_row", ref="r7")\n'
    '        assert False, "a row is lost"',
)
MIXED = PASSING.replace(
    'with phase.gate("C2"):\n        assert True',
    'with phase.gate("C2") as gate:\n        gate.not_applicable("no new columns")',
).replace('with phase.gate("C3"):\n        assert True', 'with phase.gate("C3"):\n        assert False, "old column"')
ORDINARY = "def test_before():\n    pass\n\n\ndef test_bad():\n    assert 0\n"


def run(suite: Suite, *arguments: str, apart: bool = False, family: str = "xunit2") -> JUnitFile:
    given = ("-p", "no:hypothesispytest", "--junitxml=junit.xml", "-o", f"junit_family={family}", *arguments)
    (suite.run if apart else suite.here)(*given)
    return JUnitFile(suite.pytester.path / "junit.xml", family=family)


def names(file: JUnitFile) -> list[str]:
    return [case.name.split(" ")[0] for case in file.cases]


IN_ORDER = [
    "test_extract", "LOAD-7-E-C1",
    "test_transform", "LOAD-7-T-C1", "LOAD-7-T-C2", "LOAD-7-T-C3",
    "test_publish", "LOAD-7-P-C1",
]  # fmt: skip


# --- the file --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "more"),
    [(PASSING, []), (BLOCKED, []), (MIXED, []), (BLOCKED, ["-x"])],
    ids=["passing", "blocked", "mixed", "blocked, -x"],
)
def test_every_phase_and_gate_is_a_case_that_says_what_the_evidence_says(
    suite: Suite, evidence: Read, source: str, more: list[str]
) -> None:
    suite.write(source)
    file = run(suite, *more)
    assert names(file) == IN_ORDER
    file.agrees_with(evidence())


def test_reused_phases_and_their_gates_pass_with_a_property_and_take_no_time(suite: Suite, evidence: Read) -> None:
    run(suite)
    file = run(suite, "test_load.py::test_publish")
    assert names(file) == IN_ORDER
    file.agrees_with(evidence())
    assert {case.time for case in file.cases if "task.reused" in case.properties} == {0.0}


def test_deselected_phases_have_no_case_and_their_gates_none(suite: Suite, evidence: Read) -> None:
    file = run(suite, "-k", "test_extract")
    assert names(file) == IN_ORDER[:2]
    file.agrees_with(evidence())


def test_an_unmet_definition_of_done_is_a_failing_case(suite: Suite, evidence: Read) -> None:
    suite.replace("phase.record(row_count=3)", "phase.record(row_count=2)")
    file = run(suite)
    file.agrees_with(evidence())
    [case] = [case for case in file.cases if case.classname == "LOAD-7"]
    assert (case.name, case.outcome) == ("definition of done", "failure")
    assert evidence()["blocked_reason"] in case.message


def test_a_plan_stands_together_among_other_tests_which_are_left_as_they_are(suite: Suite, evidence: Read) -> None:
    suite.write(BLOCKED)
    suite.write(ORDINARY, "test_a.py")
    suite.write(ORDINARY.replace("test_before", "test_after"), "test_z.py")
    file = run(suite)
    file.agrees_with(evidence())
    found = names(file)
    start = found.index("test_extract")
    assert found[start : start + len(IN_ORDER)] == IN_ORDER
    assert sorted(set(found) - set(IN_ORDER)) == ["test_after", "test_bad", "test_before"]
    assert {case.outcome for case in file.cases if case.name == "test_bad"} == {"failure"}
    assert not any(case.properties for case in file.cases if case.classname in ("test_a", "test_z"))


def test_without_a_plan_the_file_is_pytests_own(suite: Suite) -> None:
    (suite.pytester.path / "plan.toml").unlink()
    suite.write(ORDINARY)
    assert names(run(suite)) == ["test_before", "test_bad"]


def test_subtests_count_once_with_their_test(suite: Suite, evidence: Read) -> None:
    subtests = "    for n in range(3):\n        with subtests.test(n=n):\n            assert {}\n"
    suite.write(
        PASSING.replace("def test_extract(phase):", "def test_extract(phase, subtests):").replace(
            "    phase.handoff", subtests.format("n != 1, 'inside'") + "    phase.handoff"
        )
    )
    suite.write(f"def test_other(subtests):\n{subtests.format('True')}", "test_other.py")
    file = run(suite)
    file.agrees_with(evidence())
    assert names(file) == [*IN_ORDER, "test_other"]
    assert "inside" in file.case("test_extract").says


def test_a_failure_in_call_and_one_in_teardown_are_one_case(suite: Suite, evidence: Read) -> None:
    lost = "@pytest.fixture\ndef lost():\n    yield\n    assert False, 'disk lost'\n\n\nclass Rows"
    suite.write(
        BLOCKED.replace("def test_transform(phase):", "def test_transform(phase, lost):").replace("class Rows", lost)
    )
    file = run(suite)
    assert names(file) == IN_ORDER
    file.agrees_with(evidence())
    assert "disk lost" in file.case("test_transform").says


def test_a_phase_that_was_rerun_is_one_case(suite: Suite, evidence: Read) -> None:
    suite.write(
        "tries = []\n"
        + PASSING.replace("    rows = phase", "    tries.append(1)\n    assert len(tries) > 1\n    rows = phase")
    )
    file = run(suite, "--reruns=1")
    assert names(file) == IN_ORDER
    file.agrees_with(evidence())
    assert evidence()["status"] == "completed"


def test_a_phase_whose_worker_died_is_a_failing_case_with_its_gates(suite: Suite, evidence: Read) -> None:
    suite.replace("assert rows.count == 3", "__import__('os')._exit(9)")
    file = run(suite, "-n2", apart=True)
    assert names(file) == IN_ORDER
    file.agrees_with(evidence())
    assert file.case("test_transform").outcome in ("failure", "error")


def test_hostile_text_keeps_the_file_valid(suite: Suite) -> None:
    suite.write(BLOCKED.replace('"a row is lost"', 'chr(27) + "[31m</failure>]]>\\x00\\ud800 & \\"" + "x" * 5000'))
    case = run(suite).case("LOAD-7-T-C1")
    assert '\\x1b[31m</failure>]]>\\x00\\ud800 & "' in case.message


@pytest.mark.parametrize("family", ["xunit1", "legacy"])
def test_the_older_family_has_file_and_line_on_gates_too(suite: Suite, evidence: Read, family: str) -> None:
    suite.write(BLOCKED)
    run(suite, "-x", family=family).agrees_with(evidence())
    cases = ET.parse(suite.pytester.path / "junit.xml").getroot().iter("testcase")
    assert {case.attrib["file"] for case in cases} == {"test_load.py"}


def test_a_case_that_the_test_renamed_is_still_the_phases(suite: Suite, evidence: Read) -> None:
    suite.write(
        PASSING.replace("def test_extract(phase):", "def test_extract(phase, record_xml_attribute):").replace(
            '    with phase.gate("C1"):', '    record_xml_attribute("name", "mine")\n    with phase.gate("C1"):', 1
        )
    )
    file = run(suite, "-W", "ignore", family="xunit1")
    assert names(file) == ["mine", *IN_ORDER[1:]]
    assert file.case("mine").properties["otel_trace_id"] == evidence()["otel_trace_id"]


def test_pytests_options_for_the_file_are_respected(suite: Suite) -> None:
    suite.write(PASSING.replace("    rows = phase", "    print('seen by users')\n    rows = phase"))
    options = ("junit_logging=system-out", "junit_duration_report=call", "junit_suite_name=nightly")
    file = run(suite, "--junitprefix=ci", *(part for option in options for part in ("-o", option)))
    assert file.suite.name == "nightly"
    assert "seen by users" in file.case("test_transform").output
    assert file.case("LOAD-7-T-C1").classname == "ci.LOAD-7-T"
    assert file.case("test_transform").classname == "ci.test_load"


def test_a_property_that_the_test_recorded_stays(suite: Suite) -> None:
    suite.write(
        PASSING.replace("def test_extract(phase):", "def test_extract(phase, record_property):").replace(
            "    phase.handoff", '    record_property("shop", "north")\n    phase.handoff'
        )
    )
    assert run(suite, "-W", "ignore").case("test_extract").properties["shop"] == "north"


@pytest.mark.parametrize("gone", ["xml.prefix", "xml.family", "junitxml.mangle_test_address"])
def test_a_pytest_that_keeps_its_cases_in_another_way_is_named_and_the_file_is_pytests_own(
    suite: Suite, gone: str
) -> None:
    suite.pytester.makeconftest(
        "import pytest\nfrom _pytest import junitxml\n\n"
        "@pytest.hookimpl(wrapper=True)\n"
        "def pytest_sessionfinish(session):\n"
        "    xml = session.config.stash[junitxml.xml_key]\n"
        f"    owner, name = {gone.partition('.')[0]}, {gone.partition('.')[2]!r}\n"
        "    kept = getattr(owner, name)\n"
        "    delattr(owner, name)\n"
        "    try:\n"
        "        return (yield)\n"
        "    finally:\n"
        "        setattr(owner, name, kept)\n"
    )
    result = suite.here("--junitxml=j.xml")
    result.stdout.fnmatch_lines([f"JUnit: *j.xml has no gates: pytest {pytest.__version__} keeps its report*"])
    assert "Traceback" not in result.stdout.str()


# --- elements --------------------------------------------------------------------------------------------------------


def cases(evidence: Evidence) -> dict[str, ET.Element]:
    """The cases of a trace of which pytest reported nothing, by the first word of their name."""
    verdict = of_trace(evidence)
    phases = [
        junit.phase_case(verdict, phase, [], {"classname": "t", "name": phase.id})
        for phase in verdict.phases
        if junit.is_shown(phase.span)
    ]
    return {case.attrib["name"].split(" ")[0]: case for case in junit.trace_cases(verdict, phases, prefix="ci")}


def said(case: ET.Element, tag: str) -> tuple[str | None, str]:
    """Message and text of the only outcome or output of a case."""
    [found] = [child for child in case if child.tag != "properties"]
    assert found.tag == tag
    return found.get("message"), found.text or ""


def properties(case: ET.Element) -> dict[str, str]:
    return {found.get("name", ""): found.get("value", "") for found in case.iter("property")}


@pytest.fixture
def stopped() -> Evidence:
    """Blocked at the second of four phases by its first gate, with a finding in a file."""
    evidence = samples.stopped()
    evidence.workspace = "/builds/shop"
    gate = evidence.spans[1].gates[0]
    gate.reason = "2 of 9 rows are lost"
    gate.evidence = [EvidenceItem(type="lost_row", ref="7", file="out/rows.csv", description="row 7 is lost")]
    return evidence


def test_a_failing_gate_says_reason_file_evidence_next_action_and_test(stopped: Evidence) -> None:
    case = cases(stopped)["LOAD-7-S2-C1"]
    assert case.get("classname") == "ci.LOAD-7-S2"
    message, text = said(case, "failure")
    assert message == "C1 Purpose of C1: 2 of 9 rows are lost; first: out/rows.csv: row 7 is lost"
    assert text.splitlines() == [
        "reason: C1 Purpose of C1 (integrity): 2 of 9 rows are lost",
        "where: out/rows.csv",
        "  row 7 is lost",
        "evidence: lost_row: 7",
        "next: the next action of C1",
        "test: tests/test_plan.py::test_phase_2",
    ]


def test_a_blocked_phase_tells_one_cause_names_the_others_and_says_what_did_not_start(stopped: Evidence) -> None:
    span = stopped.spans[1]
    span.gates[1] = samples.gate(span.span_id, "G1", 0, Result.FAIL)
    message, text = said(cases(stopped)["S2"], "failure")
    assert message == ("C1 Purpose of C1: 2 of 9 rows are lost; first: out/rows.csv: row 7 is lost (also failed: G1)")
    assert text.startswith("LOAD-7-S2 PHASE_2 is blocked: C1 Purpose of C1; G1 Purpose of G1\n")
    assert text.endswith("\n\nworkspace: /builds/shop\ndid not start: S3 PHASE_3, S4 PHASE_4")


def test_phases_and_gates_that_were_not_reached_are_skipped_with_what_stopped_them(stopped: Evidence) -> None:
    why = "not started: LOAD-7-S2 PHASE_2 is blocked: C1 Purpose of C1"
    assert said(cases(stopped)["S3"], "skipped") == (why, why)
    assert said(cases(stopped)["LOAD-7-S3-C1"], "skipped") == (why, why)
    failed = samples.stopped(Status.FAILED)
    why = "not checked: LOAD-7-S2 PHASE_2 is failed: KeyError: 'orders'"
    assert said(cases(failed)["LOAD-7-S2-C1"], "skipped") == (why, why)


def test_gates_that_pass_with_a_remark_say_it_in_output_and_properties() -> None:
    evidence = samples.remarked()
    other = samples.gate(evidence.spans[1].span_id, "G2", 0, Result.NOT_APPLICABLE)
    other.reason = "no new columns"
    evidence.spans[1].gates.append(other)
    found = cases(evidence)
    waived, warned = found["LOAD-7-S2-C1"], found["LOAD-7-S2-G1"]
    assert said(waived, "system-out")[1].splitlines()[:2] == [
        "waived by known since spring; approved by Kim until 2027-01-31",
        "reason: C1 Purpose of C1 (required): the reason of C1: 2 rows lost (observed: 1, expected: 3)",
    ]
    assert properties(waived)["gate.waived"] == "known since spring; approved by Kim until 2027-01-31"
    assert said(warned, "system-out")[1].startswith("warning\nreason: G1 Purpose of G1 (advisory): ")
    assert properties(warned)["gate.severity"] == "warning"
    assert said(found["LOAD-7-S2-G2"], "system-out")[1] == "not applicable: no new columns"


def test_a_gates_time_lies_inside_its_phases_whatever_the_clock_did(stopped: Evidence) -> None:
    phase = of_trace(stopped).phases[0]
    draft = ET.Element("testcase", classname="a", name="b", time="0.002")
    case = junit.phase_case(of_trace(stopped), phase, [draft], {})
    assert case.attrib == {"classname": "a", "name": "b", "time": "0.002"}
    assert junit.gate_case(of_trace(stopped), phase, phase.span.gates[0], case, prefix="").get("time") == "0.002"


def test_each_case_counts_once() -> None:
    cases = [
        ET.fromstring(f"<testcase>{inner}</testcase>") for inner in ("", "<failure/><failure/>", "<skipped/><error/>")
    ]
    assert junit.counts(cases) == {"passed": 1, "failure": 1, "error": 1, "skipped": 0}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (' name="n"', "", "testcase: attribute name is missing"),
        ('<testcase name="n"', '<testcase name="n" file="f"', "attribute file is not allowed"),
        ("<skipped/>", "<odd/>", "odd is not allowed"),
        ("<skipped/>", "text", "text is not allowed"),
        ('time="1.0"', 'time="1.00000"', "time 1.00000"),
        ("<skipped/>", "<skipped/><properties/>", "properties come first"),
    ],
)
def test_the_schema_check_finds_what_the_schema_forbids(old: str, new: str, said: str) -> None:
    good = (
        '<testsuites><testsuite name="s" tests="1" failures="0" errors="0" time="1.0">'
        '<testcase name="n"><skipped/></testcase></testsuite></testsuites>'
    )
    assert violations(ET.fromstring(good)) == []
    assert said in violations(ET.fromstring(good.replace(old, new, 1)))[0] or any(
        said in line for line in violations(ET.fromstring(good.replace(old, new, 1)))
    )
