"""Proves drift gates: other values than the one that was recorded are held against an earlier run with that one."""

from __future__ import annotations

from pathlib import Path

from ..checks.documents import Documents, Given
from ..checks.evaluate import evaluate
from ..checks.paths import Folder
from ..plan.checks import CheckPlan
from ..trace.evidence import Evidence, Result
from ..trace.recorded import Recorded, recorded
from .result import Proof

_FAR = 10**12


def prove_drift(check: CheckPlan, span_id: str, run: Evidence) -> tuple[Proof, str, str]:
    """Whether a phase's drift gate can fail, by a run in which it passed; with the last value tried, and why not.

    No file is changed, since another phase may have recorded the value.
    """
    name = check.drift or ""
    value, said = recorded(name, span_id, run, ()).now, ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Proof.ERROR, "", f"{name}: no number was recorded"
    for other in (round(value - 1, 9), round(value + 1, 9), value - _FAR, value + _FAR):
        said, recall = f"{name}: {value} → {other}", Recorded(other, [value])
        given = Given(Documents(Folder(Path())), recall=lambda _name, recall=recall: recall)  # type: ignore[misc]
        verdict = evaluate(check, given)
        if verdict.result is Result.FAIL:
            return Proof.PROVEN, said, verdict.reason
    return Proof.CANNOT_FAIL, said, "it passes however far the value is off"
