"""``exists``, ``sha256`` and ``outputs``: files are there, have the expected bytes, and were written by the program."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from ..plan.checks import HEX, AttachPlan, CheckPlan, DigestPlan, OutputPlan, output_plan
from ..trace.evidence import EvidenceItem
from .documents import Given
from .paths import Folder
from .verdict import MAX_FINDINGS, PASSED, CheckFailed, Verdict, failure, finding, several


def exists(check: CheckPlan, given: Given) -> None:
    """Raise `CheckFailed` unless as many files match the glob as the check says."""
    pattern, folder = check.exists or "", given.documents.folder
    files = [folder.shown(path) for path in folder.matches(pattern)]
    least = check.count if check.count is not None else 1 if check.min is None and check.max is None else check.min or 0
    most = check.count if check.count is not None else check.max
    if len(files) >= least and (most is None or len(files) <= most):
        return
    if check.count is not None:
        expected = f"exactly {check.count}"
    else:
        expected = " and ".join([f"at least {least}"] * (least > 0) + [f"at most {most}"] * (most is not None))
    said = f"observed {len(files)} files, expected {expected}"
    if not files:
        raise failure("missing_file", pattern, said)
    found = [finding("matching_file", name, name, f"matches {pattern}") for name in files[:MAX_FINDINGS]]
    raise CheckFailed(f"{pattern}: {said}", found)


def digest(check: CheckPlan, given: Given) -> None:
    """Raise `CheckFailed` unless the file's bytes have the digest that the plan or another document states."""
    plan, documents = cast("DigestPlan", check.sha256), given.documents
    stated, source = plan.is_, ""
    if HEX.fullmatch(stated) is None:
        source = f" (stated in {stated})"
        value = documents.required(stated)
        if not isinstance(value, str) or HEX.fullmatch(value) is None:
            said = f"{stated}: observed {value!r:.80}, expected a SHA-256 of 64 hex digits"
            raise failure("no_digest", stated.partition("#")[0], said, stated)
        stated = value
    expected = stated.removeprefix("sha256:").lower()
    observed = documents.folder.digest(plan.file)
    if observed != expected:
        said = f"observed sha256 {observed}, expected {expected}{source}"
        raise failure("digest_mismatch", plan.file, said)


def attached(plan: AttachPlan, folder: Path, began: int | None) -> list[Path]:
    """The files that a phase shows, or `CheckFailed`: there is none, or one is older than the phase's program."""
    home = Folder(folder)
    files = home.matches(plan.path)
    if not files:
        raise failure("missing_attachment", plan.path, "observed no file, expected one to show")
    home.refuse_stale(files, None if plan.kept else began)
    return files


def check_outputs(outputs: tuple[str | OutputPlan, ...], folder: Path, began: int | None) -> Verdict:
    """Whether a phase's outputs are there and were written since its program began (nanoseconds since the epoch).

    It is a verdict on the phase and not on a gate of it. Without ``began`` the outputs only have to be there.
    """
    home, findings = Folder(folder), list[EvidenceItem]()
    for output in outputs:
        plan = output_plan(output)
        try:
            _check_output(plan, home, began)
        except CheckFailed as failed:
            findings += failed.verdict.findings
    if not findings:
        return PASSED
    return several(f"{len(findings)} outputs are missing or were not written", findings).verdict


def _check_output(plan: OutputPlan, home: Folder, began: int | None) -> None:
    folder = home.path / plan.path
    found = [folder] if folder.is_dir() and home.inside(plan.path) else home.matches(plan.path)
    if not found:
        raise failure("missing_output", plan.path, "observed no file, expected one that the program makes")
    home.refuse_stale(found, None if plan.kept else began)
