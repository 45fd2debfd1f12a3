"""Spans of tests that are no phase, and of their subtests: sessions in this process, with the plugin object alone."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from opentelemetry import trace

from pytest_contextcore.ids import Remote, new_span_id, new_trace_id
from pytest_contextcore.session.traced import AroundTests
from pytest_contextcore.span import SpanData
from pytest_contextcore.spans.of_tests import OrdinaryTests

TRACE, ROOT = new_trace_id(), new_span_id()
NAME = "test_it.py::test_it"
QUIET = ("-p", "no:randomly")
FIXTURE = "import pytest\n@pytest.fixture\ndef f():\n"

Run = Callable[..., list[SpanData]]


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    """Run a test file; its spans, the session's last."""

    def start(
        source: str,
        *arguments: str,
        name: str = "test_it.py",
        is_phase: Callable[[pytest.Item], bool] = lambda _: False,
        **more: object,
    ) -> list[SpanData]:
        pytester.path.joinpath(name).write_text(source)
        before = trace.get_current_span()
        spans: list[SpanData] = []
        options: dict[str, object] = {"sink": spans.append, **more}
        plugin = OrdinaryTests(TRACE, ROOT, **options)  # type: ignore[arg-type]
        plugin.join()
        try:
            plugins = [plugin, AroundTests(plugin, is_phase)]
            result = pytester.inline_run(*QUIET, *arguments, plugins=plugins)
            plugin.finish(int(result.ret or 0))
        except KeyboardInterrupt:
            plugin.finish(2)
        assert trace.get_current_span() is before
        return spans

    return start


def shown(spans: list[SpanData]) -> list[tuple[str, str, object]]:
    return [(span.name, span.status.code, span.attributes.get("test.case.result.status")) for span in spans]


def exceptions(span: SpanData) -> list[object]:
    return [event.attributes["exception.type"] for event in span.events if event.name == "exception"]


# --- one test --------------------------------------------------------------------------------------------------------


def test_a_test_is_a_span_below_the_session_with_its_place_in_the_code(run: Run) -> None:
    test, root = run("import pytest\n\nclass TestIt:\n    def test_one(self):\n        pass\n")
    assert test.attributes == {
        "test.case.name": "test_it.py::TestIt::test_one",
        "test.case.result.status": "pass",
        "code.function.name": "test_it.TestIt.test_one",
        "code.file.path": "test_it.py",
        "code.line.number": 4,
    }
    assert (test.name, test.status.code, test.events) == ("test_it.py::TestIt::test_one", "ok", ())
    assert (test.trace_id, test.parent_id) == (TRACE, ROOT)
    assert root.start <= test.start <= test.end <= root.end
    assert root.attributes == {"test.suite.name": "pytest", "test.suite.run.status": "success"}
    assert (root.name, root.span_id, root.parent_id, root.status.code) == ("pytest", ROOT, None, "ok")


def test_a_doctest_has_a_place_but_no_function(run: Run) -> None:
    test, _ = run(">>> 1 + 1\n2\n", "--doctest-glob=*.txt", name="page.txt")
    assert "code.function.name" not in test.attributes
    assert test.attributes["code.file.path"] == "page.txt"


@pytest.mark.parametrize(
    ("source", "description", "types"),
    [
        ("def test_it(): raise ValueError('bad\\nmore')", "ValueError: bad", ["ValueError"]),
        ("def test_it(): assert 1 == 2", "AssertionError: assert 1 == 2", ["AssertionError"]),
        (f"{FIXTURE}    raise OSError('gone')\ndef test_it(f): pass", "OSError: gone", ["OSError"]),
        (f"{FIXTURE}    yield\n    raise OSError('gone')\ndef test_it(f): pass", "OSError: gone", ["OSError"]),
        (
            f"{FIXTURE}    yield\n    raise OSError\ndef test_it(f): raise KeyError(1)",
            "KeyError: 1",
            ["KeyError", "OSError"],
        ),
        (
            "import pytest\n@pytest.mark.xfail(strict=True, reason='known')\ndef test_it(): pass",
            "[XPASS(strict)] known",
            [],
        ),
        (
            "class E(Exception):\n    def __str__(self): raise KeyError\ndef test_it(): raise E",
            "E: (its text raised KeyError)",
            ["test_it.E"],
        ),
        ("import json\ndef test_it(): json.loads('')", "JSONDecodeError: Expecting", ["json.decoder.JSONDecodeError"]),
    ],
    ids=["call", "assert", "setup", "teardown", "call and teardown", "strict xpass", "text raises", "qualified"],
)
def test_a_failure_has_a_line_as_description_and_each_exception_as_an_event(
    run: Run, source: str, description: str, types: list[str]
) -> None:
    test, root = run(source)
    assert shown([test]) == [(NAME, "error", "fail")]
    assert test.status.description.startswith(description)
    assert "\n" not in test.status.description
    assert exceptions(test) == types
    assert test.status.error_type == (types[0] if types else "test_failed")
    assert all(test.start <= event.time for event in test.events)
    assert (root.status.code, root.attributes["test.suite.run.status"]) == ("error", "failure")


def test_an_exception_event_has_the_whole_message(run: Run) -> None:
    test, _ = run("def test_it(): raise ValueError('bad\\nmore')")
    assert test.events[0].attributes["exception.message"] == "bad\nmore"


@pytest.mark.parametrize("body", ["pytest.skip('no')", "pytest.importorskip('no_module')", "pytest.xfail('later')"])
def test_a_skipped_test_has_neither_result_nor_status(run: Run, body: str) -> None:
    test, _ = run(f"import pytest\ndef test_it():\n    {body}\n")
    assert shown([test]) == [(NAME, "unset", None)]
    assert test.events == ()


def test_an_interrupted_test_says_so(run: Run) -> None:
    test, root = run("def test_it(): raise KeyboardInterrupt")
    assert shown([test]) == [(NAME, "error", None)]
    assert test.status[1:] == ("interrupted: KeyboardInterrupt", "KeyboardInterrupt")
    assert root.status.error_type == "interrupted"
    assert root.attributes["test.suite.run.status"] == "aborted"


@pytest.mark.parametrize("place", ["message", "parameter", "value of a variable", "subtest"])
def test_secrets_are_nowhere(run: Run, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "s3cr3t-value")
    parameters = {"parameter": "https://me:s3cr3t-value@host", "value of a variable": "s3cr3t-value"}
    parameter = parameters.get(place, "a")
    body = "raise ValueError('Bearer s3cr3t-value and s3cr3t-value')"
    if place == "subtest":
        body = f"with subtests.test('s3cr3t-value', at='https://a:b@host'):\n        {body}"
    source = f"import pytest\n@pytest.mark.parametrize('x', [{parameter!r}])\ndef test_it(x, subtests):\n    {body}\n"
    spans = run(source)
    assert "s3cr3t" not in repr(spans)
    assert "a:b@" not in repr(spans)
    assert "***" in repr(spans)
    assert ("[hidden:" in spans[-2].name) == (place in parameters)


# --- attempts and subtests -------------------------------------------------------------------------------------------


def test_every_attempt_of_a_repeated_test_is_a_span_with_its_subtests(run: Run) -> None:
    pytest.importorskip("pytest_rerunfailures")
    source = "tries = []\ndef test_it(subtests):\n    tries.append(1)\n    with subtests.test('a'):\n"
    *spans, root = run(f"{source}        assert len(tries) == 3\n", "--reruns=3")
    assert [(name, code) for name, code, _ in shown(spans)] == [
        (f"{NAME} [a]", "error"), (NAME, "error"),
        (f"{NAME} [a]", "error"), (NAME, "error"),
        (f"{NAME} [a]", "ok"), (NAME, "ok"),
    ]  # fmt: skip
    attempts = spans[1::2]
    assert [span.parent_id for span in spans[::2]] == [span.span_id for span in attempts]
    assert len({span.span_id for span in spans}) == 6
    assert all(first.end <= then.start for first, then in pairwise(attempts))
    assert root.attributes["test.suite.run.status"] == "success"


MIXED = """
import pytest

def test_it(subtests):
    with subtests.test("passes", number=1):
        pass
    with subtests.test("fails"):
        raise ValueError("gone\\nand more")
    with subtests.test(colour="red"):
        pytest.skip("no red")
    with subtests.test():
        pytest.xfail("known")
"""


def test_each_subtest_is_a_span_below_its_test_whatever_became_of_it(run: Run) -> None:
    *below, test, _ = run(MIXED)
    assert shown(below) == [
        (f"{NAME} [passes] (number=1)", "ok", "pass"),
        (f"{NAME} [fails]", "error", "fail"),
        (f"{NAME} (colour='red')", "unset", None),
        (f"{NAME} (<subtest>)", "unset", None),
    ]
    assert {(span.trace_id, span.parent_id) for span in below} == {(TRACE, test.span_id)}
    assert all(span.attributes["test.case.name"] == span.name for span in below)
    assert below[1].status[1:] == ("ValueError: gone", "ValueError")
    assert below[1].events[0].attributes["exception.message"] == "gone\nand more"
    assert shown([test]) == [(NAME, "error", "fail")]
    assert test.status[1:] == ("ValueError: gone", "test_failed")
    assert test.events == ()  # the exception stands where it was raised


def test_a_skipped_subtest_leaves_its_test_passed(run: Run) -> None:
    source = "import pytest\ndef test_it(subtests):\n    with subtests.test('a'):\n        pytest.skip('no')\n"
    assert shown(run(source))[1] == (NAME, "ok", "pass")


@pytest.mark.parametrize("options", [[], ["-x"]])
def test_a_test_that_fails_after_a_failed_subtest_says_its_own_failure(run: Run, options: list[str]) -> None:
    source = (
        "def test_it(subtests):\n    with subtests.test('a'):\n        assert 0, 'sub'\n    raise KeyError('own')\n"
    )
    below, test, _ = run(source, *options)
    assert below.status.description.startswith("AssertionError: sub")
    assert below.parent_id == test.span_id
    if not options:  # with -x pytest ends the test at the failed subtest
        assert test.status.description == "KeyError: 'own'"
        assert exceptions(test) == ["KeyError"]


def test_a_subtest_has_the_times_that_pytest_gives(run: Run) -> None:
    first, second, test, _ = run(
        "import time\n"
        "def test_it(subtests):\n"
        "    time.sleep(0.02)\n"
        "    with subtests.test('a'):\n        time.sleep(0.03)\n"
        "    with subtests.test('b'):\n        assert False\n",
    )
    assert test.start + 20_000_000 <= first.start <= first.end <= second.start <= second.end <= test.end
    assert first.end - first.start >= 29_000_000


def test_a_unittest_subtest_ends_when_it_is_told_of(run: Run) -> None:
    *below, test, _ = run(
        "import unittest\n"
        "class TestIt(unittest.TestCase):\n"
        "    def test_it(self):\n"
        "        for number in range(3):\n"
        "            with self.subTest('part', number=number):\n"
        "                self.assertNotEqual(number, 1)\n",
    )
    assert {(span.name.partition(" ")[2], span.status.code) for span in below} == {
        ("[part] (number=0)", "ok"),
        ("[part] (number=1)", "error"),
        ("[part] (number=2)", "ok"),
    }
    assert all(test.start <= span.start == span.end <= test.end for span in below)
    assert test.attributes["test.case.result.status"] == "fail"
    assert {span.status.error_type for span in below} == {"", "AssertionError"}


# --- context ---------------------------------------------------------------------------------------------------------


def test_code_under_test_finds_the_test_as_its_parent(pytester: pytest.Pytester, run: Run) -> None:
    first, second, _ = run(
        """
import pytest
from opentelemetry import trace

def write(where):
    context = trace.get_current_span().get_span_context()
    with open("seen.txt", "a") as file:
        print(f"{where} {context.trace_id:032x} {context.span_id:016x} {context.trace_flags}", file=file)

@pytest.fixture
def f():
    write("setup")
    yield
    write("teardown")

@pytest.mark.parametrize("n", [1, 2])
def test_it(f, n):
    write("call")
"""
    )
    assert (pytester.path / "seen.txt").read_text().splitlines() == [
        f"{where} {TRACE} {span.span_id} 1" for span in (first, second) for where in ("setup", "call", "teardown")
    ]


@pytest.mark.parametrize("more", [{"sink": None}, {"sampled": False}])
def test_without_a_sink_or_a_sample_there_is_a_context_and_no_span(
    pytester: pytest.Pytester, run: Run, more: dict[str, object]
) -> None:
    now = "trace.get_current_span().get_span_context()"
    source = f"from opentelemetry import trace\ndef test_it(subtests):\n    open('seen', 'w').write(repr({now}))\n"
    assert run(f"{source}    with subtests.test('a'):\n        assert False\n", **more) == []
    sampled = "01" if "sink" in more else "00"
    assert f"trace_flags=0x{sampled}" in (pytester.path / "seen").read_text()


# --- the session -----------------------------------------------------------------------------------------------------


def test_phases_are_left_alone_and_a_session_of_nothing_else_has_no_span(run: Run) -> None:
    source = "def test_phase(): pass\ndef test_it(): pass\n"
    spans = run(source, is_phase=lambda item: item.name == "test_phase")
    assert [span.name for span in spans] == [NAME, "pytest"]
    assert run(source, is_phase=lambda _: True) == []
    assert run("") == []


def test_a_parent_of_the_environment_is_the_parent_of_the_session(run: Run) -> None:
    remote = Remote(TRACE, "00f067aa0ba902b7", sampled=True, state="vendor=1")
    spans = run("def test_it(): pass\n", remote=remote)
    assert (spans[-1].parent_id, spans[-1].parent_remote) == (remote.span_id, True)
    assert {span.trace_state for span in spans} == {"vendor=1"}


@pytest.mark.parametrize(
    ("exitstatus", "status", "error_type"),
    [
        (0, "success", ""),
        (1, "failure", "test_failed"),
        (2, "aborted", "interrupted"),
        (3, "aborted", "internal_error"),
        (5, "skipped", ""),
        (99, "aborted", "_OTHER"),
    ],
)
def test_the_session_says_how_it_ended(exitstatus: int, status: str, error_type: str) -> None:
    spans: list[SpanData] = []
    plugin = OrdinaryTests(TRACE, ROOT, spans.append)
    plugin.ran = True  # as an xdist controller says, whose workers ran the tests
    plugin.finish(exitstatus)
    assert spans[0].attributes["test.suite.run.status"] == status
    assert (spans[0].status.code, spans[0].status.error_type) == ("error" if error_type else "ok", error_type)
