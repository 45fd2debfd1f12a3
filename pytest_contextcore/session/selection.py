"""Which phases run and which are taken over from the last evidence: deselection, resume, joining."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from copy import copy
from itertools import chain, tee
from pathlib import Path

import pytest

from ..errors import EvidenceError, JoinRefused
from ..ids import named
from ..phase.handoff import portable
from ..plan.assign import missing_upstreams, source_of
from ..plan.model import Plan
from ..trace.consistency import contradiction
from ..trace.evidence import Evidence
from ..trace.file import earlier, evidence_path, load_evidence
from ..trace.resume import Files, Now, Reuse, decide, fingerprint, is_open, joins
from ..trace.rules import is_final, standing_failure
from .run import PlanRun


def fingerprints_of(
    plan: Plan, nodeids: Mapping[str, str], root: Path, options: Mapping[str, object], workspace: str | None
) -> dict[str, dict[str, str]]:
    """The fingerprint of each phase that has a test; paths inside the rootdir count from there."""
    here = {name: portable(value, root) for name, value in options.items()}
    place = str(portable(workspace, root)) if workspace else None
    return {phase_id: fingerprint(plan, phase_id, options=here, workspace=place) for phase_id in nodeids}


def failed_before(out: Path, plan: Plan) -> Evidence | None:
    """The last evidence, whose failures stand until their phases have run again; None where it cannot be read."""
    try:
        last = load_evidence(evidence_path(out, plan.trace.id))
    except EvidenceError:
        return None
    return last if (last.trace_id, last.project_id) == (plan.trace.id, plan.trace.project_id) else None


def select(run: PlanRun, selected: set[str], whole: str, *, resume: bool) -> set[str]:
    """Take over the phases that are unchanged since the last evidence; join its trace if asked to.

    Those are the phases that a deselection left out; with ``resume`` the selected ones too, whose ids are returned:
    they need not run. ``whole`` is the command that runs the plan whole, for the message.

    Raises:
        pytest.UsageError: a selected phase needs one that was deselected and cannot be reused, the evidence to resume
            from cannot be used, or the trace that ``TRACEPARENT`` names cannot be joined.
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
    run.relied.command = whole
    reuse = compare(run, set() if resume else selected, resume=resume)
    if resume:
        run.remarks.append(_resumed(run, reuse))
        run.preview = list(_preview(run, reuse, selected))
    for upstream, phase_id in missing_upstreams(run.plan, selected, reuse.kept).items():
        raise pytest.UsageError(
            f"phase {phase_id} is selected but needs {upstream}, which is deselected and cannot be reused from the "
            f"last evidence: {reuse.refused[upstream]}; run the plan whole: {whole}"
        )
    try:
        joined = joins(run.plan, reuse, os.environ.get("TRACEPARENT"), run.context.remote)
    except JoinRefused as error:
        raise pytest.UsageError(str(error)) from error
    if reuse.last is not None:
        if joined:
            run.recorder.join(reuse.last)
        elif is_open(reuse.last) and any(kept.run is reuse.last for kept in reuse.kept.values()):
            run.remarks.append(
                "note: a trace of its own; "
                f"that of the last evidence ({reuse.last.otel_trace_id}) is not finished by it"
            )
    for phase_id in run.plan.by_id:
        if phase_id in reuse.kept:
            run.recorder.adopt(phase_id, *reuse.kept[phase_id], deselected=phase_id not in selected)
        elif phase_id not in selected:
            run.recorder.leave_out(phase_id)
    run.handoffs.take_back(kept.span for kept in reuse.kept.values())
    reused = selected & set(reuse.kept)
    run.relied.last_phase = next((name for name in reversed(run.plan.by_id) if name in selected - reused), "")
    return reused


def _resumed(run: PlanRun, reuse: Reuse) -> str:
    """What a resumed run does, in one line.

    Raises:
        pytest.UsageError: there is evidence, and it cannot be used.
    """
    if reuse.last is None:
        path = evidence_path(run.context.out, run.plan.trace.id)
        if os.path.lexists(path):
            why = next(iter(reuse.refused.values()))
            raise pytest.UsageError(f"--contextcore-resume: {why}; to begin anew, run without --contextcore-resume")
        return f"resume:   nothing to go on from: there is no {path.name} in {path.parent}"
    phases: dict[str, list[str]] = {}
    for phase_id, kept in reuse.kept.items():
        phases.setdefault(kept.run.otel_trace_id, []).append(phase_id)
    if not reuse.refused and len(phases) == 1:
        return f"resume:   all phases are unchanged since the trace {next(iter(phases))}"
    parts = [f"{', '.join(names)} reused from the trace {trace_id}" for trace_id, names in phases.items()]
    parts += [f"{phase_id} runs: {why}" for phase_id, why in list(reuse.refused.items())[:1]]
    return f"resume:   {'; '.join(parts if phases else ['nothing can be reused', *parts])}"


def _preview(run: PlanRun, reuse: Reuse, selected: set[str]) -> Iterator[str]:
    """Of each phase whether it is reused, or that it runs and why."""
    for phase_id, phase in run.plan.by_id.items():
        name = f"resume: {named(phase_id, phase.name)}"
        if phase_id in reuse.kept:
            yield f"{name} is reused: unchanged"
        elif phase_id in selected:
            yield f"{name} runs: {reuse.refused.get(phase_id, 'it runs now')}"
        else:
            yield f"{name} is deselected"


class Preview:
    """A pytest plugin object of a resumed run: says before the first test what runs and why."""

    def __init__(self, runs: list[PlanRun]) -> None:
        self._lines = [line for run in runs for line in run.preview]

    def pytest_report_collectionfinish(self, config: pytest.Config) -> list[str]:
        """The lines, below the number of collected tests; with ``-q`` only where nothing else is asked for."""
        return self._lines if config.option.collectonly or config.get_verbosity() >= 0 else []


def compare(run: PlanRun, running: set[str], *, resume: bool) -> Reuse:
    """What may be reused from earlier evidence where ``running`` are the phases that are to run.

    With ``resume`` a phase whose handoffs are lost runs again, rather than that the next one misses them.
    """
    plan, context = run.plan, run.context
    if len(running) == len(plan.phases) and context.remote is None:
        return Reuse(None, {}, {})  # nothing to take over, and no trace to join
    path, recorded = evidence_path(context.out, plan.trace.id), run.recorder.evidence
    try:
        last = load_evidence(path, unaltered=True)
        if (last.trace_id, last.project_id) != (recorded.trace_id, recorded.project_id):
            raise EvidenceError(f"evidence {path}: of {last.trace_id} in project {last.project_id}")
        if (why := contradiction(plan, last)) is not None:
            raise EvidenceError(f"evidence {path}: it contradicts itself: {why}; run the plan whole")
    except EvidenceError as error:
        return Reuse(None, {}, dict.fromkeys(plan.by_id, str(error)))
    spans = {plan.short_phase_id(span.span_id): span for span in last.spans}
    nodeids = {phase_id: span.nodeid for phase_id, span in spans.items() if span.nodeid and phase_id in plan.by_id}
    nodeids |= run.collected.nodeids
    now = _now(run, nodeids)
    files = Files(lambda path: run.relied.digests.find(context.root / path), run.relied.ignores)
    joining = context.remote is not None and context.remote.trace_id == last.otel_trace_id  # which is of one trace
    found = () if joining else earlier(context.out, last, context.history)
    before = (each for each in found if contradiction(plan, each) is None)
    (runs,) = tee(chain([last], before), 1)  # read once, as far as is needed
    reuse = decide(plan, copy(runs), running, now, files)
    if resume and reuse.refused:  # where nothing runs, nobody receives anything
        reuse = decide(plan, copy(runs), running, now, files._replace(lost=run.handoffs.lost))
    return reuse


def _now(run: PlanRun, nodeids: Mapping[str, str]) -> dict[str, Now]:
    """What each phase would depend on now whose test is still there."""
    plan, recorded, root = run.plan, run.recorder.evidence, run.context.root
    prints = fingerprints_of(plan, nodeids, root, recorded.options, recorded.workspace)
    folders = (root, plan.path.parent)
    found = [
        name
        for name, nodeid in nodeids.items()
        if not plan.by_id[name].needs_test or any(source_of(folder, nodeid) for folder in folders)
    ]
    return {
        name: Now(prints[name], [run.relied.code.shown(path) for path in run.relied.code.of_test(nodeids[name]).paths])
        for name in found
    }
