"""Phases and gates as JUnit cases: pure elements, and the file as an independent parser reads it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest

from pytest_contextcore.report import junit
from pytest_contextcore.report.verdict import of_trace
from pytest_contextcore.trace.evidence import Event, Evidence, EvidenceItem, ProgramEvidence, Result, Status

from ..support import page_samples as samples
from ..support.junit_file import JUnitFile
from ..support.plans import PASSING, Suite

Read = Callable[..., dict[str, Any]]


def changed(*pairs: tuple[str, str]) -> str:
    """The passing tests with some things changed."""
    source = PASSING
    for old, new in pairs:
        assert old in source
        source = source.replace(old, new, 1)
    return source


FAILING = (
    'with phase.gate("C1") as gate:\n        gate.evidence("lost_row", ref="r7")\n        assert False, "a row is lost"'
)
BLOCKED = changed(('with phase.gate("C1"):\n        assert rows.count == 3', FAILING))
MIXED = changed(
    (
        'with phase.gate("C2"):\n        assert True',
        'with phase.gate("C2") as gate:\n        gate.not_applicable("no new columns")',
    ),
    ('with phase.gate("C3"):\n        assert True', 'with phase.gate("C3"):\n        assert False, "old column"'),
)
SUBTESTS = changed(
    ("def test_extract(phase):", "def test_extract(phase, subtests):"),
    ("    phase.handoff", "    with subtests.test(n=1):\n        assert 0, 'inside'\n    phase.handoff"),
)
TEARDOWN = BLOCKED.replace("def test_transform(phase):", "def test_transform(phase, lost):").replace(
    "class Rows", "@pytest.fixture\ndef lost():\n    yield\n    assert False, 'disk lost'\n\n\nclass Rows"
)
RERUN = "tries = []\n" + changed(
    ("    rows = phase", "    tries.append(1)\n    assert len(tries) > 1\n    rows = phase")
)
UNMET = changed(("phase.record(row_count=3)", "phase.record(row_count=2)"))
IN_ORDER = [
    "test_extract", "LOAD-7-E-C1",
    "test_transform", "LOAD-7-T-C1", "LOAD-7-T-C2", "LOAD-7-T-C3",
    "test_publish", "LOAD-7-P-C1",
]  # fmt: skip


def run(suite: Suite, *arguments: str, apart: bool = False, family: str = "xunit2") -> JUnitFile:
    (suite.run if apart else suite.here)("--junitxml=junit.xml", "-o", f"junit_family={family}", *arguments)
    return JUnitFile(suite.pytester.path / "junit.xml", family=family)


def names(file: JUnitFile) -> list[str]:
    return [case.name.split(" ")[0] for case in file.cases]


# --- the file --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "more", "shown", "said"),
    [
        (PASSING, [], IN_ORDER, ""),
        (BLOCKED, [], IN_ORDER, "a row is lost"),
        (BLOCKED, ["-x"], IN_ORDER, "a row is lost"),
        (MIXED, [], IN_ORDER, "old column"),
        (PASSING, ["-k", "test_extract"], IN_ORDER[:2], ""),
        (UNMET, [], [*IN_ORDER, "definition"], "every row arrived"),
        (SUBTESTS, [], ["test_extract", "test_extract:", *IN_ORDER[1:]], "inside"),
        (TEARDOWN, [], [*IN_ORDER[:3], "test_transform:", *IN_ORDER[3:]], "disk lost"),
        (RERUN, ["--reruns=1"], IN_ORDER, ""),
    ],
    ids=["passing", "blocked", "-x", "mixed", "deselected", "unmet", "subtests", "teardown", "rerun"],
)
def test_every_phase_and_gate_is_one_case_that_says_what_the_evidence_says(
    suite: Suite, evidence: Read, source: str, more: list[str], shown: list[str], said: str
) -> None:
    suite.write(source)
    file = run(suite, *more)
    assert names(file) == shown
    file.agrees_with(evidence())
    assert said in "".join(f"{case.says}{case.output}" for case in file.cases)


def test_reused_phases_and_their_gates_pass_with_a_property_and_take_no_time(suite: Suite, evidence: Read) -> None:
    run(suite)
    file = run(suite, "test_load.py::test_publish")
    assert names(file) == IN_ORDER
    file.agrees_with(evidence())
    assert {case.time for case in file.cases if "task.reused" in case.properties} == {0.0}


def test_a_plan_stands_together_among_other_tests_which_are_left_as_they_are(suite: Suite, evidence: Read) -> None:
    suite.write(BLOCKED)
    for name in ("a", "z"):
        suite.write(
            f"def test_{name}(subtests):\n    with subtests.test():\n        pass\n    assert 0\n", f"test_{name}.py"
        )
    file = run(suite)
    file.agrees_with(evidence())
    start = names(file).index("test_extract")
    assert names(file)[start : start + len(IN_ORDER)] == IN_ORDER
    for name in ("test_a", "test_z"):
        assert (file.case(name).outcome, file.case(name).properties) == ("failure", {})


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
    run(suite, family=family).agrees_with(evidence())
    cases = ET.parse(suite.pytester.path / "junit.xml").getroot().iter("testcase")
    assert {case.attrib["file"] for case in cases} == {"test_load.py"}


def test_pytests_options_and_what_a_test_recorded_are_respected(suite: Suite) -> None:
    suite.write(
        changed(
            ("    rows = phase", "    print('seen by users')\n    record_property('shop', 'north')\n    rows = phase"),
            ("def test_transform(phase):", "def test_transform(phase, record_property):"),
        )
    )
    options = ("junit_logging=system-out", "junit_duration_report=call", "junit_suite_name=nightly")
    given = ("-W", "ignore", "--junitprefix=ci", *(part for option in options for part in ("-o", option)))
    file = run(suite, *given)
    assert file.suite.name == "nightly"
    assert "seen by users" in file.case("test_transform").output
    assert file.case("test_transform").properties["shop"] == "north"
    assert file.case("test_transform").classname == "ci.test_load"
    assert file.case("LOAD-7-T-C1").classname == "ci.LOAD-7-T"


@pytest.mark.parametrize("gone", ["xml.prefix", "junitxml.mangle_test_address"])
def test_a_pytest_that_keeps_its_cases_in_another_way_is_named_and_the_file_is_pytests_own(
    suite: Suite, gone: str
) -> None:
    owner, _, name = gone.partition(".")
    suite.pytester.makeconftest(
        "import pytest\nfrom _pytest import junitxml\n\n"
        "@pytest.hookimpl(wrapper=True)\n"
        "def pytest_sessionfinish(session):\n"
        "    xml = session.config.stash[junitxml.xml_key]\n"
        "    with pytest.MonkeyPatch.context() as patch:\n"
        f"        patch.delattr({owner}, {name!r})\n"
        "        return (yield)\n"
    )
    result = suite.here("--junitxml=j.xml")
    result.stdout.fnmatch_lines([f"JUnit: *j.xml has no gates: pytest {pytest.__version__} keeps its report*"])
    assert "Traceback" not in result.stdout.str()


# --- elements --------------------------------------------------------------------------------------------------------


def cases(evidence: Evidence) -> dict[str, ET.Element]:
    """The cases of a trace of which pytest reported nothing, by the first word of their name."""
    addresses = {span.nodeid or "": {"classname": "t", "name": span.phase} for span in evidence.spans}
    made = junit.trace_cases(of_trace(evidence), {}, addresses, "ci")
    return {case.attrib["name"].split(" ")[0]: case for case in made}


def said(case: ET.Element, tag: str) -> tuple[str | None, str]:
    """Message and text of the only outcome or output of a case."""
    [found] = [child for child in case if child.tag != "properties"]
    assert found.tag == tag
    return found.get("message"), found.text or ""


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
    first, second = stopped.spans[1].gates
    second.result, second.reason, second.severity = Result.FAIL, "too", first.severity
    first.events.append(Event(name="e", time=0, attributes={"code.file.path": "t.py", "code.line.number": 5}))
    places = [said(cases(stopped)[gate.gate_id], "failure")[1].splitlines() for gate in (first, second)]
    assert [[line for line in lines if line.startswith("test:")] for lines in places] == [
        ["test: t.py:5"],
        ["test: tests/test_plan.py::test_phase_2"],  # whose assert is not the first gate's
    ]


def test_a_blocked_phase_is_no_second_failure_names_its_gates_and_says_what_did_not_start(stopped: Evidence) -> None:
    around = "workspace: /builds/shop\ndid not start: S3 PHASE_3, S4 PHASE_4"
    name = "LOAD-7-S2 PHASE_2 is blocked: C1 Purpose of C1"
    assert said(cases(stopped)["PHASE_2"], "skipped") == (name, around)
    span = stopped.spans[1]
    span.gates[1] = samples.gate(span.span_id, "G1", 0, Result.FAIL)
    message, text = said(cases(stopped)["PHASE_2"], "skipped")
    assert message == f"{name} (also failed: G1)"
    assert text.startswith(f"{name}; G1 Purpose of G1\n")
    assert text.endswith(f"\n\n{around}")


def test_phases_and_gates_that_were_not_reached_are_skipped_with_what_stopped_them(stopped: Evidence) -> None:
    why = "not started: LOAD-7-S2 PHASE_2 is blocked: C1 Purpose of C1"
    assert said(cases(stopped)["PHASE_3"], "skipped") == (why, why)
    assert said(cases(stopped)["LOAD-7-S3-C1"], "skipped") == (why, why)
    failed = samples.stopped(Status.FAILED)
    why = "not checked: LOAD-7-S2 PHASE_2 is failed: KeyError: 'orders'"
    assert said(cases(failed)["LOAD-7-S2-C1"], "skipped") == (why, why)


def test_a_waived_gate_passes_and_says_who_permitted_it_and_why() -> None:
    waived = cases(samples.remarked())["LOAD-7-S2-C1"]
    assert said(waived, "system-out")[1].splitlines()[:2] == [
        "waived by known since spring; approved by Kim until 2027-01-31",
        "reason: C1 Purpose of C1 (required): the reason of C1: 2 rows lost (observed: 1, expected: 3)",
    ]


def test_times_lie_inside_one_another_and_each_case_counts_once(stopped: Evidence) -> None:
    phase = of_trace(stopped).phases[0]
    draft = ET.Element("testcase", classname="a", name="b", time="0.002")
    case = junit.phase_case(of_trace(stopped), phase, [draft], {})
    assert case.attrib == {"classname": "a", "name": "b", "time": "0.002"}
    assert junit.gate_case(of_trace(stopped), phase, phase.span.gates[0], case, prefix="").get("time") == "0.002"
    ahead = ProgramEvidence(
        otel_span_id="a" * 16, args=["x"], started_at=samples.BEGIN, ended_at=samples.BEGIN + 15 * 10**6
    )
    phase.span.programs = [ahead]  # a program that ran before it was its phase's turn
    assert junit.phase_case(of_trace(stopped), phase, [draft], {}).get("time") == "0.015"
    made = [ET.fromstring(f"<t>{inner}</t>") for inner in ("", "<failure/><failure/>", "<skipped/><error/>")]
    assert junit.counts(made) == {"passed": 1, "failure": 1, "error": 1, "skipped": 0}


def test_a_gate_says_whether_it_was_shown_able_to_fail(stopped: Evidence) -> None:
    phase = of_trace(stopped).phases[0]
    first, second = phase.span.gates[0], of_trace(stopped).phases[1].span.gates[0]
    verdict = of_trace(stopped, {first.gate_id: "proven"})
    cases = [junit.gate_case(verdict, phase, gate, ET.Element("testcase"), prefix="") for gate in (first, second)]
    said = [{each.get("name"): each.get("value") for each in case.iter("property")}.get("gate.proof") for case in cases]
    assert said == ["proven", None]
