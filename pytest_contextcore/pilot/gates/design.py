"""S6: the design handoff has its schema, covers the seed's tasks, and was made from this source."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from ..documents import json_object
from ..findings import Finding, Unreadable, shown
from ..ingested import Ingestion
from ..names import GENERATION, HANDOFF, HANDOFF_CONTRACT, REVIEWS, SOURCE, TESTS
from ..nodes import Node, kind
from ..recorded import inside
from ..workspace import Workspace
from . import compare_checksum, differs, gate
from .ingestion import context_files

REQUIRED = ("enriched_seed_path", "project_root", "output_dir", "workflow_id")
SCHEMA_VERSION = 1
DESIGNED = ("designed", "adopted")


def traces(ws: Workspace) -> list[str]:
    """List what shows that design ran: a design hash in a state file, a design document, the handoff contract."""
    found = [HANDOFF_CONTRACT] if ws.exists(HANDOFF_CONTRACT) else []
    with suppress(Unreadable):  # a folder that cannot be read is reported by the gates that need a file in it
        found += ws.glob("artisan", "*-design.md")
    for path in (GENERATION, TESTS, REVIEWS):
        try:
            if json_object(ws, path).find("_cache_meta", "design_hash").given:
                found.append(f"design_hash in {path}")
        except Unreadable:
            continue  # S7 to S9 report their own state files
    return found


def not_applicable(ws: Workspace) -> str | None:
    """Say why S6 has nothing to check, or None: a prime seed, no handoff, and no trace of a design."""
    try:
        prime = Ingestion.load(ws).named_route == "prime"
        there = HANDOFF in ws.glob("artisan", "*") if ws.is_folder("artisan") else False
    except Unreadable:
        return None
    if not prime or there or traces(ws):
        return None
    return "the route is prime, and nothing shows that a design was made"


@gate
def none_made(ws: Workspace) -> Iterator[Finding]:
    """S5-G3 of the prime route: nothing shows that a design was made, since no phase would check it."""
    route = Ingestion.load(ws).named_route
    if route != "prime":
        message = "the route is not prime"
        yield Finding(Ingestion.load(ws).seed_path, message, route, "prime", "route_mismatch", route)
    found = traces(ws)
    if ws.is_folder("artisan") and HANDOFF in ws.glob("artisan", "*"):
        found.insert(0, HANDOFF)
    for trace in found:
        yield Finding(trace, "a design was made, which this plan does not check", "a design", "none", "design", trace)


@gate
def handoff_schema(ws: Workspace) -> Iterator[Finding]:
    """S6-C1: `design-handoff.json` has the required keys and the schema version 1, an integer."""
    handoff = _handoff(ws)
    version = handoff.get("schema_version")
    if isinstance(version.value, bool) or not isinstance(version.value, int) or version.value != SCHEMA_VERSION:
        observed = f"{kind(version.value)}, {shown(version.value)}" if version.given else "nothing"
        message = "the design handoff has an unknown schema version"
        yield Finding(HANDOFF, message, observed, f"the integer {SCHEMA_VERSION}", "unknown_schema", version.at)
    for key in REQUIRED:
        node = handoff.get(key)
        if not isinstance(node.value, str) or not node.value.strip():
            yield node.wrong("a non-empty string").finding
    phases = handoff.get("completed_phases")
    if phases.given:
        phases.texts()
    for _, result in handoff.get("design_results").entries():
        result.object()


def _handoff(ws: Workspace) -> Node:
    """Give the handoff; when it is missing, say what shows that there should be one."""
    try:
        return json_object(ws, HANDOFF)
    except Unreadable as error:
        seen = traces(ws)
        if error.finding.type != "missing_file" or not seen:
            raise
        message = "the design handoff is missing, though design ran"
        raise Unreadable(
            Finding(HANDOFF, message, f"{seen[0]} and no handoff", "a handoff", "missing_file", HANDOFF)
        ) from None


@gate
def task_set(ws: Workspace) -> Iterator[Finding]:
    """S6-G1: each task of the seed has a design, and nothing else has."""
    results = _handoff(ws).get("design_results")
    ingestion = Ingestion.load(ws)
    designed = dict(results.entries())
    for task in ingestion.tasks:
        if task.id not in designed:
            message = f"task '{task.id}' has no design"
            yield Finding(HANDOFF, message, "none", "a design result", "missing_design", task.id)
    known = {task.id for task in ingestion.tasks}
    for id_, result in designed.items():
        if id_ not in known:
            yield Finding(HANDOFF, f"a design for '{id_}', which is no task", "a design", "none", "unknown_task", id_)
        status = result.get("status")
        if status.value not in DESIGNED:
            yield differs(
                status, f"the design of '{id_}' is not finished", "designed or adopted", "missing_design", id_
            )
        document = result.get("design_document")
        if status.value == "designed" and not (isinstance(document.value, str) and document.value.strip()):
            yield differs(document, f"the design of '{id_}' has no document", "a text", "missing_design", id_)


@gate
def source(ws: Workspace) -> Iterator[Finding]:
    """S6-G2: the design was made from this source manifest, these context files and this enriched seed."""
    handoff = _handoff(ws)
    yield from compare_checksum(handoff.get("source_checksum"), ws.digest(SOURCE), SOURCE)
    yield from context_files(ws, handoff.get("context_files"))
    recorded = handoff.get("enriched_seed_path")
    path, expected = inside(ws, recorded), Ingestion.load(ws).enriched_path
    if path != expected:
        yield differs(recorded, "the design was made from another seed", expected, "seed_mismatch", expected)
    for key in ("project_root", "output_dir"):
        inside(ws, handoff.get(key))
