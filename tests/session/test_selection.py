"""Options and plugins that choose or reorder tests: the spans of what ran, and of what was reused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ..support.otlp_receiver import Receiver
from ..support.plans import Suite
from ..support.traces import DONE, HELD, one, phase, sent, statuses, transform

Read = Callable[..., dict[str, Any]]
T = "LOAD-7-T TRANSFORM"
LOST = 'with phase.gate("C1"):\n    assert not Path("lost").exists(), "row 7 is lost"\ncheck(phase, "C2", "C3")'
ORDER = ["LOAD-7-E EXTRACT", T, "LOAD-7-P PUBLISH"]


@pytest.mark.parametrize("option", ["--lf", "--sw"])
def test_a_run_that_goes_on_where_the_last_one_failed(
    suite: Suite, evidence: Read, exporting: Receiver, option: str
) -> None:
    lost = suite.pytester.path / "lost"
    lost.touch()
    suite.write(transform(LOST, before="from pathlib import Path"))
    assert suite.here(*(["--sw"] if option == "--sw" else [])).ret in (1, 2)
    assert statuses(evidence()) == HELD
    first = phase(evidence(), "E")["otel_span_id"]
    lost.unlink()
    exporting.accepted.clear()
    result = suite.here(option)
    assert result.ret == 0
    document = evidence()
    assert phase(document, "E")["reused"]
    assert statuses(document)["T"] == "completed"
    assert document["status"] == "in_progress"
    assert ("LOAD-7" in {span.name for span in exporting.spans}) is (option == "--sw")  # with --lf the trace goes on
    if option == "--lf":
        return
    spans = sent(exporting)
    reused = one(spans, "LOAD-7-E EXTRACT")
    assert reused.attributes["task.reused"] is True
    assert reused.id == phase(document, "E")["otel_span_id"] != first
    assert (one(spans, T).status, one(spans, T).attributes["task.status"]) == ("ok", "completed")
    assert one(spans, "LOAD-7").attributes["test.suite.run.status"] == "in_progress"


def test_randomly_shuffles_ordinary_tests_only(suite: Suite, evidence: Read, exporting: Receiver) -> None:
    pytest.importorskip("pytest_randomly")
    suite.write(transform())
    suite.write("import pytest\n\n@pytest.mark.parametrize('n', range(12))\ndef test_n(n):\n    pass\n", "test_many.py")
    orders = []
    for seed in ("1", "2"):
        exporting.accepted.clear()
        result = suite.pytester.runpytest_inprocess("-p", "no:hypothesispytest", f"--randomly-seed={seed}")
        assert result.ret == 0
        assert statuses(evidence()) == DONE
        spans = sent(exporting)
        assert [span.name for span in spans if span.name in ORDER] == ORDER
        orders.append([span.name for span in spans if span.name.startswith("test_many.py::")])
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])
    assert len({span.id for span in spans}) == 9 + 12 + 1  # a seeded random module makes no id twice
