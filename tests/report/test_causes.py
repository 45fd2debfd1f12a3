"""What stopped a phase, as every report tells it: gate, files, sentences; and what the reports make of it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from pytest_contextcore.commands.plan_check import describe
from pytest_contextcore.plan.model import load_plan
from pytest_contextcore.report import github as ci
from pytest_contextcore.report import junit
from pytest_contextcore.report import verdict as causes
from pytest_contextcore.report.page.page import render
from pytest_contextcore.report.page.text import rich
from pytest_contextcore.report.progress import GateLine
from pytest_contextcore.report.terminal import stopped_message, table
from pytest_contextcore.trace.evidence import Evidence, Result, SpanEvidence
from pytest_contextcore.trace.rules import Outcome

from ..support import page_samples as samples
from ..support.plans import Suite

DIGEST = "838099834df9ad646ea5545673b1214fe51cb62aff718ff4f927e3429e096a2c"
ORDERS = "export/orders.json: 2 rows lost\nexport/sums.json: not the sum\nexport/orders.json: no header"


@pytest.fixture
def evidence() -> Evidence:
    """The second of four phases is blocked, by a gate whose reason names two files."""
    found = samples.stopped()
    gate = found.spans[1].gates[0]
    gate.purpose = "Row `counts` (all of them)"
    gate.reason = f"{ORDERS} {DIGEST}"
    gate.next_action = "Run `load again` tonight."
    found.spans[1].attributes["code.file.path"] = "tests/test_plan.py"
    return found


@pytest.fixture
def span(evidence: Evidence) -> SpanEvidence:
    return evidence.spans[1]


def also_failed(span: SpanEvidence, reason: str = "etl/rates.csv: 3 rates are negative") -> None:
    """The phase's second gate failed, too."""
    gate = samples.gate(span.span_id, "G1", 0, Result.FAIL)
    gate.reason, gate.purpose = reason, "Rates are positive"
    span.gates[1] = gate


def text(evidence: Evidence, width: int = 80) -> list[str]:
    return [line for line, _ in table(evidence, width=width)]


# --- a reason by file ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("export/a.json: lost", "export/a.json"),
        (".contextcore.yaml: missing", ".contextcore.yaml"),
        ("count.py: exit code 1", "count.py"),
        ("etl/load.py:12: no row", "etl/load.py:12"),
        ("etl/load.py:12:7: no row", "etl/load.py:12:7"),
        ("project/größe.yaml: too long", "project/größe.yaml"),
        ("KeyError: 'orders'", ""),
        ("1 of 3 orders lost", ""),
        ("two rows: a and b", ""),
        ("http://localhost:4318: refused", ""),
        ("$.rows: none", ""),
        ("version 1.5: too old", ""),
        ("1.5: too old", ""),
        ("export/a.json", ""),
        ("export/a.json: ", ""),
    ],
)
def test_a_line_is_about_the_file_that_it_begins_with(line: str, file: str) -> None:
    assert [about.file for about in causes.by_file(line)] == [file]


def test_a_reason_is_put_under_its_files() -> None:
    orders, sums = causes.by_file(ORDERS)
    assert (orders.file, orders.sentences) == ("export/orders.json", ("2 rows lost", "no header"))
    assert (sums.file, sums.sentences) == ("export/sums.json", ("not the sum",))


def test_an_indented_line_belongs_to_the_one_before_it_and_another_to_no_file() -> None:
    orders, rest = causes.by_file("orders.csv: rows differ\n  row 3\nlook there")
    assert (orders.file, orders.sentences) == ("orders.csv", ("rows differ", "  row 3"))
    assert (rest.file, rest.sentences) == ("", ("look there",))


def test_no_reason_is_one_empty_sentence() -> None:
    assert causes.by_file("") == (causes.About("", ("",)),)


def test_digests_are_short_and_other_numbers_are_whole() -> None:
    other = "f" * 39
    assert causes.short(f"is {DIGEST}, sha256:{DIGEST}, {other}") == f"is 838099834df9…, sha256:838099834df9…, {other}"


# --- one line --------------------------------------------------------------------------------------------------------


def test_the_headline_names_gate_and_every_file(span: SpanEvidence) -> None:
    said = "C1 Row counts: export/orders.json: 2 rows lost (also in export/sums.json)"
    assert causes.headline(span) == said
    also_failed(span)
    assert causes.headline(span) == f"{said}; also failed: G1 Rates are positive"


@pytest.mark.parametrize("word", ["task.status", "struct.error", "i.e", "3.x", "quality.gap_count"])
def test_a_dotted_word_is_no_file(word: str) -> None:
    assert [about.file for about in causes.by_file(f"{word}: expected done")] == [""]


@pytest.mark.parametrize("file", ["rates.csv", ".env", "a/b", "plan.toml:7", "x.jsonl", "etl.weird:12"])
def test_what_ends_like_a_file_is_one(file: str) -> None:
    assert [about.file for about in causes.by_file(f"{file}: is empty")] == [file]


def test_the_headline_counts_files_beyond_ten(span: SpanEvidence) -> None:
    span.gates[0].reason = "\n".join(f"a/{number}.csv: lost" for number in range(13))
    assert causes.headline(span).endswith("a/9.csv, a/10.csv, and 2 more files)")


def test_what_did_not_start_names_span_and_gate_and_leaves_the_reason_there(evidence: Evidence) -> None:
    span, held = evidence.spans[1:3]
    why = causes.not_started(evidence, held.blocked_reason, held.blocked_on_span_id)
    assert why == f"not started: {span.span_id} {span.phase} is blocked: C1 Row counts"
    also_failed(span)
    assert causes.stopped(span).endswith("C1 Row counts (also failed: G1)")


def test_a_long_exception_does_not_make_a_long_skip(evidence: Evidence) -> None:
    span = evidence.spans[1]
    span.gates = []
    span.blocked_reason = f"KeyError: {'x' * 500}\nmore"
    assert len(causes.not_started(evidence, "it", span.span_id)) < 250
    assert causes.not_started(evidence, "the session ended\nmore", None) == "not started: the session ended"


# --- terminal --------------------------------------------------------------------------------------------------------


def test_the_table_says_the_gate_by_its_purpose_and_each_file(evidence: Evidence) -> None:
    lines = text(evidence)
    at = lines.index("     reason:   C1 Row counts")
    assert lines[at + 1 : at + 5] == [
        "     where:    export/orders.json",
        "                 2 rows lost, and more",
        "               export/sums.json",
        "                 not the sum",
    ]
    assert "     next:     Run load again tonight." in lines
    assert "     test:     tests/test_plan.py:20" in lines
    assert max(map(len, lines)) <= 80


def test_the_table_says_why_of_every_failed_gate(evidence: Evidence) -> None:
    also_failed(evidence.spans[1])
    lines = text(evidence)
    assert "     reason:   G1 Rates are positive: 3 rates are negative" in lines
    assert "     where:    etl/rates.csv" in lines
    assert "     next:     the next action of G1" in lines


def test_the_table_names_the_gates_for_which_it_has_no_room(evidence: Evidence) -> None:
    span = evidence.spans[1]
    span.gates = [samples.gate(span.span_id, f"G{number}", 0, Result.FAIL) for number in range(6)]
    assert "     also:     G4 Purpose of G4; G5 Purpose of G5" in text(evidence)


# --- JUnit, annotation, page, and what they share -------------------------------------------------------------------


def gate_failure(evidence: Evidence, nth: int = 0) -> ET.Element:
    span = evidence.spans[1]
    phase = ET.Element("testcase", time="1")
    [failure] = junit.gate_case(evidence, span, span.gates[nth], phase, prefix=None).findall("failure")
    return failure


def test_junit_says_gate_and_files_in_the_message_and_each_sentence_in_the_text(evidence: Evidence) -> None:
    failure = gate_failure(evidence)
    assert failure.get("message") == "C1 Row counts: export/orders.json: 2 rows lost (also in export/sums.json)"
    assert (failure.text or "").splitlines() == [
        "C1 Row counts (export/orders.json and 1 more file)",
        "where: export/orders.json",
        "reason: 2 rows lost",
        "        no header 838099834df9…",
        "where: export/sums.json",
        "reason: not the sum",
        "test: tests/test_plan.py:20",
        "evidence: lost_row: row-7 (it was there an hour ago)",
        "next: Run load again tonight.",
    ]


def test_the_same_sentence_about_two_files_is_said_of_both(evidence: Evidence) -> None:
    evidence.spans[1].gates[0].reason = "a.csv: empty\nb.csv: empty"
    assert (gate_failure(evidence).text or "").count("reason: empty") == 2


def test_the_failure_of_a_phase_says_every_gate_with_all_that_it_found(span: SpanEvidence) -> None:
    also_failed(span)
    outcome = Outcome(span.status, "C1: lost", "look")
    places = {span.gates[0].gate_id: "tests/test_plan.py:22", span.gates[1].gate_id: "tests/helpers.py:7"}
    assert stopped_message(span, outcome, places).splitlines() == [
        f"{span.span_id} {span.phase} is blocked: C1 Row counts; G1 Rates are positive",
        "  test: tests/test_plan.py:20 (gate C1 at line 22, G1 at tests/helpers.py:7)",
        "C1 Row counts (integrity)",
        "  where: export/orders.json",
        "  reason: 2 rows lost",
        "          no header 838099834df9…",
        "  where: export/sums.json",
        "  reason: not the sum",
        "  next: Run load again tonight.",
        "G1 Rates are positive (required)",
        "  where: etl/rates.csv",
        "  reason: 3 rates are negative",
        "  next: the next action of G1",
    ]


def test_the_failure_of_one_gate_with_one_finding_says_it_in_its_first_line(span: SpanEvidence) -> None:
    span.gates[0].reason = "export/orders.json: 2 rows lost"
    assert stopped_message(span, Outcome(span.status, "C1: lost", "look"), {}).splitlines() == [
        f"{span.span_id} {span.phase} is blocked: C1 Row counts: 2 rows lost",
        "  where: export/orders.json",
        "  test: tests/test_plan.py:20",
        "  next: Run load again tonight.",
    ]


def between(page: str, start: str, end: str) -> str:
    at = page.index(start)
    return page[at : page.index(end, at)]


def test_the_page_names_the_broken_files_on_top_in_the_phase_and_in_the_gate(evidence: Evidence) -> None:
    evidence.workspace = "/builds/shop"
    page, span = render([evidence]), evidence.spans[1]
    top = between(page, 'class="banner', 'class="work"')
    phase = between(page, f'<article id="{span.span_id}"', "</article>")
    gate = between(page, f'<article id="{span.gates[0].gate_id}"', "</article>")
    for place in (top, phase, gate):
        for said in ("export/orders.json", "export/sums.json", "/builds/shop", span.nodeid, ", line 20"):
            assert str(said) in between(place, ">Where<", ">Why<")
    assert "<code>load again</code>" in top
    assert DIGEST not in top
    assert DIGEST in gate


def test_a_gate_that_passed_is_nowhere_broken(evidence: Evidence) -> None:
    gate = evidence.spans[0].gates[0].gate_id
    assert ">Where<" not in between(render([evidence]), f'<article id="{gate}"', "</article>")


def test_every_report_points_at_the_same_line(evidence: Evidence) -> None:
    span, root = evidence.spans[1], Path("/repo")
    assert causes.place(span) == "tests/test_plan.py:20"
    [command] = ci.stop_annotations([evidence], root, root)
    assert command.startswith("::error file=tests/test_plan.py,line=20,")
    assert "     test:     tests/test_plan.py:20" in text(evidence)
    assert "test: tests/test_plan.py:20" in (gate_failure(evidence).text or "")
    assert "test tests&#47;test&#95;plan" in (ci.step_summary([evidence]) or "").replace("/", "&#47;")
    assert ", line 20" in render([evidence])


def test_backticks_are_code_on_the_page_and_nothing_elsewhere(evidence: Evidence) -> None:
    root = Path("/repo")
    [command] = ci.stop_annotations([evidence], root, root)
    assert command.endswith("next: Run load again tonight.")
    assert "Run load again tonight&#46;" in (ci.step_summary([evidence]) or "")
    assert [str(piece) for piece in rich("Run `a` or b.")] == ["Run ", "<code>a</code>", " or b."]
    assert causes.plain("a ` b") == "a ` b"


def test_a_gate_that_fails_is_shown_with_its_purpose_while_the_run_goes_on(span: SpanEvidence) -> None:
    line = GateLine.of(span.gates[0])
    assert line.reason is not None
    assert line.reason.startswith("Row counts: export/orders.json: 2 rows lost\n")
    assert GateLine.of(span.gates[1]).reason is None


def test_a_terminal_without_unicode_gets_dots_it_can_show(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    suite = Suite(pytester)
    suite.replace("assert rows.count == 3", f"assert False, 'rows.csv: {DIGEST} is not it'")
    suite.run().stdout.fnmatch_lines(["     reason:   C1 No row lost: 838099834df9... is not it"])


def test_what_a_plan_check_prints_has_no_backticks() -> None:
    plan = load_plan(Path(__file__).parents[2] / "pilot_tests" / "plan.toml")
    assert not [line for line in describe(plan, {}) if "`" in line]
