"""Phases and gates as JUnit cases: pure elements, and the file as an independent parser reads it."""

from __future__ import annotations

import datetime
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest

from pytest_contextcore.report import junit
from pytest_contextcore.trace.evidence import Evidence, Result, Status
from pytest_contextcore.trace.recorder import TraceRecorder

from ..support.junit_file import JUnitFile
from ..support.plans import PASSING, Suite, warehouse
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
    if apart:
        suite.run(*given)
    else:
        suite.pytester.runpytest_inprocess("-p", "no:randomly", *given)
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
    [(PASSING, []), (BLOCKED, []), (MIXED, []), (BLOCKED, ["-x"]), (MIXED, ["-n2"]), (BLOCKED, ["-n2", "-x"])],
    ids=["passing", "blocked", "mixed", "blocked, -x", "mixed, xdist", "blocked, -x, xdist"],
)
def test_every_phase_and_gate_is_a_case_that_says_what_the_evidence_says(
    suite: Suite, evidence: Read, source: str, more: list[str]
) -> None:
    suite.write(source)
    file = run(suite, *more, apart="-n2" in more)
    assert names(file) == IN_ORDER
    file.agrees_with(evidence())


def test_a_failing_gate_says_reason_evidence_and_next_action(suite: Suite) -> None:
    suite.write(BLOCKED)
    case = run(suite).case("LOAD-7-T-C1")
    assert (case.classname, case.name) == ("LOAD-7-T", "LOAD-7-T-C1 No row lost")
    assert case.message == "C1 No row lost: a row is lost"
    assert "evidence: lost_row: r7\nnext: Look for r7 in the transformation." in case.says


def test_the_case_of_a_blocked_phase_says_what_did_not_start_because_of_it(suite: Suite) -> None:
    suite.write(BLOCKED)
    says = run(suite).case("test_transform").says
    assert says.endswith("\n\ndid not start: LOAD-7-P PUBLISH")


def test_the_case_of_a_blocked_phase_tells_one_cause_and_names_the_others(suite: Suite) -> None:
    suite.write(
        BLOCKED.replace(
            'with phase.gate("C2"):\n        assert True', 'with phase.gate("C2"):\n        assert 0, "new"'
        )
    )
    case = run(suite).case("test_transform")
    assert case.message.startswith("C1 No row lost: a row is lost; also failed: C2 ")
    assert "new" not in case.message


def test_an_advisory_failure_passes_with_a_warning(suite: Suite) -> None:
    suite.write(MIXED)
    case = run(suite).case("LOAD-7-T-C3")
    assert case.outcome == "passed"
    assert (
        case.output
        == "warning: C3 No deprecated column: old column\ntest: test_load.py:17\nnext: Drop the deprecated column soon."
    )
    assert case.properties["gate.severity"] == "warning"


def test_a_gate_that_is_not_applicable_passes_and_says_why(suite: Suite) -> None:
    suite.write(MIXED)
    case = run(suite).case("LOAD-7-T-C2")
    assert (case.outcome, case.output) == ("passed", "not applicable: no new columns")


def test_a_waived_gate_passes_with_a_property_that_says_who_and_why(suite: Suite, evidence: Read) -> None:
    tomorrow = datetime.date.today() + datetime.timedelta(days=1)
    (suite.pytester.path / "waivers.toml").write_text(
        f'[[waivers]]\ngate = "T-C2"\nreason = "agreed"\napprover = "ines"\nexpires = {tomorrow}\n', encoding="utf-8"
    )
    suite.replace('with phase.gate("C2"):\n        assert True', 'with phase.gate("C2"):\n        assert False, "new"')
    file = run(suite)
    file.agrees_with(evidence())
    assert file.case("LOAD-7-T-C2").properties["gate.waived"] == f"ines: agreed (until {tomorrow})"


def test_gates_that_were_not_reached_are_skipped_with_what_stopped_their_phase(suite: Suite, evidence: Read) -> None:
    suite.replace(
        'with phase.gate("C1"):\n        assert rows',
        "raise RuntimeError('disk gone')\n    with phase.gate('C1'):\n        assert rows",
    )
    file = run(suite)
    file.agrees_with(evidence())
    assert "LOAD-7-T TRANSFORM is failed: RuntimeError: disk gone" in file.case("LOAD-7-T-C2").says


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


@pytest.mark.parametrize("more", [[], ["-n2"]], ids=["one process", "xdist"])
def test_a_plan_stands_together_among_other_tests_which_are_left_as_they_are(
    suite: Suite, evidence: Read, more: list[str]
) -> None:
    suite.write(BLOCKED)
    suite.write(ORDINARY, "test_a.py")
    suite.write(ORDINARY.replace("test_before", "test_after"), "test_z.py")
    file = run(suite, *more, apart=bool(more))
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
    result = suite.pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:hypothesispytest", "--junitxml=j.xml")
    result.stdout.fnmatch_lines([f"JUnit: *j.xml has no gates: pytest {pytest.__version__} keeps its report*"])
    assert "Traceback" not in result.stdout.str()


# --- elements --------------------------------------------------------------------------------------------------------


@pytest.fixture
def recorded(tmp_path: Any) -> Evidence:
    """The warehouse's second phase, blocked by its first gate; a second long for a clock that jumped."""
    moments = iter(range(0, 100_000_000_000, 1_000_000_000))
    recorder = TraceRecorder(warehouse(tmp_path), clock=lambda: next(moments))
    recorder.start()
    recorder.begin_phase("E", "test_load.py::test_extract")
    recorder.begin_gate("E", "C1")
    recorder.end_gate("E", "C1", Result.PASS)
    recorder.end_phase("E")
    return recorder.evidence


def test_a_gates_time_lies_inside_its_phases_whatever_the_clock_did(recorded: Evidence) -> None:
    span = recorded.spans[0]
    draft = ET.Element("testcase", classname="a", name="b", time="0.004")
    case = junit.phase_case(recorded, span, [draft], {})
    assert case.attrib == {"classname": "a", "name": "b", "time": "0.004"}
    assert junit.gate_case(recorded, span, span.gates[0], case, prefix=None).get("time") == "0.004"


def test_what_pytest_did_not_report_is_said_from_the_evidence(recorded: Evidence) -> None:
    span = recorded.spans[0].model_copy(
        update={"status": Status.FAILED, "blocked_reason": "gone", "next_action": "look"}
    )
    case = junit.phase_case(recorded, span, [], {"classname": "a", "name": "b"})
    [failure] = case.findall("failure")
    assert failure.get("message") == "gone"
    assert (failure.text or "").endswith("next: look")


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
