"""Decide a gate by its check: `evaluate` gives a verdict, whatever the documents hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..plan.attributes import Attribute, registry
from ..plan.checks import CheckPlan
from . import drift, files, json_schema, program, reports, sets, values
from .documents import Adapter, Documents, Given, Recall, Runner
from .paths import Folder
from .verdict import PASSED, CheckFailed, Verdict, failure

_DECIDES: Mapping[str, Callable[[CheckPlan, Given], Verdict | None]] = {
    "exists": files.exists,
    "sha256": files.digest,
    "schema": json_schema.validate,
    "query": values.query,
    "same": sets.compare,
    "subset": sets.compare,
    "junit": reports.junit,
    "dbt": reports.dbt,
    "gate_results": reports.gate_results,
    "report": reports.other,
    "run": program.run,
    "drift": drift.hold,
}
"""Kind → what decides it: it raises `CheckFailed`; a verdict is one that passed and has something to say."""


def evaluate(
    check: CheckPlan,
    folder: Path,
    *,
    began: int | None = None,
    declared: Mapping[str, Attribute] | None = None,
    run: Runner | None = None,
    adapter: Adapter | None = None,
    recall: Recall = lambda _name: None,
    instead: Mapping[str, Any] | None = None,
) -> Verdict:
    """The verdict on a check. It never raises on account of a document, a file or a program.

    Args:
        check: what the plan states.
        folder: the plan's folder, to which all paths are relative.
        began: when the phase's program began, in nanoseconds since the epoch: a report must be newer, if there is one.
        declared: the attributes that may be recorded, such as `Plan.known_attributes`.
        run: runs the program of ``run = …``.
        adapter: reads reports of other formats, see the hook ``pytest_contextcore_report``.
        recall: what an attribute is, and was in earlier runs.
        instead: a file's name → a document that is taken instead of what the file holds.
    """
    try:
        documents = Documents(Folder(folder), instead or {})
        given = Given(documents, began, registry() if declared is None else declared, run, adapter, recall)
        return _DECIDES[check.kind](check, given) or PASSED
    except CheckFailed as failed:
        return failed.verdict
    except (OSError, RecursionError, MemoryError) as error:  # a file that vanished meanwhile, a document beyond limits
        said = f"observed an error ({type(error).__name__}: {error!s:.200}), expected a check that can be decided"
        return failure("undecided", check.kind, said).verdict
