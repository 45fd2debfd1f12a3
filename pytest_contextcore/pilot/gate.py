"""``contextcore contract a2a-gate``: one of three checks over data from a file, with its answer as a GateResult."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import click

from pytest_contextcore import Malformed, parse_json

from .answers import wrapped
from .commands import FORMAT, always, not_empty
from .documents import bare
from .findings import Finding, Unreadable, clean, reason
from .nodes import Node
from .validate import read_file


class Kind(NamedTuple):
    """A kind of check: the phase that it belongs to, what to do where it fails, and what it finds in the data."""

    phase: str
    next_action: str
    find: Callable[[Node], Iterator[Finding]]


def _checksums(data: Node) -> Iterator[Finding]:
    expected, actual = dict(data.get("expected").entries()), dict(data.get("actual").entries())
    if not expected:
        yield Finding(
            data.file, "there is nothing to compare with", "an empty object", "checksums", "no_data", "expected"
        )
    for name, node in expected.items():
        found = actual.get(name)
        if found is None or not found.given:
            message = f"checksum '{name}' is missing"
            yield Finding(data.file, message, "none", node.name(), "checksum_missing", name)
        elif bare(found.name()) != bare(node.name()):
            message = f"checksum '{name}' is another one"
            yield Finding(data.file, message, found.name(), node.name(), "checksum_mismatch", name)


def _mapping(data: Node) -> Iterator[Finding]:
    artifacts, mapping = data.get("artifact_ids").texts(), dict(data.get("task_mapping").entries())
    if not artifacts:
        yield Finding(data.file, "there is nothing to map", "an empty list", "artifacts", "no_data", "artifact_ids")
    for artifact in artifacts:
        task = mapping.get(artifact)
        if task is None or not (isinstance(task.value, str) and task.value.strip()):
            message = f"artifact '{artifact}' has no task"
            yield Finding(data.file, message, "none", "a task", "unmapped_artifact", artifact)


def _parity(data: Node) -> Iterator[Finding]:
    gaps, features = data.get("gap_ids").texts(), data.get("feature_ids").texts()
    for gap in sorted(set(gaps) - set(features)):
        yield Finding(data.file, f"gap '{gap}' has no feature", "none", "a feature", "missing_feature", gap)
    for feature in sorted(set(features) - set(gaps)):
        yield Finding(data.file, f"feature '{feature}' is of no gap", "no gap", "a gap", "orphan_feature", feature)


KINDS = {
    "checksum": Kind(
        "CONTRACT_INTEGRITY", "Run the step whose checksum differs again, and those after it.", _checksums
    ),
    "mapping": Kind("CONTRACT_INTEGRITY", "Give each of these artifacts a task in the task mapping.", _mapping),
    "gap-parity": Kind("INGEST_PARSE_ASSESS", "Run plan ingestion again, so that gaps and features agree.", _parity),
}


@click.command("a2a-gate")
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("data_file", metavar="DATA_FILE")
@click.option(
    "--gate-id", metavar="ID", required=True, callback=not_empty, help="The gate's id, such as PI-101-002-S3-C2."
)
@click.option("--task-id", metavar="ID", required=True, callback=not_empty, help="The task that it belongs to.")
@click.option("--trace-id", metavar="ID", callback=not_empty, help="The trace that it belongs to.")
@FORMAT
@always("--fail-on-block", "a gate that fails")
def command(kind: str, data_file: str, *, gate_id: str, task_id: str, trace_id: str | None, form: str) -> int:
    """Check data with one gate, and answer with a GateResult.

    \b
    checksum    {"expected": {"source": "sha256:…"}, "actual": {"source": "sha256:…"}}
    mapping     {"artifact_ids": ["a"], "task_mapping": {"a": "PI-001"}}
    gap-parity  {"gap_ids": ["a"], "feature_ids": ["a"]}

    Exit code 0: the gate passes. 1: it fails. 2: bad usage, or data of another form.
    """
    path = Path(data_file)
    try:
        node = Node(clean(path.name), parse_json(read_file(path)))
        found = list(KINDS[kind].find(node))
    except Malformed as error:
        raise click.UsageError(f"{clean(data_file)} {error.message}: {error.observed}") from None
    except Unreadable as error:
        raise click.UsageError(str(error)) from None
    ids = {"gate_id": gate_id, "task_id": task_id, **({"trace_id": trace_id} if trace_id else {})}
    result = document(KINDS[kind], ids, found)
    print(json.dumps(result, indent=2) if form == "json" else "\n".join(text(result)))
    return 1 if found else 0


def document(kind: Kind, ids: dict[str, str], found: list[Finding]) -> dict[str, Any]:
    """The answer as a GateResult."""
    evidence = [{"type": each.type, "ref": each.ref, "description": each.sentence} for each in found]
    said = {"reason": reason(found), "next_action": kind.next_action, "evidence": evidence} if found else {}
    return {
        "schema_version": "v1",
        **{name: clean(value) for name, value in ids.items()},
        "phase": kind.phase,
        "result": "fail" if found else "pass",
        "severity": "critical" if found else "info",
        "blocking": bool(found),
        "checked_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        **said,
    }


def text(result: dict[str, Any]) -> Iterator[str]:
    """The answer as lines of at most 80 columns."""
    for item in result.get("evidence", []):
        yield from wrapped("   why       ", f"{item['type']} {item['ref']}: {item['description']}")
    if "next_action" in result:
        yield from wrapped("   next      ", result["next_action"])
    yield f"{'FAIL' if result['result'] == 'fail' else 'pass'} {result['gate_id']} {result['phase']}"
