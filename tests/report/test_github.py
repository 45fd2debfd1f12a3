"""On GitHub Actions: job summary and annotations; what stands in them is text and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from pytest_contextcore.plan.model import Kind
from pytest_contextcore.report import github
from pytest_contextcore.report.verdict import of_trace
from pytest_contextcore.text import harmless
from pytest_contextcore.trace.evidence import Attachment, Evidence, EvidenceItem, Result

from ..support import page_samples as samples
from ..support.parsed import Parsed
from ..support.plans import PASSING, Suite

ON = {"GITHUB_ACTIONS": "true"}
HOSTILE = (
    "::error::evil\n  ::add-mask::x ##[error]y <img src=x onerror=alert(1)> </code><i>1</i> | a\n"
    "# head [link](http://evil) ![i](http://evil) **bold** `tick` ~~gone~~ &lt; \\| @octocat "
    "http://evil \x1b[31m\u202eend"
)


def stopped(reason: str = "a row is lost", phase: str = "PHASE_2", title: str = "Load the nightly orders") -> Evidence:
    """Blocked at the second of four phases, with a warning there."""
    evidence = samples.stopped()
    evidence.title, span = title, evidence.spans[1]
    span.phase = phase
    span.attributes |= {"code.file.path": "tests/test_load.py", "code.line.number": 17}
    span.gates[0].reason = reason
    span.gates[0].evidence = [EvidenceItem(type="lost_row", ref="7", file="out/rows.csv")]
    span.gates.append(samples.gate(span.span_id, "G2", 0, Result.FAIL, Kind.ADVISORY))
    return evidence


def annotation(evidence: Evidence, root: str = "/repo/sub") -> tuple[dict[str, str], str]:
    """Properties and message, as the runner reads them."""
    [command] = github.stop_annotations([of_trace(evidence)], Path(root), Path("/repo"))
    return unescaped(command)


def unescaped(command: str) -> tuple[dict[str, str], str]:
    found = re.fullmatch(r"::error ([^:]*)::(.*)", command)
    assert found is not None
    pairs = dict(pair.split("=", 1) for pair in found[1].split(","))
    return {name: decoded(value, ":,") for name, value in pairs.items()}, decoded(found[2], "")


def decoded(text: str, more: str) -> str:
    for char in (*more, "\r", "\n", "%"):
        text = text.replace(f"%{ord(char):02X}", char)
    return text


# --- annotations -----------------------------------------------------------------------------------------------------


def test_a_blocked_phase_is_annotated_at_its_tests_line() -> None:
    place, message = annotation(stopped())
    assert place == {"file": "sub/tests/test_load.py", "line": "17", "title": "LOAD-7-S2 PHASE_2 is blocked"}
    assert message.splitlines() == [
        "reason: C1 Purpose of C1 (integrity): a row is lost",
        "where: out/rows.csv",
        "evidence: lost_row: 7",
        "next: the next action of C1",
        "test: tests/test_load.py:17",
        "did not start: S3 PHASE_3, S4 PHASE_4",
    ]
    assert set(annotation(stopped(), "/elsewhere")[0]) == {"title"}  # outside of the repository


def test_hostile_text_stays_inside_its_annotation() -> None:
    place, message = annotation(stopped(HOSTILE + "\r\n100%0A,title=x", "A,line=1::b%0A"))
    assert place["title"] == "LOAD-7-S2 A,line=1::b%0A is blocked"
    assert "100%0A,title=x" in message
    assert "\\x1b[31m\\u202eend" in message


def test_a_trace_that_no_phase_blocks_is_annotated_too() -> None:
    evidence = stopped()
    evidence.spans, evidence.blocked_on_span_id, evidence.blocked_reason = evidence.spans[:1], None, "not done"
    assert annotation(evidence) == ({"title": "LOAD-7 is blocked"}, f"reason: not done\nnext: {evidence.next_action}")
    title, never = "LOAD-7-S3 PHASE_3 is not_started", "its test was selected but never run"  # which is exit code 1
    assert annotation(samples.dropped()) == ({"title": title}, f"reason: {never}")
    assert never in page(samples.dropped()).text
    assert github.stop_annotations([of_trace(samples.partial())], Path("/repo"), None) == []


@pytest.mark.parametrize(
    "text", ["::error::x", "  ::add-mask::x", "a\n\t::stop-commands::x", "a\r::x::", "a ##[error]b", "a\n##[group]"]
)
def test_no_line_of_ours_in_the_log_is_a_workflow_command(text: str) -> None:
    shown = harmless(text, ON)
    assert not any(line.strip().startswith("::") or "##[" in line for line in re.split(r"[\r\n]", shown))
    assert re.sub(r"[:# \s]", "", shown) == re.sub(r"[:# \s]", "", text)
    assert harmless(text, {}) == text
    assert harmless("reason: a::b ## heading #[x]", ON) == "reason: a::b ## heading #[x]"


# --- job summary -----------------------------------------------------------------------------------------------------


def page(*traces: Evidence) -> Parsed:
    """The summary as GitHub renders it."""
    markdown = github.step_summary(map(of_trace, traces))
    shown = Parsed(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown))
    assert {name for _, given in shown.elements for name in given} <= {"style"}  # the alignment of columns
    return shown


PLAIN = {"h3", "p", "table", "thead", "tbody", "tr", "th", "td", "code", "br"}


def test_the_summary_says_why_where_on_what_evidence_and_what_next_of_stopped_traces_first() -> None:
    found = page(samples.remarked(), stopped())
    assert found.text.index("❌ LOAD-7 blocked") < found.text.index("✅ LOAD-7 completed")
    assert found.inside["code"][:6] == [
        "C1 Purpose of C1 (integrity): a row is lost",
        "out/rows.csv",
        "lost_row: 7",
        "the next action of C1",
        "tests/test_load.py:17",
        "S3 PHASE_3, S4 PHASE_4",
    ]
    words = " ".join(found.text.split())
    for said in (
        "LOAD-7-S2 PHASE_2 is blocked",
        "❌ S2 PHASE_2 blocked 0.02 s 1/3 ⚪ S3 PHASE_3 not_started, blocked on S2",
        "⚠️ S2 warns: G2 Purpose of G2: the reason of G2",
        "⚠️ S2, waived: C1 Purpose of C1: the reason of C1",
        "by known since spring; approved by Kim until 2027-01-31",
    ):
        assert said in words
    long = samples.remarked()
    long.spans[1].gates[1].reason = "\n".join(f"line {number}" for number in range(40))
    assert "line 20… and 19 more" in page(long).text


def test_hostile_text_is_shown_and_is_neither_markdown_nor_html() -> None:
    found = page(stopped(HOSTILE, "x | <b>&", "[t](http://evil) <i>"))
    assert {tag for tag, _ in found.elements} == PLAIN
    lines = [" ".join(line.split()) for line in f"C1 Purpose of C1 (integrity): {HOSTILE}".splitlines()]
    shown = [line.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e") for line in lines]
    assert found.inside["code"][: len(shown)] == shown
    assert "[t](http://evil) <i>" in found.text


def test_a_summary_that_is_too_long_is_cut_and_says_so() -> None:
    text = github.step_summary([of_trace(stopped(HOSTILE))] * 1000)
    assert 2**20 - 10_000 < len(text.encode()) <= 2**20
    assert text.endswith("has all of it.*\n")


def test_the_summary_names_page_and_attachments_and_links_the_run_that_has_them(tmp_path: Path) -> None:
    evidence = samples.completed()
    evidence.spans[0].attachments = [Attachment(path="out/roc.png", title="ROC [x](http://evil) | <b>")]
    target = tmp_path / "summary.md"
    told = {"SERVER_URL": "https://github.com", "REPOSITORY": "o/r", "RUN_ID": "12", "STEP_SUMMARY": str(target)}
    environ = {**ON, **{f"GITHUB_{name}": value for name, value in told.items()}}
    assert github.report([of_trace(evidence)], tmp_path, environ, tmp_path / "site/page.html") == []
    found = Parsed(MarkdownIt("commonmark").render(target.read_text(encoding="utf-8")))
    assert found.all("href") == ["https://github.com/o/r/actions/runs/12#artifacts"]
    words = " ".join(found.text.split())
    assert "Page: site/page.html (in the artifacts of this run, if the workflow uploads it)" in words
    assert "Attachments: ROC [x](http://evil) | <b>, of LOAD-7-S1 PHASE_1: out/roc.png" in words
    environ["GITHUB_RUN_ID"] = "1) ![x](http://evil"
    target.unlink()
    github.report([of_trace(evidence)], tmp_path, environ)
    assert Parsed(MarkdownIt("commonmark").render(target.read_text(encoding="utf-8"))).all("href") == []


def test_a_summary_that_cannot_be_written_is_one_line_and_outside_of_github_there_is_none(tmp_path: Path) -> None:
    verdicts = [of_trace(stopped())]
    [said, _] = github.report(verdicts, tmp_path, {**ON, "GITHUB_STEP_SUMMARY": str(tmp_path)})
    assert said.startswith(f"job summary not written to {tmp_path}: ")
    target = tmp_path / "summary.md"
    assert github.report(verdicts, tmp_path, {"GITHUB_STEP_SUMMARY": str(target)}) == []
    assert not target.exists()


@pytest.mark.parametrize("more", [["-v"], ["-q"]])
def test_a_run_on_github_writes_one_summary_and_one_annotation(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    source = PASSING.replace("assert rows.count == 3", 'assert False, "lost\\n::error::evil ##[error]evil"')
    suite.write(source)
    target = suite.pytester.path / "summary.md"
    target.write_text("before", encoding="utf-8")
    for name, value in {**ON, "GITHUB_STEP_SUMMARY": target, "GITHUB_WORKSPACE": suite.pytester.path}.items():
        monkeypatch.setenv(name, str(value))
    lines = suite.here(*more).outlines
    [command] = [line for line in lines if re.match(r"\s*::", line)]
    place, message = unescaped(command)
    line = source.splitlines().index('@pytest.mark.phase("T")') + 1
    assert place == {"file": "test_load.py", "line": str(line), "title": "LOAD-7-T TRANSFORM is blocked"}
    assert message.splitlines()[:2] == ["reason: C1 No row lost (integrity): lost", "  ::error::evil ##[error]evil"]
    assert not [line for line in lines if line != command and "##[" in line]
    text = target.read_text(encoding="utf-8")
    assert text.startswith("before\n### ❌ LOAD-7 blocked")
    assert text.count("### ") == 1
