"""A trace's runs as one self-contained page without a script: a row a run, and small lines of what they measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from typing import NamedTuple

from markupsafe import Markup

from ...text import shown_seconds
from ...trace.evidence import Status
from ..history import Run
from .page import digest, templates
from .text import clean
from .view import LOOKS

_WIDTH, _HEIGHT, _EDGE = 240, 44, 4
_MOST = 1e300


class Curve(NamedTuple):
    """A small line over the runs that have a value, oldest first, and the least, the greatest and the last value.

    Each run has its place there, whether it completed, and what it says.
    """

    name: str
    dots: list[tuple[float, float, bool, str]]
    low: str
    high: str
    last: str


def render(runs: Sequence[Run]) -> str:
    """The page of a trace's runs, given newest first; it allows its own style and nothing else."""
    style = "".join((files(__package__) / name).read_text(encoding="utf-8") for name in ("page.css", "history.css"))
    page = (
        templates()
        .get_template("history.html.jinja")
        .render(
            runs=runs,
            looks=LOOKS,
            seconds=shown_seconds,
            curves=list(curves(runs)),
            policy=digest(style),
            style=Markup(style),  # noqa: S704  (ours, not a text of the evidence)
        )
    )
    return clean(page)


def curves(runs: Sequence[Run]) -> Iterator[Curve]:
    """The small lines: how long the runs took, and each recorded number."""
    columns: dict[str, list[float | None]] = {"duration": [run.seconds for run in runs]}
    for name in sorted({name for run in runs for name in run.record.attributes}):
        columns[name] = [_number(run.record.attributes.get(name)) for run in runs]
    for name, values in columns.items():
        placed = zip(runs, range(len(runs)), values, strict=True)
        if known := [(run, at, value) for run, at, value in placed if value is not None]:
            yield _curve(name, known[::-1], len(runs), shown_seconds if name == "duration" else "{:.10g}".format)


def _curve(name: str, known: Sequence[tuple[Run, int, float]], count: int, shown: Callable[[float], str]) -> Curve:
    """The line of a value: of each run its position, the newest being 0, and its value."""
    numbers = [value for _, _, value in known]
    low, high = min(numbers), max(numbers)
    wide, tall = (_WIDTH - 2 * _EDGE) / max(count - 1, 1), (_HEIGHT - 2 * _EDGE) / (high - low or 1)
    dots = [
        (
            round(_WIDTH - _EDGE - at * wide, 1),
            round(_HEIGHT - _EDGE - (value - low) * tall, 1),
            run.record.status is Status.COMPLETED,
            f"{run.when}: {shown(value)}, {LOOKS[run.record.status].word}",
        )
        for run, at, value in known
    ]
    return Curve(name, dots, shown(low), shown(high), shown(numbers[-1]))


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _MOST:  # NaN is not less
        return None
    return float(value)
