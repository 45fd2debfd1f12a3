"""What stopped a phase, laid out for reading: labelled rows, which every report but the page shows in its own way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from .verdict import Cause, Phase, joined

_PROGRAMS = 3


class Row(NamedTuple):
    """A part of an answer: what it answers, and its lines, of which all but the first belong to the first."""

    label: str
    lines: tuple[str, ...]


def rows(
    phase: Phase, most: int, *, kinds: bool = True, details: Mapping[str, str] | None = None, output: int = 0
) -> Iterator[Row]:
    """What stopped a phase as rows, ``most`` of each sort; ``kinds`` is whether a gate's kind stands behind it.

    ``details`` is what pytest found out about a gate's assert, by the gate's full id. ``output`` is how many lines to
    show of what a failed program printed last; its last line stands behind gates that failed.
    """
    for cause in phase.causes[:most]:
        known = details.get(cause.gate.gate_id, "") if details and cause.gate is not None else ""
        yield from cause_rows(cause, most, kinds=kinds, details=known)
    if len(phase.causes) > most:
        yield Row("also", ("; ".join(cause.name for cause in phase.causes[most:]),))
    for printed in phase.printed[-_PROGRAMS:]:
        said = printed.text.split("\n") if printed.text else []
        if output:
            yield Row("output", (f"of {printed.program}", *said[-output:]))
        elif all(cause.gate for cause in phase.causes):  # otherwise the reason says so
            yield Row("program", (joined(printed.program, said[-1] if said else ""),))
    if phase.place and not any(cause.place for cause in phase.causes):
        yield Row("test", (phase.place,))


def cause_rows(cause: Cause, most: int, *, kinds: bool = True, details: str = "") -> Iterator[Row]:
    """What one cause says, as rows."""
    first, *more = cause.reason
    name = f"{cause.name} ({cause.gate.kind.value})" if cause.gate and kinds else cause.name
    yield Row("reason", (joined(name, first), *_bounded(more, 2 * most)))
    if details:
        yield Row("detail", tuple(details.split("\n")))
    for about in cause.about[: 2 * most]:
        yield Row("where", (about.file, *_bounded(about.sentences, most)))
    if others := cause.files[2 * most :]:
        yield Row("where", (f"and {len(others)} more: {', '.join(others)}",))
    for found in cause.evidence[:most]:
        yield Row("evidence", (f"{found.type}: {', '.join(_bounded(found.refs, most))}",))
    if cause.next_action:
        yield Row("next", (cause.next_action,))
    if cause.place:
        yield Row("test", (cause.place,))


def remark(cause: Cause, most: int) -> tuple[str, ...]:
    """What a gate says that stops nothing, as lines."""
    return (cause.title, *_bounded(cause.reason[1:], 2 * most))


def held_rows(phase: Phase) -> Iterator[Row]:
    """Which phases did not start because of this one."""
    if phase.held:
        yield Row("did not start", (", ".join(phase.held),))


def as_text(found: Iterable[Row], indent: str = "") -> Iterator[str]:
    """Rows as lines of text."""
    for label, (first, *more) in found:
        yield f"{indent}{label}: {first}"
        yield from (f"{indent}  {line}" for line in more)


def _bounded(lines: Sequence[str], most: int) -> list[str]:
    """The first lines, and how many more there are; that line stands for two at least."""
    return [*lines] if len(lines) <= most + 1 else [*lines[:most], f"… and {len(lines) - most} more"]
