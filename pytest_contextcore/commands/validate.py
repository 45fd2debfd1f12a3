"""What is wrong with a file, by its kind: ``contextcore contract a2a-validate``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import Fault, PlanError
from ..ids import PLAN_FILE
from ..plan.model import load_plan
from ..plan.waivers import read_waivers
from ..schemas import CONTRACTS, KINDS, file_name, schema
from ..schemas.check import faults, of_model
from ..trace.evidence import Evidence

SCHEMAS = {kind: file_name(kind) for kind in KINDS}
"""Kind of file → name of the schema that describes it."""


def check_document(kind: str, document: Any, path: Path) -> list[Fault]:
    """Every fault of a document; plan and waivers are read again from ``path``, as a run reads them.

    Of the documents of programs, such as GateResult, it may also be a list.
    """
    if kind in CONTRACTS:
        return _of_contracts(kind, document)
    if kind == "evidence":
        return faults(schema(kind), document) or _broken_rules(document)
    try:
        if kind == "plan":
            load_plan(path)
        else:
            beside = path.parent / PLAN_FILE
            read_waivers(path, load_plan(beside) if beside.exists() else None)
    except PlanError as error:
        problem = str(error).removeprefix(f"{kind} {path}: ")
        return list(error.faults) or [Fault("", problem, f"a {kind} file that can be read", "correct the file")]
    return []


def _of_contracts(kind: str, document: Any) -> list[Fault]:
    if not isinstance(document, list):
        return faults(schema(kind), document)
    if not document:
        return [Fault("", "an empty list", f"a {kind}, or a list of them", "write at least one")]
    return [
        replace(fault, path=f"[{index}]{'.' if fault.path else ''}{fault.path}")
        for index, each in enumerate(document)
        for fault in faults(schema(kind), each)
    ]


def _broken_rules(document: Any) -> list[Fault]:
    try:
        evidence = Evidence.model_validate(document)
    except ValidationError as error:
        return of_model(error, document)
    stated = evidence.summary.model_dump(mode="json")
    evidence.recount()
    counted = evidence.summary.model_dump(mode="json")
    return [
        Fault(f"summary.{part}.{name}", str(stated[part][name]), f"{number}, as in spans", "")
        for part in counted
        for name, number in counted[part].items()
        if stated[part][name] != number
    ]
