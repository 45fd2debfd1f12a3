"""What a fault is, and the edits that faults are made of.

Most faults are sealed: after the edit every digest is recorded again, so that no checksum gives the fault away and the
rule itself must. A dotted path names a place in a document: `coverage.gaps.0`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .variants import Files, change, dump, load, rescore

STALE = "0" * 63 + "1"
GONE = object()
Edit = Callable[[Files], object]


@dataclass(frozen=True)
class Fault:
    """What is done to which variant, and what must come of it.

    `also` names later gates that must see it, too; `says` is a part of what the findings tell people.
    """

    id: str
    title: str
    gate: str
    type: str
    edit: Edit
    variant: str = "embedded"
    sealed: bool = True
    also: tuple[str, ...] = ()
    says: str = ""

    def apply(self, root: Path) -> None:
        files = Files(root)
        self.edit(files)
        if self.sealed:
            files.seal()


class Register:
    """The faults of one file, in their order; a fault's id is its gate and its number there."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def add(self, gate: str, type_: str, title: str, edit: Edit, **more: Any) -> None:
        number = 1 + sum(fault.gate == gate for fault in self.faults)
        self.faults.append(Fault(f"{gate}.{number:02}", title, gate, type_, edit, **more))

    def fault(self, gate: str, type_: str, title: str, **more: Any) -> Callable[[Edit], Edit]:
        """Register a function as the edit of a fault."""

        def register(edit: Edit) -> Edit:
            self.add(gate, type_, title, edit, **more)
            return edit

        return register


def put(document: Any, place: str, value: Any) -> None:
    """Set or delete one place; a callable value is given what stood there."""
    *way, last = place.split(".")
    for step in way:
        document = document[int(step) if isinstance(document, list) else step]
    key: Any = int(last) if isinstance(document, list) else last
    if value is GONE:
        del document[key]
    else:
        document[key] = value(document[key]) if callable(value) else value


def at(name: str, place: str, value: Any) -> Edit:
    """An edit that sets one place of one document."""
    return lambda w: change(w.path(name), lambda d: put(d, place, value))


def both(*edits: Edit) -> Edit:
    """Several edits, one after the other."""
    return lambda w: [edit(w) for edit in edits]


def seeds(place: str, value: Any) -> Edit:
    """An edit of the seed and the enriched seed."""
    return both(at("seed", place, value), at("enriched", place, value))


def removed(name: str) -> Edit:
    return lambda w: w.path(name).unlink()


def holds(name: str, data: str | bytes) -> Edit:
    return lambda w: w.path(name).write_bytes(data if isinstance(data, bytes) else data.encode())


def replaced(name: str, old: str, new: str) -> Edit:
    """An edit of a file's text; the old text must be there."""

    def edit(w: Files) -> None:
        text = w.path(name).read_text(encoding="utf-8")
        assert old in text
        w.path(name).write_text(text.replace(old, new, 1), encoding="utf-8")

    return edit


def damaged(name: str, damage: Callable[[bytes], bytes]) -> Edit:
    """An edit of a file's bytes."""
    return lambda w: w.path(name).write_bytes(damage(w.path(name).read_bytes()))


def wrapped(name: str) -> Edit:
    """A document becomes an array that holds it."""
    return lambda w: dump(w.path(name), [load(w.path(name))])


def folder(name: str) -> Edit:
    """A folder stands in the file's place."""

    def edit(w: Files) -> None:
        w.path(name).unlink()
        w.path(name).mkdir()

    return edit


def rescored(score: float) -> Edit:
    """Another score, stated consistently."""
    return lambda w: rescore(w, score)


def linked(name: str) -> Edit:
    """The file is moved out of its folder, and a symlink to it put in its place."""

    def edit(w: Files) -> None:
        path, away = w.path(name), w.root / "elsewhere"
        shutil.move(path, away)
        path.symlink_to(away)

    return edit


def twice(items: list[Any]) -> list[Any]:
    return [*items, items[0]]


def less(items: list[Any]) -> list[Any]:
    return items[1:]


def plus(number: int) -> Callable[[Any], Any]:
    return lambda value: value + number


RULES = "prometheus/rules/orders-api-prometheus-rules.yaml"
BOARD = "grafana/dashboards/orders-api-dashboard.json"
RECORDING = "prometheus/recording/orders-api-recording-rules.yaml"
GAP = "gap-error-budget"
SERVICE = "k8s/observability/{target}-service-monitor.yaml"
