"""What a person reads in the terminal when a phase stops and at the end of a run."""

from __future__ import annotations

import pytest

from pytest_contextcore.plan.defaults import EVERY_PHASE
from pytest_contextcore.report.terminal import ASCII_MARKS, can_encode, short_remarks, shown_on, stopped_message, table
from pytest_contextcore.report.verdict import of_phase, of_trace
from pytest_contextcore.trace.evidence import Attributes, Condition, Event, Evidence, EvidenceItem, Result, Status

from ..support import page_samples as samples
from ..support.plans import Suite


@pytest.fixture
def evidence() -> Evidence:
    """Blocked at the second of four phases, with findings in two files."""
    found = samples.stopped()
    span = found.spans[1]
    span.attributes["code.file.path"] = "tests/test_plan.py"
    span.gates[0].reason = "2 findings:\n  in 2 files"
    span.gates[0].evidence = [
        EvidenceItem(type="lost_row", ref=f"row-{n}", file=f"export/{n}.json", description=f"{n} rows lost")
        for n in (1, 2)
    ]
    return found


def text(evidence: Evidence, width: int = 80) -> list[str]:
    return [line for line, _ in table(of_trace(evidence), width=width)]


def test_the_table_has_a_line_a_phase_and_says_why_where_and_what_next(evidence: Evidence) -> None:
    assert text(evidence) == [
        " ✓ S1  PHASE_1  completed      0.02 s  2/2 gates",
        "     values:   quality.row_count 1",
        " ✗ S2  PHASE_2  blocked        0.02 s  1/2 gates",
        "     reason:   C1 Purpose of C1: 2 findings:",
        "                   in 2 files",
        "     where:    export/1.json",
        "                 1 rows lost",
        "     where:    export/2.json",
        "                 2 rows lost",
        "     evidence: lost_row: row-1, row-2",
        "     next:     the next action of C1",
        "     test:     tests/test_plan.py:20",
        "     values:   quality.row_count 2",
        " · S3  PHASE_3  not_started            blocked on S2",
        " · S4  PHASE_4  not_started            blocked on S2",
        "LOAD-7 blocked: 1 completed, 1 blocked, 2 not_started in 0.05 s",
        "definition of done: 0 of 1 conditions hold",
        "     - every row arrived: not reached",
    ]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(evidence: Evidence, width: int) -> None:
    evidence.spans[1].gates[0].reason = "many words " * 40
    evidence.definition_of_done = [Condition(condition="some words " * 20, met=False, broken=["gate S2-C1 failed"])]
    assert max(map(len, text(evidence, width))) <= width


def test_the_table_says_why_of_every_failed_gate_and_names_those_for_which_it_has_no_room(evidence: Evidence) -> None:
    span = evidence.spans[1]
    span.gates = [samples.gate(span.span_id, f"G{number}", 0, Result.FAIL) for number in range(5)]
    lines = text(evidence)
    assert [line.split()[1] for line in lines if "reason:" in line] == ["G0", "G1", "G2"]
    assert "     also:     G3 Purpose of G3; G4 Purpose of G4" in lines


def test_warnings_and_waivers_stand_below_a_completed_phase() -> None:
    lines = text(samples.remarked())
    why = "the reason of {}: 2 rows lost"
    labels = [line.partition(":")[0].strip() for line in lines if ": " in line[:16] and "values" not in line]
    assert labels == ["waived", "by", "warning"]
    short = list(short_remarks(of_trace(samples.remarked())))
    assert [line.split(": ")[0] for line in short] == ["LOAD-7-S2 waived", "LOAD-7-S2 warning"]
    assert all(any(why.format(name) in line for line in lines) for name in ("C1", "G1"))
    assert not [line for line in lines if "definition of done" in line]


def test_a_trace_that_no_phase_stopped_says_why_below_its_line() -> None:
    evidence = samples.completed()
    evidence.status, evidence.blocked_reason, evidence.next_action = Status.BLOCKED, "not done", "Do it."
    assert text(evidence)[-2:] == ["     reason:   not done", "     next:     Do it."]


def test_the_failure_of_a_phase_says_every_gate_with_all_that_it_found(evidence: Evidence) -> None:
    span = evidence.spans[1]
    span.gates[1] = samples.gate(span.span_id, "G1", 0, Result.FAIL)
    place: Attributes = {"code.file.path": "tests/test_plan.py", "code.line.number": 22}
    span.gates[1].events = [Event(name="gate.check.failed", time=1, attributes=place)]
    details = {f"{span.span_id}-G1": "assert 1 == 3\n +  where 1 = len([0])"}
    assert stopped_message(of_phase(span), details).splitlines() == [
        "LOAD-7-S2 PHASE_2 is blocked: C1 Purpose of C1; G1 Purpose of G1",
        "  reason: C1 Purpose of C1 (integrity): 2 findings:",
        "      in 2 files",
        "  where: export/1.json",
        "    1 rows lost",
        "  where: export/2.json",
        "    2 rows lost",
        "  evidence: lost_row: row-1, row-2",
        "  next: the next action of C1",
        "  reason: G1 Purpose of G1 (required): the reason of G1: 2 rows lost (observed: 1, expected: 3)",
        "  detail: assert 1 == 3",
        "     +  where 1 = len([0])",
        "  evidence: lost_row: row-7 (it was there an hour ago)",
        "  next: the next action of G1",
        "  test: tests/test_plan.py:22",
    ]


def test_the_default_definition_of_done_is_not_told_twice(evidence: Evidence) -> None:
    assert any(line.startswith("definition of done") for line, _ in table(of_trace(evidence)))
    evidence.definition_of_done = [Condition(condition=EVERY_PHASE, met=False, missing=["phase S2: blocked"])]
    assert not any("done" in line for line, _ in table(of_trace(evidence)))


def test_a_terminal_that_knows_only_ascii_gets_marks_that_it_can_show(evidence: Evidence) -> None:
    assert (can_encode("utf-8"), can_encode(None), can_encode("ascii"), can_encode("nonsense")) == (
        True, True, False, False,
    )  # fmt: skip
    marks = [line[1] for line, _ in table(of_trace(evidence), ascii_only=True) if line[1] != " "][:4]
    assert marks == [ASCII_MARKS[status] for status in (Status.COMPLETED, Status.BLOCKED, *[Status.NOT_STARTED] * 2)]
    assert shown_on("838099834df9… ✓", ascii_only=True) == "838099834df9... ?"


def test_a_run_prints_the_table_below_its_failures_and_with_q_only_where_it_stopped(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")  # where pytest does not cut its lines
    suite.here("-q").stdout.no_fnmatch_line("*trace LOAD-7*")
    suite.replace("assert rows.count == 3", "assert rows.count == 4, 'a row is lost'")
    suite.here("-q").stdout.fnmatch_lines(
        [
            "LOAD-7-T TRANSFORM is blocked: C1 No row lost: a row is lost",
            "  detail: assert 3 == 4",
            "  test: test_load.py:21",
            "*trace LOAD-7: Load the nightly orders*",
            "     reason:   C1 No row lost: a row is lost",
            "evidence: out/LOAD-7.json",
            "FAILED *::test_transform - C1 No row lost: a row is lost",
        ]
    )
