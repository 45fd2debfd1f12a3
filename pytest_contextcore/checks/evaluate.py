"""Decide a gate by its check: `evaluate` gives a verdict, whatever the documents hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..plan.checks import CheckPlan
from . import drift, files, json_schema, program, reports, sets, values
from .documents import Given
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


def evaluate(check: CheckPlan, given: Given) -> Verdict:
    """The verdict on a check. It never raises on account of a document, a file or a program."""
    try:
        return _DECIDES[check.kind](check, given) or PASSED
    except CheckFailed as failed:
        return failed.verdict
    except (OSError, RecursionError, MemoryError) as error:  # a file that vanished meanwhile, a document beyond limits
        said = f"observed an error ({type(error).__name__}: {error!s:.200}), expected a check that can be decided"
        return failure("undecided", check.kind, said).verdict
