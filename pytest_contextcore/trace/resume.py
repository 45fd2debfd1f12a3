"""What a run may take over from earlier ones: unchanged phases, and the trace of the last one itself. Pure.

A trace may be made by several runs, such as the jobs of a CI pipeline: the evidence of the last run comes along as an
artifact, and ``TRACEPARENT`` names that evidence's parent span. Its phases that are unchanged keep their spans, and the
run that ends the trace emits the parent, once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from copy import copy
from itertools import tee
from typing import NamedTuple

from ..errors import JoinRefused
from ..ids import Remote, traceparent
from ..plan.model import PhasePlan, Plan
from .evidence import Evidence, Result, SpanEvidence, Status
from .rules import is_final

_EMITTED = (Status.COMPLETED, Status.BLOCKED, Status.FAILED)


class Kept(NamedTuple):
    """A phase that is reused: what a run said of it, and that run's evidence."""

    span: SpanEvidence
    run: Evidence


class Reuse(NamedTuple):
    """What a run may take over: phase id → its evidence in an earlier run (``kept``), or why it must run (``refused``).

    ``last`` is None where there is no evidence that can be used; ``refused`` then says why, for every phase.
    """

    last: Evidence | None
    kept: Mapping[str, Kept]
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


class Look(NamedTuple):
    """What a run's evidence proves now.

    Attributes:
        spans: its phases, by their short ids.
        refused: phase id → the one thing for which the run's evidence of it may not be reused.
        blamed: of a refused phase the one that changed, itself or one that it depends on.
    """

    run: Evidence
    spans: Mapping[str, SpanEvidence]
    refused: Mapping[str, str]
    blamed: Mapping[str, str]


def decide(
    plan: Plan, runs: Iterable[Evidence], running: Collection[str], now: Mapping[str, Now], files: Files
) -> Reuse:
    """What may be reused of earlier runs, the newest first: of each phase the newest evidence that fits.

    Evidence fits if nothing changed since, of the phase and of all that it depends on. Where a run speaks against the
    phase, no older one is asked; ``runs`` is read as far as that takes. The other arguments are those of `look_at`.
    """
    (looks,) = tee((look_at(plan, run, running, now, files) for run in runs), 1)
    last = next(copy(looks), None)
    kept: dict[str, Kept] = {}
    refused: dict[str, str] = {}
    for phase_id in plan.by_id:
        waits = any(name not in kept for name in plan.upstream[phase_id])
        hopeless = waits or phase_id in running or phase_id not in now
        for look in copy(looks):
            span = look.spans.get(phase_id)
            if span is not None and phase_id not in look.refused and _received_what_is_kept(span, look, kept):
                kept[phase_id] = Kept(span, look.run)
                break
            stands = span is not None and look is last and is_final(span)
            if hopeless or stands or (span is not None and _speaks_against(plan, span, look, now[phase_id], files)):
                break
        if phase_id not in kept and last is not None:
            root = last.blamed.get(phase_id, phase_id)
            told = root == phase_id or root not in kept
            why = last.refused.get(phase_id, "the phase that handed on to it comes after it now")
            refused[phase_id] = why if told else f"no run of it rests on {root} as it is now"
    return Reuse(last.run if last is not None else None, kept, refused)


def _received_what_is_kept(span: SpanEvidence, look: Look, kept: Mapping[str, Kept]) -> bool:
    """Whether what a phase received in a run is what the phases handed on that are reused."""
    emitters = _emitters(look.spans)
    received = [(each.name, each.digest) for each in span.handoffs if each.direction == "validated"]
    return all(
        emitters[each] in kept and each in _emitters({"": kept[emitters[each]].span})
        for each in received
        if each in emitters
    )


def _speaks_against(plan: Plan, span: SpanEvidence, look: Look, now: Now, files: Files) -> bool:
    """Whether a run shows that a phase does not complete, or may not be reused, with what there is now."""
    phase_id = plan.short_phase_id(span.span_id)
    rested_on_another = any(name in look.refused for name in plan.upstream[phase_id])
    if span.status is Status.NOT_STARTED or rested_on_another or look.blamed.get(phase_id) != phase_id:
        return False
    unknown = span.status is not Status.COMPLETED and not span.modules  # its process died
    return unknown or next(_differences(plan, phase_id, span, now, files), None) is None


def look_at(plan: Plan, run: Evidence, running: Collection[str], now: Mapping[str, Now], files: Files) -> Look:
    """What a run's evidence proves now.

    Args:
        running: the phases that run now, whatever changed.
        now: what is known of each phase whose test can be found.
    """
    refused: dict[str, str] = {}
    blamed: dict[str, str] = {}
    spans = {plan.short_phase_id(span.span_id): span for span in run.spans}
    position = {phase.id: index for index, phase in enumerate(plan.phases)}
    emitters = _emitters(spans)
    for phase in plan.phases:
        span = spans.get(phase.id)
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
    return Look(run, spans, refused, blamed)


def _emitters(spans: Mapping[str, SpanEvidence]) -> dict[tuple[str, str], str]:
    """A handoff's name and digest → the phase that emitted it: who receives it depends on that phase, too."""
    return {
        (handoff.name, handoff.digest): phase_id
        for phase_id, span in spans.items()
        for handoff in span.handoffs
        if handoff.direction == "emitted"
    }


def _changed(plan: Plan, phase_id: str, span: SpanEvidence | None, now: Now | None, files: Files) -> str | None:
    """Why a run's evidence of a phase may not be reused: the first thing that is not as it was, or None."""
    if span is None:
        return "the last evidence does not have it"
    if span.status is not Status.COMPLETED:
        return f"the last evidence says {span.status}"
    if (why := _never(plan.by_id[phase_id], span)) is not None:
        return why
    if now is None:
        return f"its test {span.nodeid} is not found"
    return next(_differences(plan, phase_id, span, now, files), None)


def _differences(plan: Plan, phase_id: str, span: SpanEvidence, now: Now, files: Files) -> Iterator[str]:
    """A sentence for each thing that is not as it was when the phase ran."""
    entry = {_PLAN: f"its entry in {plan.path.name}", _WORKSPACE: "the workspace's path"}
    for name in {**now.fingerprint, **span.fingerprint}:
        if now.fingerprint.get(name) != span.fingerprint.get(name):
            yield f"{entry.get(name, name)} changed"
    yield from _changed_files(phase_id, span, now, files)


def _never(planned: PhasePlan, span: SpanEvidence) -> str | None:
    """Why a phase is not reused whatever did not change, or None."""
    if any(gate.result is Result.WAIVED for gate in span.gates):
        return "a gate of it was waived, and waivers are judged anew"
    if planned.run is not None and not planned.inputs:
        return "it names no inputs, so nothing tells whether it would do the same"
    return None


def _changed_files(phase_id: str, span: SpanEvidence, now: Now, files: Files) -> Iterator[str]:
    """A sentence for each file that is not as it was; the code first, since it explains the rest."""
    made = span.outputs if span.status is Status.COMPLETED else []
    for said, items in (("", span.modules), ("its input ", span.inputs), ("its output ", made)):
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
    mine = [phase_id for phase_id, kept in reuse.kept.items() if kept.run is last]
    takes_over = is_open(last) and bool(mine)
    if takes_over and given is not None and not named:
        raise JoinRefused(
            f"TRACEPARENT is {given[:80]!r}, but {', '.join(mine)} were run in the unfinished trace "
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
