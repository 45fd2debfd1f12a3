"""S4: every gap went through PARSE and TRANSFORM as a feature and a task, and the score is plausible."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from ..documents import json_object
from ..exported import Export
from ..findings import Finding, Unreadable, shown
from ..ingested import Feature, Ingestion, Mapping, Task
from ..names import DIAGNOSTIC, FORENSICS, INGESTION_STATE, REVIEW_CONFIG, SOURCE, TRACEABILITY
from ..nodes import Node
from ..recorded import inside, project_path
from ..workspace import Workspace
from . import compare_checksum, differs, gate, repeated

THRESHOLD = 40  # above it the route is artisan, and `route_margin` is the distance to it
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:")
_ROUNDING = 0.05  # scores are stated with up to one decimal


# -- S4-C1 -----------------------------------------------------------------------------------------------------------
@gate
def parity(ws: Workspace) -> Iterator[Finding]:
    """S4-C1: each gap has exactly one mapping, with features and tasks that the seeds have, and nothing is extra."""
    export, ingestion = Export.load(ws), Ingestion.load(ws)
    yield from _ids(ingestion.seed_path, "feature", [feature.id for feature in ingestion.features])
    yield from _ids(ingestion.seed_path, "task", [task.id for task in ingestion.tasks])
    mapped: dict[str, Mapping] = {}
    gaps = dict.fromkeys(export.gaps)
    for entry in ingestion.mappings:
        if entry.artifact_id in mapped:
            message = f"artifact '{entry.artifact_id}' is mapped twice"
            yield Finding(TRACEABILITY, message, "two mappings", "one", "duplicate_mapping", entry.artifact_id)
        elif entry.artifact_id not in gaps:
            message = f"artifact '{entry.artifact_id}' is mapped, but is no gap of the export"
            yield Finding(TRACEABILITY, message, "a mapping", "no mapping", "unknown_artifact", entry.artifact_id)
        mapped[entry.artifact_id] = entry
    for gap in gaps:
        if gap not in mapped:
            message = f"gap '{gap}' has no feature: it was dropped between export and seed"
            yield Finding(TRACEABILITY, message, "no mapping", "one mapping", "unmapped_artifact", gap)
    yield from _mappings(ingestion, export)
    yield from _unresolved(ingestion.traceability.get("unresolved"), requirements=False)
    yield from _tasks(ingestion)


def _ids(file: str, what: str, ids: list[str]) -> Iterator[Finding]:
    for id_ in repeated(ids):
        yield Finding(file, f"{what} '{id_}' is listed twice", "twice", "once", f"duplicate_{what}", id_)


def _tasks(ingestion: Ingestion) -> Iterator[Finding]:
    """Check tasks against features, their own dependencies, and the enriched seed."""
    features = {feature.id for feature in ingestion.features}
    tasks = {task.id: task for task in ingestion.tasks}
    for task in ingestion.tasks:
        if task.feature_id not in features:
            message = f"task '{task.id}' belongs to a feature that the seed lacks"
            yield Finding(ingestion.seed_path, message, shown(task.feature_id), "a feature", "unknown_feature", task.id)
        for other in task.depends_on:
            if other not in tasks:
                message = f"task '{task.id}' depends on a task that the seed lacks"
                yield Finding(ingestion.seed_path, message, other, "a task of the seed", "unknown_task", other)
    enriched = {task.id: task for task in ingestion.enriched_tasks}
    yield from _ids(ingestion.enriched_path, "task", [task.id for task in ingestion.enriched_tasks])
    for id_ in [*tasks, *(id_ for id_ in enriched if id_ not in tasks)]:
        if id_ not in enriched or id_ not in tasks:
            lacking = "enriched seed" if id_ in tasks else "seed"
            message = f"task '{id_}' is missing in the {lacking}"
            yield Finding(ingestion.enriched_path, message, "in one of both", "in both seeds", "task_mismatch", id_)
        elif enriched[id_].feature_id != tasks[id_].feature_id or set(tasks[id_].targets) - set(enriched[id_].targets):
            # Enrichment may infer further targets; it may not lose or change one.
            message = f"task '{id_}' differs between the seed and the enriched seed"
            seen, wanted = (f"{t.feature_id}: {', '.join(t.targets)}" for t in (enriched[id_], tasks[id_]))
            yield Finding(ingestion.enriched_path, message, seen, wanted, "task_mismatch", id_)


def _mappings(ingestion: Ingestion, export: Export) -> Iterator[Finding]:
    features = {feature.id: feature for feature in ingestion.features}
    tasks = {task.id: task for task in ingestion.tasks}
    for entry in ingestion.mappings:
        if entry.status != "mapped":
            yield _say(entry, "is not mapped", shown(entry.status), "mapped", "unmapped_artifact")
        for what, ids, known in (("feature", entry.feature_ids, features), ("task", entry.task_ids, tasks)):
            if not ids:
                yield _say(entry, f"has no {what}", "none", f"a {what}", "unmapped_artifact")
            for id_ in repeated(ids):
                yield _say(entry, f"names {what} '{id_}' twice", "twice", "once", "duplicate_mapping")
            for id_ in ids:
                if id_ not in known:
                    wanted = f"a {what} of the seed"
                    yield _say(entry, f"is mapped to a {what} that the seed lacks", id_, wanted, f"unknown_{what}")
        artifact = export.by_id.get(entry.artifact_id)
        if artifact is not None and entry.artifact_type not in (None, artifact.type):  # it may be null
            yield _say(entry, "is mapped as another type", shown(entry.artifact_type), artifact.type, "type_mismatch")
        yield from _agreement(entry, tasks)
        sources: list[Feature | Task] = [features[i] for i in entry.feature_ids if i in features]
        sources += [tasks[i] for i in entry.task_ids if i in tasks]
        targets = [target for one in sources for target in one.targets]
        planned = export.planned.get(entry.artifact_id)
        if planned is not None and targets and project_path(planned) not in set(_in_project(targets)):
            yield _say(entry, "is mapped to work on other files", ", ".join(targets[:3]), planned, "target_mismatch")


def _agreement(entry: Mapping, tasks: dict[str, Task]) -> Iterator[Finding]:
    """Check that an artifact's tasks are those of its features."""
    known, features = [tasks[id_] for id_ in entry.task_ids if id_ in tasks], set(entry.feature_ids)
    for task in known:
        if task.feature_id not in features:
            seen = f"{task.id} of {task.feature_id}"
            wanted = ", ".join(entry.feature_ids) or "a feature"
            yield _say(entry, "is mapped to a task of another feature", seen, wanted, "task_mismatch")
    served = {task.feature_id for task in known}
    for id_ in entry.feature_ids:
        if known and id_ not in served:
            yield _say(entry, f"is mapped to feature '{id_}', but to no task of it", "none", "a task", "task_mismatch")


def _say(entry: Mapping, message: str, observed: str, expected: str, kind: str) -> Finding:
    whole = f"artifact '{entry.artifact_id}' {message}"
    return Finding(TRACEABILITY, whole, observed, expected, kind, entry.artifact_id)


def _in_project(targets: list[str]) -> Iterator[str]:
    for target in targets:
        try:
            yield project_path(target.removeprefix("project/"))
        except Unreadable:
            continue  # a target that leaves the project is no gap's path; S7 refuses what is generated there


def _unresolved(section: Node, *, requirements: bool) -> Iterator[Finding]:
    """List what ingestion could not resolve; requirements among it are advisory, as no gap hangs on them."""
    for entry in section.items() if section.given else ():
        named = entry.value.get("type") if isinstance(entry.value, dict) else None
        if (named == "requirement") is requirements:
            what = (
                entry.value.get("id", entry.value.get("artifact_id")) if isinstance(entry.value, dict) else entry.value
            )
            yield Finding(
                TRACEABILITY, f"{entry.at} is unresolved", shown(what), "none", "unresolved_entry", shown(what)
            )


@gate
def unmapped_features(ws: Workspace) -> Iterator[Finding]:
    """S4-G3 (advisory): features that no gap is mapped to, and requirements that ingestion left unresolved."""
    ingestion = Ingestion.load(ws)
    mapped = {id_ for entry in ingestion.mappings for id_ in entry.feature_ids}
    for feature in ingestion.features:
        if feature.id not in mapped:
            message = f"feature '{feature.id}' serves no gap"
            yield Finding(ingestion.seed_path, message, "no gap", "a gap", "unmapped_feature", feature.id)
    yield from _unresolved(ingestion.traceability.get("unresolved"), requirements=True)


# -- S4-G1 -----------------------------------------------------------------------------------------------------------
@gate
def score(ws: Workspace) -> Iterator[Finding]:
    """S4-G1: the complexity is finite, in range, a mean of its dimensions, and the same wherever it is stated."""
    ingestion = Ingestion.load(ws)
    complexity = ingestion.seed.get("complexity")
    composite = complexity.get("composite").number()
    yield from _in_range(complexity.get("composite"))
    for _, dimension in complexity.get("dimensions").entries():
        yield from _in_range(dimension)
    if ingestion.named_route == by_score(composite):  # else S5 says more: that the route contradicts the score
        yield from implausible(ingestion)
    for seed in (lambda: ingestion.seed, lambda: ingestion.enriched):
        yield from _read(seed, ("complexity", "composite"), composite)
        yield from _read(seed, ("_ingestion_quality", "route_margin"), abs(composite - THRESHOLD), optional=True)
    signals = ("phases", "assess", "quality_signals")
    diagnostic, state, config = (partial(json_object, ws, p) for p in (DIAGNOSTIC, INGESTION_STATE, REVIEW_CONFIG))
    yield from _read(diagnostic, (*signals, "composite_score"), composite)
    yield from _read(diagnostic, (*signals, "route_margin"), abs(composite - THRESHOLD), optional=True)
    yield from _read(state, ("complexity_composite",), composite)
    yield from _read(config, ("_ingestion_metadata", "complexity_score"), composite)


def by_score(composite: float) -> str:
    """Give the route that follows from a score."""
    return "artisan" if composite > THRESHOLD else "prime"


def implausible(ingestion: Ingestion) -> Iterator[Finding]:
    """Find a composite score that is no weighted mean of its dimensions: it lies outside of them."""
    complexity = ingestion.seed.get("complexity")
    composite, section = complexity.get("composite"), complexity.get("dimensions")
    dimensions = [dimension.number() for _, dimension in section.entries()]
    if not dimensions:
        raise section.wrong("a score for each dimension")
    low, high = min(dimensions), max(dimensions)
    if not low - _ROUNDING <= composite.number() <= high + _ROUNDING:
        message = f"{composite.at} is no mean of its dimensions"
        yield differs(composite, message, f"from {shown(low)} to {shown(high)}", "score_implausible")


def _in_range(node: Node) -> Iterator[Finding]:
    if not 0 <= node.number() <= 100:
        yield differs(node, f"{node.at} is out of range", "0 to 100", "score_out_of_range")


def _read(
    document: Callable[[], Node], keys: tuple[str, ...], expected: float, *, optional: bool = False
) -> Iterator[Finding]:
    """Hold one statement of the score against the seed's; a file that cannot be read does not hide the next."""
    try:
        node = document().find(*keys)
        if optional and not node.given:
            return
        if abs(node.number() - expected) > _ROUNDING:
            yield differs(node, f"{node.at} does not agree with the seed's score", expected, "score_mismatch")
    except Unreadable as error:
        yield error.finding


# -- S4-G2 -----------------------------------------------------------------------------------------------------------
@gate
def source(ws: Workspace) -> Iterator[Finding]:
    """S4-G2: the seeds were made from this source manifest and this export, by the last ingestion that was run."""
    export, ingestion = Export.load(ws), Ingestion.load(ws)
    yield from _outdated(ws, ingestion)
    digest = ws.digest(SOURCE)
    for seed in (ingestion.seed, ingestion.enriched):
        stated = seed.get("source_checksum")
        copied = seed.find("artifacts", "source_checksum")
        yield from compare_checksum(stated if stated.given or not copied.given else copied, digest, SOURCE)
        if stated.given and copied.given:
            yield from compare_checksum(copied, digest, SOURCE)
        yield from context_files(ws, seed.get("context_files"))
    evidence = ingestion.traceability.get("checksum_evidence")
    paths = (("source_checksum", SOURCE), ("artifact_manifest", export.manifest_path))
    for name, path in (*paths, ("project_context", export.context_path)):
        for side in ("expected", "actual"):
            yield from compare_checksum(evidence.get(f"{name}_{side}"), ws.digest(path), path)
    verified = evidence.get("source_checksum_verified")
    if verified.given and not verified.flag():
        yield differs(verified, "ingestion could not verify the source checksum", True, "checksum_mismatch")


def _outdated(ws: Workspace, ingestion: Ingestion) -> Iterator[Finding]:
    """Find a failure report: the last ingestion failed, and the seed is an older one unless it states a later time."""
    if not ws.occupied(FORENSICS):
        return
    failed = max(_times(json_object(ws, FORENSICS).value), default=None)
    made = max((time for value in ingestion.seed.object().values() for time in _time(value)), default=None)
    if failed is None or made is None or made <= failed:
        message = f"plan ingestion failed, and {ingestion.seed_path} is not from a later run"
        told = f"failed {failed or 'at no stated time'}, seed {made or 'of no stated time'}"
        yield Finding(FORENSICS, message, told, "a later seed, or no failure", "failed_ingestion", ingestion.seed_path)


def _times(value: object) -> Iterator[datetime]:
    """Walk all times in a document."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _times(item)
    else:
        yield from _time(value)


def _time(value: object) -> Iterator[datetime]:
    """Give a value's time, if it is one; without a zone it is UTC."""
    if isinstance(value, str) and _TIME.match(value):
        with suppress(ValueError):
            time = datetime.fromisoformat(value)
            yield time if time.tzinfo else time.replace(tzinfo=UTC)


def context_files(ws: Workspace, section: Node) -> Iterator[Finding]:
    """Check recorded context files against the files that are there now; also the design handoff records some."""
    for entry in section.items():
        try:
            path = inside(ws, entry.get("path"))
            yield from compare_checksum(entry.get("checksum"), ws.digest(path), path)
        except Unreadable as error:
            yield error.finding
