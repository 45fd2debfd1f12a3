"""What the page of a trace says, and what it survives."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_contextcore.report.page import page as made
from pytest_contextcore.report.page.attached import MAX_INLINE
from pytest_contextcore.report.page.text import clean, duration
from pytest_contextcore.report.page.view import TICKS, Axis
from pytest_contextcore.report.verdict import of_trace
from pytest_contextcore.trace.evidence import (
    Attachment,
    Attempt,
    Evidence,
    EvidenceItem,
    Input,
    ProgramEvidence,
    Status,
)

from ..support import page_samples as samples
from ..support.parsed import Parsed

STYLE = Path(made.__file__).with_name("page.css").read_text(encoding="utf-8")
TONES = ("good", "bad", "warn", "active", "muted")


def render(*traces: Evidence) -> str:
    return made.render([of_trace(trace) for trace in traces])


def blocked() -> Evidence:
    """A phase is blocked by a gate that names the file that is wrong, and whose purpose holds code."""
    evidence = samples.stopped()
    gate = evidence.spans[1].gates[0]
    gate.purpose = "Purpose of `C1`"
    evidence.spans[1].attributes["code.file.path"] = "tests/test_plan.py"
    gate.evidence = [EvidenceItem(type="lost_row", ref="row-7", file="data/orders.csv", description="it was there")]
    return evidence


def words(page: str) -> str:
    return " ".join(Parsed(page).text.split())


def banner(page: str) -> str:
    return page[page.index('<section class="banner') : page.index('<div class="work"')]


# --- the answers -----------------------------------------------------------------------------------------------------


def unmet() -> Evidence:
    evidence = samples.completed()
    evidence.status, evidence.blocked_reason, evidence.next_action = Status.BLOCKED, "rows are missing", "count again"
    return evidence


@pytest.mark.parametrize(
    ("evidence", "answers", "expected"),
    [
        (
            blocked(),
            ["What broke", "Where", "Why", "What next", "Evidence", "Did not run"],
            [
                "Blocked at S2 PHASE_2",
                "1 of 4 phases completed · 3 of 6 gates passed · 1 failed · 50 ms",
                "Gate C1 (integrity) of phase S2 PHASE_2: Purpose of C1",
                "data/orders.csv Test tests/test_plan.py::test_phase_2, line 20",
                "the reason of C1: 2 rows lost (observed: 1, expected: 3) data/orders.csv: it was there",
                "lost_row row-7",
                "the next action of C1",
                "2 phases because of S2 PHASE_2 S3 PHASE_3 S4 PHASE_4",
            ],
        ),
        (
            samples.stopped(Status.FAILED),
            ["What broke", "Where", "Why", "What next", "Did not run", "Not checked"],
            ["Phase S2 PHASE_2 failed; no gate stopped it", "KeyError: 'orders'"],
        ),
        (unmet(), ["Why", "What next"], ["Blocked: the definition of done is not met", "rows are missing"]),
        (
            samples.remarked(),
            ["Waived", "Warnings"],
            [
                "Completed with 1 waived gate and 1 warning",
                "4 of 6 gates passed · 1 waived · 1 warning",
                "S2-C1 Purpose of C1: the reason of C1",
                "approved by Kim until 2027-01-31",
            ],
        ),
        (
            samples.partial(),
            ["Did not run"],
            ["Not complete: only a part of the plan was selected", "1 phase reused", "1 phase, not selected"],
        ),
        (samples.completed(), [], ["Completed 3 of 3 phases completed · 6 of 6 gates passed"]),
    ],
)
def test_the_top_says_what_the_reader_came_for(evidence: Evidence, answers: list[str], expected: list[str]) -> None:
    top = banner(render(evidence))
    assert re.findall("<dt>(.*?)</dt>", top) == answers
    assert [text for text in expected if text not in words(top)] == []


def test_the_traces_that_did_not_complete_come_first_and_each_is_listed() -> None:
    page = render(samples.completed("LOAD-6"), samples.stopped(), samples.completed("LOAD-8"))
    assert re.findall('<section class="trace" id="trace:(.*?)"', page) == ["LOAD-7", "LOAD-6", "LOAD-8"]
    assert "<title>blocked: LOAD-7, LOAD-6, LOAD-8</title>" in page
    assert page.count("<nav ") == 1


def test_files_that_are_wrong_stand_on_top_in_the_phase_and_in_the_gate_and_backticks_are_code() -> None:
    page = render(blocked())
    assert page.count('<code class="file">data/orders.csv</code>') == 3
    assert "Purpose of <code>C1</code>" in banner(page)
    assert "`" not in page.partition("</style>")[2].rpartition("<script>")[0]


def test_a_warning_names_each_of_its_files_and_a_failed_program_what_it_printed_last() -> None:
    evidence = samples.stopped(Status.FAILED)
    gate = samples.remarked().spans[1].gates[1]
    gate.evidence = [EvidenceItem(type="blank", ref=f"r{n}", file=f"{n}.csv", description=f"no {n}") for n in range(3)]
    evidence.spans[0].gates.append(gate)
    printed = "".join(f"line {n}\n" for n in range(30))
    program = ProgramEvidence(otel_span_id="9" * 16, args=["load"], end="exit code 3", error_type="3", stderr=printed)
    evidence.spans[1].programs = [program]
    said = words(banner(render(evidence)))
    assert "0.csv: no 0 1.csv: no 1 2.csv: no 2" in said
    assert "Output of load: exit code 3 line 10 line 11" in said
    assert said.count("line 29") == 1


def test_while_the_run_goes_on_what_is_open_reaches_up_to_now_and_nothing_is_called_missed() -> None:
    evidence = samples.running(1)
    evidence.spans[1].gates[0].started_at = now = samples.BEGIN + 80 * samples.MS
    page = made.render([of_trace(evidence)], live=now)
    top = banner(page)
    assert re.findall("<dt>(.*?)</dt>", top) == ["Not started"]
    assert "In progress at S2 PHASE_2 1 of 3 phases completed" in words(top)
    assert "In progress at S2 PHASE_2: not finished when this was written" in words(banner(render(evidence)))
    row = page[page.index('href="#LOAD-7-S2-C1"') :].partition("</tr>")[0]
    assert 'active">in progress</span>' in row
    assert page.count(made.LIVE) == 1
    axis = Axis(evidence, now)
    assert (axis.bar(evidence), axis.step) == ((0, axis.percent(now), 0, None), 20 * samples.MS)


# --- nothing is left out ---------------------------------------------------------------------------------------------

_SAID_OTHERWISE = {"status", "result", "kind", "severity", "direction", "summary", "started_at", "ended_at", "time"}


def leaves(value: object) -> Iterator[str]:
    """Every text that evidence holds, but for words and times that the page says in its own way."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from (text for inner in value for text in leaves(inner))
    elif isinstance(value, dict):
        yield from (text for name, inner in value.items() if name not in _SAID_OTHERWISE for text in leaves(inner))


@pytest.mark.parametrize("make", [blocked, samples.remarked, samples.partial])
def test_every_text_of_the_evidence_stands_on_the_page(make: Callable[[], Evidence]) -> None:
    evidence = make()
    evidence.spans[0].programs = [ProgramEvidence(otel_span_id="9" * 16, args=["tool", "--fast"], stdout="<b>it ran")]
    evidence.spans[0].attempts = [Attempt(otel_span_id="8" * 16, status=Status.FAILED, blocked_reason="a moth")]
    said = words(render(evidence))
    texts = set(leaves(evidence.model_dump(mode="json")))
    assert len(texts) > 40
    assert [text for text in texts if " ".join(text.replace("`", "").split()) not in said] == []
    assert "Also recorded attempts" in said  # a field that the templates have no place for


def test_what_is_too_long_for_the_page_is_cut_and_said() -> None:
    evidence = samples.stopped()
    evidence.spans[1].gates[0].reason = "x" * 100_000
    evidence.spans[1].gates[0].evidence = [EvidenceItem(type="t", ref=f"r{n}", file=f"f{n}") for n in range(1000)]
    evidence.spans[0].inputs = [Input(path=f"f{n}", sha256="0" * 64) for n in range(1000)]
    page = render(evidence)
    assert "80,000 more characters in the evidence file" in page
    assert page.count("and 800 more in the evidence file") == 2
    assert len(page) < 300_000


def test_what_a_program_printed_stands_with_the_gate_or_the_phase_in_which_it_ran() -> None:
    evidence = samples.stopped()
    span = evidence.spans[1]
    places = [(span.gates[0].gate_id, span.gates[0].otel_span_id), (span.span_id, span.otel_span_id)]
    for at, (_, where) in enumerate(places):
        program = ProgramEvidence(otel_span_id=f"{at}" * 16, otel_parent_span_id=where, args=[f"tool{at}"])
        program.end, program.stderr = "exit code 1", f"first of {at}\n  second of {at}\n"
        span.programs.append(program)
    page = render(evidence)
    for at, (ident, _) in enumerate(places):
        article = page[page.index(f'<article id="{ident}"') :].partition("</article>")[0]
        assert article.count("<pre") == 1
        assert f'aria-label="standard error">first of {at}\n  second of {at}</pre>' in article


# --- attachments -----------------------------------------------------------------------------------------------------

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


def with_attachments(folder: Path, *paths: str, title: str = "", reused: bool = False) -> str:
    """The page, in a folder beside that of the files."""
    evidence = samples.completed()
    span = evidence.spans[0]
    span.attachments, span.reused = [Attachment(path=path, title=title or path) for path in paths], reused
    target = folder / "site" / "page.html"
    (line,) = made.write_page(target, [of_trace(evidence)], here=folder, root=folder)
    assert line == "page:     site/page.html"
    return target.read_text(encoding="utf-8")


def figures(page: str) -> list[str]:
    return re.findall(r"<figure.*?</figure>", page, re.DOTALL)


def test_pictures_and_texts_stand_on_the_page_and_the_rest_is_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "hunter2hunter2")
    files = {
        "roc curve.png": PIXEL,
        "run.log": b"\x1b[31mstep\x1b[0m\n10%\r100%\n<script>hunter2hunter2\n",
        "report.html": b"<script>alert(1)</script>",
        "large.txt": b"x" * (MAX_INLINE + 1),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    page = with_attachments(tmp_path, *files, "gone.png", title="A <b>title</b>")
    picture, text, html, large, gone = figures(page)
    assert all("A &lt;b&gt;title&lt;/b&gt;" in figure for figure in figures(page))
    assert f'src="data:image/png;base64,{base64.b64encode(PIXEL).decode()}" alt="A &lt;b' in picture
    assert 'href="../roc%20curve.png"' in picture
    assert 'aria-label="A &lt;b&gt;title&lt;/b&gt;">step\n100%\n&lt;script&gt;***\n</pre>' in text
    for figure, name in ((html, "report.html"), (large, "large.txt")):
        assert f'href="../{name}"' in figure
        assert "<pre" not in figure
    assert "when this page was written: No such file or directory" in gone
    assert 'href="../' not in gone
    assert [tag for tag, _ in Parsed(page).elements].count("script") == 2


@pytest.mark.parametrize("path", ["../other/secret.txt", "/etc/hostname.txt", "javascript:alert(1)"])
def test_a_path_that_only_evidence_names_is_not_read_outside_of_the_rootdir(tmp_path: Path, path: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "secret.txt").write_text("a secret", encoding="utf-8")
    page = with_attachments(root, path, reused=True)
    assert "a secret" not in page
    assert 'href="javascript:' not in page


# --- untrusted text --------------------------------------------------------------------------------------------------


def test_hostile_text_becomes_no_markup() -> None:
    page = render(samples.hostile())
    parsed, harmless = Parsed(page), Parsed(render(samples.stopped()))
    ours = {"pre", "figure", "figcaption"}  # which the harmless one has no use for
    assert {tag for tag, _ in parsed.elements} <= {tag for tag, _ in harmless.elements} | ours
    assert all(parsed.inside[tag] == harmless.inside[tag] for tag in ("script", "style"))
    names = {name for _, given in parsed.elements for name in given}
    assert [name for name in names if name.startswith("on") or name == "style"] == []
    assert [target for target in parsed.all("href") if not target.startswith(("#", "data:image/svg+xml,"))] == []
    assert "<!--" not in page
    assert [text for text in samples.HOSTILE if clean(text).strip() not in parsed.text] == []
    assert re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]", page) == []


def named(trace_id: str, *span_ids: str) -> Evidence:
    evidence = samples.completed()
    evidence.trace_id = trace_id
    for span, span_id in zip(evidence.spans, span_ids, strict=True):
        span.span_id = span_id
    return evidence


@pytest.mark.parametrize(
    "traces",
    [
        [samples.hostile()],
        [samples.stopped(), samples.stopped(), samples.remarked()],
        [named("main", "mark:check", "title:x", "x")],  # ids of the page itself
    ],
)
def test_every_anchor_is_unique_and_every_link_leads_somewhere(traces: list[Evidence]) -> None:
    parsed = Parsed(render(*traces))
    ids = parsed.all("id")
    assert len(ids) == len(set(ids))
    assert {target[1:] for target in parsed.all("href") if target.startswith("#")} <= set(ids)


def test_the_policy_forbids_whatever_is_not_the_pages_own() -> None:
    page = render(samples.completed())
    policy = page[page.index("Content-Security-Policy") : page.index("<style>")]
    assert "default-src 'none'; style-src &#39;sha256-" in policy
    assert "unsafe" not in policy


# --- colours and times -----------------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    """WCAG 2.2, "relative luminance"."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [1, 2], ids=["light", "dark"])
def test_whatever_is_written_has_a_contrast_of_at_least_4_5(theme: int) -> None:
    colours = {m[0]: luminance(m[theme]) for m in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", STYLE)}
    grounds = ["ground", "surface", "raised", *(f"{tone}-ground" for tone in TONES)]
    for ink in ("text", "quiet", *TONES):
        for ground in grounds:
            lighter, darker = sorted((colours[ink], colours[ground]), reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (ink, ground)


def test_a_duration_is_said_in_the_unit_a_person_would_choose() -> None:
    expected = {
        -5: "0 µs", 0: "0 µs", 840_000: "840 µs", 999_600: "1.0 ms", 4_000_000: "4.0 ms", 84_400_000: "84 ms",
        999_600_000: "1.00 s", 59_990_000_000: "60.0 s", 125_000_000_000: "2 min 05 s",
        11_220_000_000_000: "3 h 07 min",
    }  # fmt: skip
    assert {nanoseconds: duration(nanoseconds) for nanoseconds in expected} == expected


@pytest.mark.parametrize(
    ("length", "ticks"),
    [
        (0, ["0 µs", "1 µs", "2 µs", "3 µs"]),
        (1_090_000_000, ["0 µs", "300 ms", "600 ms", "900 ms"]),
        (606_000_000_000, ["0 µs", "3 min", "6 min", "9 min"]),
        (100_000_000_000_000, ["0 µs", "7 h", "14 h", "21 h"]),
    ],
)
def test_the_axis_has_even_parts_that_a_person_counts_in(length: int, ticks: list[str]) -> None:
    axis = Axis(samples.trace([samples.phase("T", 1, [], took=length)]))
    assert [duration(tick) for tick in axis.ticks] == ticks
    assert axis.percent(samples.BEGIN) == axis.percent(samples.BEGIN - 1) == 0
    assert 0 <= axis.percent(samples.BEGIN + length) <= 100
    assert f"transparent 1px {100 // TICKS}%" in STYLE  # the grid behind the bars


def test_a_reused_phase_of_yesterday_does_not_stretch_the_axis() -> None:
    assert Axis(samples.partial()).start == samples.BEGIN


def test_a_gate_has_a_mark_that_says_whether_it_was_shown_able_to_fail() -> None:
    trace = samples.stopped()
    gate = trace.spans[0].gates[0].gate_id
    assert "cannot fail" not in made.render([of_trace(trace)])
    page = made.render([of_trace(trace, {gate: "cannot fail"})])
    assert page.count('<span class="tag doubt">proof: cannot fail</span>') == 1
    assert "gate, proof: cannot fail" in page
    assert '<span class="tag">proof: proven</span>' in made.render([of_trace(trace, {gate: "proven"})])
