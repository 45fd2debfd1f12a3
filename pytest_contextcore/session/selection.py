"""Which phases run and which are taken over from the last evidence: deselection, resume, joining."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from ..errors import EvidenceError, JoinRefused
from ..files import digest_file
from ..phase.handoff import portable
from ..plan.assign import source_of, unproven_upstreams
from ..plan.model import Plan
from ..trace.evidence import Evidence
from ..trace.file import evidence_path, load_evidence
from ..trace.resume import Proof, fingerprint, is_open, joins, not_reusable
from ..trace.rules import is_final, standing_failure
from .run import PlanRun


def fingerprints_of(
    plan: Plan, nodeids: Mapping[str, str], root: Path, options: Mapping[str, object], workspace: str | None
) -> dict[str, str]:
    """The fingerprint of each phase whose test's source can be read; paths inside the rootdir count from there."""
    here = {name: portable(value, root) for name, value in options.items()}
    place = str(portable(workspace, root)) if workspace else None
    sources = {
        phase_id: source_of(root, nodeid) or source_of(plan.path.parent, nodeid) for phase_id, nodeid in nodeids.items()
    }
    return {
        phase_id: fingerprint(plan, phase_id, source=source, options=here, workspace=place)
        for phase_id, source in sources.items()
        if source is not None
    }


def failed_before(out: Path, plan: Plan) -> Evidence | None:
    """The last evidence, whose failures stand until their phases have run again; None where it cannot be read."""
    path = evidence_path(out, plan.trace.id)
    try:
        last = load_evidence(path) if os.path.isfile(path) else None  # noqa: PTH113  (never raises)
    except EvidenceError:
        return None
    if last is None:
        return None
    return last if (last.trace_id, last.project_id) == (plan.trace.id, plan.trace.project_id) else None


def select(run: PlanRun, selected: set[str], whole: str, *, resume: bool) -> set[str]:
    """Take over the phases that the last evidence proves; join its trace if asked to.

    Those are the phases that a deselection left out; with ``resume`` the selected ones too, whose ids are returned:
    they need not run. ``whole`` is the command that runs the plan whole, for the message.

    Raises:
        pytest.UsageError: a selected phase needs one that was deselected and that nothing proves, the evidence to
            resume from cannot be used, or the trace that ``TRACEPARENT`` names cannot be joined.
    """
    if (standing := standing_failure(run.plan, run.recorder.evidence, selected)) is not None:
        failed, after = standing
        raise pytest.UsageError(
            f"phase {after} is selected, but an integrity gate of {failed}, a phase before it, failed in the last run "
            f"and that stands until {failed} has run again, which is deselected; run the plan whole: {whole}"
        )
    stand = [name for name in run.plan.by_id if name not in selected and is_final(run.recorder.span(name))]
    run.remarks += [
        f"note:     an integrity gate of {name} failed; no later phase runs before {name}" for name in stand
    ]
    proof = prove(run, set() if resume else selected, resume=resume)
    if resume:
        run.remarks.append(_resumed(run, proof))
    for upstream, phase_id in unproven_upstreams(run.plan, selected, proof.proven).items():
        raise pytest.UsageError(
            f"phase {phase_id} is selected but needs {upstream}, which is deselected and not proven by the last "
            f"evidence: {proof.refused[upstream]}; run the plan whole: {whole}"
        )
    try:
        joined = joins(run.plan, proof, os.environ.get("TRACEPARENT"), run.context.remote)
    except JoinRefused as error:
        raise pytest.UsageError(str(error)) from error
    if proof.last is not None:
        if joined:
            run.recorder.join(proof.last)
        elif proof.proven and is_open(proof.last):
            run.remarks.append(
                "note: a trace of its own; "
                f"that of the last evidence ({proof.last.otel_trace_id}) is not finished by it"
            )
    for phase_id in run.plan.by_id:
        if proof.last is not None and phase_id in proof.proven:
            proven = proof.proven[phase_id]
            run.recorder.adopt(phase_id, proven, proof.last, deselected=phase_id not in selected)
        elif phase_id not in selected:
            run.recorder.leave_out(phase_id)
    run.handoffs.take_back(proof.proven.values())
    return selected & set(proof.proven)


def _resumed(run: PlanRun, proof: Proof) -> str:
    """What a resumed run does, in one line.

    Raises:
        pytest.UsageError: there is evidence, and it cannot be used.
    """
    if proof.last is None:
        path = evidence_path(run.context.out, run.plan.trace.id)
        if os.path.lexists(path):
            why = next(iter(proof.refused.values()))
            raise pytest.UsageError(f"--contextcore-resume: {why}; to begin anew, run without --contextcore-resume")
        return f"resume:   nothing to go on from: there is no {path.name} in {path.parent}"
    if not proof.refused:
        return f"resume:   all phases are proven by the trace {proof.last.otel_trace_id}"
    first, why = next(iter(proof.refused.items()))
    reused = f"{', '.join(proof.proven)} reused from the trace {proof.last.otel_trace_id}" if proof.proven else ""
    return f"resume:   {reused or 'nothing can be reused'}; {first} runs: {why}"


def prove(run: PlanRun, running: set[str], *, resume: bool) -> Proof:
    """What the last evidence proves where ``running`` are the phases that are to run.

    With ``resume`` a phase whose handoffs are lost runs again, rather than that the next one misses them.
    """
    plan, context = run.plan, run.context
    if len(running) == len(plan.phases) and context.remote is None:
        return Proof(None, {}, {})  # nothing to take over, and no trace to join
    path, recorded = evidence_path(context.out, plan.trace.id), run.recorder.evidence
    try:
        last = load_evidence(path, unaltered=True)
        if (last.trace_id, last.project_id) != (recorded.trace_id, recorded.project_id):
            raise EvidenceError(f"evidence {path}: of {last.trace_id} in project {last.project_id}")
    except EvidenceError as error:
        return Proof(None, {}, dict.fromkeys(plan.by_id, str(error)))
    spans = {plan.short_phase_id(span.span_id): span for span in last.spans}
    nodeids = {phase_id: span.nodeid for phase_id, span in spans.items() if span.nodeid and phase_id in plan.by_id}
    nodeids |= run.collected.nodeids
    fingerprints = fingerprints_of(plan, nodeids, context.root, recorded.options, recorded.workspace)
    judge = partial(not_reusable, plan, last, running, fingerprints, lambda path: _digest(context.root / path))
    refused = judge()
    if resume and refused:  # where nothing runs, nobody receives anything
        refused = judge(lost=run.handoffs.lost)
    return Proof(last, {phase_id: spans[phase_id] for phase_id in plan.by_id if phase_id not in refused}, refused)


def _digest(path: Path) -> str | None:
    try:
        return digest_file(path)
    except OSError:
        return None
