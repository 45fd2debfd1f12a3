"""Files that changed while a trace ran, after a phase had relied on them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from ..plan.model import Plan
from ..span import ErrorType
from .evidence import Evidence, Input, SpanEvidence, Status
from .rules import Trouble


class Drift(NamedTuple):
    """An input whose bytes are not those that a phase recorded; ``now`` is None where it is gone."""

    span: SpanEvidence
    item: Input
    now: str | None


def looked_at(plan: Plan, evidence: Evidence, phase_id: str, *, last: bool) -> list[SpanEvidence]:
    """The phases whose inputs a phase vouches for when its test is over: its own and its direct upstreams'.

    The ``last`` one of a run vouches for all.
    """
    spans = dict(zip(plan.by_id, evidence.spans, strict=True))
    wanted = plan.by_id if last else (*plan.upstream[phase_id], phase_id)
    return [spans[name] for name in wanted if name == phase_id or spans[name].status is Status.COMPLETED]


def drifts(
    evidence: Evidence,
    spans: Iterable[SpanEvidence],
    digest: Callable[[str], str | None],
    ignored: Callable[[SpanEvidence, str], bool] = lambda _span, _path: False,
) -> Iterator[Drift]:
    """The inputs of these phases that changed, but for those that a phase declared as what it makes."""
    for span in spans:
        if not span.inputs:
            continue
        position = next(at for at, known in enumerate(evidence.spans) if known is span)
        made = [item for later in evidence.spans[position:] for item in later.outputs]
        for item in span.inputs:
            if ignored(span, item.path) or any(
                item.path != each.path and overlap(item.path, each.path) for each in made
            ):
                continue
            allowed = {item.sha256, *(each.sha256 for each in made if each.path == item.path)}
            if (now := digest(item.path)) not in allowed:
                yield Drift(span, item, now)


def overlap(path: str, other: str) -> bool:
    """Whether one of two paths, folders or globs is a part of the other."""
    return is_part(path, other) or is_part(other, path)


def is_part(path: str, other: str) -> bool:
    """Whether a path lies in another one, a folder, or matches it, a glob."""
    return path.startswith(f"{other}/") or fnmatchcase(path, other)


def trouble(found: list[Drift], phase: SpanEvidence, command: str) -> Trouble | None:
    """What stops a phase that found changed files; ``command`` runs the plan whole."""
    if not found:
        return None
    first, others = found[0], {drift.item.path for drift in found} - {found[0].item.path}
    path, own = first.item.path, first.span.span_id == phase.span_id
    state = f"it has now {first.now}" if first.now is not None else "it is gone now"
    return Trouble(
        f"{path} changed while the trace ran, after {first.span.span_id} had relied on it: "
        f"its SHA-256 was {first.item.sha256}, {state}{f' (and {len(others)} more changed)' if others else ''}",
        f"find what changed {path}; a phase that is to write it says so with phase.output({path!r}), or in the plan by "
        f"outputs. Then run the plan whole: {command}",
        ErrorType.FILE_CHANGED,
        blocks=True,
        blocked_on=None if own else first.span.span_id,
    )
