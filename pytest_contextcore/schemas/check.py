"""What is wrong with a document by its JSON Schema: the library's errors as faults with place, observed, expected."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

from ..errors import MISSING, UNKNOWN_KEY, Fault, shown

_TYPES = {
    "null": "null",
    "boolean": "true or false",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "array": "a list",
    "object": "an object",
}
_FORMATS = {"date-time": "a time such as 2026-01-31T09:30:00.000000Z", "date": "a date such as 2026-01-31"}


def faults(schema: Mapping[str, Any], document: object) -> list[Fault]:
    """Every error of a document, at most one for each place."""
    found: dict[str, Fault] = {}
    for error in Draft202012Validator(schema).iter_errors(document):
        for fault in _faults(error):
            found.setdefault(fault.path, fault)
    return list(found.values())


def place_of(location: tuple[int | str, ...]) -> str:
    """A place in a document: ``spans[3].gates[0].result``."""
    place = ""
    for part in location:
        if isinstance(part, str) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", part):
            place += f".{part}" if place else part
        else:
            place += f"[{shown(part)}]"
    return place


def _faults(error: ValidationError) -> Iterator[Fault]:
    location, keyword = tuple(error.absolute_path), error.validator
    value: Any = error.instance
    rule: Any = error.validator_value
    schema: Any = error.schema
    if "propertyNames" in error.absolute_schema_path:  # the name itself is the instance
        known = rule if keyword == "enum" else ()
        yield _unknown((*location, str(value)), list(known))
    elif keyword == "required":
        for name in rule:
            if name not in value:
                yield Fault(place_of((*location, name)), MISSING, "a value", f"add {name}")
    elif keyword == "additionalProperties":
        known = schema.get("properties", {})
        for name in value:
            if name not in known:
                yield _unknown((*location, name), list(known))
    elif keyword == "anyOf":
        yield from _none_of(error, location)
    else:
        yield Fault(place_of(location), *_expectation(str(keyword), rule, value, schema))


def _unknown(location: tuple[int | str, ...], known: list[str]) -> Fault:
    near = difflib.get_close_matches(str(location[-1]), known, 1)
    action = f"rename it to {near[0]}" if near else "remove it"
    return Fault(place_of(location), UNKNOWN_KEY, f"one of {', '.join(known)}", action)


def _none_of(error: ValidationError, location: tuple[int | str, ...]) -> Iterator[Fault]:
    """What is wrong with the branch that was meant: the one of the value's type. Without one: the types there are."""
    branches: dict[object, list[ValidationError]] = {}
    for each in error.context or ():
        branches.setdefault(each.schema_path[0], []).append(each)
    for found in branches.values():
        if not any(each.validator == "type" and not each.path for each in found):
            for each in found:
                yield from _faults(each)
            return
    types = [each.validator_value for found in branches.values() for each in found if each.validator == "type"]
    expected = " or ".join(dict.fromkeys(_TYPES[name] for name in types if isinstance(name, str)))
    yield Fault(place_of(location), shown(error.instance), expected, "correct its type")


def _expectation(keyword: str, rule: Any, value: object, schema: Mapping[str, Any]) -> tuple[str, str, str]:
    """Observed, expected, what to do."""
    match keyword:
        case "type":
            return shown(value), _TYPES[rule], "correct its type"
        case "const":
            return shown(value), shown(rule), "correct it"
        case "enum":
            return shown(value), f"one of {', '.join(map(str, rule))}", "use one of these"
        case "pattern":
            return shown(value), _FORMATS.get(schema.get("format", ""), f"a text of the form {rule}"), "correct it"
    return shown(value), f"{keyword} {shown(rule)}", "correct it"
