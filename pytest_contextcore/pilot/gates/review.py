"""S9: every task was reviewed, on the bytes that are there now, with a positive verdict; what it found was decided on.

A finding's severity is a prefix. One without counts as major: somebody decides on it in `review-triage.json`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

from ..documents import json_object
from ..findings import Finding, Unreadable, clean, shown
from ..ingested import Ingestion
from ..names import REVIEWS, SOURCE, TRIAGE
from ..nodes import Node
from ..workspace import Workspace
from . import attempt, compare_checksum, differs, gate
from .implementation import recorded_on

SEVERITIES = ("BLOCKING", "MAJOR", "MINOR")
POSITIVE = ("PASS", "PASSED", "APPROVE", "APPROVED", "ACCEPT", "ACCEPTED")
DECISIONS = ("fixed", "accepted", "deferred")
PASSING = 50  # a review that passed with less contradicts itself
_PREFIX = re.compile(r"\s*\[\s*([A-Za-z]+)\s*\]")
_REVIEWER = ("reviewer", "reviewed_by", "agent", "model")


@gate
def triaged(ws: Workspace) -> Iterator[Finding]:
    """S9-G2: each task of the seed was reviewed, passed, and its file is still the one that was reviewed.

    A task that was skipped or failed is missing; a file that differs now makes the review stale. Each major finding is
    decided on.
    """
    results = json_object(ws, REVIEWS)
    tasks = dict.fromkeys(task.id for task in Ingestion.load(ws).tasks)
    reviewed = dict(results.get("tasks").entries())
    for id_ in tasks:
        if id_ not in reviewed:
            yield Finding(REVIEWS, f"task '{id_}' was never reviewed", "no review", "a review", "missing_review", id_)
        else:
            yield from _review(ws, id_, reviewed[id_])
    for id_ in reviewed:
        if id_ not in tasks:
            message = f"there is a review of '{id_}', which is no task"
            yield Finding(REVIEWS, message, "a review", "none", "unknown_task", id_)
    checksum = results.get("_cache_meta", "source_checksum")
    yield from compare_checksum(checksum, ws.digest(SOURCE), SOURCE)
    yield from _undecided(ws)


def _undecided(ws: Workspace) -> Iterator[Finding]:
    """Find the major findings that nobody decided on, and decisions that do not say why and by whom."""
    decided: set[tuple[str, str]] = set()
    for entry in Node(TRIAGE, ws.read_json(TRIAGE)).items() if ws.occupied(TRIAGE) else ():
        decided.add((entry.get("task_id").name(), _without_prefix(entry.get("issue").name())))
        decision = entry.get("decision")
        if decision.value not in DECISIONS:
            yield differs(decision, f"{decision.at} is no decision", ", ".join(DECISIONS), "undocumented_triage")
        for key in ("reason", "by"):
            yield from attempt(entry.get(key).name)
    for id_, severity, text in _issues(ws):
        if severity == "MAJOR" and (id_, _without_prefix(text)) not in decided:
            file, told = Ingestion.load(ws).blamed(id_, REVIEWS)
            message = f"nobody decided on a major review finding on {told}"
            yield Finding(file, message, shown(text), f"an entry in {TRIAGE}", "untriaged_finding", id_)


def _without_prefix(text: str) -> str:
    return _PREFIX.sub("", text, count=1).strip()


def _review(ws: Workspace, id_: str, review: Node) -> Iterator[Finding]:
    verdict, passed, status = (review.get(key) for key in ("verdict", "passed", "status"))
    file, told = Ingestion.load(ws).blamed(id_, REVIEWS)
    negative = ("negative_review", id_)
    if not isinstance(verdict.value, str) or verdict.value.strip().upper() not in POSITIVE:
        yield Finding(file, f"the verdict on {told} is not positive", shown(verdict.value), "PASS", *negative)
    if passed.value is not True:
        yield Finding(file, f"the review of {told} did not pass", shown(passed.value), "true", *negative)
    if status.value != "reviewed":
        yield differs(status, f"task '{id_}' was not reviewed", "reviewed", "missing_review", id_)
    score = review.get("score")
    if score.given and not 0 <= score.number() <= 100:
        yield differs(score, f"the score of task '{id_}' is out of range", "0 to 100", "score_out_of_range", id_)
    elif score.given and passed.value is True and score.number() < PASSING:
        message = f"the review of task '{id_}' passed with a score below {PASSING}"
        yield differs(score, message, f"{PASSING} or more", "contradictory_review", id_)
    yield from recorded_on(ws, id_, review.get("reviewed_code_hash"), "the review")


def _issues(ws: Workspace) -> Iterator[tuple[str, str, str]]:
    """Walk the findings of all reviews: task, severity, text. The severity is a prefix."""
    for id_, review in json_object(ws, REVIEWS).get("tasks").entries():
        section = review.get("issues")
        for node in section.items() if section.given else ():
            text = node.text()
            match = _PREFIX.match(text)
            word = match[1].upper() if match else ""
            yield id_, word if word in SEVERITIES else "MAJOR", text


@gate
def blocking(ws: Workspace) -> Iterator[Finding]:
    """S9-G1: no review finding blocks."""
    for id_, severity, text in _issues(ws):
        if severity == "BLOCKING":
            file, told = Ingestion.load(ws).blamed(id_, REVIEWS)
            message = f"a review finding on {told} blocks"
            yield Finding(file, message, shown(text), "none", "blocking_finding", id_)


def counts(ws: Workspace) -> dict[str, int]:
    """Count the review findings by severity, zeros included. Unreadable ones are left out; the gates report them."""
    result = dict.fromkeys(("blocking", "major", "minor"), 0)
    with suppress(Unreadable):
        for _, severity, _ in _issues(ws):
            result[severity.lower()] += 1
    return result


def reviewers(ws: Workspace) -> tuple[str, list[str]]:
    """Say how many of the seed's tasks were reviewed, and by whom where the file says so."""
    try:
        results, tasks = json_object(ws, REVIEWS), [task.id for task in Ingestion.load(ws).tasks]
        reviews = dict(results.get("tasks").entries())
        nodes = [node for node in (results.find("_cache_meta"), *reviews.values()) if isinstance(node.value, dict)]
    except Unreadable:
        return "unknown", []
    stated = [node.value.get(key) for node in nodes for key in _REVIEWER]
    who = dict.fromkeys(clean(name) for name in stated if isinstance(name, str) and name.strip())
    return f"{sum(id_ in reviews for id_ in tasks)} of {len(tasks)} tasks", list(who)
