"""The runs of a trace, newest first: how each ended, how long it took, what it recorded and what changed. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ..ids import short_id
from ..text import short, shown_seconds
from ..trace.evidence import Attributes, AttributeValue, Evidence, Status
from ..trace.times import format_time
from .terminal import ASCII_MARKS, MARKS
from .verdict import of_trace


class Stopped(NamedTuple):
    """What stopped a run: the phase and the gate by their full ids, if it was one, and the reason."""

    phase: str | None
    gate: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Run:
    """What is said of one run; ``changed`` has the values that differ from an earlier run, as they were there."""

    file: str
    trace_id: str
    otel_trace_id: str
    otel_span_id: str
    jobs: int
    status: Status
    started_at: int | None
    ended_at: int | None
    stopped: Stopped | None
    values: Attributes
    changed: dict[str, AttributeValue] = field(default_factory=dict)

    @property
    def seconds(self) -> float | None:
        """How long it took, if both its ends are known."""
        return None if self.started_at is None or self.ended_at is None else (self.ended_at - self.started_at) / 1e9

    @property
    def when(self) -> str:
        """When it began, to the second."""
        return f"{format_time(self.started_at)[:19].replace('T', ' ')} UTC" if self.started_at else "never started"

    @property
    def told(self) -> list[tuple[str, str, str | None]]:
        """Each value by name, as people read it, with what it was before if it changed."""
        names = {**self.values, **self.changed}
        return [
            (name, _shown(self.values.get(name)), _shown(self.changed[name]) if name in self.changed else None)
            for name in sorted(names)
        ]


def run_of(evidence: Evidence, file: str) -> Run:
    """What is said of a run, but for what changed."""
    return Run(
        file=file,
        trace_id=evidence.trace_id,
        otel_trace_id=evidence.otel_trace_id,
        otel_span_id=evidence.otel_span_id,
        jobs=len(evidence.runs),
        status=evidence.status,
        started_at=evidence.started_at,
        ended_at=evidence.ended_at,
        stopped=_stopped(evidence),
        values=evidence.attributes,
    )


def _stopped(evidence: Evidence) -> Stopped | None:
    verdict = of_trace(evidence)
    causes = [phase for phase in verdict.phases if phase.causes]
    for phase in sorted(causes, key=lambda phase: phase.span.span_id != evidence.blocked_on_span_id):
        gate = phase.causes[0].gate
        return Stopped(phase.span.span_id, gate.gate_id if gate else None, phase.headline)
    for phase in verdict.phases:
        if phase.span.status is Status.IN_PROGRESS:
            return Stopped(phase.span.span_id, None, "it has no end: the run was killed, or goes on")
    return Stopped(None, None, verdict.cause.headline) if verdict.cause else None


def newest_first(found: Iterable[Run]) -> list[Run]:
    """Runs in order, each once, as its last job left it, with the values that changed.

    A value is compared with the last run before that has it. A completed run without it has lost it.
    """
    last = {run.otel_span_id: run for run in sorted(found, key=lambda run: (run.jobs, run.ended_at or 0))}
    known: Attributes = {}
    runs = []
    for run in sorted(last.values(), key=lambda run: run.started_at or 0):
        whole = run.status is Status.COMPLETED
        told = known if whole else known.keys() & run.values
        changed = {name: known[name] for name in told if run.values.get(name) != known[name]}
        known = dict(run.values) if whole else known | run.values
        runs.append(replace(run, changed=changed))
    return runs[::-1]


def lines(runs: Sequence[Run], width: int, *, ascii_only: bool = False) -> Iterator[str]:
    """The runs for people: a line each, what stopped it and its values below."""
    trace_id, marks = runs[0].trace_id, ASCII_MARKS if ascii_only else MARKS
    yield f"trace {trace_id}: {len(runs)} run{'s' * (len(runs) > 1)}"
    for run in runs:
        took = "" if run.seconds is None else shown_seconds(run.seconds)
        yield f" {marks[run.status]} {run.when}  {run.status.value:<12} {took:>8}".rstrip()
        if run.stopped:
            yield from _wrapped(f"{place(run)}{run.stopped.reason}", width)
        if run.told:
            told = (f"{name} {value}{'' if was is None else f' (was {was})'}" for name, value, was in run.told)
            yield from _wrapped("; ".join(told), width)


def place(run: Run) -> str:
    """The phase that stopped a run, to stand before the reason; empty where none did."""
    return f"{short_id(run.stopped.phase, run.trace_id)}: " if run.stopped and run.stopped.phase else ""


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent="     ", subsequent_indent="       ", break_on_hyphens=False, break_long_words=False
    )


def _shown(value: AttributeValue | None) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case list():
            return ", ".join(value) or "none"
        case float():
            return f"{value:.10g}"
    return short(" ".join(str(value).split()))


def document(runs: Sequence[Run], problems: Sequence[str]) -> dict[str, object]:
    """The runs as JSON; the shape is documented in ``docs/commands.md``."""
    return {
        "schema_version": "v1",
        "command": "history",
        "trace_id": runs[0].trace_id,
        "runs": [
            {
                "file": run.file,
                "otel_trace_id": run.otel_trace_id,
                "status": run.status.value,
                "started_at": format_time(run.started_at) if run.started_at is not None else None,
                "seconds": run.seconds,
                "stopped": run.stopped._asdict() if run.stopped else None,
                "attributes": run.values,
                "changed": {name: {"old": old, "new": run.values.get(name)} for name, old in run.changed.items()},
            }
            for run in runs
        ],
        "problems": [*problems],
    }
