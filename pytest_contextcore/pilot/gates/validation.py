"""S8: the recorded test results are complete, passed and current, and our own validators agree."""

from __future__ import annotations

from collections.abc import Iterator

from ..documents import json_object
from ..exported import Export
from ..findings import Finding, Unreadable, clean, shown
from ..ingested import Ingestion
from ..names import SOURCE, TESTS
from ..nodes import Node
from ..validators import PROMETHEUS_TYPES, Contract, promql_available, validate
from ..workspace import Workspace
from . import compare_checksum, differs, gate
from .implementation import outputs, recorded_on


@gate
def recorded(ws: Workspace) -> Iterator[Finding]:
    """S8-G1: the results cover every task of the seed, all passed, and were made on the bytes that are there now.

    Tests have no severities, so every failed one is critical.
    """
    results, ingestion = json_object(ws, TESTS), Ingestion.load(ws)
    output, tasks = results.get("output"), dict.fromkeys(task.id for task in ingestion.tasks)
    plan: dict[str, Node] = {}
    for entry in output.get("test_plan").items():
        id_ = entry.get("task_id").name()
        if id_ in plan:
            yield Finding(TESTS, f"task '{id_}' was tested twice", "two entries", "one", "duplicate_result", id_)
        elif id_ not in tasks:
            message = f"there are test results for '{id_}', which is no task"
            yield Finding(TESTS, message, "results", "none", "unknown_task", id_)
        plan[id_] = entry
        yield from _entry(id_, entry, ingestion)
    for id_ in tasks:
        if id_ not in plan:
            yield Finding(TESTS, f"task '{id_}' has no test results", "none", "results", "missing_result", id_)
    yield from _totals(output, plan)
    meta = results.get("_cache_meta")
    yield from compare_checksum(meta.get("source_checksum"), ws.digest(SOURCE), SOURCE)
    hashes = meta.get("generation_file_hashes")
    hashes.object()
    for id_ in tasks:
        yield from recorded_on(ws, id_, hashes.get(id_), "the test")


def _entry(id_: str, entry: Node, ingestion: Ingestion) -> Iterator[Finding]:
    status, passed = entry.get("status"), entry.get("all_passed")
    failed = [
        result
        for result in (entry.get("results").items() if entry.get("results").given else ())
        if result.get("passed").value is not True
    ]
    for result in failed:
        validator = shown(result.get("validator").value) if result.get("validator").given else "a validator"
        issues = [shown(issue.value) for issue in result.get("issues").items()] if result.get("issues").given else []
        file, told = ingestion.blamed(id_, TESTS)
        message = f"{validator} failed for {told}"
        yield Finding(file, message, clean("; ".join(issues)) or "failed", "passed", "failed_test", id_)
    if not failed and (passed.value is not True or status.value != "passed"):
        seen = f"status {shown(status.value) if status.given else 'none'}"
        file, told = ingestion.blamed(id_, TESTS)
        yield Finding(file, f"the tests of {told} did not pass", seen, "passed", "failed_test", id_)


def _totals(output: Node, plan: dict[str, Node]) -> Iterator[Finding]:
    """Check the totals, which count tasks, not validator results."""
    for node in (output.get("total_failed"), output.get("total_skipped")):
        if node.count():
            yield differs(node, f"{node.at} counts tests that did not pass", 0, "failed_test")
    total, passed = output.get("total_passed"), sum(entry.get("all_passed").value is True for entry in plan.values())
    if total.count() != passed:
        yield differs(total, f"{total.at} is not the number of tasks that passed", passed, "count_mismatch")
    uncovered = output.get("tests_uncovered")
    if uncovered.given and uncovered.count():
        yield differs(uncovered, "some tests were never run", 0, "missing_result")


def contracts(ws: Workspace) -> dict[str, Contract]:
    """Read the binding parts of each type's output contract."""
    section = Export.load(ws).onboarding.get("expected_output_contracts")
    result: dict[str, Contract] = {}
    for kind, entry in section.entries() if section.given else ():
        lines, markers = entry.get("max_lines"), entry.get("completeness_markers")
        result[kind] = Contract(
            lines.count() if lines.given else None,
            tuple(markers.texts()) if markers.given else (),
        )
    return result


@gate
def validators(ws: Workspace) -> Iterator[Finding]:
    """S8-G2: our own validators find no fault in the gaps' files; existing artifacts may be stubs."""
    export, bound = Export.load(ws), contracts(ws)
    for gap, path in outputs(ws).items():
        artifact = export.by_id.get(gap)
        type_ = artifact.type if artifact else ""
        try:
            yield from validate(path, ws.read_bytes(path), type_, bound.get(type_))
        except Unreadable as error:
            yield error.finding


def no_promql(ws: Workspace) -> str | None:
    """Say why S8-G3 has nothing to check, or None: no gap calls for Prometheus rules."""
    try:
        found = _promql_files(ws)
    except Unreadable:
        return None
    return None if found else "there is no PromQL to parse: no gap calls for Prometheus rules"


@gate
def promql_checked(ws: Workspace) -> Iterator[Finding]:
    """S8-G3 (advisory): Prometheus rules were generated, but no PromQL parser is installed."""
    if promql_available():
        return
    for gap, path in _promql_files(ws).items():
        message = "PromQL was not parsed since promql-parser is not installed"
        yield Finding(path, message, "no parser", "pytest-contextcore[pilot]", "promql_not_checked", gap)


def _promql_files(ws: Workspace) -> dict[str, str]:
    """Give the gaps that call for Prometheus rules, each with its file."""
    rules = {artifact.id for artifact in Export.load(ws).artifacts if artifact.type in PROMETHEUS_TYPES}
    return {gap: path for gap, path in outputs(ws).items() if gap in rules}
