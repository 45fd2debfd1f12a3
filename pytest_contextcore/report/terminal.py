"""What a person reads in the terminal when phases stop and when a run ends."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence

import pytest

from ..private import terminal_encoding
from ..text import cut, harmless
from ..trace.evidence import Status
from .rows import Row, as_text, cause_rows, remark, rows
from .verdict import STOPPED, Phase, Verdict

MARKS = dict(zip(Status, "·…✗✓!", strict=True))
ASCII_MARKS = dict(zip(Status, ".~x+!", strict=True))
"""For terminals and code pages that cannot show the others."""

WIDTH = 80
_MOST = 3
"""Causes, findings of a file, and evidence of a type that the table shows."""
_ALL = 50
_OUTPUT = 20
"""Lines of what a failed program printed."""

_COLOURS = dict.fromkeys(Status, "yellow") | {Status.COMPLETED: "green"} | dict.fromkeys(STOPPED, "red")

Line = tuple[str, str | None]
"""A line without its end, and its colour."""


def can_encode(encoding: str | None) -> bool:
    """Whether an encoding, UTF-8 if it is not known, has the marks."""
    try:
        "".join(MARKS.values()).encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def shown_on(text: str, *, ascii_only: bool) -> str:
    """The text for a terminal: without commands of GitHub's log, and in ASCII if it can show nothing else."""
    return harmless(text.replace("…", "...").encode("ascii", "replace").decode() if ascii_only else text)


def stopped_message(phase: Phase, details: Mapping[str, str] | None = None) -> str:
    """The failure that pytest shows for a phase that was blocked.

    ``details`` is what pytest found out about each gate's assert, by the gates' full ids.
    """
    found = [*rows(phase, _ALL, details=details, output=_OUTPUT)]
    if len(phase.causes) == 1:
        (cause,) = phase.causes
        head = cause.title
        found = found[1:] if len(cause.reason) == 1 else found  # the first line says all of the reason
    else:
        head = "; ".join(cause.name for cause in phase.causes)
    return harmless("\n".join([f"{phase.title}: {head}", *as_text(found, "  ")]))


def table(verdict: Verdict, *, width: int = WIDTH, ascii_only: bool = False) -> Iterator[Line]:
    """The closing table of one trace: a line a phase, with what stopped it or what it warns of below it."""
    unnamed = all(phase.span.phase == phase.id for phase in verdict.phases)
    name = min(max(len(phase.span.phase) for phase in verdict.phases), max(width - 50, 12))
    ident = max(len(phase.id) for phase in verdict.phases)
    state = max(12, *(len(phase.state) for phase in verdict.phases))
    marks = ASCII_MARKS if ascii_only else MARKS
    for phase in verdict.phases:
        status = phase.span.status
        gates = f"{phase.gates} gates" if phase.gates else f"blocked on {phase.waits_for}" if phase.waits_for else ""
        line = (
            f" {marks[status]} {phase.id:<{ident}}  {'' if unnamed else f'{cut(phase.span.phase, name):<{name}}  '}"
            f"{phase.state:<{state}} {phase.took:>8}  {gates}"
        )
        yield line.rstrip(), _COLOURS[status]
        if phase.causes:
            yield from _labelled(rows(phase, _MOST, kinds=False), width)
        elif phase.lost:
            yield from _labelled([Row("reason", (phase.lost,))], width)
        yield from _labelled(_remarks(phase), width, "yellow")
        if phase.values:
            yield from _indented(f"     {'values:':<10}", (", ".join(phase.values),), width)
    yield from _closing(verdict, width)


def short_remarks(verdict: Verdict) -> Iterator[str]:
    """A line for each gate of a completed trace that warns or is waived."""
    for phase in verdict.phases:
        for cause in phase.remarks:
            yield f"{phase.span.span_id} {'waived' if cause.waived else 'warning'}: {cause.title}"


def _remarks(phase: Phase) -> Iterator[Row]:
    for cause in phase.remarks:
        yield Row("waived" if cause.waived else "warning", remark(cause, _MOST))
        if cause.waived:
            yield Row("by", (cause.waived,))


def _closing(verdict: Verdict, width: int) -> Iterator[Line]:
    """The trace's own result, why it stopped where no phase did, and what its definition of done lacks."""
    evidence = verdict.evidence
    line = f"{evidence.trace_id} {evidence.status.value}: {verdict.counts}{f' in {verdict.took}' * bool(verdict.took)}"
    for part in textwrap.wrap(line, width, subsequent_indent="  "):
        yield part, _COLOURS[evidence.status]
    if verdict.cause is not None:
        yield from _labelled(cause_rows(verdict.cause, _MOST), width)
    conditions = verdict.conditions
    unmet = [done for done in conditions if not done.met]
    if evidence.status is not Status.COMPLETED and unmet:
        yield f"definition of done: {len(conditions) - len(unmet)} of {len(conditions)} conditions hold", None
        for done in unmet:
            why = ", ".join(done.broken) or "not reached"
            yield from _indented("     - ", (f"{done.condition}: {why}",), width)


def _labelled(found: Iterable[Row], width: int, colour: str | None = None) -> Iterator[Line]:
    """Rows under their labels, wrapped to the width."""
    for label, lines in found:
        yield from _indented(f"     {f'{label}:':<10}", lines, width, colour)


def _indented(lead: str, parts: Sequence[str], width: int, colour: str | None = None) -> Iterator[Line]:
    """Lines behind their lead; all but the first stand out by an indent."""
    blank, hang = " " * len(lead), "  " if len(parts) > 1 else ""
    for at, part in enumerate(parts):
        first, rest = (f"{blank}  ", f"{blank}  {hang}") if at else (lead, f"{blank}{hang}")
        wide = max(width, len(lead) + 20)
        lines = textwrap.wrap(part, wide, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
        yield from ((line.rstrip(), colour) for line in lines or [first])


def print_tables(config: pytest.Config, reporter: pytest.TerminalReporter, verdicts: Sequence[Verdict]) -> None:
    """Print the closing tables; with ``-q`` those of traces that did not complete, and of others what they warn of."""
    writer = config.get_terminal_writer()
    ascii_only = not can_encode(terminal_encoding(writer))
    width = min(max(writer.fullwidth, 40), 120)
    for verdict in verdicts:
        if config.get_verbosity() < 0 and verdict.evidence.status is Status.COMPLETED:
            for line in short_remarks(verdict):
                reporter.write_line(shown_on(line, ascii_only=ascii_only), yellow=True)
            continue
        reporter.write_sep("=", textwrap.shorten(f"trace {verdict.title}", width - 6))
        for line, colour in table(verdict, width=width, ascii_only=ascii_only):
            reporter.write_line(shown_on(line, ascii_only=ascii_only), **({colour: True} if colour else {}))
