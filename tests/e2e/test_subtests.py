"""Subtests of a phase: spans below it or below its gate. Those of other tests: ``tests/spans``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..support.plans import Suite
from ..support.traces import DONE, FAILED, GOOD, otlp_lines, phase, run, statuses, transform

Read = Callable[..., dict[str, Any]]
IN_PHASE = """
with subtests.test("before"):
    pass
with phase.gate("C1"):
    with subtests.test("within", row=7):
        pass
check(phase, "C2", "C3")
"""


def spans_of(suite: Suite) -> dict[str, dict[str, Any]]:
    """The spans in the plan's own file, by what follows the node id in their names."""
    found = otlp_lines(suite)
    assert len({span["spanId"] for span in found}) == len(found)
    return {span["name"].removeprefix("test_load.py::test_transform "): span for span in found}


def test_a_subtest_of_a_phase_is_a_span_below_it_or_below_its_gate(suite: Suite, evidence: Read) -> None:
    suite.write(transform(IN_PHASE, "phase, subtests"))
    assert suite.here().ret == 0
    document = evidence()
    assert statuses(document) == DONE
    assert phase(document)["events"] == []
    spans = spans_of(suite)
    assert len(spans) == 9 + 2
    before, within, gate = spans["[before]"], spans["[within] (row=7)"], spans["LOAD-7-T-C1"]
    assert before["parentSpanId"] == phase(document)["otel_span_id"]
    assert within["parentSpanId"] == gate["spanId"]
    assert int(gate["startTimeUnixNano"]) <= int(within["startTimeUnixNano"])
    assert int(within["endTimeUnixNano"]) <= int(gate["endTimeUnixNano"])
    assert {before["traceId"], within["traceId"]} == {document["otel_trace_id"]}
    assert {pair["key"]: pair["value"]["stringValue"] for pair in within["attributes"]} == {
        "test.case.name": within["name"],
        "test.case.result.status": "pass",
    }


def test_a_failed_subtest_of_a_phase_fails_it_and_is_a_failed_span(suite: Suite, evidence: Read) -> None:
    suite.write(transform(f'{GOOD}\nwith subtests.test("rows"):\n    raise OSError("gone")', "phase, subtests"))
    assert suite.here().ret == 1
    assert statuses(evidence()) == FAILED
    assert phase(evidence())["blocked_reason"] == "subtest [rows] failed"
    assert spans_of(suite)["[rows]"]["status"] == {"code": 2, "message": "OSError: gone"}


def test_subtests_of_a_phase_that_is_killed_were_written_before(suite: Suite) -> None:
    suite.write(transform('with subtests.test("rows"):\n    pass\nimport os\nos._exit(9)', "phase, subtests"))
    run(suite)
    assert "[rows]" in spans_of(suite)
