"""A typed cursor over untrusted data. An error names the file, the place, the type found and the one expected."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from .findings import Finding, Unreadable, shown

MISSING: Final = type("Missing", (), {"__repr__": lambda self: "nothing"})()

_MAX_NUMBER = 1e15  # beyond it a float no longer counts ones; no count, size or score comes near


def kind(value: object) -> str:
    """Name a value's JSON type."""
    if value is MISSING:
        return "nothing"
    if isinstance(value, bool):
        return "a boolean"
    names: tuple[tuple[type, str], ...] = (
        (str, "a string"),
        (int, "an integer"),
        (float, "a number"),
        (dict, "an object"),
        (list, "a list"),
    )
    return next((name for cls, name in names if isinstance(value, cls)), "null")


@dataclass(frozen=True, slots=True)
class Node:
    """A value in a document, with the path to it (`$.coverage.gaps[2]`)."""

    file: str
    value: Any
    at: str = "$"

    def wrong(self, expected: str) -> Unreadable:
        """Build the exception that says what is here instead."""
        plain = isinstance(self.value, int | float | str)
        seen = f"{kind(self.value)}, {shown(self.value)}" if plain else kind(self.value)
        missing = self.value is MISSING
        message = f"{self.at} is missing" if missing else f"{self.at} has the wrong type or value"
        kind_of = "missing_key" if missing else "wrong_type"
        return Unreadable(Finding(self.file, message, seen, expected, kind_of, self.at))

    @property
    def given(self) -> bool:
        """Whether there is a value: neither absent nor null."""
        return self.value is not MISSING and self.value is not None

    def get(self, *keys: str) -> Node:
        """Go down by keys; each step must be an object, the last may lack the key."""
        node = self
        for key in keys:
            node = Node(node.file, node.object().get(key, MISSING), f"{node.at}.{key}")
        return node

    def find(self, *keys: str) -> Node:
        """Go down by keys like `get`, but an absent or null step on the way gives an absent value."""
        node = self
        for key in keys:
            if not node.given:
                return Node(self.file, MISSING, ".".join((self.at, *keys)))
            node = node.get(key)
        return node

    def object(self) -> dict[Any, Any]:
        """Require an object."""
        if not isinstance(self.value, dict):
            raise self.wrong("an object")
        return self.value

    def entries(self) -> Iterator[tuple[str, Node]]:
        """Walk an object whose keys are all strings."""
        for key, value in self.object().items():
            if not isinstance(key, str):
                raise Node(self.file, key, f"{self.at} (key)").wrong("a string as key")
            yield key, Node(self.file, value, f"{self.at}.{key}")

    def items(self) -> Iterator[Node]:
        """Walk a list."""
        if not isinstance(self.value, list):
            raise self.wrong("a list")
        for index, value in enumerate(self.value):
            yield Node(self.file, value, f"{self.at}[{index}]")

    def text(self) -> str:
        """Require a string."""
        if not isinstance(self.value, str):
            raise self.wrong("a string")
        return self.value

    def name(self) -> str:
        """Require a string that says something."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.wrong("a non-empty string")
        return self.value

    def texts(self) -> list[str]:
        """Require a list of non-empty strings."""
        return [item.name() for item in self.items()]

    def flag(self) -> bool:
        """Require a boolean."""
        if not isinstance(self.value, bool):
            raise self.wrong("a boolean")
        return self.value

    def count(self) -> int:
        """Require a whole number of things: an integer, not a boolean, not negative."""
        if isinstance(self.value, bool) or not isinstance(self.value, int) or not 0 <= self.value < _MAX_NUMBER:
            raise self.wrong("a whole number, 0 or more")
        return self.value

    def number(self) -> float:
        """Require a finite number, not a boolean."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self.wrong("a number")
        if not -_MAX_NUMBER < self.value < _MAX_NUMBER or not math.isfinite(self.value):
            raise self.wrong("a finite number")
        return float(self.value)
