"""``junit``, ``dbt``, ``gate_results`` and ``report``: reports of other tools, each failure a finding."""

from __future__ import annotations

import glob
from typing import Any

from ..errors import ContextcoreError, Malformed, shown
from ..plan.checks import CheckPlan, reference
from ..text import cut
from ..trace.evidence import EvidenceItem
from .documents import Given
from .junit import failed_tests
from .verdict import failure, finding, several

_DBT_GOOD = frozenset({"success", "pass", "warn", "no-op"})
_GATE_GOOD = frozenset({"pass", "waived", "not_applicable"})


def junit(check: CheckPlan, given: Given) -> None:
    """Raise `CheckFailed` unless the JUnit files have test cases, and none of them failed."""
    pattern, cases, failures = check.junit or "", 0, list[EvidenceItem]()
    for file in _files(pattern, check, given):
        try:
            number, failed = failed_tests(given.documents.folder.read(file), file)
        except Malformed as error:
            said = f"{error.message}: observed {error.observed}, expected {error.expected}"
            raise failure("unreadable_report", file, said) from None
        cases += number
        failures += failed
    _conclude(pattern, "tests", cases, failures)


def dbt(check: CheckPlan, given: Given) -> None:
    """Raise `CheckFailed` unless dbt ran something, and every node of it is as it should be."""
    pattern, nodes, failures = check.dbt or "", 0, list[EvidenceItem]()
    for file in _files(pattern, check, given):
        document = given.documents.whole(file)
        results = document.get("results") if isinstance(document, dict) else None
        if not isinstance(results, list):
            raise failure(
                "unreadable_report", file, f"results: observed {shown(results)}, expected a list, as dbt writes"
            )
        for index, result in enumerate(results):
            node = result if isinstance(result, dict) else {}
            nodes += 1
            if node.get("status") not in _DBT_GOOD:
                name = _word(node.get("unique_id", f"results[{index}]"))
                more = f" ({_word(node['message'])})" if node.get("message") else ""
                said = f"{name}: observed {_word(node.get('status'))}{more}, expected success, pass or warn"
                failures.append(finding("failed_node", name, file, said))
    _conclude(pattern, "nodes", nodes, failures)


def gate_results(check: CheckPlan, given: Given) -> None:
    """Raise `CheckFailed` unless there are GateResult documents, and each of them passed."""
    source = check.gate_results or ""
    at = reference(source)
    given.documents.folder.inside(at.file)
    _files(glob.escape(at.file), check, given)
    found = given.documents.required(source)
    results = found if isinstance(found, list) else [found]
    failures = []
    for index, result in enumerate(results):
        gate = result if isinstance(result, dict) else {}
        name, verdict = gate.get("gate_id"), gate.get("result")
        if not isinstance(name, str) or not isinstance(verdict, str):
            said = f"[{index}]: observed {shown(result)}, expected a GateResult with gate_id and result"
            raise failure("unreadable_report", at.file, said, at)
        if verdict not in _GATE_GOOD:
            more = f" ({_word(gate['reason'])})" if gate.get("reason") else ""
            said = f"{_word(name)}: observed {_word(verdict)}{more}, expected pass"
            failures.append(finding("failed_gate", name, at.file, said))
    _conclude(str(at), "gates", len(results), failures)


def other(check: CheckPlan, given: Given) -> None:
    """Raise `CheckFailed` unless a plugin reads the reports' format, and finds no failure in them."""
    pattern, name, failures = check.report or "", check.format or "", list[EvidenceItem]()
    folder = given.documents.folder
    for file in _files(pattern, check, given):
        try:
            found = given.adapter(name, folder.inside(file)) if given.adapter else None
            failures += [finding(item.type, item.ref, item.file, item.description) for item in found or ()]
        except ContextcoreError:
            raise
        except Exception as error:  # noqa: BLE001  (a plugin's code, on an untrusted file)
            said = f"observed an error of the plugin ({type(error).__name__}: {error!s:.200}), expected a {name} report"
            raise failure("unreadable_report", file, said) from None
        if found is None:
            said = f"observed no plugin that reads the format {name!r}, expected one (hook pytest_contextcore_report)"
            raise failure("unknown_format", file, said)
    _conclude(pattern, "", 0, failures)


def _files(pattern: str, check: CheckPlan, given: Given) -> list[str]:
    """The files of the report: at least one, each written since the phase's program began, unless they are kept."""
    return given.documents.folder.report(pattern, None if check.kept else given.began)


def _conclude(about: str, what: str, counted: int, failures: list[EvidenceItem]) -> None:
    if what and not counted and not failures:
        raise failure("empty_report", about, f"observed no {what}, expected some")
    if failures:
        of = f" of {counted} {what}" if what else " failures"
        reason = f"{about}: observed {len(failures)}{of}{' failed' if what else ''}, expected none"
        raise several(reason, failures)


def _word(value: Any) -> str:
    """A text of a report, on one line."""
    return cut(" ".join(value.split()), 300) if isinstance(value, str) else shown(value)
