"""The runs of a trace, newest first: how each ended, how long it took, what it recorded and what changed. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ..text import cut, format_time, short, shown_seconds
from ..trace.evidence import Attributes, AttributeValue, Evidence, Status
from .terminal import ASCII_MARKS, MARKS
from .verdict import lasted, of_trace

_MOST = 200
"""Characters of a value that are shown."""


class Stopped(NamedTuple):
    """What stopped a run: the phase and the gate by their full ids, if it was one, and the reason."""

    phase: str | None
    gate: str | None
    reason: str


class Run(NamedTuple):
    """A run: its file, its evidence without phases, what stopped it, and values that changed, as they were before."""

    file: str
    record: Evidence
    stopped: Stopped | None
    changed: Attributes

    @property
    def seconds(self) -> float | None:
        """How long it took, if both its ends are known."""
        took = lasted(self.record)
        return None if took is None else took / 1e9

    @property
    def when(self) -> str:
        """When it began, to the second."""
        began = self.record.started_at
        return f"{format_time(began)[:19].replace('T', ' ')} UTC" if began else "never started"

    @property
    def told(self) -> list[tuple[str, str, str | None]]:
        """Each value by name, as people read it, with what it was before if it changed."""
        values = self.record.attributes
        return [
            (name, _shown(values.get(name)), _shown(self.changed[name]) if name in self.changed else None)
            for name in sorted({**values, **self.changed})
        ]


def run_of(evidence: Evidence, file: str) -> Run:
    """What is said of a run by itself."""
    return Run(file, evidence.model_copy(update={"spans": []}), _stopped(evidence), {})


def _stopped(evidence: Evidence) -> Stopped | None:
    verdict = of_trace(evidence)
    causes = [phase for phase in verdict.phases if phase.causes]
    for phase in sorted(causes, key=lambda phase: phase.span.span_id != evidence.blocked_on_span_id):
        gate = phase.causes[0].gate
        return Stopped(phase.span.span_id, gate.gate_id if gate else None, f"{phase.id}: {phase.headline}")
    for phase in verdict.phases:
        if phase.span.status is Status.IN_PROGRESS:
            return Stopped(phase.span.span_id, None, f"{phase.id} has no end: the run was killed, or goes on")
    if verdict.cause is not None:
        return Stopped(None, None, verdict.cause.headline)
    return next((Stopped(phase.span.span_id, None, f"{phase.id}: {phase.lost}") for phase in verdict.lost), None)


def newest_first(found: Iterable[Run]) -> list[Run]:
    """Runs in order, each once, as its last job left it, with the values that changed.

    A value is compared with the last run before that has it. A completed run without it has lost it.
    """
    by_age = sorted(found, key=lambda run: (len(run.record.runs), run.record.ended_at or 0))
    last = {run.record.otel_span_id: run for run in by_age}
    known: Attributes = {}
    runs = []
    for run in sorted(last.values(), key=lambda run: run.record.started_at or 0):
        values, whole = run.record.attributes, run.record.status is Status.COMPLETED
        told = known if whole else known.keys() & values
        runs.append(run._replace(changed={name: known[name] for name in told if values.get(name) != known[name]}))
        known = values if whole else known | values
    return runs[::-1]


def lines(runs: Sequence[Run], width: int, *, ascii_only: bool = False) -> Iterator[str]:
    """The runs for people: a line each, what stopped it and its values below."""
    trace_id, marks = runs[0].record.trace_id, ASCII_MARKS if ascii_only else MARKS
    yield f"trace {trace_id}: {len(runs)} run{'s' * (len(runs) > 1)}"
    for run in runs:
        took = "" if run.seconds is None else shown_seconds(run.seconds)
        yield f" {marks[run.record.status]} {run.when}  {run.record.status.value:<12} {took:>8}".rstrip()
        if run.stopped:
            yield from _wrapped(run.stopped.reason, width)
        if run.told:
            told = (f"{name} {value}{'' if was is None else f' (was {was})'}" for name, value, was in run.told)
            yield from _wrapped("; ".join(told), width)


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
            return cut(", ".join(value) or "none", _MOST)
        case float():
            return f"{value:.10g}"
    return cut(short(" ".join(str(value).split())), _MOST)


def document(runs: Sequence[Run], problems: Sequence[str]) -> dict[str, object]:
    """The runs as JSON; the shape is documented in ``docs/commands.md``."""
    return {
        "schema_version": "v1",
        "command": "history",
        "trace_id": runs[0].record.trace_id,
        "runs": [
            {
                "file": run.file,
                "otel_trace_id": run.record.otel_trace_id,
                "status": run.record.status.value,
                "started_at": format_time(run.record.started_at) if run.record.started_at is not None else None,
                "seconds": run.seconds,
                "stopped": run.stopped._asdict() if run.stopped else None,
                "attributes": run.record.attributes,
                "changed": {
                    name: {"old": old, "new": run.record.attributes.get(name)} for name, old in run.changed.items()
                },
            }
            for run in runs
        ],
        "problems": [*problems],
    }
