"""The page of a trace in a real browser; skipped where there is no Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_contextcore.files import write_output
from pytest_contextcore.report.history import run_of
from pytest_contextcore.report.page import history
from pytest_contextcore.report.page.page import LIVE, render, render_live, write_page
from pytest_contextcore.report.verdict import of_trace
from pytest_contextcore.trace.evidence import Attachment, Evidence

from ..report.test_page import PIXEL
from ..support import page_samples as samples
from ..support.browser import EXECUTABLE, Page, chromium

pytestmark = pytest.mark.skipif(EXECUTABLE is None, reason="there is no Chromium here; install the package chromium")

Pages = dict[str, Path]

SHOWN = "[...document.querySelectorAll('article.span')].filter(a => a.checkVisibility()).map(a => a.id)"
FOCUSED = "document.activeElement.getAttribute('href')"
ROWS = "[...document.querySelectorAll('tr.row')].filter(row => row.checkVisibility()).length"
BUTTONS = "[...document.querySelectorAll('button')].filter(button => button.checkVisibility()).length"
BROKEN_GATE = "document.querySelector('.is-bad.gate .pick').click()"


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    """A page of every sample."""
    folder = tmp_path_factory.mktemp("pages")
    made = {
        "stopped": [samples.stopped()],
        "remarked": [samples.remarked()],
        "several": [samples.completed("LOAD-6"), samples.stopped(), samples.partial()],
        "hostile": [samples.hostile()],
        "large": [samples.large()],
    }
    for name, traces in made.items():
        (folder / f"{name}.html").write_text(render([of_trace(trace) for trace in traces]), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in made}


@pytest.mark.parametrize("name", ["stopped", "remarked", "several", "hostile"])
def test_a_page_uses_no_network_and_has_nothing_to_complain_about(browser: Page, pages: Pages, name: str) -> None:
    browser.open(pages[name])
    browser.script("document.querySelectorAll('.pick').forEach(pick => pick.click())")
    assert (browser.complaints, browser.requests) == ([], [pages[name].as_uri()])
    assert browser.script("document.scripts.length") == 2


@pytest.mark.parametrize("width", [390, 1300])
def test_the_page_of_a_history_fits_and_needs_nothing_else(browser: Page, tmp_path: Path, width: int) -> None:
    path = tmp_path / "history.html"
    path.write_text(
        history.render([run_of(each, "x.json") for each in (samples.stopped(), samples.hostile())]), "utf-8"
    )
    browser.open(path, width=width)
    assert (browser.complaints, browser.requests) == ([], [path.as_uri()])
    assert browser.script("[document.scripts.length, document.documentElement.scrollWidth]") == [0, width]
    wide = "[...document.querySelectorAll('td, th, li, p')].filter(e => e.getBoundingClientRect().right > innerWidth)"
    assert browser.script(f"{wide}.map(e => e.textContent)") == []


def test_an_attached_picture_is_seen_and_an_attached_page_is_only_linked(browser: Page, tmp_path: Path) -> None:
    evidence = samples.completed()
    evidence.spans[0].attachments = [Attachment(path=name, title=name) for name in ("dot.png", "dot.svg", "x.html")]
    svg = "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><script>alert(1)</script></svg>"
    for name, data in {"dot.png": PIXEL, "dot.svg": svg.encode(), "x.html": b"<script>alert(1)</script>"}.items():
        (tmp_path / name).write_bytes(data)
    write_page(tmp_path / "page.html", [of_trace(evidence)], here=tmp_path, root=tmp_path)
    browser.open(tmp_path / "page.html")
    assert browser.script("[...document.images].map(image => image.naturalWidth)") == [1, 9]
    assert browser.script("document.querySelector('figure:last-child figcaption > a').getAttribute('href')") == "x.html"
    assert (browser.complaints, browser.requests[:1]) == ([], [(tmp_path / "page.html").as_uri()])
    assert [request for request in browser.requests[1:] if not request.startswith("data:")] == []


def test_a_script_that_somebody_adds_to_the_page_is_not_run(browser: Page, pages: Pages, tmp_path: Path) -> None:
    page = pages["stopped"].read_text(encoding="utf-8")
    added = "<script>document.title = 'taken'</script><img src='http://127.0.0.1:9/x' style='color:red'></body>"
    (tmp_path / "changed.html").write_text(page.replace("</body>", added), encoding="utf-8")
    browser.open(tmp_path / "changed.html")
    assert browser.script("document.title") == "blocked: LOAD-7"
    assert len(browser.complaints) == 3


def test_the_keyboard_alone_reaches_every_span_and_its_details(browser: Page, pages: Pages) -> None:
    browser.open(pages["stopped"])
    browser.script("document.querySelector('[data-do=open]').focus()")
    steps: list[tuple[tuple[str, ...], str, list[str]]] = [
        (("Tab",), "#LOAD-7", []),
        (("ArrowDown", "ArrowDown"), "#LOAD-7-S2", []),  # the first phase's gates are folded: nothing is wrong
        (("ArrowUp", "ArrowRight", "ArrowRight"), "#LOAD-7-S1-C1", []),
        (("Enter",), "#LOAD-7-S1-C1", ["LOAD-7-S1-C1"]),
        (("ArrowDown",), "#LOAD-7-S1-G1", ["LOAD-7-S1-G1"]),  # the open panel follows
        (("Escape",), "#LOAD-7-S1-G1", []),
        (("ArrowLeft", "ArrowLeft", "End", " "), "#LOAD-7-S4", ["LOAD-7-S4"]),
        (("Tab", "Enter"), "#LOAD-7-S4", []),  # the button that closes the panel
    ]
    for keys, focused, shown in steps:
        browser.press(*keys)
        assert (browser.script(FOCUSED), browser.script(SHOWN)) == (focused, shown), keys


def test_a_click_or_an_address_shows_a_spans_details_with_what_the_script_adds(browser: Page, pages: Pages) -> None:
    browser.open(pages["stopped"], time_zone="Asia/Tokyo")
    browser.click(".banner .answers a")  # the gate that broke
    assert browser.script(SHOWN) == ["LOAD-7-S2-C1"]
    shown = browser.script("document.querySelector('article[data-shown]').innerText")
    assert "the next action of C1" in shown
    assert "2026-09-21 14:13:20.031 UTC" in shown
    assert re.search(r"Sep 21, 2026, 11:13:20\sPM in your time zone", shown)
    browser.click("tr.whole td.status")  # anywhere in a row
    assert browser.script(SHOWN) == ["LOAD-7"]
    browser.open(pages["several"], anchor="#LOAD-7-S2-C1")
    assert browser.script(SHOWN) == ["LOAD-7-S2-C1"]
    browser.script("navigator.clipboard.writeText = text => { window.taken = text; return Promise.resolve() }")
    browser.click("article[data-shown] [aria-label='Copy Trace id']")
    assert browser.script("window.taken") == "ab" * 16


def test_the_buttons_fold_unfold_and_hide_what_is_done(browser: Page, pages: Pages) -> None:
    browser.open(pages["stopped"])
    assert browser.script(ROWS) == 1 + 4 + 2
    for button, rows in (("unfold", 1 + 4 + 6), ("open", 1 + 3 + 3), ("open", 1 + 4 + 6), ("fold", 1 + 4)):
        browser.click(f"[data-do={button}]")
        assert browser.script(ROWS) == rows, button


def test_without_its_script_the_page_is_complete(browser: Page, pages: Pages) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(pages["stopped"])
        assert len(browser.script(SHOWN)) == 1 + 4 + 6
        assert browser.script(ROWS) == 1 + 4 + 6
        assert browser.script(BUTTONS) == 0
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize("width", [320, 390, 800, 1300])
def test_nothing_is_wider_than_the_window_or_hidden_by_the_panel(browser: Page, pages: Pages, width: int) -> None:
    wide = "document.documentElement.scrollWidth"
    for name in ("stopped", "hostile", "large"):
        browser.open(pages[name], width=width)
        assert browser.script(wide) <= width
        browser.script(BROKEN_GATE)
        assert browser.script(wide) <= width
        assert browser.script("(p => p.scrollWidth <= p.clientWidth)(document.querySelector('.panel[data-open]'))")
    if width < 400:  # the panel lies over the page
        row = "document.querySelector('.row[data-shown]').getBoundingClientRect().bottom"
        assert browser.script(f"{row} <= document.querySelector('.panel[data-open]').getBoundingClientRect().top")


def test_dark_and_light_follow_the_reader_and_a_button_turns_them(browser: Page, pages: Pages) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = "rgb(246, 247, 249)", "rgb(19, 22, 27)"
    for first, other, scheme in ((dark, light, "dark"), (light, dark, "light")):
        browser.open(pages["stopped"], prefers_color_scheme=scheme)
        assert browser.script(ground) == first
        browser.click("[data-do=theme]")
        assert browser.script(ground) == other


def test_on_paper_it_is_light_and_says_everything_that_matters(browser: Page, pages: Pages) -> None:
    browser.open(pages["stopped"])
    scheme = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.call("Emulation.setEmulatedMedia", media="print", features=scheme)
    assert browser.script("getComputedStyle(document.querySelector('.scene')).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.script(ROWS) == 1 + 4 + 6
    assert browser.script(SHOWN) == ["LOAD-7", "LOAD-7-S2", "LOAD-7-S2-C1"]
    assert browser.script(BUTTONS) == 0
    assert browser.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("width", [390, 1300])
def test_a_screen_reader_finds_landmarks_a_table_and_a_name_for_all_that_can_be_used(
    browser: Page, pages: Pages, width: int
) -> None:
    browser.open(pages["stopped"], anchor="#LOAD-7-S2", width=width)
    nodes = [node for node in browser.call("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]]
    named = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes]
    assert {"main", "table", "columnheader", "rowheader", "article"} <= {role for role, _ in named}
    assert {("region", "Result"), ("complementary", "Details")} <= set(named)
    assert [pair for pair in named if pair[0] in ("link", "button") and not pair[1].strip()] == []
    columns = ["Phase", "Status", "Gates", "Duration", "Time since the trace began 0 15 ms 30 ms 45 ms"]
    assert [name for role, name in named if role == "columnheader"] == columns
    assert [name for role, name in named if role == "rowheader"][:3] == ["LOAD-7", "S1 PHASE_1", "S2 PHASE_2"]


def test_a_hundred_phases_are_usable_and_every_bar_is_visible(browser: Page, pages: Pages) -> None:
    assert pages["large"].stat().st_size < 4_000_000
    browser.open(pages["large"])
    browser.script(f"document.querySelector('[data-do=unfold]').click(); {BROKEN_GATE}")
    assert browser.script(SHOWN) == ["BIG-1-S60-C4"]
    bars = "[...document.querySelectorAll('.bar')]"
    assert browser.script(f"{bars}.length") == 1 + 60 + 600
    # a bar without any width is not drawn; any other has its outline added to its width
    assert browser.script(f"{bars}.filter(bar => !(bar.width.baseVal.value > 0)).length") == 0
    assert browser.script("document.querySelectorAll('.is-bad .track use').length") == 2  # a shape beside the colour


def write_live(path: Path, evidence: Evidence, written: int, beat: float) -> None:
    """A page as a run writes it that goes on, but for the time after which it reloads itself."""
    traces = [of_trace(evidence)]
    line = render_live(traces, written, written, every=0.05, beat=beat)
    write_output(path, render(traces, live=written).replace(LIVE, line).encode())


KEPT = """(() => { const page = document.documentElement, groups = [...document.querySelectorAll('.group')];
if (!document.querySelector('article[data-shown]')) {
    for (const it of ['[data-do=theme]', '[data-do=open]', '.group:last-of-type .pick', '.group:last-of-type .gate a'])
        document.querySelector(it).click();
    scrollTo(0, 55);
}
return [page.dataset.theme, scrollY, location.hash,
    document.querySelector('article[data-shown]').id, document.activeElement.hash,
    groups.at(-1).matches('.folded'), document.querySelectorAll('.only-open').length] })()"""
"""What the reader sees; if nothing is open yet it turns the theme, hides what is done, opens a gate and scrolls."""
REFOCUSED = """(() => { const button = document.querySelector('[data-do=unfold]');
if (!window.asked && document.activeElement === button) return true;
button.focus(); window.asked = true })()"""
"""Whether a button has the focus in a page that was loaded since it got it; if not, it gets it."""


def test_a_page_reloads_itself_until_the_run_ends_and_stays_as_the_reader_has_it(browser: Page, tmp_path: Path) -> None:
    path, now = tmp_path / "page.html", samples.BEGIN + 90 * samples.MS
    write_live(path, samples.running(1), now, beat=1000)
    browser.open(path, height=400, prefers_color_scheme="light")
    before = browser.wait_for(KEPT)
    assert before == ["dark", 55, "#LOAD-7-S3-C1", "LOAD-7-S3-C1", "#LOAD-7-S3-C1", False, 1]
    write_live(path, samples.running(2), now + 1, beat=1000)
    browser.wait_for("document.querySelector('.going').innerText.includes('UTC LOAD-7-S3 PHASE_3 was running')")
    assert browser.wait_for(KEPT) == before
    browser.wait_for(REFOCUSED)
    write_page(path, [of_trace(samples.completed())], here=tmp_path, root=tmp_path)
    browser.wait_for("document.title === 'completed: LOAD-7' && document.readyState === 'complete'")
    assert browser.script(KEPT) == [*before[:4], None, False, 1]
    assert browser.script("document.activeElement.dataset.do") == "unfold"
    assert browser.script("document.querySelector('.live')") is None
    assert browser.complaints == []


def test_a_page_of_a_run_that_was_killed_says_so_and_reloads_no_more(browser: Page, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_live(path, samples.running(1), samples.BEGIN, beat=0.05)
    browser.open(path)
    browser.wait_for("document.title === 'no news: in progress: LOAD-7' && document.readyState === 'complete'")
    seen = len(browser.requests)
    assert seen >= 5
    assert browser.script("document.querySelector('.headline').innerText") == "No news: In progress at S2 PHASE_2"
    said = browser.script("document.querySelector('.live').innerText.trim()")
    assert said.startswith(
        "No news since 2026-09-21 14:13:20.000 UTC. As of 2026-09-21 14:13:20.000 UTC LOAD-7-S2 PHASE_2 was running."
    )
    write_live(path, samples.running(2), samples.BEGIN + 1, beat=0.05)
    browser.script("new Promise(done => setTimeout(done, 200))")  # four times what it waited before
    assert len(browser.requests) == seen
    browser.open(path)  # by hand
    assert browser.wait_for("document.querySelector('.live').innerText.includes('PHASE_3 was running')")
