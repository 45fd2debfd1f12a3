"""What a trace says to people: worked out once, of data, for every report."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from pytest_contextcore.report import rows, verdict
from pytest_contextcore.report.rows import Row
from pytest_contextcore.trace.evidence import Evidence, EvidenceItem, GateEvidence, Result, SpanEvidence, Status
from pytest_contextcore.trace.rules import DESELECTED, Trouble, phase_outcome

from ..support import page_samples as samples

DIGEST = "838099834df9ad646ea5545673b1214fe51cb62aff718ff4f927e3429e096a2c"


def item(ref: str, file: str = "", description: str = "", kind: str = "lost_row") -> EvidenceItem:
    return EvidenceItem(type=kind, ref=ref, file=file, description=description)


def gate(*items: EvidenceItem, reason: str = "rows are lost", purpose: str = "Row `counts` (of all)") -> GateEvidence:
    made = samples.gate("LOAD-7-S2", "C1", 0, Result.FAIL)
    made.reason, made.purpose, made.evidence, made.next_action = reason, purpose, list(items), "Run `load` again."
    return made


@pytest.fixture
def evidence() -> Evidence:
    """The second of four phases is blocked, and holds the two behind it."""
    return samples.stopped()


@pytest.fixture
def span(evidence: Evidence) -> SpanEvidence:
    return evidence.spans[1]


def cause(*items: EvidenceItem, reason: str = "rows are lost") -> verdict.Cause:
    return verdict.of_gate(samples.stopped().spans[1], gate(*items, reason=reason))


# --- a gate ----------------------------------------------------------------------------------------------------------


def test_a_gate_is_named_by_its_id_and_its_purpose_without_brackets_and_backticks() -> None:
    found = cause()
    assert (found.name, found.next_action, found.title) == (
        "C1 Row counts", "Run load again.", "C1 Row counts: rows are lost",
    )  # fmt: skip


def test_findings_stand_under_their_files_in_the_order_in_which_the_files_came() -> None:
    found = cause(item("7", "b.csv", "2 lost"), item("8", "a.csv"), item("9", "b.csv", "no header"))
    assert found.about == (("b.csv", ("2 lost", "no header")), ("a.csv", ()))
    assert found.files == ("b.csv", "a.csv")
    assert found.evidence == (("lost_row", ("7", "8", "9")),)


@pytest.mark.parametrize("reason", ["2 lost", "a.csv: 2 lost"])
def test_a_finding_that_is_the_reason_is_said_once(reason: str) -> None:
    found = cause(item("7", "a.csv", "2 lost"), reason=reason)
    assert (found.reason, found.about) == (("2 lost",), (("a.csv", ()),))
    assert found.headline == "a.csv: 2 lost"


def test_the_headline_of_several_findings_is_the_reason_and_the_first_of_them() -> None:
    assert cause(item("7", "a.csv", "2 lost"), item("8", "b.csv", "1 lost")).headline == (
        "rows are lost; first: a.csv: 2 lost"
    )


def test_a_sentence_without_a_file_stands_beside_what_it_is_about() -> None:
    found = cause(item("7", "", "it was there"), item("7", "", "it was there"))
    assert (found.about, found.evidence) == ((), (("lost_row", ("7 (it was there)",)),))


def test_a_reason_is_not_parsed_whatever_its_lines_begin_with() -> None:
    found = cause(reason="a.csv: two\n  rows\nb.csv: one")
    assert (found.reason, found.about) == (("a.csv: two", "  rows", "b.csv: one"), ())


def test_digests_are_short_wherever_they_stand() -> None:
    found = cause(item(DIGEST, "a.csv", f"is {DIGEST}"), reason=f"not sha256:{DIGEST}, {'f' * 39}")
    short = "838099834df9…"
    assert found.reason == (f"not sha256:{short}, {'f' * 39}",)
    assert (found.about[0].sentences, found.evidence[0].refs) == ((f"is {short}",), (short,))


# --- a phase ---------------------------------------------------------------------------------------------------------


def test_a_blocked_phase_is_told_by_its_failed_gates_integrity_first(span: SpanEvidence) -> None:
    span.gates = [samples.gate(span.span_id, "G1", 0, Result.FAIL), *span.gates]
    phase = verdict.of_phase(span)
    assert [each.name for each in phase.causes] == ["C1 Purpose of C1", "G1 Purpose of G1"]
    assert phase.headline.endswith("(also failed: G1)")
    assert (phase.id, phase.name, phase.title) == ("S2", "LOAD-7-S2 PHASE_2", "LOAD-7-S2 PHASE_2 is blocked")
    assert (phase.gates, phase.took, phase.state) == ("1/3", "0.02 s", "blocked")


def test_a_phase_that_raised_is_told_by_what_it_raised() -> None:
    [only] = verdict.of_phase(samples.stopped(Status.FAILED).spans[1]).causes
    assert (only.gate, only.name, only.reason) == (None, "", ("KeyError: 'orders'",))


def test_warnings_and_waivers_do_not_stop_a_phase() -> None:
    phase = verdict.of_phase(samples.remarked().spans[1])
    assert phase.causes == ()
    assert [each.name for each in phase.remarks] == ["C1 Purpose of C1", "G1 Purpose of G1"]


def test_the_place_is_the_tests_line_or_its_node_id(span: SpanEvidence) -> None:
    assert verdict.of_phase(span).place == span.nodeid
    span.attributes["code.file.path"] = "tests/test_plan.py"
    assert verdict.of_phase(span).place == "tests/test_plan.py:20"


def test_what_did_not_start_says_what_it_waits_for_and_the_other_what_it_holds(evidence: Evidence) -> None:
    _, stopped, held, _ = verdict.of_trace(evidence).phases
    assert stopped.held == ("S3 PHASE_3", "S4 PHASE_4")
    assert (held.waits_for, held.gates, held.took) == ("S2", "", "")
    assert held.why == "not started: LOAD-7-S2 PHASE_2 is blocked: C1 Purpose of C1"


def test_a_long_exception_does_not_make_a_long_skip(span: SpanEvidence) -> None:
    span.gates, span.blocked_reason = [], f"KeyError: {'x' * 500}\nmore"
    assert len(verdict.not_started("it", span)) < 250
    assert verdict.not_started("the session ended\nmore", None) == "not started: the session ended"


def test_a_state_says_reused_and_deselected() -> None:
    first, _, third = samples.partial().spans
    assert verdict.of_phase(first).state == "completed (reused)"
    assert (third.blocked_reason, verdict.of_phase(third).state) == (DESELECTED, "deselected")


# --- a trace ---------------------------------------------------------------------------------------------------------


def test_a_trace_counts_its_phases_and_says_what_is_not_done(evidence: Evidence) -> None:
    found = verdict.of_trace(evidence)
    assert (found.counts, found.took, found.title) == (
        "1 completed, 1 blocked, 2 not_started", "0.05 s", "LOAD-7 is blocked",
    )  # fmt: skip
    assert found.done == (("every row arrived", "not reached"),)
    assert [phase.id for phase in found.stopped] == ["S2"]
    assert found.cause is None


def test_a_trace_that_no_phase_stopped_has_a_cause_of_its_own() -> None:
    evidence = samples.completed()
    evidence.status, evidence.blocked_reason, evidence.next_action = Status.BLOCKED, "not done", "Do `it`."
    found = verdict.of_trace(evidence)
    assert found.is_stopped
    assert found.cause is not None
    assert (found.cause.reason, found.cause.next_action) == (("not done",), "Do it.")


def test_a_verdict_does_not_change(evidence: Evidence) -> None:
    with pytest.raises(FrozenInstanceError):
        verdict.of_trace(evidence).counts = ""  # type: ignore[misc]


def test_the_phases_reason_in_evidence_and_spans_names_the_first_finding_too(span: SpanEvidence) -> None:
    span.gates = [gate(item("7", "a.csv", "2 lost"), reason="3 of 9 rows")]
    outcome = phase_outcome(span, [Trouble("later", "look")])
    assert outcome.reason == "C1: 3 of 9 rows; first: a.csv: 2 lost"


# --- rows ------------------------------------------------------------------------------------------------------------


def test_rows_say_reason_where_evidence_next_and_test(span: SpanEvidence) -> None:
    span.gates = [gate(item("7", "a.csv", "2 lost"), item("8", "b.csv"), reason="rows:\n  two")]
    assert [*rows.rows(verdict.of_phase(span), 3)] == [
        Row("reason", ("C1 Row counts (required): rows:", "  two")),
        Row("where", ("a.csv", "2 lost")),
        Row("where", ("b.csv",)),
        Row("evidence", ("lost_row: 7, 8",)),
        Row("next", ("Run load again.",)),
        Row("test", (str(span.nodeid),)),
    ]


def test_rows_are_bounded_and_count_what_they_leave_out(span: SpanEvidence) -> None:
    many = [item(f"{n}", f"{n % 4}.csv", f"fault {n}") for n in range(20)]
    span.gates = [gate(*many), *(samples.gate(span.span_id, f"G{n}", 0, Result.FAIL) for n in (1, 2))]
    said = list(rows.as_text(rows.rows(verdict.of_phase(span), 1)))
    assert said == [
        "reason: C1 Row counts (required): rows are lost",
        "where: 0.csv", "  fault 0", "  … and 4 more",
        "where: 1.csv", "  fault 1", "  … and 4 more",
        "where: and 2 more: 2.csv, 3.csv",
        "evidence: lost_row: 0, … and 19 more",
        "next: Run load again.",
        "also: G1 Purpose of G1; G2 Purpose of G2",
        f"test: {span.nodeid}",
    ]  # fmt: skip
