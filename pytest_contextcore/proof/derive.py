"""Mutations that are derived from a check: changes of what its expression selects."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from ..checks.documents import Documents
from ..checks.paths import Folder
from ..checks.verdict import CheckFailed
from ..errors import shown
from ..plan.checks import CheckPlan, Reference, SelectPlan, reference
from ..plan.expressions import parsed
from .mutate import flipped

MAX_TRIALS = 400
_FAR = 10**12
_MOST_ITEMS = 100_000
_STRANGE = "contextcore-prove"
_FAILED_TEST = b'<testcase name="contextcore-prove"><failure message="contextcore prove"/></testcase>'


class Trial(NamedTuple):
    """A mutation: what it says, documents that are taken instead of files, or what it does to files of a folder."""

    said: str
    instead: dict[str, Any] = {}  # noqa: RUF012  (never changed)
    act: Callable[[], object] | None = None


class _Part(NamedTuple):
    """A place in a document, and the value there."""

    place: tuple[str | int, ...]
    value: Any

    def __str__(self) -> str:
        return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in self.place).removeprefix(".")


def derived(check: CheckPlan, plan: Path) -> Iterator[Trial]:
    """Mutations of what a check of a plan looks at, at most `MAX_TRIALS`.

    There are none for ``run`` and ``report``: nobody here knows what a program reads, or a report's format.
    """
    try:
        yield from islice(_trials(check, plan), MAX_TRIALS)
    except CheckFailed:  # a document that cannot be read: the check itself says so
        return


def _trials(check: CheckPlan, plan: Path) -> Iterator[Trial]:
    home = Folder(plan.parent)
    documents = Documents(home)
    match check.kind:
        case "exists":
            yield from _of_files(check.exists or "", home, plan.resolve())
        case "sha256" if check.sha256:
            path = home.inside(check.sha256.file)
            yield Trial(f"{check.sha256.file}: one byte changed", act=partial(_flip, path))
        case "junit":
            for path in home.matches(check.junit or ""):
                before, end, after = path.read_bytes().rpartition(b"</")
                if end:
                    failed = before + _FAILED_TEST + end + after
                    yield Trial(f"{home.shown(path)}: a failed test more", act=partial(path.write_bytes, failed))
        case "schema" if check.schema_:
            yield from _of_document(reference(check.schema_.file), documents)
        case "query" | "same" | "subset":
            for source in expressions(check):
                yield from _of_document(reference(source), documents)
        case "dbt":
            for path in home.matches(check.dbt or ""):
                yield from _of_document(Reference(home.shown(path), "results[].status"), documents)
        case "gate_results":
            at = reference(check.gate_results or "")
            yield from _of_document(Reference(at.file, f"{at.select or '@'} | [].result"), documents)


def expressions(check: CheckPlan) -> list[str | SelectPlan]:
    """What a check selects from documents."""
    return [each for each in (check.query, check.gate_results, *(check.same or check.subset or ())) if each is not None]


def _of_document(at: Reference, documents: Documents) -> Iterator[Trial]:
    """Changes of the values that an expression names first, then of all others that could stand behind them."""
    whole = documents.whole(at.file)
    names, literals = _words(parsed(at.select)) if at.select else (set[str](), [])
    if isinstance(whole, list):
        yield from (Trial(f"{at.file}: {said}", {at.file: value}) for said, value in _others(whole, literals))
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
        for count in sorted({near for limit in literals if type(limit) is int for near in (limit - 1, limit + 1)}):
            if value and 0 < count <= _MOST_ITEMS:
                yield f"{count} items", (value * (count // len(value) + 1))[:count]
    elif isinstance(value, dict):
        yield "one more key", {**value, _STRANGE: _STRANGE}
    else:
        yield from ((f"{shown(value)} → {other!r}", other) for other in (_STRANGE, "") if other != value)
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


def _of_files(pattern: str, home: Folder, plan: Path) -> Iterator[Trial]:
    """Files fewer and files more. The plan itself stays, without which no gate is ever decided."""
    found = home.matches(pattern)
    if not found:
        return
    others = [path for path in found if path.resolve() != plan]
    yield Trial(f"{pattern}: all files but the plan removed", act=lambda: _remove(others))
    yield from (Trial(f"{home.shown(path)}: removed", act=path.unlink) for path in others[:1])
    first = found[0]
    for path in (first.with_name(f"{_STRANGE}-{first.name}"), first.with_stem(f"{first.stem}-{_STRANGE}")):
        if path not in found and Path(home.shown(path)).match(pattern):
            yield Trial(f"{home.shown(path)}: a file more", act=partial(shutil.copyfile, first, path))


def _remove(paths: list[Path]) -> None:
    for path in paths:
        path.unlink()


def _flip(path: Path) -> None:
    path.write_bytes(flipped(path.read_bytes()))
