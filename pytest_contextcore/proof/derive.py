"""Mutations that are derived from a check: changes of what its expression selects."""

from __future__ import annotations

import copy
import re
import shutil
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from ..checks.documents import Documents
from ..checks.paths import Folder
from ..checks.verdict import CheckFailed
from ..errors import shown
from ..plan.checks import CheckPlan, Reference, reference
from ..plan.expressions import parsed
from .mutate import flipped

MAX_TRIALS = 400
_FAR = 10**12
_STRANGE = "contextcore-prove"
_TEST_CASE = re.compile(rb"""<testcase\b((?:[^>"'/]|"[^"]*"|'[^']*'|/(?!>))*)(/?)>""")


class Trial(NamedTuple):
    """A mutation: what it says, documents that are taken instead of files, or what it does to files of a folder."""

    said: str
    instead: dict[str, Any] = {}  # noqa: RUF012  (never changed)
    act: Callable[[], None] | None = None


class _Part(NamedTuple):
    """A place in a document, and the value there."""

    place: tuple[str | int, ...]
    value: Any

    def __str__(self) -> str:
        return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in self.place).removeprefix(".")


def derived(check: CheckPlan, folder: Path) -> Iterator[Trial]:
    """Mutations of what a check looks at, at most `MAX_TRIALS`; none for checks whose files nobody here can change."""
    try:
        yield from islice(_trials(check, folder), MAX_TRIALS)
    except CheckFailed:  # a document that cannot be read: the check itself says so
        return


def _trials(check: CheckPlan, folder: Path) -> Iterator[Trial]:
    home = Folder(folder)
    documents = Documents(home)
    match check.kind:
        case "exists":
            yield from _of_files(check.exists or "", home)
        case "sha256" if check.sha256:
            path = home.inside(check.sha256.file)
            yield Trial(f"{check.sha256.file}: one byte changed", act=lambda: _flip(path))
        case "junit":
            for name in (home.shown(path) for path in home.matches(check.junit or "")):
                path = home.inside(name)
                yield Trial(f"{name}: a test case failed", act=lambda path=path: _fail_a_test(path))  # type: ignore[misc]
        case "schema" if check.schema_:
            yield from _of_document(reference(check.schema_.file), documents)
        case "query":
            yield from _of_document(reference(check.query or ""), documents)
        case "same" | "subset":
            for source in check.same or check.subset or ():
                yield from _of_document(reference(source), documents)
        case "dbt":
            for path in home.matches(check.dbt or ""):
                yield from _of_document(Reference(home.shown(path), "results[].status"), documents)
        case "gate_results":
            at = reference(check.gate_results or "")
            yield from _of_document(Reference(at.file, f"{at.select or '@'} | [].result"), documents)


def _of_document(at: Reference, documents: Documents) -> Iterator[Trial]:
    """Changes of the values that an expression names first, then of all others that could stand behind them."""
    whole = documents.whole(at.file)
    names, literals = _words(parsed(at.select)) if at.select else (set[str](), [])
    parts = list(islice(_parts(whole), 20 * MAX_TRIALS))
    meant = [part for part in parts if names & {key for key in part.place if isinstance(key, str)}]
    first = [part for part in meant if part.place[-1] in names]
    for part in [*first, *(part for part in meant if part not in first)] if names else parts:
        for said, value in _others(part.value, literals):
            yield Trial(f"{at.file}: {part}: {said}", {at.file: _with(whole, part.place, value)})
        yield Trial(f"{at.file}: {part}: dropped", {at.file: _without(whole, part.place)})


def _others(value: Any, literals: list[Any]) -> Iterator[tuple[str, Any]]:
    """Other values for one: below and above for numbers, what the expression names, another type."""
    if isinstance(value, bool):
        yield f"{shown(value)} → {shown(not value)}", not value
    elif isinstance(value, int | float):
        for number in (round(value - 1, 9), round(value + 1, 9), value - _FAR, value + _FAR):
            yield f"{value} → {number}", number
    elif isinstance(value, list):
        yield "one more item", [*value, copy.deepcopy(value[-1]) if value else _STRANGE]
        yield "one item of another kind", [*value, _STRANGE]
        yield "no items", []
    elif isinstance(value, dict):
        yield "one more key", {**value, _STRANGE: _STRANGE}
    else:
        yield f"{shown(value)} → {_STRANGE!r}", _STRANGE
    for literal in literals:
        if literal != value:
            yield f"{shown(value)} → {shown(literal)}", literal
    other = _STRANGE if not isinstance(value, str) else 0
    yield f"another type ({shown(other)})", other


def _words(tree: Any) -> tuple[set[str], list[Any]]:
    """The names of keys in an expression, and its literals."""
    names, literals, left = set[str](), list[Any](), [tree]
    while left:
        node = left.pop()
        if node["type"] == "field":
            names.add(node["value"])
        elif node["type"] == "literal" and isinstance(node["value"], str | int | float):
            literals.append(node["value"])
        left += [child for child in node.get("children", ()) if isinstance(child, dict)]
    return names, literals


def _parts(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[_Part]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        yield _Part((*place, key), item)
        yield from _parts(item, (*place, key))


def _with(document: Any, place: tuple[str | int, ...], value: Any) -> Any:
    changed, holder = _opened(document, place)
    holder[place[-1]] = value
    return changed


def _without(document: Any, place: tuple[str | int, ...]) -> Any:
    changed, holder = _opened(document, place)
    del holder[place[-1]]
    return changed


def _opened(document: Any, place: tuple[str | int, ...]) -> tuple[Any, Any]:
    """A document that can be changed at a place, and what holds that place; the rest is shared."""
    changed = holder = copy.copy(document)
    for key in place[:-1]:
        holder[key] = copy.copy(holder[key])
        holder = holder[key]
    return changed, holder


def _of_files(pattern: str, home: Folder) -> Iterator[Trial]:
    found = home.matches(pattern)
    if not found:
        return
    yield Trial(f"{pattern}: all files removed", act=lambda: _remove(found))
    yield Trial(f"{home.shown(found[0])}: removed", act=found[0].unlink)
    twin = found[0].with_name(f"{_STRANGE}-{found[0].name}")
    for path in (twin, found[0].with_name(f"{found[0].stem}-{_STRANGE}{found[0].suffix}")):
        if path in (*found,) or not _would_match(pattern, path, home):
            continue
        yield Trial(f"{home.shown(path)}: a file more", act=lambda path=path: _copy(found[0], path))  # type: ignore[misc]


def _would_match(pattern: str, path: Path, home: Folder) -> bool:
    return Path(home.shown(path)).match(pattern)


def _remove(paths: list[Path]) -> None:
    for path in paths:
        path.unlink()


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def _flip(path: Path) -> None:
    path.write_bytes(flipped(path.read_bytes()))


def _fail_a_test(path: Path) -> None:
    """Put a failure into the first test case of a JUnit file."""

    def fail(found: re.Match[bytes]) -> bytes:
        end = b"</testcase>" if found[2] else b""
        return b"<testcase" + found[1] + b'><failure message="contextcore prove"/>' + end

    path.write_bytes(_TEST_CASE.sub(fail, path.read_bytes(), count=1))
