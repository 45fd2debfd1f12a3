"""Proves gates that the plan decides: their checks are evaluated on the phase's files, with one mutation at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..checks.documents import Documents, Ended, Given
from ..checks.evaluate import evaluate
from ..checks.paths import Folder
from ..checks.verdict import PASSED, CheckFailed, Verdict
from ..errors import ProofRefused
from ..plan.model import GatePlan, Plan
from ..redact import redact
from ..trace.evidence import Result
from .derive import Trial, derived, expressions
from .mutate import mutate
from .result import Proof
from .sessions import environment

_REFUSALS = frozenset({
    *("nothing_selected", "empty_side", "empty_report", "value", "no_digest", "invalid_schema", "expression"),
    *("missing_file", "outside_file", "too_many_files", "huge_document"),
    *("unreadable_file", "unreadable_document", "unreadable_report"),
})  # fmt: skip
"""Types of findings of a check that had nothing to decide by."""

_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Copy:
    """A phase's files as they were when its gates began.

    Attributes:
        folder: the plan's folder in the copy.
        files: where files of mutations that the plan names stand: the workspace, or the plan's folder.
        restore: puts the files back.
    """

    folder: Path
    files: Path
    restore: Callable[[], None]


def prove_check(plan: Plan, gate: GatePlan, place: Copy) -> tuple[Proof, str, str]:
    """Whether a gate with a check can fail; with the mutation that was tried last, and why not.

    Raises:
        ProofRefused: the plan names a mutation that changes nothing.
    """
    place.restore()
    before = _verdict(plan, gate, Documents(Folder(place.folder)))
    if before.result is Result.FAIL:
        return Proof.ERROR, "", redact(f"it fails on the files as they were: {before.reason}")
    if gate.prove is not None:
        path = place.files / (gate.prove.file or "")
        if not path.resolve().is_relative_to(place.files.resolve()):
            raise ProofRefused(f"{gate.prove}: it is not inside of the copy")
        mutate(gate.prove, path)
        documents = Documents(Folder(place.folder))
        after = _verdict(plan, gate, documents)
        refused = _refuses(gate, documents, after)
        place.restore()
        if refused:
            why = f"it leaves the check nothing to decide by, which says nothing of the rest: {after.reason}"
            return Proof.ERROR, redact(str(gate.prove)), redact(why)
        return _judged(str(gate.prove), after)
    found = (Proof.UNPROVEN, "", "no mutation is derived from its check, and the plan names none")
    for trial in derived(gate.check, place.folder / plan.path.name) if gate.check else ():
        found = _judged(trial.said, _tried(plan, gate, place, trial))
        if found[0] is Proof.PROVEN:
            return found
    if found[0] is Proof.CANNOT_FAIL:
        return Proof.CANNOT_FAIL, found[1], "it passes whatever is changed in what its check looks at"
    return found


def _tried(plan: Plan, gate: GatePlan, place: Copy, trial: Trial) -> Verdict:
    """The verdict with a derived mutation. One that leaves nothing to decide by says nothing, as if it had passed."""
    try:
        if trial.act is not None:
            trial.act()
        documents = Documents(Folder(place.folder), trial.instead)
        verdict = _verdict(plan, gate, documents)
        return PASSED if _refuses(gate, documents, verdict) else verdict
    finally:
        if trial.act is not None:
            place.restore()


def _refuses(gate: GatePlan, documents: Documents, verdict: Verdict) -> bool:
    """Whether a check failed since there was nothing to decide by: an operand was refused, or a file cannot be read.

    That a file is missing is what ``exists`` decides.
    """
    try:
        for source in expressions(gate.check) if gate.check else ():
            documents.ask(source)
    except CheckFailed:
        return True
    decides = {"missing_file"} if gate.check and gate.check.exists else set()
    return verdict.result is Result.FAIL and {item.type for item in verdict.findings} <= _REFUSALS - decides


def _judged(said: str, verdict: Verdict) -> tuple[Proof, str, str]:
    if verdict.result is Result.FAIL:
        return Proof.PROVEN, redact(said), redact(verdict.reason)
    return Proof.CANNOT_FAIL, redact(said), "it passes with this mutation"


def _verdict(plan: Plan, gate: GatePlan, documents: Documents) -> Verdict:
    def run(command: tuple[str, ...]) -> Ended:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        env = {**environment(()), "PATH": path}
        done = subprocess.run(
            command, cwd=documents.folder.path, env=env, capture_output=True, check=False, timeout=_SECONDS
        )
        return Ended(done.returncode)

    if gate.check is None:
        raise ProofRefused(f"gate {gate.id} has no check")
    return evaluate(gate.check, Given(documents, declared=plan.known_attributes, run=run))
