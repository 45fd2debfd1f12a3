"""``--contextcore-html``: when the page is written, and what is said when it cannot be."""

from __future__ import annotations

import re
import shutil

import pytest

from pytest_contextcore.report.page.page import render
from pytest_contextcore.report.verdict import of_trace
from pytest_contextcore.trace.evidence import Evidence

from ..support.plans import WAREHOUSE, Suite


def quick(suite: Suite, *arguments: str) -> pytest.RunResult:
    return suite.pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:hypothesispytest", *arguments)


def test_the_page_of_a_session_is_the_page_of_its_evidence_files(suite: Suite) -> None:
    folder = suite.pytester.mkdir("other")
    (folder / "plan.toml").write_text(WAREHOUSE.replace('id = "LOAD-7"', 'id = "LOAD-8"'), encoding="utf-8")
    shutil.copy(suite.pytester.path / "test_load.py", folder / "test_other.py")
    result = quick(suite, "--contextcore-html", "reports/trace.html")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["page: *reports/trace.html"])
    (path,) = (suite.pytester.path / "reports").iterdir()
    page, out = path.read_text(encoding="utf-8"), suite.pytester.path / "out"
    names = re.findall(r'<section class="trace" id="trace:(.*?)"', page)
    assert sorted(names) == ["LOAD-7", "LOAD-8"]
    written = [Evidence.model_validate_json((out / f"{name}.json").read_bytes()) for name in names]
    again = render([of_trace(evidence) for evidence in written])
    # files hold microseconds, a run's own evidence nanoseconds: bars and offsets may differ in their last digit
    assert re.sub(r"[\d.]", "", page) == re.sub(r"[\d.]", "", again)


TWO = """
trace = { id = "TWO" }
phases = [{ id = "S1", gates = [{ id = "C1" }] }, { id = "S2", gates = [{ id = "C1" }] }]
"""
READS_ITS_PAGE = """
import pathlib, time
import pytest

def page_says(text):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        page = pathlib.Path("live.html")
        said = page.read_text() if page.exists() else ""
        if text in said:
            return said
        time.sleep(0.01)
    raise TimeoutError(text)

@pytest.mark.phase("S1")
def test_extract(phase):
    assert "0 of 2 phases completed" in page_says("</time> TWO-S1 was running.")
    with phase.gate("C1"):
        pass

@pytest.mark.phase("S2")
def test_load(phase):
    with phase.gate("C1"):
        assert "1 of 2 phases completed" in page_says("</time> TWO-S2 was running.")
"""


@pytest.mark.parametrize("more", [(), ("-n1",)], ids=["alone", "xdist"])
def test_while_a_run_goes_on_its_page_says_which_phase_runs(suite: Suite, more: tuple[str, ...]) -> None:
    suite.plan(TWO)
    suite.write(READS_ITS_PAGE)
    (suite.pytester.path / "live.html").write_text("of yesterday", encoding="utf-8")
    assert quick(suite, "--contextcore-html=live.html", *more).ret == 0
    page = (suite.pytester.path / "live.html").read_text(encoding="utf-8")
    assert "2 of 2 phases completed" in page
    assert 'class="live' not in page
    assert [path for path in suite.pytester.path.iterdir() if path.name.startswith(".live")] == []


def test_without_the_option_no_page_is_written_and_nothing_of_it_is_imported(suite: Suite) -> None:
    suite.pytester.makeconftest("import sys\nsys.modules['jinja2'] = None  # to import it is an error\n")
    result = suite.run()
    assert result.ret == 0
    assert "LOAD-7 completed" in result.stdout.str()
    assert list(suite.pytester.path.rglob("*.html")) == []


@pytest.mark.parametrize("given", ["", "  ", ".", "missing/", "test_load.py/page.html"])
def test_a_file_that_cannot_be_one_is_a_usage_error_that_names_the_option(suite: Suite, given: str) -> None:
    result = quick(suite, f"--contextcore-html={given}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --contextcore-html: *"])


def test_a_page_that_cannot_be_written_changes_no_exit_code_and_is_said_loudly(suite: Suite) -> None:
    tests = suite.pytester.path / "test_load.py"
    in_the_way = "\n\ndef test_z_in_the_way():\n    import pathlib\n    pathlib.Path('trace.html').mkdir()\n"
    tests.write_text(tests.read_text(encoding="utf-8") + in_the_way, encoding="utf-8")
    result = quick(suite, "-q", "--contextcore-html=trace.html")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["ERROR: --contextcore-html: no page at *trace.html: Is a directory; *"])


def test_a_session_without_a_phase_says_that_there_is_no_page(suite: Suite) -> None:
    (suite.pytester.path / "test_load.py").write_text("def test_ordinary(): pass\n", encoding="utf-8")
    (suite.pytester.path / "plan.toml").unlink()
    result = quick(suite, "--contextcore-html=trace.html")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["ERROR: --contextcore-html: no page at *, since no phase of a plan ran*"])


def test_quiet_names_the_page_only_of_a_trace_that_did_not_complete(suite: Suite) -> None:
    assert "page:" not in quick(suite, "-q", "--contextcore-html=trace.html").stdout.str()
    suite.replace("assert True", "assert False")
    assert "page:" in quick(suite, "-q", "--contextcore-html=trace.html").stdout.str()
