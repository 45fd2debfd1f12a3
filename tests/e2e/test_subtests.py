"""Sub-assertions, pytest's ``subtests`` and unittest's ``subTest``, as spans below their test's or their phase's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_contextcore.ids import new_span_id, new_trace_id
from pytest_contextcore.session.traced import AroundTests
from pytest_contextcore.span import SpanData
from pytest_contextcore.spans.of_tests import OrdinaryTests

from ..support.otlp_receiver import Receiver
from ..support.plans import Suite
from ..support.traces import DONE, FAILED, GOOD, one, phase, run, sent, statuses, transform

Read = Callable[..., dict[str, Any]]
TRACE, ROOT = new_trace_id(), new_span_id()
NAME = "test_it.py::test_it"


def spans_of(pytester: pytest.Pytester, source: str, *arguments: str) -> list[SpanData]:
    """The spans of an ordinary test file, without the session's."""
    pytester.makepyfile(test_it=source)
    spans: list[SpanData] = []
    plugin = OrdinaryTests(TRACE, ROOT, spans.append)
    pytester.inline_run("-p", "no:randomly", *arguments, plugins=[plugin, AroundTests(plugin)])
    return spans


def shown(spans: list[SpanData]) -> list[tuple[str, str, object]]:
    return [(span.name, span.status.code, span.attributes.get("test.case.result.status")) for span in spans]


MIXED = """
import pytest

def test_it(subtests):
    with subtests.test("passes", number=1):
        pass
    with subtests.test("fails"):
        raise ValueError("Bearer s3cr3t-value\\nand more")
    with subtests.test(colour="red"):
        pytest.skip("no red")
    with subtests.test():
        pytest.xfail("known")
"""


def test_each_subtest_is_a_span_below_its_test_whatever_became_of_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "s3cr3t-value")
    *below, test = spans_of(pytester, MIXED)
    assert shown(below) == [
        (f"{NAME} [passes] (number=1)", "ok", "pass"),
        (f"{NAME} [fails]", "error", "fail"),
        (f"{NAME} (colour='red')", "unset", None),
        (f"{NAME} (<subtest>)", "unset", None),
    ]
    assert {(span.trace_id, span.parent_id) for span in below} == {(TRACE, test.span_id)}
    assert (test.name, test.parent_id, test.status.code) == (NAME, ROOT, "error")
    failed = below[1]
    assert failed.status.description == "ValueError: Bearer ***"
    assert [(event.name, event.attributes) for event in failed.events] == [
        ("exception", {"exception.type": "ValueError", "exception.message": "Bearer ***\nand more"})
    ]
    assert test.events == ()  # it stands where it was raised
    assert test.status.description == "ValueError: Bearer ***"
    assert all(span.attributes["test.case.name"] == span.name for span in below)
    assert len({span.span_id for span in (*below, test)}) == 5


def test_a_subtest_has_the_times_that_pytest_gives(pytester: pytest.Pytester) -> None:
    first, second, test = spans_of(
        pytester,
        "import time\n"
        "def test_it(subtests):\n"
        "    time.sleep(0.02)\n"
        "    with subtests.test('a'):\n        time.sleep(0.03)\n"
        "    with subtests.test('b'):\n        assert False\n",
    )
    assert test.start + 20_000_000 <= first.start <= first.end <= second.start <= second.end <= test.end
    assert first.end - first.start >= 29_000_000
    assert second.start <= second.events[0].time <= second.end


def test_a_unittest_subtest_ends_when_it_is_told_of(pytester: pytest.Pytester) -> None:
    spans = spans_of(
        pytester,
        "import unittest\n"
        "class TestIt(unittest.TestCase):\n"
        "    def test_it(self):\n"
        "        for number in range(3):\n"
        "            with self.subTest('part', number=number):\n"
        "                self.assertNotEqual(number, 1)\n",
    )
    *below, test = spans
    name = "test_it.py::TestIt::test_it"
    assert {span.name: span.status.code for span in below} == {
        f"{name} [part] (number=0)": "ok",
        f"{name} [part] (number=1)": "error",
        f"{name} [part] (number=2)": "ok",
    }
    assert all(test.start <= span.start == span.end <= test.end for span in below)
    (failed,) = [span for span in below if span.status.code == "error"]
    assert failed.events[0].attributes["exception.type"] == "AssertionError"
    assert test.attributes["test.case.result.status"] == "fail"


def test_a_skipped_subtest_leaves_its_test_passed(pytester: pytest.Pytester) -> None:
    source = "import pytest\ndef test_it(subtests):\n    with subtests.test('a'):\n        pytest.skip('no')\n"
    _, test = spans_of(pytester, source)
    assert (test.status.code, test.attributes["test.case.result.status"]) == ("ok", "pass")


def test_a_test_that_fails_after_a_failed_subtest_says_its_own_failure(pytester: pytest.Pytester) -> None:
    source = (
        "def test_it(subtests):\n    with subtests.test('a'):\n        assert 0, 'sub'\n    raise KeyError('own')\n"
    )
    below, test = spans_of(pytester, source)
    assert below.status.description.startswith("AssertionError: sub")
    assert test.status.description == "KeyError: 'own'"
    assert [event.attributes["exception.type"] for event in test.events] == ["KeyError"]


def test_a_subtest_that_stops_the_session_is_a_span_too(pytester: pytest.Pytester) -> None:
    source = "def test_it(subtests):\n    with subtests.test('a'):\n        assert 0, 'sub'\n    raise KeyError\n"
    below, test = spans_of(pytester, source, "-x")
    assert (below.parent_id, below.status.code) == (test.span_id, "error")


def test_subtests_of_each_attempt_are_below_it(pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_rerunfailures")
    source = "tries = []\ndef test_it(subtests):\n    tries.append(1)\n    with subtests.test('a'):\n"
    spans = spans_of(pytester, f"{source}        assert len(tries) == 2\n", "--reruns=1")
    assert [(span.name, span.status.code) for span in spans] == [
        (f"{NAME} [a]", "error"),
        (NAME, "error"),
        (f"{NAME} [a]", "ok"),
        (NAME, "ok"),
    ]
    assert [spans[0].parent_id, spans[2].parent_id] == [spans[1].span_id, spans[3].span_id]


def test_secrets_in_a_subtests_parameters_are_hidden(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "s3cr3t-value")
    source = "import os\ndef test_it(subtests):\n    with subtests.test(os.environ['MY_TOKEN'], at='https://a:b@host'):"
    spans = spans_of(pytester, f"{source}\n        pass\n")
    assert "s3cr3t" not in repr(spans)
    assert "a:b" not in repr(spans)
    assert spans[0].name == f"{NAME} [***] (at='https://***@host')"


def test_without_a_sink_subtests_are_pytests_own_affair(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=MIXED)
    result = pytester.inline_run(plugins=[AroundTests(OrdinaryTests(TRACE, ROOT, None))])
    result.assertoutcome(passed=1, skipped=2, failed=2)


# --- in phases -------------------------------------------------------------------------------------------------------


IN_PHASE = """
with subtests.test("before"):
    pass
with phase.gate("C1"):
    with subtests.test("within", row=7):
        pass
check(phase, "C2", "C3")
"""


def test_a_subtest_of_a_phase_is_a_span_below_it_or_below_its_gate(
    suite: Suite, evidence: Read, exporting: Receiver
) -> None:
    suite.write(transform(IN_PHASE, "phase, subtests"))
    assert run(suite).ret == 0
    document = evidence()
    assert statuses(document) == DONE
    assert phase(document)["events"] == []
    spans = sent(exporting)
    name = "test_load.py::test_transform"
    before, within = one(spans, f"{name} [before]"), one(spans, f"{name} [within] (row=7)")
    assert before.parent == phase(document)["otel_span_id"]
    gate = one(spans, "LOAD-7-T-C1")
    assert within.parent == gate.id
    assert gate.start <= within.start <= within.end <= gate.end
    assert {before.trace, within.trace} == {document["otel_trace_id"]}
    assert within.attributes == {"test.case.name": within.name, "test.case.result.status": "pass"}
    assert len(spans) == 9 + 2


def test_a_failed_subtest_of_a_phase_fails_it_and_is_a_failed_span(
    suite: Suite, evidence: Read, exporting: Receiver
) -> None:
    suite.write(transform(f'{GOOD}\nwith subtests.test("rows"):\n    raise OSError("gone")', "phase, subtests"))
    assert run(suite).ret == 1
    assert statuses(evidence()) == FAILED
    assert phase(evidence())["blocked_reason"] == "subtest [rows] failed"
    found = one(sent(exporting), "test_load.py::test_transform [rows]")
    assert (found.status, found.description) == ("error", "OSError: gone")
    assert found.events == [("exception", {"exception.type": "OSError", "exception.message": "gone"})]


def test_under_xdist_subtests_come_once_from_the_worker_that_ran_them(suite: Suite, exporting: Receiver) -> None:
    pytest.importorskip("xdist")
    suite.write(transform(IN_PHASE, "phase, subtests"))
    source = "def test_it(subtests):\n    for number in range(20):\n        with subtests.test(number=number):\n"
    suite.write(f"{source}            assert number != 7\n", "test_it.py")
    assert run(suite, "-n2").ret == 1
    spans = sent(exporting)
    below = [span for span in spans if span.name.startswith(f"{NAME} (")]
    assert len(below) == 20
    assert {span.parent for span in below} == {one(spans, NAME).id}
    assert [span.name for span in below if span.status == "error"] == [f"{NAME} (number=7)"]
    assert len(spans) == 9 + 2 + 20 + 1 + 1


def test_subtests_of_a_phase_that_is_killed_were_written_before(suite: Suite) -> None:
    suite.write(transform('with subtests.test("rows"):\n    pass\nimport os\nos._exit(9)', "phase, subtests"))
    run(suite)
    assert "[rows]" in (suite.pytester.path / "out" / "LOAD-7.otlp.jsonl").read_text()
