"""A diagnosis as text for people and as JSON for programs; built by pure functions."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pytest_contextcore import load_plan

from .checks import Outcome, Threshold, Verdict
from .commands import PLAN_FILE, suite_folder, write
from .findings import Finding, clean
from .questions import Answer, Diagnosis, Question, Reply, ask, counted
from .target import PARTS, Target

WIDTH = 80
VERSION = "v1"  # of the JSON document
SHOWN = 3  # findings of a gate that the text shows; the JSON document has them all
_PATH = 4096
_DEFAULT = ", the default: less only warns (see --min-coverage)"

_MARKS = {
    Outcome.PASS: "pass",
    Outcome.FAIL: "FAIL",
    Outcome.WARNING: "warning",
    Outcome.NOT_APPLICABLE: "n/a",
}
_REPLIES = {Reply.YES: "yes", Reply.NO: "NO", Reply.NOT_ASKED: "not asked"}


def deliver(
    name: str, target: Target, threshold: Threshold, questions: Sequence[Question], *,
    form: str, report: str | None, ids: Mapping[str, str | None],
) -> int:  # fmt: skip
    """Ask, print as `form` says, write the report; the exit code is 0 if healthy, 1 if not.

    The ids, `task_id` and `trace_id`, are the caller's: they say what the gates belong to.

    Raises:
        click.UsageError: the report cannot be written.
    """
    diagnosis = ask(load_plan(suite_folder() / PLAN_FILE), target, threshold, questions)
    written = json.dumps(document(name, diagnosis, ids), indent=2)
    print(written if form == "json" else "\n".join(text(diagnosis, ids)))
    if report is not None:
        write("--report", report, f"{written}\n".encode())
    return 0 if diagnosis.healthy else 1


# -- JSON ------------------------------------------------------------------------------------------------------------
def document(name: str, diagnosis: Diagnosis, ids: Mapping[str, str | None]) -> dict[str, Any]:
    """Give the diagnosis as a JSON document."""
    target, start = diagnosis.target, diagnosis.start_at
    return {
        "schema_version": VERSION,
        "command": name,
        **{each: None if value is None else clean(value) for each, value in ids.items()},
        "export_dir": _path(target.export),
        "source": _path(target.source),
        **{f"{part}_dir": _path(target.folders[part]) for part in PARTS},
        "healthy": diagnosis.healthy,
        "threshold": diagnosis.threshold.percent,
        "threshold_binds": diagnosis.threshold.asked,
        "threshold_read_as": ("fraction" if diagnosis.threshold.fraction else "percent")
        if diagnosis.threshold.asked
        else None,
        "questions": [
            {
                "id": answer.question.id,
                "question": answer.question.text,
                "answer": answer.reply.value,
                "reason": answer.reason,
                "gates": [_gate(verdict) for verdict in answer.verdicts],
            }
            for answer in diagnosis.answers
        ],
        "start_at": None if start is None else _start(*start),
    }


def _gate(verdict: Verdict) -> dict[str, Any]:
    return {
        "gate_id": verdict.gate_id,
        "phase": verdict.phase,
        "kind": verdict.kind,
        "result": verdict.outcome.value,
        "purpose": verdict.purpose,
        "reason": verdict.reason,
        "findings": [asdict(finding) for finding in verdict.findings],
        "next_action": verdict.next_action,
    }


def _start(answer: Answer, verdict: Verdict) -> dict[str, Any]:
    return {
        "question": answer.question.id,
        "gate_id": verdict.gate_id,
        "phase": verdict.phase,
        "reason": verdict.reason,
        "next_action": verdict.next_action,
    }


def _path(path: Path | None) -> str | None:
    return None if path is None else clean(str(path), _PATH)


# -- text ------------------------------------------------------------------------------------------------------------
def text(diagnosis: Diagnosis, ids: Mapping[str, str | None]) -> Iterator[str]:
    """Give the diagnosis as lines of at most 80 columns; only a path or an id may be longer."""
    for name, value in ids.items():
        if value is not None:
            yield f"{name.removesuffix('_id'):<10} {clean(value)}"
    yield from _header(diagnosis)
    for answer in diagnosis.answers:
        yield ""
        yield f"{answer.question.id}. {answer.question.text} {_REPLIES[answer.reply]}"
        if answer.reply is Reply.NOT_ASKED:
            yield from wrapped("   ", answer.reason)
        for verdict in answer.verdicts:
            yield from _verdict(verdict)
    yield ""
    yield from _conclusion(diagnosis)


def _header(diagnosis: Diagnosis) -> Iterator[str]:
    target = diagnosis.target
    yield f"export     {_path(target.export)}"
    yield f"source     {_path(target.source)}"
    asked = {name for answer in diagnosis.answers for name in answer.question.needs}
    for part in PARTS:
        if part in asked:
            yield f"{part:<10} {_path(target.folders[part]) or 'none'}"
    how = f" ({diagnosis.threshold.how})" if diagnosis.threshold.asked else _DEFAULT
    yield f"coverage   at least {diagnosis.threshold.percent:g} %{how}"


def _verdict(verdict: Verdict) -> Iterator[str]:
    yield from wrapped(f"   {_MARKS[verdict.outcome]:<8} {verdict.gate_id:<8}", plain(verdict.purpose))
    if verdict.outcome is Outcome.NOT_APPLICABLE:
        yield from _labelled("why", verdict.reason or "")
    for finding in verdict.findings[:SHOWN]:
        yield from _finding(finding)
    if len(verdict.findings) > SHOWN:
        yield from _labelled("", f"… and {len(verdict.findings) - SHOWN} more; --format json has all of them")
    if verdict.next_action:
        yield from _labelled("next", plain(verdict.next_action))


def _finding(finding: Finding) -> Iterator[str]:
    yield from _labelled("why", f"{finding.file}: {finding.message}" if finding.file else finding.message)
    yield from _labelled("observed", finding.observed)
    yield from _labelled("expected", finding.expected)


def _conclusion(diagnosis: Diagnosis) -> Iterator[str]:
    start = diagnosis.start_at
    if start is not None:
        answer, verdict = start
        yield from wrapped("", f"NOT HEALTHY, question {answer.question.id}: {answer.reason}")
        yield from wrapped("", f"start at {verdict.gate_id} {verdict.phase}: {plain(verdict.next_action or '')}")
        return
    gates = counted([verdict for answer in diagnosis.answers for verdict in answer.verdicts])
    silent = [str(answer.question.id) for answer in diagnosis.answers if answer.reply is Reply.NOT_ASKED]
    asked = f" as far as it was asked (not asked: {' and '.join(silent)})" if silent else ""
    yield from wrapped("", f"healthy{asked}: {gates}")


def plain(said: str) -> str:
    """A text of the plan without the backticks around code."""
    return said.replace("`", "")


def _labelled(label: str, said: str) -> Iterator[str]:
    """Show a detail under its label, in columns that leave room for a whole SHA-256."""
    yield from wrapped(f"      {label:<10}", said)


def wrapped(lead: str, said: str) -> Iterator[str]:
    """Wrap a text under its lead; paths, ids and options are not broken, so that they can be copied."""
    lines = textwrap.wrap(said, WIDTH - len(lead), break_long_words=False, break_on_hyphens=False) or [""]
    for index, line in enumerate(lines):
        yield f"{lead if index == 0 else ' ' * len(lead)}{line}".rstrip()
