"""On GitHub Actions: job summary and annotations; what stands in them is text and nothing else."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from pytest_contextcore.report import github as ci
from pytest_contextcore.text import harmless
from pytest_contextcore.trace.evidence import Attributes, Evidence, Result
from pytest_contextcore.trace.recorder import TraceRecorder

from ..support.plans import PASSING, WAREHOUSE, Suite, warehouse

ON = {"GITHUB_ACTIONS": "true"}
HOSTILE = (
    "::error::evil\n  ::add-mask::x ##[error]y <img src=x onerror=alert(1)> </code><i>1</i> | a\n"
    "# head [link](http://evil) ![i](http://evil) **bold** `tick` ~~gone~~ &lt; \\| @octocat "
    "http://evil \x1b[31m\u202eend"
)


def stopped(folder: Path, reason: str = "a row is lost", text: str = WAREHOUSE) -> Evidence:
    """The warehouse's trace, blocked at its second phase, with a warning."""
    recorder = TraceRecorder(warehouse(folder, text))
    recorder.start()
    recorder.begin_phase("E", "tests/test_load.py::test_extract")
    recorder.begin_gate("E", "C1")
    recorder.end_gate("E", "C1", Result.PASS)
    recorder.end_phase("E")
    place: Attributes = {"code.file.path": "tests/test_load.py", "code.line.number": 17}
    recorder.begin_phase("T", "tests/test_load.py::test_transform", place)
    for gate, said in (("C1", reason), ("C3", f"{reason}, warned")):
        recorder.begin_gate("T", gate)
        recorder.end_gate("T", gate, Result.FAIL, said)
    recorder.end_phase("T")
    recorder.finish()
    return recorder.evidence


# --- annotations -----------------------------------------------------------------------------------------------------


def unescaped(command: str) -> tuple[dict[str, str], str]:
    """A workflow command as the runner reads it."""
    found = re.fullmatch(r"::error ([^:]*)::([^\r\n]*)", command)
    assert found is not None
    pairs = dict(pair.split("=", 1) for pair in found[1].split(","))
    codes = (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%"))
    for code, char in codes:
        pairs = {name: value.replace(code, char) for name, value in pairs.items()}
    message = found[2]
    for code, char in codes[2:]:
        message = message.replace(code, char)
    return pairs, message


def test_a_blocked_phase_is_annotated_at_its_tests_line(tmp_path: Path) -> None:
    evidence = stopped(tmp_path)
    [command] = ci.stop_annotations([evidence], tmp_path / "repo" / "sub", tmp_path / "repo")
    place, message = unescaped(command)
    assert place == {"file": "sub/tests/test_load.py", "line": "17", "title": "LOAD-7-T TRANSFORM is blocked"}
    assert message.splitlines()[0] == "C1 No row lost: a row is lost"
    assert "did not run: P" in message.splitlines()
    assert message.splitlines()[-1] == f"next: {evidence.spans[1].next_action}"


def test_a_test_outside_the_repository_is_annotated_without_a_place(tmp_path: Path) -> None:
    [command] = ci.stop_annotations([stopped(tmp_path)], tmp_path / "elsewhere", tmp_path / "repo")
    assert set(unescaped(command)[0]) == {"title"}


def test_hostile_text_stays_inside_its_annotation(tmp_path: Path) -> None:
    evidence = stopped(tmp_path, HOSTILE + "\r\n100%0A,title=x", WAREHOUSE.replace("TRANSFORM", "A,line=1::b%0A"))
    [command] = ci.stop_annotations([evidence], tmp_path, tmp_path)
    place, message = unescaped(command)
    assert place["title"] == "LOAD-7-T A,line=1::b%0A is blocked"
    assert "100%0A,title=x" in message
    assert "\\x1b[31m\\u202eend" in message


def test_a_trace_that_no_phase_blocks_is_annotated_too(tmp_path: Path) -> None:
    evidence = stopped(tmp_path)
    done = evidence.model_copy(update={"spans": evidence.spans[:1], "blocked_on_span_id": None})
    [command] = ci.stop_annotations([done], tmp_path, tmp_path)
    assert unescaped(command)[0] == {"title": "LOAD-7 is blocked"}


# --- our own lines in the log ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["::error::x", "  ::add-mask::x", "a\n\t::stop-commands::x", "a\r::x::", "a ##[error]b", "a\n##[group]"]
)
def test_no_line_of_ours_is_a_workflow_command(text: str) -> None:
    shown = harmless(text, ON)
    assert not any(line.strip().startswith("::") or "##[" in line for line in re.split(r"[\r\n]", shown))
    assert re.sub(r"[:# \s]", "", shown) == re.sub(r"[:# \s]", "", text)
    assert harmless(text, {}) == text


@pytest.mark.parametrize("text", ["test_a.py::test_b", "reason: a::b", "## heading", "#[x]"])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert harmless(text, ON) == text


# --- job summary -----------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Tags and texts of a rendered summary."""

    def __init__(self, markdown: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.codes: list[str] = []
        self.text = ""
        self._code = False
        self.feed(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not [name for name, _ in attrs if name != "style"]  # the alignment of columns
        self.tags.add(tag)
        if tag == "code":
            self.codes.append("")
            self._code = True

    def handle_endtag(self, tag: str) -> None:
        self._code = self._code and tag != "code"

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._code:
            self.codes[-1] += data


PLAIN = {"h3", "p", "table", "thead", "tbody", "tr", "th", "td", "code", "br"}


def test_the_summary_says_what_broke_where_why_and_what_next(tmp_path: Path) -> None:
    evidence = stopped(tmp_path)
    text = ci.step_summary([evidence]) or ""
    page = Page(text)
    assert page.tags == PLAIN - {"br"}
    assert "❌ LOAD-7 blocked" in page.text
    assert "LOAD-7-T TRANSFORM is blocked" in page.text
    broken, found = "C1 No row lost (integrity)", "C1 No row lost: a row is lost"
    assert page.codes[:3] == [broken, "test tests/test_load.py:17", found]
    assert page.codes[3:5] == [evidence.spans[1].next_action, "P"]
    rows = [line for line in text.splitlines() if line.startswith(("| ✅", "| ❌", "| ⚪"))]
    assert [row.split("|")[2].strip() for row in rows] == ["E EXTRACT", "T TRANSFORM", "P PUBLISH"]
    assert rows[1].split("|")[-2].strip() == "0/3"
    assert "not_started, blocked on T" in rows[2]
    assert "⚠️ T warns: C3 No deprecated column: a row is lost, warned" in page.text


def test_hostile_text_is_shown_and_is_neither_markdown_nor_html(tmp_path: Path) -> None:
    text = WAREHOUSE.replace("TRANSFORM", "x | <b>&").replace("Load the nightly orders", "[t](http://evil) <i>")
    page = Page(ci.step_summary([stopped(tmp_path, HOSTILE, text)]) or "")
    assert page.tags == PLAIN
    lines = [" ".join(line.split()) for line in f"C1 No row lost: {HOSTILE}".splitlines()]
    shown = [line.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e") for line in lines]
    assert page.codes[2 : len(shown) + 2] == shown
    assert "[t](http://evil) <i>" in page.text


def test_the_summary_never_exceeds_the_room_there_is(tmp_path: Path) -> None:
    traces = [stopped(tmp_path, HOSTILE)] * 20
    whole = len((ci.step_summary(traces) or "").encode())
    for room in range(0, whole + 500, 97):
        text = ci.step_summary(traces, room)
        assert text is None or len(text.encode()) <= room
        assert text is None or room >= whole or text.endswith("has all of it.*\n")
    assert len((ci.step_summary(traces * 2000) or "").encode()) <= ci.SUMMARY_LIMIT


def test_stopped_traces_come_first(tmp_path: Path) -> None:
    evidence = stopped(tmp_path)
    fine = evidence.model_copy(update={"trace_id": "FINE", "status": "completed"})
    text = ci.step_summary([fine.model_validate(fine.model_dump(warnings=False)), evidence]) or ""
    assert text.index("LOAD-7 blocked") < text.index("FINE completed")


# --- a run -----------------------------------------------------------------------------------------------------------

BLOCKED = PASSING.replace("assert rows.count == 3", 'assert False, "lost\\n::error::evil ##[error]evil"')


@pytest.fixture
def summary(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The step's summary, in a run that GitHub Actions seems to start."""
    suite.write(BLOCKED)
    target = suite.pytester.path / "summary.md"
    target.write_text("before", encoding="utf-8")
    for name, value in {**ON, "GITHUB_STEP_SUMMARY": target, "GITHUB_WORKSPACE": suite.pytester.path}.items():
        monkeypatch.setenv(name, str(value))
    return target


@pytest.mark.parametrize("more", [[], ["-q"], ["-n2"]], ids=["one process", "quiet", "xdist"])
def test_a_run_on_github_writes_one_summary_and_one_annotation(suite: Suite, summary: Path, more: list[str]) -> None:
    result = suite.run("-p", "no:hypothesispytest", *more)
    commands = [line for line in result.outlines if re.match(r"\s*::", line)]
    assert len(commands) == 1
    place, message = unescaped(commands[0])
    line = BLOCKED.splitlines().index('@pytest.mark.phase("T")') + 1
    assert place == {"file": "test_load.py", "line": str(line), "title": "LOAD-7-T TRANSFORM is blocked"}
    assert message.splitlines()[:2] == ["C1 No row lost: lost", "::error::evil ##[error]evil"]
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("before\n### ❌ LOAD-7 blocked")
    assert text.count("### ") == 1


def test_no_line_that_we_print_carries_a_foreign_command(suite: Suite, summary: Path) -> None:
    del summary
    result = suite.run("-p", "no:hypothesispytest", "-v")
    ours = [line for line in result.outlines if not line.startswith("::error file=test_load.py")]
    assert not [line for line in ours if line.strip().startswith("::") or "##[" in line]


def test_an_unwritable_summary_is_one_line_and_changes_no_outcome(suite: Suite, summary: Path) -> None:
    summary.unlink()
    summary.mkdir()
    result = suite.run("-p", "no:hypothesispytest")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["job summary not written to */summary.md: *"])
    assert "Traceback" not in result.stdout.str()


def test_a_full_summary_is_left_alone_and_said(suite: Suite, summary: Path) -> None:
    summary.write_bytes(b"x" * ci.SUMMARY_LIMIT)
    suite.run("-p", "no:hypothesispytest").stdout.fnmatch_lines(["job summary not written to *leaves no room*"])
    assert summary.stat().st_size == ci.SUMMARY_LIMIT


def test_outside_github_nothing_is_written_or_annotated(
    suite: Suite, summary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS")
    result = suite.run("-p", "no:hypothesispytest")
    assert not [line for line in result.outlines if line.startswith("::error file")]
    assert summary.read_text(encoding="utf-8") == "before"


def test_a_run_without_a_plan_writes_nothing(suite: Suite, summary: Path) -> None:
    (suite.pytester.path / "plan.toml").unlink()
    suite.write("def test_ordinary():\n    assert 0\n")
    assert suite.run("-p", "no:hypothesispytest").ret == 1
    assert summary.read_text(encoding="utf-8") == "before"
