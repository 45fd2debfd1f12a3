"""The registry of attributes, ``attributes.toml``: nothing is emitted that it, or the plan in use, does not declare."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple, cast

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


_IS: dict[AttributeType, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "double": lambda value: isinstance(value, float) and math.isfinite(value),
    "bool": lambda value: isinstance(value, bool),
    "string[]": lambda value: isinstance(value, list) and all(isinstance(item, str) for item in value),
}

RECORDABLE = ("input.", "quality.", "routing.", "output.")
"""Prefixes of what a phase may record; what stands under ``task.`` and the like is the run's own verdict."""


@cache
def registry() -> dict[str, Attribute]:
    """Full name → declaration, of all attributes that the package itself declares."""
    return {entry["name"]: Attribute(**entry) for entry in _document()["attribute"]}


def recordable_types() -> dict[str, str]:
    """Full name → type, of those that a phase may record."""
    return {name: attribute.type for name, attribute in registry().items() if name.startswith(RECORDABLE)}


def error_words() -> dict[str, str]:
    """What ``error.type`` says where no exception was raised → what that means."""
    return {entry["word"]: entry["meaning"] for entry in _document()["error"]}


def _document() -> dict[str, Any]:
    return tomllib.loads((files(__package__) / "attributes.toml").read_text(encoding="utf-8"))


def checked(declared: dict[str, Attribute], name: str, value: object) -> tuple[str, Value]:
    """Full name and value as declared, or ``AttributeRefused``; ``name`` may be the part behind the dot."""
    recordable = [full for full in declared if full.startswith(RECORDABLE)]
    found = [full for full in recordable if name in (full, full.partition(".")[2])]
    if not found:
        known = ", ".join(sorted(full.partition(".")[2] for full in recordable))
        full = name if name.startswith(RECORDABLE) else f"quality.{name.rpartition('.')[2]}"
        fitting = next((kind for kind, fits in _IS.items() if fits(value)), "string")
        raise AttributeRefused(
            f"attribute {name!r} is not declared; declare it in the plan: "
            f'[[attributes]] name = "{full}", type = "{fitting}", meaning = "…"; declared are: {known}'
        )
    if len(found) > 1:
        raise AttributeRefused(f"attribute {name!r} is ambiguous: {' or '.join(found)}; give the full name")
    attribute = declared[found[0]]
    if attribute.type == "double" and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not _IS[attribute.type](value):
        raise AttributeRefused(
            f"attribute {attribute.name} is declared as {attribute.type}, "
            f"but the value is {type(value).__name__} {value!r:.80}"
        )
    return attribute.name, cast("Value", value)
