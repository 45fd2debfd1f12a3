"""The rule of resume: which phases of the last evidence still hold (contract 2)."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from ..errors import EvidenceError
from ..plan.model import Plan
from .evidence import SCHEMA_VERSION, Evidence, Result, SpanEvidence, Status
from .file import is_unaltered

MAX_EVIDENCE_BYTES = 256 * 1024 * 1024


def load_evidence(path: Path, *, unaltered: bool = False) -> Evidence:
    """Read an evidence file; with ``unaltered`` only one that stands there itself, with the bytes that a run wrote.

    Raises:
        EvidenceError: it is absent, damaged, of another schema version, or altered; or a link, or no file at all.
    """
    try:
        if unaltered and not stat.S_ISREG(path.lstat().st_mode):
            raise EvidenceError(f"evidence {path}: it is no regular file; put the file itself there")
        if path.stat().st_size > MAX_EVIDENCE_BYTES:
            raise EvidenceError(f"evidence {path}: larger than {MAX_EVIDENCE_BYTES} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise EvidenceError(f"evidence {path}: cannot be read: {error.strerror or error}") from error
    try:
        evidence = Evidence.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        expected = f" (expected {SCHEMA_VERSION})" if key == "schema_version" else ""
        raise EvidenceError(f"evidence {path}: {key or 'document'}: {first['msg']}{expected}") from error
    if unaltered and not is_unaltered(data):
        raise EvidenceError(
            f"evidence {path}: it was changed after a run wrote it (its seal does not fit); "
            "restore the file as it was written"
        )
    return evidence


def fingerprint(plan: Plan, phase_id: str, *, source: str, options: Mapping[str, object], workspace: str | None) -> str:
    """SHA-256 (hex) over what a phase's result depends on besides its inputs: its test's source, its entry in the plan,
    the options that it reads, and the workspace's path. Both of the latter as ``places.portable`` gives them.
    """
    read = {name: options.get(name) for name in plan.by_id[phase_id].options}
    parts = [plan.phase_digest(phase_id), source, json.dumps(read, sort_keys=True, default=str), workspace or ""]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class Proof(NamedTuple):
    """What the last evidence proves for a run: phase id → its evidence there, or why it may not be reused.

    ``last`` is None where there is no evidence that can be used; ``refused`` then says why, for every phase.
    """

    last: Evidence | None
    proven: Mapping[str, SpanEvidence]
    refused: Mapping[str, str]


def not_reusable(
    plan: Plan,
    last: Evidence,
    running: Collection[str],
    fingerprints: Mapping[str, str],
    digest: Callable[[str], str | None],
    *,
    lost: Callable[[SpanEvidence], str | None] = lambda _span: None,
) -> dict[str, str]:
    """Phase id → why it may not be reused; a phase that is absent here may be.

    ``running`` are the phases that run now, so that nothing after them may be reused. ``digest`` gives the SHA-256 of
    an input by its recorded path, or None where it cannot be read; ``lost`` names a handoff of a phase that nobody can
    receive any more.
    """
    refused: dict[str, str] = {}
    spans = {span.span_id: span for span in last.spans}
    earlier = ""
    for phase in plan.phases:
        span = spans.get(plan.span_id(phase.id))
        if earlier:
            why: str | None = earlier
        elif phase.id in running:
            why = "it runs now"
        else:
            why = _changed(span, fingerprints.get(phase.id), digest)
            if not why and span is not None and (name := lost(span)):
                why = f"its handoff {name} is not in the file of handoffs, and phases after it may need it"
        if why:
            refused[phase.id] = why
            earlier = earlier or f"{phase.id}, a phase before it, may not be reused: {why}"
    return refused


def _changed(span: SpanEvidence | None, expected: str | None, digest: Callable[[str], str | None]) -> str | None:
    """Why the last evidence does not prove a phase, or None if it does."""
    if span is None:
        return "the last evidence does not have it"
    if span.status is not Status.COMPLETED:
        return f"the last evidence says {span.status}"
    if any(gate.result is Result.WAIVED for gate in span.gates):
        return "a gate of it was waived, and waivers are judged anew"
    if span.fingerprint != expected or expected is None:
        return "its test, its entry in the plan, its options or the workspace's path changed"
    changed = next((item.path for item in span.inputs if digest(item.path) != item.sha256), None)
    return f"its input {changed} changed" if changed else None
