"""What a trace says to people: worked out once, of data, for every report."""

from __future__ import annotations

import pytest

from pytest_contextcore.report import rows, verdict
from pytest_contextcore.trace.evidence import Evidence, EvidenceItem, GateEvidence, Result, SpanEvidence, Status
from pytest_contextcore.trace.rules import Trouble, phase_outcome

from ..support import page_samples as samples

DIGEST = "838099834df9ad646ea5545673b1214fe51cb62aff718ff4f927e3429e096a2c"


def item(ref: str, file: str = "", description: str = "") -> EvidenceItem:
    return EvidenceItem(type="lost_row", ref=ref, file=file, description=description)


def gate(*items: EvidenceItem, reason: str = "rows are lost") -> GateEvidence:
    made = samples.gate("LOAD-7-S2", "C1", 0, Result.FAIL)
    made.reason, made.purpose, made.evidence = reason, "Row `counts` (of all)", list(items)
    made.next_action = "Run `load` again."
    return made


@pytest.fixture
def evidence() -> Evidence:
    """The second of four phases is blocked, and holds the two behind it."""
    return samples.stopped()


@pytest.fixture
def span(evidence: Evidence) -> SpanEvidence:
    return evidence.spans[1]


def test_a_gate_is_named_by_its_id_and_its_purpose_without_brackets_and_backticks(span: SpanEvidence) -> None:
    found = verdict.of_gate(span, gate())
    assert (found.name, found.next_action, found.title) == (
        "C1 Row counts", "Run load again.", "C1 Row counts: rows are lost",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "items", "lines", "about", "refs", "headline"),
    [
        (  # findings stand under their files in the order in which the files came
            "lost",
            [item("7", "b.csv", "2 lost"), item("8", "a.csv"), item("9", "b.csv", "no header")],
            ("lost",),
            (("b.csv", ("2 lost", "no header")), ("a.csv", ())),
            ("7", "8", "9"),
            "lost; first: b.csv: 2 lost",
        ),
        # a finding that is the reason is said once
        ("2 lost", [item("7", "a.csv", "2 lost")], ("2 lost",), (("a.csv", ()),), ("7",), "a.csv: 2 lost"),
        ("a.csv: 2 lost", [item("7", "a.csv", "2 lost")], ("2 lost",), (("a.csv", ()),), ("7",), "a.csv: 2 lost"),
        # a sentence without a file stands beside what it is about
        ("lost", [item("7", "", "was there")] * 2, ("lost",), (), ("7 (was there)",), "lost"),
        # a reason is not parsed, whatever its lines begin with
        ("a.csv: two\n  rows\nb.csv: one", [], ("a.csv: two", "  rows", "b.csv: one"), (), (), "a.csv: two"),
        (  # digests are short wherever they stand
            f"not sha256:{DIGEST}, {'f' * 39}",
            [item(DIGEST, "a.csv", f"is {DIGEST}")],
            (f"not sha256:838099834df9…, {'f' * 39}",),
            (("a.csv", ("is 838099834df9…",)),),
            ("838099834df9…",),
            f"not sha256:838099834df9…, {'f' * 39}; first: a.csv: is 838099834df9…",
        ),
    ],
)
def test_a_gate_tells_its_reason_its_findings_by_file_and_its_evidence(
    span: SpanEvidence,
    reason: str,
    items: list[EvidenceItem],
    lines: tuple[str, ...],
    about: tuple[object, ...],
    refs: tuple[str, ...],
    headline: str,
) -> None:
    found = verdict.of_gate(span, gate(*items, reason=reason))
    assert (found.reason, found.about, found.headline) == (lines, about, headline)
    assert found.evidence == ((("lost_row", refs),) if refs else ())


def test_a_blocked_phase_is_told_by_its_failed_gates_integrity_first(span: SpanEvidence) -> None:
    span.gates = [samples.gate(span.span_id, "G1", 0, Result.FAIL), *span.gates]
    phase = verdict.of_phase(span)
    assert [each.name for each in phase.causes] == ["C1 Purpose of C1", "G1 Purpose of G1"]
    assert phase.headline.endswith("(also failed: G1)")
    assert (phase.title, phase.gates, phase.took) == ("LOAD-7-S2 PHASE_2 is blocked", "1/3", "0.02 s")


def test_the_reason_in_evidence_and_spans_names_the_first_finding_too(span: SpanEvidence) -> None:
    span.gates = [gate(item("7", "a.csv", "2 lost"))]
    assert (
        phase_outcome(span, [Trouble("later", "look", "KeyError")]).reason == "C1: rows are lost; first: a.csv: 2 lost"
    )


def test_a_phase_that_raised_is_told_by_what_it_raised() -> None:
    [only] = verdict.of_phase(samples.stopped(Status.FAILED).spans[1]).causes
    assert (only.gate, only.name, only.reason) == (None, "", ("KeyError: 'orders'",))


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
    assert [verdict.of_phase(span).state for span in samples.partial().spans] == [
        "completed (reused)", "completed", "deselected",
    ]  # fmt: skip


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
