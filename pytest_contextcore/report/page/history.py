"""A trace's runs as one self-contained page without a script: a row a run, and small lines of what they measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from typing import NamedTuple

from markupsafe import Markup

from ...text import shown_seconds
from ...trace.evidence import Status
from ..history import Run, place
from .page import digest, templates
from .text import clean
from .view import LOOKS

_WIDTH, _HEIGHT, _EDGE = 240, 44, 4
_MOST = 1e300


class Dot(NamedTuple):
    """A run on a small line: where it stands there, whether it completed, and what it says."""

    x: float
    y: float
    good: bool
    said: str


class Curve(NamedTuple):
    """A small line over the runs that have a value: its dots, oldest first, and the least, the greatest, the last."""

    name: str
    dots: list[Dot]
    low: str
    high: str
    last: str

    @property
    def points(self) -> str:
        """The dots as SVG's ``points``."""
        return " ".join(f"{dot.x},{dot.y}" for dot in self.dots)


def render(runs: Sequence[Run]) -> str:
    """The page of a trace's runs, given newest first; it allows its own style and nothing else."""
    style = "".join((files(__package__) / name).read_text(encoding="utf-8") for name in ("page.css", "history.css"))
    page = (
        templates()
        .get_template("history.html.jinja")
        .render(
            runs=runs,
            looks=LOOKS,
            place=place,
            seconds=shown_seconds,
            curves=list(curves(runs)),
            policy=digest(style),
            style=Markup(style),  # noqa: S704  (ours, not a text of the evidence)
        )
    )
    return clean(page)


def curves(runs: Sequence[Run]) -> Iterator[Curve]:
    """The small lines: how long the runs took, and each recorded number."""
    columns = {"duration": [run.seconds for run in runs]}
    for name in sorted({name for run in runs for name in run.values}):
        columns[name] = [_number(run.values.get(name)) for run in runs]
    for name, values in columns.items():
        known = [
            (run, at, value) for at, (run, value) in enumerate(zip(runs, values, strict=True)) if value is not None
        ]
        if known:
            yield _curve(name, known[::-1], len(runs), shown_seconds if name == "duration" else "{:.10g}".format)


def _curve(name: str, known: Sequence[tuple[Run, int, float]], count: int, shown: Callable[[float], str]) -> Curve:
    """The line of a value, oldest run first, each with its position among all of them, the newest being 0."""
    numbers = [value for _, _, value in known]
    low, high, step = min(numbers), max(numbers), (_WIDTH - 2 * _EDGE) / max(count - 1, 1)
    dots = [
        Dot(
            round(_WIDTH - _EDGE - at * step, 1),
            round(_HEIGHT - _EDGE - _share(value, low, high) * (_HEIGHT - 2 * _EDGE), 1),
            run.status is Status.COMPLETED,
            f"{run.when}: {shown(value)}, {LOOKS[run.status].word}",
        )
        for run, at, value in known
    ]
    return Curve(name, dots, shown(low), shown(high), shown(numbers[-1]))


def _share(value: float, low: float, high: float) -> float:
    """Where a value stands between the least and the greatest; in the middle if all are the same."""
    return (value - low) / (high - low) if high > low else 0.5


def _number(value: object) -> float | None:
    is_one = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _MOST
    return float(value) if is_one and isinstance(value, int | float) else None
