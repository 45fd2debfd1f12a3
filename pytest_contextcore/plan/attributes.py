"""The registry of attributes: what a span may carry.

The registry is data, ``attributes.toml``; nothing is emitted that it, or the plan in use, does not declare.
"""

from __future__ import annotations

import math
import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple

from ..errors import AttributeRefused

AttributeType = Literal["string", "int", "double", "bool", "string[]"]
Level = Literal["resource", "trace", "phase", "gate", "test", "event"]
Value = bool | int | float | str | list[str]


class Attribute(NamedTuple):
    """A declared attribute: its full name, type, the level at which it stands, its meaning and where that is said."""

    name: str
    type: AttributeType
    level: Level
    meaning: str
    source: str


RECORDABLE = ("input.", "quality.", "routing.", "output.")
"""Prefixes of what a phase may record; what stands under ``task.`` and the like is the run's own verdict."""


@cache
def registry() -> dict[str, Attribute]:
    """Full name → declaration, of all attributes that the package itself declares."""
    document = tomllib.loads((files(__package__) / "attributes.toml").read_text(encoding="utf-8"))
    return {entry["name"]: Attribute(**entry) for entry in document["attribute"]}


def checked(declared: dict[str, Attribute], name: str, value: object) -> tuple[str, Value]:
    """The full name and the value as its declared type.

    ``name`` is a full name (``quality.gap_count``) or, for values a phase records, the part behind the dot.

    Raises:
        AttributeRefused: not declared, ambiguous, or of another type.
    """
    attribute = declared.get(name) if name.startswith(RECORDABLE) else None
    if attribute is None:
        found = [prefix + name for prefix in RECORDABLE if prefix + name in declared]
        if not found:
            known = sorted(n.partition(".")[2] for n in declared if n.startswith(RECORDABLE))
            raise AttributeRefused(f"attribute {name!r} is not declared; declared are: {', '.join(known)}")
        if len(found) > 1:
            raise AttributeRefused(f"attribute {name!r} is ambiguous: {' or '.join(found)}; give the full name")
        attribute = declared[found[0]]
    return attribute.name, _typed(attribute, value)


def _typed(attribute: Attribute, value: object) -> Value:
    """The value, if it is of the declared type; an int is taken where a double is declared."""
    match attribute.type:
        case "string" if isinstance(value, str):
            return value
        case "bool" if isinstance(value, bool):
            return value
        case "int" if isinstance(value, int) and not isinstance(value, bool):
            return value
        case "double" if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
        case "string[]" if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return value
    raise AttributeRefused(
        f"attribute {attribute.name} is declared as {attribute.type}, "
        f"but the value is {type(value).__name__} {value!r:.80}"
    )
