"""What a run may take over from the last evidence: unchanged phases, and the trace itself. Pure.

A trace may be made by several runs, such as the jobs of a CI pipeline: the evidence of the last run comes along as an
artifact, and ``TRACEPARENT`` names that evidence's parent span. Its phases that are unchanged keep their spans, and the
run that ends the trace emits the parent, once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

from ..errors import JoinRefused
from ..ids import Remote, traceparent
from ..plan.model import PhasePlan, Plan
from .evidence import Evidence, Result, SpanEvidence, Status

_EMITTED = (Status.COMPLETED, Status.BLOCKED, Status.FAILED)


class Reuse(NamedTuple):
    """What a run may take over: phase id → its evidence in the last run (``kept``), or why it must run (``refused``).

    ``last`` is None where there is no evidence that can be used; ``refused`` then says why, for every phase.
    """

    last: Evidence | None
    kept: Mapping[str, SpanEvidence]
    refused: Mapping[str, str]


class Now(NamedTuple):
    """What a phase would depend on if it ran now: its `fingerprint`, and the code that its test imports by name."""

    fingerprint: Mapping[str, str]
    code: Collection[str]


class Files(NamedTuple):
    """The files as they are now. Paths are those of the evidence.

    Attributes:
        digest: a file's SHA-256, or None where it cannot be read.
        ignored: phase id, path → whether a change of it does not count.
        lost: the name of a handoff of a phase that nobody can receive any more, if there is one.
    """

    digest: Callable[[str], str | None]
    ignored: Callable[[str, str], bool] = lambda _phase, _path: False
    lost: Callable[[SpanEvidence], str | None] = lambda _span: None


_PLAN, _WORKSPACE, _OPTION = "plan", "workspace", "option "


def fingerprint(plan: Plan, phase_id: str, *, options: Mapping[str, object], workspace: str | None) -> dict[str, str]:
    """Digests of what a phase depends on beside files: its entry in the plan, options that it reads, the workspace.

    Of the workspace it is its path. That and the options' values are as ``handoff.portable`` gives them.
    """
    read = {name: options.get(name) for name in plan.by_id[phase_id].options}
    texts = {f"{_OPTION}{name}": json.dumps(value, sort_keys=True, default=str) for name, value in read.items()}
    texts |= {_WORKSPACE: workspace or ""}
    return {_PLAN: plan.phase_digest(phase_id)} | {
        name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()
    }


def must_run(
    plan: Plan, last: Evidence, running: Collection[str], now: Mapping[str, Now], files: Files
) -> dict[str, str]:
    """Phase id → the one thing for which it may not be reused; a phase that is absent here may be.

    Args:
        running: the phases that run now, whatever changed.
        now: what is known of each phase whose test can be found.
    """
    refused: dict[str, str] = {}
    blamed: dict[str, str] = {}
    spans = {span.span_id: span for span in last.spans}
    position = {phase.id: index for index, phase in enumerate(plan.phases)}
    emitters = _emitters(plan, last)
    for phase in plan.phases:
        span = spans.get(plan.span_id(phase.id))
        reason = "it runs now" if phase.id in running else _changed(plan, phase.id, span, now.get(phase.id), files)
        if reason is None and span is not None and (name := files.lost(span)):
            reason = f"its handoff {name} is not in the file of handoffs, and phases after it may need it"
        received = ((h.name, h.digest) for h in (span.handoffs if span else ()) if h.direction == "validated")
        needed = {*plan.upstream[phase.id], *(emitters[each] for each in received if each in emitters)}
        roots = {blamed[name] for name in needed if name in blamed}
        if reason is not None:
            refused[phase.id], blamed[phase.id] = reason, phase.id
        elif roots:
            root = min(roots, key=position.__getitem__)
            refused[phase.id], blamed[phase.id] = f"it depends on {root}, which runs: {refused[root]}", root
    return refused


def _emitters(plan: Plan, last: Evidence) -> dict[tuple[str, str], str]:
    """A handoff's name and digest → the phase that emitted it: who receives it depends on that phase, too."""
    return {
        (handoff.name, handoff.digest): plan.short_phase_id(span.span_id)
        for span in last.spans
        for handoff in span.handoffs
        if handoff.direction == "emitted"
    }


def _changed(plan: Plan, phase_id: str, span: SpanEvidence | None, now: Now | None, files: Files) -> str | None:
    """The first thing that is not as in the last evidence, or None."""
    if span is None:
        return "the last evidence does not have it"
    if span.status is not Status.COMPLETED:
        return f"the last evidence says {span.status}"
    if (why := _never(plan.by_id[phase_id], span)) is not None:
        return why
    if now is None:
        return f"its test {span.nodeid} is not found"
    differing = (name for name in {**now.fingerprint, **span.fingerprint} if not _same(name, now, span))
    if (name := next(differing, None)) is not None:
        entry = {_PLAN: f"its entry in {plan.path.name}", _WORKSPACE: "the workspace's path"}
        return f"{entry.get(name, name)} changed"
    return next(_changed_files(phase_id, span, now, files), None)


def _never(planned: PhasePlan, span: SpanEvidence) -> str | None:
    """Why a phase is not reused whatever did not change, or None."""
    if any(gate.result is Result.WAIVED for gate in span.gates):
        return "a gate of it was waived, and waivers are judged anew"
    if planned.run is not None and not planned.inputs:
        return "it has run and no inputs, so that nothing tells whether it would do the same"
    return None


def _same(name: str, now: Now, span: SpanEvidence) -> bool:
    return now.fingerprint.get(name) == span.fingerprint.get(name)


def _changed_files(phase_id: str, span: SpanEvidence, now: Now, files: Files) -> Iterator[str]:
    """A sentence for each file that is not as it was; the code first, since it explains the rest."""
    for said, items in (("", span.modules), ("its input ", span.inputs), ("its output ", span.outputs)):
        for item in items:
            if files.ignored(phase_id, item.path) or (digest := files.digest(item.path)) == item.sha256:
                continue
            yield f"{said}{item.path} {'changed' if digest is not None else 'is gone'}"
        if not said:
            known = {item.path for item in items}
            new = (path for path in now.code if path not in known and not files.ignored(phase_id, path))
            yield from (f"{path} is new" for path in new)


def is_open(evidence: Evidence) -> bool:
    """Whether a later run may go on with this trace: its parent span has not been emitted."""
    return evidence.started_at is not None and evidence.ended_at is None


def header(evidence: Evidence, *, sampled: bool) -> str:
    """The ``TRACEPARENT`` that goes on with this trace: its parent span."""
    return traceparent(evidence.otel_trace_id, evidence.otel_span_id, sampled=sampled)


def joins(plan: Plan, reuse: Reuse, given: str | None, remote: Remote | None) -> bool:
    """Whether this run goes on with the trace of the last evidence.

    It does when ``TRACEPARENT`` (``given``; ``remote`` once parsed) names that trace, which is still open, and this run
    takes over from it what it needs. The trace's own parent span can mean nothing else; another span of the trace, such
    as that of the whole CI run, is the parent of a new execution where nothing can be taken over.

    Raises:
        JoinRefused: the trace has ended, another plan made it, a phase would be in it twice; or ``TRACEPARENT`` names
            another trace than the open one whose phases this run takes over.
    """
    last = reuse.last
    if last is None:
        return False
    named = remote is not None and remote.trace_id == last.otel_trace_id
    own = named and remote is not None and remote.span_id == last.otel_span_id
    misfit = _misfit(plan, last, reuse)
    if own and misfit:
        raise JoinRefused(
            f"TRACEPARENT asks to go on with the trace {last.otel_trace_id} of {last.trace_id}, but {misfit}; "
            "unset TRACEPARENT to begin a new trace"
        )
    takes_over = is_open(last) and bool(reuse.kept)
    if takes_over and given is not None and not named:
        raise JoinRefused(
            f"TRACEPARENT is {given[:80]!r}, but {', '.join(reuse.kept)} were run in the unfinished trace "
            f"{last.otel_trace_id}; set TRACEPARENT={header(last, sampled=True)} to go on with that, "
            "or unset it to begin a new trace"
        )
    return own or (named and takes_over and misfit is None)


def _misfit(plan: Plan, last: Evidence, reuse: Reuse) -> str | None:
    """Why the trace cannot be gone on with as it is, or None."""
    if not is_open(last):
        return f"that has ended ({last.status}) and its parent span is out"
    if last.plan_digest != plan.digest:
        return f"another version of {plan.path} made it (digest {last.plan_digest}, now {plan.digest})"
    ran = {span.span_id for span in last.spans if span.status in _EMITTED}
    for phase in plan.phases:
        if plan.span_id(phase.id) in ran and phase.id not in reuse.kept:
            return f"{phase.id} has its span in it already and cannot be kept: {reuse.refused.get(phase.id, '')}"
    return None
