"""Evidence as an in-toto Statement with the predicate test-result v0.1. Pure.

https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ..plan.model import Kind
from ..trace.evidence import Evidence, GateEvidence, Result, Status
from .difference import Difference, said

TYPE = "https://in-toto.io/Statement/v1"
PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"
PASSED, WARNED, FAILED = "PASSED", "WARNED", "FAILED"
_LISTS = {PASSED: "passedTests", WARNED: "warnedTests", FAILED: "failedTests"}
_GOOD = (Result.PASS, Result.NOT_APPLICABLE)
_REFUSED = "do not use it: make a new attestation of evidence that holds, with contextcore attest"


class Named(NamedTuple):
    """A file: its name in a statement, and its SHA-256."""

    name: str
    sha256: str


def statement(evidence: Evidence, file: Named, plan: Named, is_file: Callable[[str], bool]) -> dict[str, Any]:
    """The Statement of evidence that stands in ``file``, of the plan in ``plan``.

    Its subjects are the evidence file and the outputs. The digest of a folder or glob is a ``dirHash``. Gates are the
    tests; a phase without gates is one itself. ``is_file``: whether a recorded path is a file's.
    """
    outputs = {item.path: item.sha256 for span in evidence.spans for item in span.outputs}
    tests = dict(_tests(evidence))
    results = {*tests.values(), PASSED if evidence.status is Status.COMPLETED else FAILED}
    return {
        "_type": TYPE,
        "subject": [
            {"name": file.name, "digest": {"sha256": file.sha256}},
            *(
                {"name": path, "digest": {"sha256" if is_file(path) else "dirHash": digest}}
                for path, digest in sorted(outputs.items())
            ),
        ],
        "predicateType": PREDICATE,
        "predicate": {
            "result": next(word for word in (FAILED, WARNED, PASSED) if word in results),
            "configuration": [
                {"name": evidence.trace_id, "digest": {"sha256": evidence.plan_digest}},
                {"name": plan.name, "digest": {"sha256": plan.sha256}},
            ],
            **{key: [name for name, result in tests.items() if result == word] for word, key in _LISTS.items()},
        },
    }


def _tests(evidence: Evidence) -> Iterator[tuple[str, str]]:
    for span in evidence.spans:
        yield from ((gate.gate_id, _of_gate(gate)) for gate in span.gates)
        if not span.gates:
            yield span.span_id, PASSED if span.status is Status.COMPLETED else FAILED


def _of_gate(gate: GateEvidence) -> str:
    if gate.result in _GOOD:
        return PASSED
    warned = gate.result is Result.WAIVED or (gate.result is Result.FAIL and gate.kind is Kind.ADVISORY)
    return WARNED if warned else FAILED


def misfits(found: object, expected: Mapping[str, Any]) -> Iterator[Difference]:
    """Everything in which a statement is not the expected one."""
    predicate = found.get("predicate") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(predicate, dict):
        yield Difference("the attestation", "no statement with a predicate", "an in-toto Statement", _REFUSED)
        return
    for key in sorted({*found, *expected} - {"subject", "predicate"}):
        yield from _compared(key, found.get(key), expected.get(key))
    yield from _compared_lists("subject", found.get("subject"), expected["subject"])
    for key in sorted({*predicate, *expected["predicate"]}):
        given, wanted = predicate.get(key), expected["predicate"].get(key)
        compare = _compared_lists if isinstance(wanted, list) else _compared
        yield from compare(f"predicate.{key}", given, wanted)


def _compared(key: str, given: object, wanted: object) -> Iterator[Difference]:
    if given != wanted:
        yield Difference(f"the attestation: {key}", said(given), said(wanted), _REFUSED)


def _compared_lists(key: str, given: object, wanted: Any) -> Iterator[Difference]:
    """Each entry that is missing or too many, so that one of thousands is seen."""
    if given == wanted:
        return
    if not isinstance(given, list):
        yield from _compared(key, given, wanted)
        return
    missing, added = [each for each in wanted if each not in given], [each for each in given if each not in wanted]
    for entry in missing:
        yield Difference(f"the attestation: {key}", f"lacks {said(entry)}", "all that the evidence has", _REFUSED)
    for entry in added:
        yield Difference(f"the attestation: {key}", f"has {said(entry)}", "only what the evidence has", _REFUSED)
    if not missing and not added:
        yield Difference(f"the attestation: {key}", "another order, or an entry twice", "as in the evidence", _REFUSED)
