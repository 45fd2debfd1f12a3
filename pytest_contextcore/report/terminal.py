"""What a person reads in the terminal (contract 8). Lines are built by pure functions; hooks only print them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath

import pytest

from ..plan.model import Kind
from ..text import ASCII_MARKS, MARKS, can_encode, duration, harmless
from ..trace.evidence import Evidence, GateEvidence, Result, SpanEvidence, Status
from ..trace.rules import DESELECTED, Outcome, blocking_gates, good_gates
from .verdict import About, Cause, causes, place, plain, raised, remark, short

WIDTH = 80
_EVIDENCE_SHOWN = 4
_CAUSES = 4
_SENTENCES = 8

_COLOURS = {
    Status.COMPLETED: "green",
    Status.BLOCKED: "red",
    Status.FAILED: "red",
    Status.NOT_STARTED: "yellow",
    Status.IN_PROGRESS: "yellow",
}
_COUNTED = (Status.COMPLETED, Status.BLOCKED, Status.FAILED, Status.IN_PROGRESS, Status.NOT_STARTED)

Line = tuple[str, str | None]
"""A line without its end, and its colour."""


def stopped_message(span: SpanEvidence, outcome: Outcome, places: Mapping[str, str | None]) -> str:
    """The failure that pytest shows for a phase that is blocked or failed by its gates.

    ``places`` is where each gate failed; every report points at the test's own line, so that one is said beside it.
    """
    gates = blocking_gates(span)
    found = causes(span) if gates else [raised(outcome.reason or "", outcome.next_action or "")]
    test = [f"  test: {at}{_checked_at(at, gates, places)}" for at in [place(span)] if at]
    blocked = f"{span.span_id} {span.phase} is {outcome.status.value}"
    if len(found) > 1:
        lines = [f"{blocked}: {'; '.join(cause.name for cause in found)}", *test]
        for cause in found:
            lines.append(f"{cause.name} ({cause.kind.value if cause.kind else outcome.status.value})")
            lines += [f"  {line}" for line in (*cause.findings(below_title=False), f"next: {cause.next_action}")]
    else:
        (cause,) = found
        lines = [f"{blocked}: {cause.title}", *(f"  {line}" for line in cause.findings()), *test]
        lines += [f"  next: {cause.next_action}"] if cause.next_action else []
    return harmless("\n".join(lines))


def _checked_at(test: str, gates: Sequence[GateEvidence], places: Mapping[str, str | None]) -> str:
    """Where the failed gates stand in the test, told apart from where the test begins."""
    file = test.rpartition(":")[0].rpartition("/")[2]
    said = []
    for gate in gates:
        if known := places.get(gate.gate_id):
            path, _, line = known.rpartition(":")
            same = PurePath(path).name == file
            said.append(f"{gate.gate_id.rpartition('-')[2]} at {f'line {line}' if same else known}")
    return f" (gate {', '.join(said)})" if said else ""


def table(evidence: Evidence, *, width: int = WIDTH, ascii_only: bool = False) -> Iterator[Line]:
    """The closing table of one trace: a line a phase, reason and next action under a blocked or failed one."""
    name = min(max(len(span.phase) for span in evidence.spans), max(width - 50, 12))
    ident = max(len(_short(evidence, span.span_id)) for span in evidence.spans)
    state = max(12, *(len(_state(span)) for span in evidence.spans))
    marks = ASCII_MARKS if ascii_only else MARKS
    for span in evidence.spans:
        took = duration(span.started_at, span.ended_at)
        line = (
            f" {marks[span.status]} {_short(evidence, span.span_id):<{ident}}  {_cut(span.phase, name):<{name}}  "
            f"{_state(span):<{state}} {took:>8}  {_gates(evidence, span)}"
        )
        yield line.rstrip(), _COLOURS[span.status]
        if span.status in (Status.BLOCKED, Status.FAILED):
            yield from _details(span, width)
        yield from _warnings(span, width)
    yield from _verdict(evidence, width)


def _details(span: SpanEvidence, width: int) -> Iterator[Line]:
    found = causes(span)
    for cause in found[:_CAUSES]:
        yield from _cause(cause, width, alone=len(found) == 1)
    if len(found) > _CAUSES:
        yield from _wrapped("also", "; ".join(cause.name for cause in found[_CAUSES:]), width)
    if test := place(span):
        yield from _wrapped("test", test, width)


def _cause(cause: Cause, width: int, *, alone: bool) -> Iterator[Line]:
    """Why, where, on what evidence, what next; of several files each has what is wrong with it below its name."""
    first = cause.about[0]
    if len(cause.about) > 1:
        where = [line for about in cause.about for line in (about.file, f"  {_brief(about)}") if line]
        yield from _wrapped("reason", cause.name, width)
        yield from _wrapped("where", "\n".join(where), width)
    else:
        yield from _wrapped("reason", _reason(cause.name, first, alone=alone), width)
        if first.file:
            yield from _wrapped("where", first.file, width)
    yield from _evidence(cause, width)
    yield from _wrapped("next", cause.next_action, width)


def _reason(name: str, about: About, *, alone: bool) -> str:
    """The gate's name and what it says, in lines of their own where there are several."""
    if not name:
        return "\n".join(about.sentences)
    if not alone or len(about.sentences) == 1:
        return f"{name}: {_brief(about)}"
    cut = ["  … and more"] if len(about.sentences) > _SENTENCES else []
    return "\n".join([f"{name}:", *(f"  {line}" for line in about.sentences[:_SENTENCES]), *cut])


def _brief(about: About) -> str:
    return f"{about.sentences[0].strip()}{', and more' if len(about.sentences) > 1 else ''}"


def _evidence(cause: Cause, width: int) -> Iterator[Line]:
    found: dict[str, dict[str, None]] = {}
    for item in cause.gate.evidence if cause.gate is not None else ():
        found.setdefault(item.type, {})[short(item.ref)] = None
    for kind, refs in list(found.items())[:_EVIDENCE_SHOWN]:
        more = f" and {len(refs) - _EVIDENCE_SHOWN} more" if len(refs) > _EVIDENCE_SHOWN else ""
        yield from _wrapped("evidence", f"{kind}: {', '.join(list(refs)[:_EVIDENCE_SHOWN])}{more}", width)


def _warnings(span: SpanEvidence, width: int) -> Iterator[Line]:
    for gate in span.gates:
        if gate.result is Result.FAIL and gate.kind is Kind.ADVISORY:
            yield from _wrapped("warning", remark(span, gate), width, "yellow")
        elif gate.waived:
            yield from _wrapped("waived", remark(span, gate), width, "yellow")
            yield from _wrapped("by", gate.waived, width, "yellow")


def _verdict(evidence: Evidence, width: int) -> Iterator[Line]:
    phases = evidence.summary.phases
    counts = ", ".join(f"{phases[status]} {status.value}" for status in _COUNTED if phases[status])
    took = duration(evidence.started_at, evidence.ended_at)
    line = f"{evidence.trace_id} {evidence.status.value}: {counts}{f' in {took}' if took else ''}"
    for part in textwrap.wrap(line, width, subsequent_indent="  "):
        yield part, _COLOURS[evidence.status]
    if evidence.blocked_on_span_id is None and evidence.blocked_reason:
        yield from _wrapped("reason", short(evidence.blocked_reason), width)
        yield from _wrapped("next", plain(evidence.next_action or ""), width)
    unmet = [condition for condition in evidence.definition_of_done if not condition.met]
    if evidence.status is not Status.COMPLETED and unmet:
        met = len(evidence.definition_of_done) - len(unmet)
        yield f"definition of done: {met} of {len(evidence.definition_of_done)} conditions hold", None
        for condition in unmet:
            why = ", ".join(condition.broken[:_EVIDENCE_SHOWN]) or "not reached"
            yield from _indented("     - ", f"{condition.condition}: {why}", width)


def _wrapped(label: str, text: str, width: int, colour: str | None = None) -> Iterator[Line]:
    """The text under its label, wrapped to the width; continuation lines are aligned."""
    yield from _indented(f"     {f'{label}:' if label else '':<10}", text, width, colour)


def _indented(lead: str, text: str, width: int, colour: str | None = None) -> Iterator[Line]:
    """The text behind its lead; of several lines each stands out by a hanging indent."""
    parts = text.split("\n")
    hang = "  " if len(parts) > 1 else ""
    room = max(width - len(lead), 20)
    lines = [
        line
        for part in parts
        for line in textwrap.wrap(part, room, subsequent_indent=hang, break_on_hyphens=False) or [""]
    ]
    for index, line in enumerate(lines):
        yield ((lead if index == 0 else " " * len(lead)) + line).rstrip(), colour


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _state(span: SpanEvidence) -> str:
    if span.reused:
        return f"{span.status.value} (reused)"
    return "deselected" if span.blocked_reason == DESELECTED else span.status.value


def _gates(evidence: Evidence, span: SpanEvidence) -> str:
    """How many gates are as they should be, of how many; of a phase that did not start, what it waits for."""
    if span.status is Status.NOT_STARTED:
        return f"blocked on {_short(evidence, span.blocked_on_span_id)}" if span.blocked_on_span_id else ""
    good = good_gates(span)
    return f"{good}/{len(span.gates)} gates"


def _short(evidence: Evidence, span_id: str) -> str:
    return span_id.removeprefix(f"{evidence.trace_id}-")


def print_tables(config: pytest.Config, reporter: pytest.TerminalReporter, traces: Sequence[Evidence]) -> None:
    """Print the closing tables; with ``-q`` only those of traces that did not complete."""
    writer = config.get_terminal_writer()
    ascii_only = not can_encode(writer)
    width = min(max(writer.fullwidth, 40), 120)
    for evidence in traces:
        if config.get_verbosity() < 0 and evidence.status is Status.COMPLETED:
            continue
        reporter.write_sep("=", textwrap.shorten(f"trace {evidence.trace_id}: {evidence.title}", width - 6))
        for line, colour in table(evidence, width=width, ascii_only=ascii_only):
            _write(reporter, line, colour, ascii_only=ascii_only)


def _write(reporter: pytest.TerminalReporter, line: str, colour: str | None, *, ascii_only: bool) -> None:
    text = line.replace("…", "...").encode("ascii", "replace").decode() if ascii_only else line
    reporter.write_line(harmless(text), **({colour: True} if colour else {}))
