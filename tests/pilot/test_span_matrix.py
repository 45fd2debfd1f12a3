"""Which span of the pilot has which attribute: a table in its page, made from two runs."""

from __future__ import annotations

import os
from pathlib import Path

from pytest_contextcore.recovery.end import spans_in

from ..support.traces import values
from .conftest import ROOT, Pilot

PAGE = ROOT / "docs" / "pilot.md"
WRITE = os.environ.get("CONTEXTCORE_WRITE_PAGES") == "1"
"""Write the table into the page instead; read the difference before you commit it."""

TRACE = "PI-101-002"
Carried = dict[str, set[str]]
"""Attribute → the spans that have it, by their ids within the trace."""
COLUMNS = ["parent", *(f"S{number}" for number in range(1, 11))]
HEAD = f"| attribute | {' | '.join(COLUMNS)} | gates |"
_MOST_GATES = 8


def carried(path: Path) -> Carried:
    """What each span of a plan's own file has."""
    found: Carried = {}
    for span in spans_in(path):
        short = span.name.partition(" ")[0].removeprefix(TRACE).removeprefix("-") or "parent"
        for name in values(span):
            found.setdefault(name, set()).add(short)
    return found


def table(completed: Carried, blocked: Carried) -> list[str]:
    """The rows: a dot where the span has it in a run that completes, a circle where only in the blocked one.

    Attributes that are on the same spans share a row.
    """
    every = {span for spans in completed.values() for span in spans if "-" in span}
    rows: dict[str, list[str]] = {}
    for name in sorted({*completed, *blocked}):
        always, sometimes = completed.get(name, set()), blocked.get(name, set())
        marks = ["●" if column in always else "○" if column in sometimes else "" for column in COLUMNS]
        gates = sorted((span for span in always | sometimes if "-" in span), key=_place)
        told = "all" if set(gates) >= every else ", ".join(gates)
        if len(gates) > _MOST_GATES and told != "all":
            told = f"{len(gates)} of {len(every)}"
        rows.setdefault(f" {' | '.join(marks)} | {told} |", []).append(f"`{name}`")
    shared = (f"| {', '.join(names)} |{row}" for row, names in rows.items())
    return [HEAD, f"|---|{'---|' * (len(COLUMNS) + 1)}", *shared]


def _place(gate: str) -> tuple[int, str]:
    phase, _, name = gate.partition("-")
    return int(phase.removeprefix("S")), name


def test_the_page_says_which_span_has_which_attribute(pilot: Pilot) -> None:
    runs = [
        carried(pilot("-q", *options).out / f"{TRACE}.otlp.jsonl")
        for options in ((), ("--source-checksum", "sha256:STALE"))
    ]
    text = PAGE.read_text(encoding="utf-8")
    before, head, rest = text.partition(HEAD)
    assert head, "docs/pilot.md has no table of attributes and spans"
    shown, _, after = rest.partition("\n\n")
    made = "\n".join(table(*runs))
    if WRITE:
        PAGE.write_text(f"{before}{made}\n\n{after}", encoding="utf-8")
    else:
        assert made == head + shown, "run: CONTEXTCORE_WRITE_PAGES=1 pytest tests/pilot/test_span_matrix.py"
