"""Is a file as its schema says, and do its parts agree? For ``contextcore contract a2a-validate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import PlanError
from ..ids import PLAN_FILE
from ..plan.model import load_plan
from ..plan.waivers import load_waivers
from ..schemas import KINDS, file_name, schema
from ..schemas.check import Fault, faults, shown
from ..trace.evidence import Evidence

SCHEMAS = {kind: file_name(kind) for kind in KINDS}
"""Kind of file → name of the schema that it is held to."""


def check_document(kind: str, document: Any, path: Path) -> list[Fault]:
    """Every fault of a document: by its schema, then, if that finds none, by the rules that a schema cannot say.

    A plan is read again from its file; waivers are held against the plan beside them, if there is one.
    """
    return list(faults(schema(kind), document)) or _broken_rules(kind, document, path)


def _broken_rules(kind: str, document: Any, path: Path) -> list[Fault]:
    """The rules that a document breaks.

    A plan is read again from its file; waivers are held against the plan beside them, if there is one.
    """
    if kind == "evidence":
        return _evidence(document)
    try:
        if kind == "plan":
            load_plan(path)
        elif (path.parent / PLAN_FILE).exists():
            load_waivers(load_plan(path.parent / PLAN_FILE), path=path)
    except PlanError as error:
        observed = str(error).removeprefix(f"{kind} {path}: ")
        return [Fault("", observed, f"{kind} whose parts fit together", "correct what is named")]
    return []


def _evidence(document: Any) -> list[Fault]:
    try:
        evidence = Evidence.model_validate(document)
    except ValidationError as error:
        return [
            Fault(place(found["loc"]), shown(found["input"]), found["msg"].removeprefix("Value error, "), "")
            for found in error.errors(include_url=False)
        ]
    stated = evidence.summary.model_dump(mode="json")
    evidence.recount()
    counted = evidence.summary.model_dump(mode="json")
    return [
        Fault(f"summary.{part}.{name}", str(stated[part][name]), f"{number}, as in spans", "")
        for part in counted
        for name, number in counted[part].items()
        if stated[part][name] != number
    ]


def place(location: tuple[int | str, ...]) -> str:
    """A place in a document: ``spans[3].gates[0].result``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")
