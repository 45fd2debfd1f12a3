"""What is wrong with the programs and checks of a plan's document, beyond its schema. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from ..errors import MISSING, shown
from ..text import escaped
from .checks import FORMATS, HEX, KINDS
from .expressions import parsed
from .tables import Misfit, Place, tables, text_of

_READABLE = f"a document by its suffix ({', '.join(FORMATS)}), or else a check with run"
_INSIDE = "a path inside the plan's folder"
_OPTIONS = frozenset(name for names in KINDS.values() for name in names)
_QUOTED = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\])*\"""")
_OPERATOR = re.compile(r"(?:^|\s)(\d?[|&;<>]\S*)|(;)(?:\s|$)")
"""At a word's edge, outside of quotes: a shell would start another program there, or open a file."""


def check_misfits(document: Mapping[str, Any], types: Mapping[str, str]) -> Iterator[Misfit]:
    """What is wrong with each ``run`` and ``check``. ``types``: those of the attributes that the package declares."""
    declared = dict(types)
    for _, entry in tables(document, (), "attributes"):
        declared[text_of(entry, "name")] = text_of(entry, "type") or "double"
    for place, phase in tables(document, (), "phases"):
        yield from _program(phase.get("run"), (*place, "run"))
        for at, gate in tables(phase, place, "gates"):
            check = gate.get("check")
            if isinstance(check, dict):
                yield from _check(check, (*at, "check"), declared)
            elif check is None and phase.get("run"):
                yield (*at, "check"), MISSING, "a check: a phase with run has no test", "add a check"


def _check(check: Mapping[str, Any], place: Place, declared: Mapping[str, str]) -> Iterator[Misfit]:
    kinds = [kind for kind in KINDS if kind in check]
    if len(kinds) != 1:
        if kinds or not set(check) - _OPTIONS:  # an unknown key is told by the schema
            observed = " and ".join(kinds) or "none of them"
            yield place, observed, f"exactly one of {', '.join(KINDS)}", "keep one"
        return
    kind = kinds[0]
    value = check[kind]
    for name in check:
        if name in _OPTIONS and name not in KINDS[kind]:
            home = " or ".join(each for each in KINDS if name in KINDS[each])
            yield (*place, name), f"beside {kind}", f"beside {home}", "remove it"
    yield from _value(kind, value, (*place, kind))
    if kind == "exists":
        yield from _numbers(check, place)
    if kind == "drift":
        if isinstance(value, str) and declared.get(value) not in ("int", "double"):
            expected = "an attribute that [[attributes]] declares as int or double"
            yield (*place, kind), shown(value), expected, "declare it"
        if "within" not in check:
            yield (*place, "within"), MISSING, 'how far off it may be, such as "5%" or 0.02', "add it"
    if kind == "report" and "format" not in check:
        yield (*place, "format"), MISSING, "the name of the report's format", "add it"
    values = check.get("values")
    for name, source in values.items() if isinstance(values, dict) else ():
        if not any(name in (full, full.partition(".")[2]) for full in declared):
            full = name if "." in name else f"quality.{name}"
            yield (*place, "values", name), "undeclared", f'declared: [[attributes]] with name = "{full}"', "declare it"
        yield from _source(source, (*place, "values", name))


def _value(kind: str, value: Any, place: Place) -> Iterator[Misfit]:
    match kind:
        case "exists" | "junit" | "dbt" | "report":
            yield from _path(value, place)
        case "sha256" if isinstance(value, dict):
            yield from _path(value.get("file"), (*place, "file"))
            digest = value.get("is")
            if isinstance(digest, str) and not HEX.fullmatch(digest):
                yield from _source(
                    digest, (*place, "is"), needs="64 hex digits, or a file#expression that selects them"
                )
        case "schema" if isinstance(value, dict):
            yield from _source(value.get("file"), (*place, "file"))
            yield from _source(value.get("schema"), (*place, "schema"))
        case "query":
            yield from _source(value, place, needs="file#expression")
        case "same" | "subset" if isinstance(value, list):
            for index, source in enumerate(value):
                yield from _source(source, (*place, index))
        case "gate_results":
            yield from _source(value, place)
        case "run":
            yield from _program(value, place)


def _numbers(check: Mapping[str, Any], place: Place) -> Iterator[Misfit]:
    least, most = check.get("min"), check.get("max")
    if "count" in check and ("min" in check or "max" in check):
        yield (*place, "count"), "beside min or max", "alone", "keep one of them"
    elif isinstance(least, int) and isinstance(most, int) and least > most:
        yield (*place, "min"), str(least), f"at most max, which is {most}", "correct one of them"


def _source(source: Any, place: Place, needs: str = "") -> Iterator[Misfit]:
    """``file#expression``; ``needs``: what it must be where the expression may not be left out."""
    if isinstance(source, dict):
        file, select = source.get("file"), source.get("select", "")
    elif isinstance(source, str):
        file, _, select = source.partition("#")
    else:
        return  # which the schema tells
    if not isinstance(file, str) or not isinstance(select, str):
        return
    if not select.strip() and (needs or (isinstance(source, str) and "#" in source)):
        yield place, f"{shown(source)}, without an expression", needs or "file#expression", "add it behind the #"
        return
    yield from _path(file.strip(), place)
    if PurePath(file.strip()).suffix.lower() not in FORMATS:
        yield place, shown(file), _READABLE, "correct it"
    if select.strip():
        try:
            parsed(select.strip())
        except ValueError as problem:
            yield place, f"{shown(select.strip())} ({escaped(str(problem))})", "a JMESPath expression", "correct it"


def _path(path: Any, place: Place) -> Iterator[Misfit]:
    if isinstance(path, str) and (not path.strip() or PurePath(path).is_absolute() or ".." in PurePath(path).parts):
        yield place, shown(path), _INSIDE, "correct it"


def _program(run: Any, place: Place) -> Iterator[Misfit]:
    if not isinstance(run, str):
        return
    try:
        if not shlex.split(run):
            yield place, shown(run), "a program and its arguments", "name a program"
    except ValueError as error:
        yield place, f"{shown(run)} ({str(error).lower()})", "words as a shell splits them", "correct the quotation"
        return
    if found := _OPERATOR.search(_QUOTED.sub("", run)):
        expected = f'one program, or ["sh", "-c", "…"], which reads {found[1] or found[2]}'
        yield place, shown(run), expected, "correct it, or quote what is only an argument"
