"""What a run may take over from the last evidence: phases that still hold, and the trace itself. Pure.

A trace may be made by several runs, such as the jobs of a CI pipeline: the evidence of the last run comes along as an
artifact, and ``TRACEPARENT`` names that evidence's parent span. The phases that it proves keep their spans, and the run
that ends the trace emits the parent, once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from ..errors import JoinRefused
from ..ids import Remote, traceparent
from ..plan.model import Plan
from .evidence import Evidence, Result, SpanEvidence, Status

_EMITTED = (Status.COMPLETED, Status.BLOCKED, Status.FAILED)


class Proof(NamedTuple):
    """What the last evidence proves for a run: phase id → its evidence there, or why it may not be reused.

    ``last`` is None where there is no evidence that can be used; ``refused`` then says why, for every phase.
    """

    last: Evidence | None
    proven: Mapping[str, SpanEvidence]
    refused: Mapping[str, str]


def fingerprint(plan: Plan, phase_id: str, *, source: str, options: Mapping[str, object], workspace: str | None) -> str:
    """SHA-256 (hex) over what a phase's result depends on besides its inputs: its test's source, its entry in the plan,
    the options that it reads, and the workspace's path. Both of the latter as ``handoff.portable`` gives them.
    """
    read = {name: options.get(name) for name in plan.by_id[phase_id].options}
    parts = [plan.phase_digest(phase_id), source, json.dumps(read, sort_keys=True, default=str), workspace or ""]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def not_reusable(
    plan: Plan,
    last: Evidence,
    running: Collection[str],
    fingerprints: Mapping[str, str],
    digest: Callable[[str], str | None],
    *,
    lost: Callable[[SpanEvidence], str | None] = lambda _span: None,
) -> dict[str, str]:
    """Phase id → why it may not be reused; a phase that is absent here may be.

    Args:
        running: the phases that run now; nothing after them may be reused.
        fingerprints: phase id → its `fingerprint` now.
        digest: the SHA-256 of an input by its recorded path, or None where it cannot be read.
        lost: the name of a handoff of a phase that nobody can receive any more, if there is one.
    """
    refused: dict[str, str] = {}
    spans = {span.span_id: span for span in last.spans}
    for phase in plan.phases:
        span = spans.get(plan.span_id(phase.id))
        if refused:
            first, why = next(iter(refused.items()))
            refused[phase.id] = f"{first}, a phase before it, may not be reused: {why}"
        elif phase.id in running:
            refused[phase.id] = "it runs now"
        elif changed := _changed(span, fingerprints.get(phase.id), digest):
            refused[phase.id] = changed
        elif span is not None and (name := lost(span)):
            refused[phase.id] = f"its handoff {name} is not in the file of handoffs, and phases after it may need it"
    return refused


def _changed(span: SpanEvidence | None, expected: str | None, digest: Callable[[str], str | None]) -> str | None:
    """Why the last evidence does not prove a phase, or None if it does."""
    if span is None:
        return "the last evidence does not have it"
    if span.status is not Status.COMPLETED:
        return f"the last evidence says {span.status}"
    if any(gate.result is Result.WAIVED for gate in span.gates):
        return "a gate of it was waived, and waivers are judged anew"
    if span.fingerprint != expected or expected is None:
        return "its test, its entry in the plan, its options or the workspace's path changed"
    changed = next((item.path for item in span.inputs if digest(item.path) != item.sha256), None)
    return f"its input {changed} changed" if changed else None


def is_open(evidence: Evidence) -> bool:
    """Whether a later run may go on with this trace: its parent span has not been emitted."""
    return evidence.started_at is not None and evidence.ended_at is None


def header(evidence: Evidence, *, sampled: bool) -> str:
    """The ``TRACEPARENT`` that goes on with this trace: its parent span."""
    return traceparent(evidence.otel_trace_id, evidence.otel_span_id, sampled=sampled)


def joins(plan: Plan, proof: Proof, given: str | None, remote: Remote | None) -> bool:
    """Whether this run goes on with the trace of the last evidence.

    It does when ``TRACEPARENT`` (``given``; ``remote`` once parsed) names that trace, which is still open, and this run
    takes over from it what it needs. The trace's own parent span can mean nothing else; another span of the trace, such
    as that of the whole CI run, is the parent of a new execution where nothing can be taken over.

    Raises:
        JoinRefused: the trace has ended, another plan made it, a phase would be in it twice; or ``TRACEPARENT`` names
            another trace than the open one whose phases this run takes over.
    """
    last = proof.last
    if last is None:
        return False
    named = remote is not None and remote.trace_id == last.otel_trace_id
    own = named and remote is not None and remote.span_id == last.otel_span_id
    misfit = _misfit(plan, last, proof)
    if own and misfit:
        raise JoinRefused(
            f"TRACEPARENT asks to go on with the trace {last.otel_trace_id} of {last.trace_id}, but {misfit}; "
            "unset TRACEPARENT to begin a new trace"
        )
    takes_over = is_open(last) and bool(proof.proven)
    if takes_over and given is not None and not named:
        raise JoinRefused(
            f"TRACEPARENT is {given[:80]!r}, but {', '.join(proof.proven)} were run in the unfinished trace "
            f"{last.otel_trace_id}; set TRACEPARENT={header(last, sampled=True)} to go on with that, "
            "or unset it to begin a new trace"
        )
    return own or (named and takes_over and misfit is None)


def _misfit(plan: Plan, last: Evidence, proof: Proof) -> str | None:
    """Why the trace cannot be gone on with as it is, or None."""
    if not is_open(last):
        return f"that has ended ({last.status}) and its parent span is out"
    if last.plan_digest != plan.digest:
        return f"another version of {plan.path} made it (digest {last.plan_digest}, now {plan.digest})"
    ran = {span.span_id for span in last.spans if span.status in _EMITTED}
    for phase in plan.phases:
        if plan.span_id(phase.id) in ran and phase.id not in proof.proven:
            return f"{phase.id} has its span in it already and cannot be kept: {proof.refused.get(phase.id, '')}"
    return None
