"""The faults of `faults.yaml`: rows of edits (`edits.py`), each with what must come of it.

`also` names later gates that must see the fault, too; `says` is a part of what the findings tell people. Most faults
are sealed: after the edit every digest is recorded again, so that no checksum gives the fault away and the rule itself
must.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .edits import CHOICE, edit
from .files import Files, load

BEFORE_DIGESTS = ("S1-G2", "S2-G1", "S2-C1", "S2-G2", "S3-C1")  # no gate up to these compares any


@dataclass(frozen=True)
class Fault:
    """What is done to which variant, and what must come of it. Of alternatives only the first is no `variation`."""

    id: str
    gate: str
    type: str
    edits: Mapping[str, Any]
    variant: str
    sealed: bool
    variation: bool
    also: tuple[str, ...] = ()
    says: str = ""

    def apply(self, root: Path) -> None:
        """Make the fault in this workspace."""
        files = Files(root)
        for place, value in self.edits.items():
            edit(files, place, value)
        if self.sealed and self.gate not in BEFORE_DIGESTS:
            files.seal()


def alternatives(value: Any) -> list[Any]:
    """All that a value with `$any` in it may be."""
    if isinstance(value, dict) and "$any" in value:
        return [one for item in value["$any"] for one in alternatives(item)]
    if isinstance(value, dict):
        parts = itertools.product(*map(alternatives, value.values()))
        return [dict(zip(value, part, strict=True)) for part in parts]
    return [list(part) for part in itertools.product(*map(alternatives, value))] if isinstance(value, list) else [value]


def placed(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The row for each place of a choice `(a|b)`; `+` repeats what was chosen."""
    found = next(filter(None, map(CHOICE.search, row)), None)
    for chosen in found[1].split("|") if found else [""]:
        yield {re.sub(r"^\+", chosen, CHOICE.sub(chosen, place)): value for place, value in row.items()}


def listed(rows: Any) -> list[dict[str, Any]]:
    """A type's rows; one alone needs no list."""
    return rows if isinstance(rows, list) else [rows]


def read() -> Iterator[Fault]:
    """Each row of the table, with its alternatives."""
    for gate, types in load(Path(__file__).with_name("faults.yaml")).items():
        rows = ((head.split(), row) for head, rows in types.items() for row in listed(rows))
        for number, ((type_, *words), row) in enumerate(rows, 1):
            sealed, variants = "unsealed" not in words, [word for word in words if word != "unsealed"] or ["embedded"]
            also, says = tuple(row.pop("also", ())), row.pop("says", "")
            choices = [edits for found in placed(row) for edits in alternatives(found)]
            for index, (variant, edits) in enumerate(itertools.product(variants[0].split("|"), choices)):
                name = f"{gate}.{number:02}{chr(97 + index) if len(choices) > 1 or '|' in variants[0] else ''}"
                yield Fault(name, gate, type_, edits, variant, sealed, index > 0, also, says)


FAULTS = tuple(read())
