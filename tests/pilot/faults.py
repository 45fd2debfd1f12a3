"""The faults: one small edit of a good workspace each, the gate that must be the first to catch it, and what it says.

Most are sealed: after the edit every digest is recorded again, so that no checksum gives the fault away and the rule
itself must. A dotted path names a place in a document: `coverage.gaps.0`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .variants import NEW, Files, change, dump, load, rescore, targets

STALE = "0" * 63 + "1"
GONE = object()
Edit = Callable[[Files], object]


@dataclass(frozen=True)
class Fault:
    """What is done to which variant, and what must come of it; `also` names later gates that must see it, too."""

    title: str
    gate: str
    type: str
    edit: Edit
    variant: str = "embedded"
    sealed: bool = True
    also: tuple[str, ...] = ()
    id: str = ""

    def apply(self, root: Path) -> None:
        files = Files(root)
        self.edit(files)
        if self.sealed:
            files.seal()


FAULTS: list[Fault] = []


def add(gate: str, type_: str, title: str, edit: Edit, **more: Any) -> None:
    number = 1 + sum(fault.gate == gate for fault in FAULTS)
    FAULTS.append(Fault(title, gate, type_, edit, id=f"{gate}.{number:02}", **more))


def fault(gate: str, type_: str, title: str, **more: Any) -> Callable[[Edit], Edit]:
    """Register a function as the edit of a fault."""

    def register(edit: Edit) -> Edit:
        add(gate, type_, title, edit, **more)
        return edit

    return register


def put(document: Any, place: str, value: Any) -> None:
    """Set or delete one place; a callable value is given what stood there."""
    *way, last = place.split(".")
    for key in way:
        document = document[int(key) if isinstance(document, list) else key]
    key = int(last) if isinstance(document, list) else last
    if value is GONE:
        del document[key]
    else:
        document[key] = value(document[key]) if callable(value) else value


def sets(file: Callable[[Files], Path], **places: Any) -> Edit:
    """An edit that sets places of one document; `__` stands for the dot."""

    def edit(w: Files) -> None:
        for place, value in places.items():
            change(file(w), lambda d, p=place.replace("__", "."), v=value: put(d, p, v))  # type: ignore[misc]

    return edit


def at(file: Callable[[Files], Path], place: str, value: Any) -> Edit:
    """An edit that sets one place of one document."""
    return lambda w: change(file(w), lambda d: put(d, place, value))


def removed(file: Callable[[Files], Path]) -> Edit:
    return lambda w: file(w).unlink()


def holds(file: Callable[[Files], Path], text: str | bytes) -> Edit:
    return lambda w: file(w).write_bytes(text if isinstance(text, bytes) else text.encode())


def twice(items: list[Any]) -> list[Any]:
    return [*items, items[0]]


def linked(file: Callable[[Files], Path]) -> Edit:
    """The file is moved out of its folder, and a symlink to it put in its place."""

    def edit(w: Files) -> None:
        path, away = file(w), w.root / "elsewhere"
        shutil.move(path, away)
        path.symlink_to(away)

    return edit


# The documents, by short names.
def SOURCE(w: Files) -> Path: return w.source  # noqa: E704, N802
def MANIFEST(w: Files) -> Path: return w.manifest  # noqa: E704, N802
def CONTEXT(w: Files) -> Path: return w.context  # noqa: E704, N802
def ONBOARDING(w: Files) -> Path: return w.onboarding  # noqa: E704, N802
