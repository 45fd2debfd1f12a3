"""Is a document as its schema says? Pure; all errors, each with its place.

It knows the keywords that the shipped schemas use and no more (a test holds it to an independent validator). Why it is
here at all: a validator library would be a dependency of every installation, for one command.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

_MAX_SHOWN = 80
_ANNOTATIONS = {"$schema", "$id", "$defs", "title", "description", "default", "format"}
_NAMES = {
    "null": "null",
    "boolean": "true or false",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "array": "a list",
    "object": "an object",
}


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


_IS: dict[str, Callable[[object], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: _is_number(value) and value == value // 1,
    "number": _is_number,
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One error: its place (``spans[3].gates[0].result``, empty for the document), observed, expected, what to do."""

    path: str
    observed: str
    expected: str
    next_action: str


def faults(schema: Mapping[str, Any], document: object) -> list[Fault]:
    """Every error of a document, in its order."""
    return list(_Checker(schema).check(schema, document, ""))


def shown(value: object) -> str:
    """A value as a message shows it: bounded, on one line."""
    if isinstance(value, dict):
        return f"an object with {len(value)} keys"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = json.dumps(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


class _Checker:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._keywords: dict[str, Callable[[Mapping[str, Any], Any, str], Iterator[Fault]]] = {
            "$ref": lambda schema, value, path: self.check(self._resolve(schema["$ref"]), value, path),
            "type": _type,
            "const": _const,
            "enum": _enum,
            "pattern": _pattern,
            "minLength": _min_length,
            "maxLength": _max_length,
            "minItems": _min_items,
            "items": self._items,
            "required": _required,
            "properties": self._properties,
            "additionalProperties": self._additional,
            "propertyNames": self._names,
            "anyOf": self._any_of,
            "if": self._if,
            "then": lambda schema, value, path: iter(()),  # see `_if`
        }

    def check(self, schema: Mapping[str, Any], value: object, path: str) -> Iterator[Fault]:
        """The errors of a value under a part of the schema.

        Raises:
            KeyError: the schema uses a keyword that is not known here.
        """
        if "type" in schema and not _IS[schema["type"]](value):
            yield from _type(schema, value, path)
            return  # whatever else is expected of it would only repeat this
        for keyword in schema:
            if keyword not in _ANNOTATIONS:
                yield from self._keywords[keyword](schema, value, path)

    def _resolve(self, reference: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._root["$defs"][reference.removeprefix("#/$defs/")]
        return found

    def _items(self, schema: Mapping[str, Any], value: Any, path: str) -> Iterator[Fault]:
        for index, item in enumerate(value if isinstance(value, list) else ()):
            yield from self.check(schema["items"], item, f"{path}[{index}]")

    def _properties(self, schema: Mapping[str, Any], value: Any, path: str) -> Iterator[Fault]:
        for name, part in schema["properties"].items():
            if isinstance(value, dict) and name in value:
                yield from self.check(part, value[name], _join(path, name))

    def _additional(self, schema: Mapping[str, Any], value: Any, path: str) -> Iterator[Fault]:
        allowed, known = schema["additionalProperties"], schema.get("properties", {})
        for name in (name for name in (value if isinstance(value, dict) else ()) if name not in known):
            if isinstance(allowed, Mapping):
                yield from self.check(allowed, value[name], _join(path, name))
            elif not allowed:
                near = difflib.get_close_matches(name, known, 1)
                what = f"rename it to {near[0]}" if near else "remove it"
                yield Fault(_join(path, name), "an unknown key", f"one of {', '.join(known)}", what)

    def _names(self, schema: Mapping[str, Any], value: Any, path: str) -> Iterator[Fault]:
        for name in value if isinstance(value, dict) else ():
            for fault in self.check(schema["propertyNames"], name, ""):
                yield Fault(_join(path, name), "an unknown key", fault.expected, "remove it, or correct its name")

    def _any_of(self, schema: Mapping[str, Any], value: Any, path: str) -> Iterator[Fault]:
        branches = [self._whole(branch) for branch in schema["anyOf"]]
        wrong = [list(self.check(branch, value, path)) for branch in branches]
        if not all(wrong):
            return
        for branch, found in zip(branches, wrong, strict=True):
            if branch.get("type") != "null" and _IS[branch["type"]](value):
                yield from found  # the branch that was meant
                return
        expected = " or ".join(dict.fromkeys(_NAMES[branch["type"]] for branch in branches))
        yield Fault(path, shown(value), expected, "correct its type")

    def _whole(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._resolve(schema["$ref"]) if "$ref" in schema else schema

    def _if(self, schema: Mapping[str, Any], value: Any, path: str) -> Iterator[Fault]:
        if not any(self.check(schema["if"], value, path)):
            yield from self.check(schema["then"], value, path)


def _type(schema: Mapping[str, Any], value: object, path: str) -> Iterator[Fault]:
    if not _IS[schema["type"]](value):
        yield Fault(path, shown(value), _NAMES[schema["type"]], "correct its type")


def _const(schema: Mapping[str, Any], value: object, path: str) -> Iterator[Fault]:
    if value != schema["const"]:
        yield Fault(path, shown(value), shown(schema["const"]), "correct it")


def _enum(schema: Mapping[str, Any], value: object, path: str) -> Iterator[Fault]:
    if value not in schema["enum"]:
        yield Fault(path, shown(value), f"one of {', '.join(map(str, schema['enum']))}", "use one of these")


def _pattern(schema: Mapping[str, Any], value: object, path: str) -> Iterator[Fault]:
    if isinstance(value, str) and not re.search(schema["pattern"], value):
        what = {"date-time": "a time such as 2026-01-31T09:30:00.000000Z", "date": "a date such as 2026-01-31"}
        expected = what.get(schema.get("format", ""), f"a text of the form {schema['pattern']}")
        yield Fault(path, shown(value), expected, "correct it")


def _min_length(schema: Mapping[str, Any], value: object, path: str) -> Iterator[Fault]:
    if isinstance(value, str) and len(value) < schema["minLength"]:
        yield Fault(path, "an empty text", f"at least {schema['minLength']} character", "fill it in")


def _max_length(schema: Mapping[str, Any], value: object, path: str) -> Iterator[Fault]:
    if isinstance(value, str) and len(value) > schema["maxLength"]:
        yield Fault(path, f"{len(value)} characters", f"at most {schema['maxLength']}", "shorten it")


def _min_items(schema: Mapping[str, Any], value: object, path: str) -> Iterator[Fault]:
    if isinstance(value, list) and len(value) < schema["minItems"]:
        yield Fault(path, f"a list of {len(value)}", f"at least {schema['minItems']}", "add what is missing")


def _required(schema: Mapping[str, Any], value: object, path: str) -> Iterator[Fault]:
    for name in schema["required"]:
        if isinstance(value, dict) and name not in value:
            yield Fault(_join(path, name), "no such key", "a value", f"add {name}")


def _join(path: str, name: str) -> str:
    key = name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name) else None
    if key is None:
        return f"{path}[{shown(name)}]"
    return f"{path}.{key}" if path else key
