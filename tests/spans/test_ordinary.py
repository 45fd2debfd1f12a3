"""Spans of tests that are no phase."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from itertools import pairwise

import pytest
from opentelemetry import trace

from pytest_contextcore.ids import Remote, new_span_id, new_trace_id
from pytest_contextcore.session.traced import AroundTests
from pytest_contextcore.span import SpanData
from pytest_contextcore.spans.current import SpanContexts
from pytest_contextcore.spans.of_tests import OrdinaryTests

TRACE, ROOT = new_trace_id(), new_span_id()
Run = Callable[..., dict[str, SpanData]]


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    """Run a test file under the plugin; its spans by name, the session's included."""

    def start(source: str, *arguments: str, name: str = "test_it.py", **more: object) -> dict[str, SpanData]:
        spans = start_all(source, *arguments, name=name, **more)
        assert len({span.name for span in spans}) == len(spans)
        return {span.name.removeprefix(f"{name}::"): span for span in spans}

    def start_all(source: str, *arguments: str, name: str, **more: object) -> list[SpanData]:
        pytester.path.joinpath(name).write_text(source)
        return run_plugin(pytester, *arguments, **more)  # type: ignore[arg-type]

    return start


def run_plugin(
    pytester: pytest.Pytester,
    *arguments: str,
    is_phase: Callable[[pytest.Item], bool] = lambda _: False,
    **more: object,
) -> list[SpanData]:
    spans: list[SpanData] = []
    options: dict[str, object] = {"sink": spans.append, **more}
    plugin = OrdinaryTests(TRACE, ROOT, **options)  # type: ignore[arg-type]
    result = pytester.inline_run("-p", "no:randomly", *arguments, plugins=[plugin, AroundTests(plugin, is_phase)])
    plugin.finish(int(result.ret or 0))
    return spans


def test_a_test_is_a_span_below_the_session_with_its_place_in_the_code(run: Run) -> None:
    spans = run("import pytest\n\nclass TestIt:\n    def test_one(self):\n        pass\n")
    root, test = spans["pytest"], spans["TestIt::test_one"]
    assert test.attributes == {
        "test.case.name": "test_it.py::TestIt::test_one",
        "test.case.result.status": "pass",
        "code.function.name": "test_it.TestIt.test_one",
        "code.file.path": "test_it.py",
        "code.line.number": 4,
    }
    assert (test.status.code, test.events) == ("ok", ())
    assert (test.trace_id, test.parent_id) == (TRACE, ROOT)
    assert root.start <= test.start <= test.end <= root.end
    assert root.attributes == {"test.suite.name": "pytest", "test.suite.run.status": "success"}
    assert (root.span_id, root.parent_id, root.status.code) == (ROOT, None, "ok")


def test_a_failure_has_its_first_line_as_description_and_an_exception_event(run: Run) -> None:
    spans = run("import json\ndef test_it():\n    raise json.JSONDecodeError('bad\\nmore', 'x', 0)\n")
    test = spans["test_it"]
    assert test.attributes["test.case.result.status"] == "fail"
    assert (test.status.code, test.status.description) == ("error", "JSONDecodeError: bad")
    (event,) = test.events
    assert event.name == "exception"
    assert event.attributes["exception.type"] == "json.decoder.JSONDecodeError"
    assert event.attributes["exception.message"] == "bad\nmore: line 1 column 1 (char 0)"
    assert test.start <= event.time
    assert spans["pytest"].attributes["test.suite.run.status"] == "failure"
    assert spans["pytest"].status.code == "error"


def test_a_failed_assertion_is_told_as_pytest_shows_it(run: Run) -> None:
    test = run("def test_it():\n    assert 1 == 2\n")["test_it"]
    assert test.status.description.startswith("AssertionError: assert 1 == 2")
    assert test.events[0].attributes["exception.type"] == "AssertionError"


@pytest.mark.parametrize("place", ["message", "parameter"])
def test_secrets_are_nowhere(run: Run, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "s3cr3t-value")
    parameter = "https://me:s3cr3t-value@host" if place == "parameter" else "a"
    spans = run(
        "import pytest\n"
        f"@pytest.mark.parametrize('x', [{parameter!r}])\n"
        "def test_it(x):\n    raise ValueError('Bearer s3cr3t-value and s3cr3t-value')\n"
    )
    assert len(spans) == 2
    assert "s3cr3t" not in repr(spans)
    assert "***" in repr(spans)


@pytest.mark.parametrize(
    "body",
    ["pytest.skip('no')", "pytest.importorskip('no_such_module')", "pytest.xfail('later')"],
)
def test_a_skipped_test_has_neither_result_nor_status(run: Run, body: str) -> None:
    test = run(f"import pytest\ndef test_it():\n    {body}\n")["test_it"]
    assert "test.case.result.status" not in test.attributes
    assert (test.status.code, test.events) == ("unset", ())


@pytest.mark.parametrize("when", ["setup", "teardown"])
def test_an_error_in_a_fixture_fails_the_test_that_uses_it(run: Run, when: str) -> None:
    steps = {"setup": "    raise OSError('gone')\n    yield\n", "teardown": "    yield\n    raise OSError('gone')\n"}
    test = run(f"import pytest\n@pytest.fixture\ndef f():\n{steps[when]}def test_it(f): pass\n")["test_it"]
    assert test.attributes["test.case.result.status"] == "fail"
    assert test.status.description == "OSError: gone"
    assert len(test.events) == 1


def test_a_failure_and_an_error_after_it_are_two_events(run: Run) -> None:
    source = (
        "import pytest\n@pytest.fixture\ndef f():\n    yield\n    raise OSError\ndef test_it(f): raise KeyError(1)\n"
    )
    test = run(source)["test_it"]
    assert [event.attributes["exception.type"] for event in test.events] == ["KeyError", "OSError"]
    assert test.status.description == "KeyError: 1"


def test_a_failure_without_an_exception_has_a_description_all_the_same(run: Run) -> None:
    source = "import pytest\n@pytest.mark.xfail(strict=True, reason='known')\ndef test_it(): pass\n"
    test = run(source)["test_it"]
    assert (test.status.code, test.status.description, test.events) == ("error", "[XPASS(strict)] known", ())


def test_an_exception_whose_text_raises_is_told_too(run: Run) -> None:
    source = "class E(Exception):\n    def __str__(self): raise KeyError\ndef test_it(): raise E\n"
    test = run(source)["test_it"]
    assert test.events[0].attributes["exception.message"] == "(its text raised KeyError)"


def test_a_test_whose_only_failure_is_a_subtest_failed(run: Run) -> None:
    source = "def test_it(subtests):\n    with subtests.test(msg='a'):\n        assert False, 'sub'\n"
    test = run(source)["test_it"]
    assert test.attributes["test.case.result.status"] == "fail"
    assert test.status.description.startswith("AssertionError: sub")


def test_every_attempt_of_a_repeated_test_is_a_span(pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_rerunfailures")
    pytester.makepyfile("tries = []\ndef test_it():\n    tries.append(1)\n    assert len(tries) == 3\n")
    *tests, root = run_plugin(pytester, "--reruns", "3")
    assert [span.attributes["test.case.result.status"] for span in tests] == ["fail", "fail", "pass"]
    assert len({span.span_id for span in tests}) == 3
    assert {span.name for span in tests} == {tests[0].name}
    assert all(first.end <= then.start for first, then in pairwise(tests))
    assert root.attributes["test.suite.run.status"] == "success"


def test_phases_are_left_alone(run: Run) -> None:
    source = "def test_phase(): pass\ndef test_other(): pass\n"
    spans = run(source, is_phase=lambda item: item.name == "test_phase")
    assert spans.keys() == {"test_other", "pytest"}


def test_code_under_test_finds_the_test_as_its_parent(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from opentelemetry import trace
        seen = []

        @pytest.fixture
        def f():
            seen.append(trace.get_current_span().get_span_context())
            yield
            seen.append(trace.get_current_span().get_span_context())

        @pytest.mark.parametrize("n", [1, 2])
        def test_it(f, n, record_property):
            seen.append(trace.get_current_span().get_span_context())
            assert seen[-1] == seen[-2]
            record_property("span", f"{seen[-1].trace_id:032x} {seen[-1].span_id:016x} {seen[-1].trace_flags}")
        """
    )
    spans: list[SpanData] = []
    plugin = OrdinaryTests(TRACE, ROOT, spans.append)
    result = pytester.inline_run("-p", "no:randomly", plugins=[plugin, AroundTests(plugin)])
    reports = result.getreports("pytest_runtest_logreport")
    told = [value for report in reports if report.when == "call" for _, value in report.user_properties]
    assert told == [f"{TRACE} {span.span_id} 1" for span in spans]
    assert not trace.get_current_span().get_span_context().is_valid


def test_the_running_span_can_be_copied() -> None:
    contexts = SpanContexts(TRACE)
    contexts.open(ROOT)
    copied = pickle.loads(pickle.dumps(trace.get_current_span()))
    assert copied.get_span_context() == trace.get_current_span().get_span_context()
    contexts.close()


def test_without_a_sink_there_is_a_context_and_no_span(run: Run) -> None:
    source = (
        "from opentelemetry import trace\n"
        "def test_it():\n    assert trace.get_current_span().get_span_context().is_valid\n    assert False, 'x'\n"
    )
    assert run(source, sink=None) == {}


def test_what_is_not_sampled_reaches_no_sink_and_says_so_in_the_context(run: Run) -> None:
    source = (
        "from opentelemetry import trace\n"
        "def test_it():\n    assert not trace.get_current_span().get_span_context().trace_flags.sampled\n"
    )
    assert run(source, sampled=False) == {}


def test_a_worker_leaves_the_session_to_its_controller(run: Run) -> None:
    spans = run("def test_it(): pass\n", worker="gw0")
    assert spans.keys() == {"test_it"}


def test_a_parent_of_the_environment_is_the_parent_of_the_session(run: Run) -> None:
    remote = Remote(TRACE, "00f067aa0ba902b7", sampled=True, state="vendor=1")
    spans = run("def test_it(): pass\n", remote=remote)
    assert spans["pytest"].parent_id == remote.span_id
    assert {span.trace_state for span in spans.values()} == {"vendor=1"}


def test_a_session_without_such_a_test_has_no_span(run: Run) -> None:
    assert run("") == {}
    assert run("def test_it(): pass\n", is_phase=lambda item: True) == {}


@pytest.mark.parametrize(
    ("exitstatus", "status", "code"),
    [
        (0, "success", "ok"),
        (1, "failure", "error"),
        (2, "aborted", "error"),
        (5, "skipped", "ok"),
        (99, "aborted", "error"),
    ],
)
def test_the_session_says_how_it_ended(exitstatus: int, status: str, code: str) -> None:
    spans: list[SpanData] = []
    plugin = OrdinaryTests(TRACE, ROOT, spans.append)
    plugin.ran = True  # as an xdist controller says, whose workers ran the tests
    plugin.finish(exitstatus)
    assert spans[0].attributes["test.suite.run.status"] == status
    assert spans[0].status.code == code


def test_an_interrupted_test_is_a_span_too(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it="def test_it(): raise KeyboardInterrupt")
    spans: list[SpanData] = []
    plugin = OrdinaryTests(TRACE, ROOT, spans.append)
    with pytest.raises(KeyboardInterrupt):
        pytester.inline_run(plugins=[plugin, AroundTests(plugin)])
    (span,) = spans
    assert span.name == "test_it.py::test_it"
    assert "test.case.result.status" not in span.attributes
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_doctest_has_a_place_but_no_function(run: Run) -> None:
    spans = run(">>> 1 + 1\n2\n", "--doctest-glob=*.txt", name="page.txt")
    attributes = spans["page.txt"].attributes
    assert "code.function.name" not in attributes
    assert attributes["code.file.path"] == "page.txt"
