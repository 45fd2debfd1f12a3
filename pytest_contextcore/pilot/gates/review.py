"""S9: every task was reviewed, on the bytes that are there now, with a positive verdict and nothing that blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

from ..documents import Results
from ..findings import Finding, Unreadable, shown
from ..ingested import Ingestion
from ..names import REVIEWS, SOURCE
from ..nodes import Node
from ..workspace import Workspace
from . import compare_checksum, differs, gate
from .implementation import recorded_on

SEVERITIES = ("BLOCKING", "MAJOR", "MINOR")
POSITIVE = ("PASS", "PASSED", "APPROVE", "APPROVED", "ACCEPT", "ACCEPTED")
_PREFIX = re.compile(r"\s*\[\s*([A-Za-z]+)\s*\]")


@gate
def triaged(ws: Workspace) -> Iterator[Finding]:
    """S9-G2: each task of the seed was reviewed, passed, and its file is still the one that was reviewed.

    A task that was skipped or failed is missing; a file that differs now makes the review stale.
    """
    results = Results.load(ws).reviews
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
    yield from recorded_on(ws, id_, review.get("reviewed_code_hash"), "the review")


def _issues(ws: Workspace) -> Iterator[tuple[str, str, str]]:
    """Walk the findings of all reviews: task, severity, text. The severity is a prefix."""
    for id_, review in Results.load(ws).reviews.get("tasks").entries():
        section = review.get("issues")
        for node in section.items() if section.given else ():
            text = node.text()
            match = _PREFIX.match(text)
            word = match[1].upper() if match else ""
            yield id_, word if word in SEVERITIES else "OTHER", text


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
    result = dict.fromkeys(("blocking", "major", "minor", "other"), 0)
    with suppress(Unreadable):
        for _, severity, _ in _issues(ws):
            result[severity.lower()] += 1
    return result
