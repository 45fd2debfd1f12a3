"""What is wrong with a document, as faults with place, observed, expected: by its JSON Schema, or by its model."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import MISSING, UNKNOWN_KEY, Fault, shown
from ..ids import ID

if TYPE_CHECKING:
    import pydantic
    from jsonschema import ValidationError

Place = tuple[int | str, ...]
"""Keys and positions that lead to a part of a document."""

Names = Mapping[str, tuple[str, str]]
"""List of tables → what one of them is called, and the key that tells it from the others."""

_TYPES = {
    "boolean": "true or false",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "array": "a list",
    "object": "a table of keys",
}
_FORMATS = {"date-time": "a time such as 2026-01-31T09:30:00.000000Z", "date": "a date such as 2026-01-31"}
_PATTERNS = {
    f"^{ID.pattern}$": "letters, digits and . _ - with a letter or digit first",
    r"^[0-9]+(\.[0-9]+)? ?%$": "a share such as 5%, or a number",
    r"^(input|quality|routing|output)\.[a-z][a-z0-9_]*$": "quality.name, or input., routing. or output. in front",
    r"\S": "a text that is not empty",
}
_LIMITS = {
    "minLength": "a text that is not empty",
    "maxLength": "at most {} characters",
    "minItems": "a list with at least {} entry",
    "maxItems": "a list with at most {} entries",
    "minimum": "at least {}",
    "exclusiveMinimum": "greater than {}",
}


def faults(schema: Mapping[str, Any], document: object, names: Names | None = None) -> list[Fault]:
    """Every error of a document by its schema, at most one for each place."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415  (a run reads plans, and those are right as a rule)

    found: dict[Place, Fault] = {}
    for error in Draft202012Validator(schema).iter_errors(document):
        for place, *told in _told(error):
            found.setdefault(place, Fault(place_of(document, place, names), *told))
    return list(found.values())


def of_model(error: pydantic.ValidationError, document: object, names: Names | None = None) -> list[Fault]:
    """What a model refuses although the schema takes it, in the model's words."""
    return [
        Fault(
            place_of(document, details["loc"], names),
            shown(details["input"]),
            f"valid ({details['msg'].removeprefix('Value error, ')})",
            "correct it",
        )
        for details in error.errors(include_url=False)
        if details["type"] != "too_short"  # said of a list whose entries are wrong; the schema knows the short ones
    ]


def place_of(document: object, place: Iterable[int | str], names: Names | None = None) -> str:
    """A place for people: ``spans[3].gates[0].result``; where there are names by id, ``phase TRAIN, gate G1: kind``."""
    tables: list[str] = []
    keys = ""
    value: Any = document
    for part in place:
        try:
            value = value[part]
        except (LookupError, TypeError):
            value = None
        word, key = (names or {}).get(keys.rpartition(".")[2], ("", ""))
        if isinstance(part, str):
            keys += f".{label(part)}" if keys else label(part)
        elif word and isinstance(value, dict):
            name = value.get(key)
            tables.append(f"{word} {label(name)}" if isinstance(name, str) and name else f"{word} {part + 1}")
            keys = ""
        else:
            keys += f"[{part}]"
    return ": ".join(filter(None, [", ".join(tables), keys]))


def label(name: str) -> str:
    """An id or a key as it is; anything else quoted, on one line."""
    return name if re.fullmatch(r"[A-Za-z0-9._-]{1,80}", name) else shown(name)


def _told(error: ValidationError) -> Iterator[tuple[Place, str, str, str]]:
    """Place, observed, expected, what to do: for each fault in one of the library's errors."""
    place, keyword = tuple(error.absolute_path), error.validator
    value: Any = error.instance
    rule: Any = error.validator_value
    schema: Any = error.schema
    if "propertyNames" in error.absolute_schema_path:  # the name itself is the instance
        yield _unknown((*place, str(value)), list(rule) if keyword == "enum" else [])
    elif keyword == "required":
        yield from (((*place, name), MISSING, "a value", f"add {name}") for name in rule if name not in value)
    elif keyword == "additionalProperties":
        known = list(schema.get("properties", {}))
        yield from (_unknown((*place, name), known) for name in value if name not in known)
    elif keyword == "anyOf":
        meant = [each for each in error.context or () if each.validator != "type" or each.path]
        for each in meant:
            yield from _told(each)
        if not meant:  # no branch is of the value's type
            types = dict.fromkeys(_TYPES.get(str(each.validator_value)) for each in error.context or ())
            yield place, shown(value), " or ".join(filter(None, types)), "correct its type"
    else:
        yield place, shown(value), _expected(str(keyword), rule, schema), "correct it"


def _unknown(place: Place, known: list[str]) -> tuple[Place, str, str, str]:
    near = difflib.get_close_matches(str(place[-1]), known, 1)
    return place, UNKNOWN_KEY, f"one of {', '.join(known)}", f"rename it to {near[0]}" if near else "remove it"


def _expected(keyword: str, rule: Any, schema: Mapping[str, Any]) -> str:
    match keyword:
        case "type":
            return _TYPES.get(rule, "null")
        case "const":
            return shown(rule)
        case "enum":
            return f"one of {', '.join(map(str, rule))}"
        case "pattern":
            return _FORMATS.get(schema.get("format", "")) or _PATTERNS.get(rule) or f"a text of the form {rule}"
    return _LIMITS.get(keyword, f"{keyword} {{}}").format(rule)
