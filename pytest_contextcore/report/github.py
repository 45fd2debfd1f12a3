"""On GitHub Actions: a job summary, and an annotation at the test of each phase that stopped a trace (contract 5).

Renderers are pure; ``report`` is the edge. Outside GitHub Actions nothing is written. All text comes from files that
somebody else may have written, so nothing in it may become a workflow command, Markdown or HTML.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from ..plan.model import Kind
from ..text import on_github
from ..trace.evidence import Evidence, Result, SpanEvidence, Status
from ..trace.rules import DESELECTED, blocking_gates, good_gates
from .verdict import Cause, causes, files, held, place, plain, remark, short

SUMMARY_LIMIT = 1024 * 1024
"""Bytes of a step's summary; GitHub refuses a longer one whole."""

_STOPPED = (Status.BLOCKED, Status.FAILED)
_TEXT_SHOWN = 1500
_EVIDENCE_SHOWN = 10
_MARKS = {
    Status.COMPLETED: "✅",
    Status.BLOCKED: "❌",
    Status.FAILED: "❗",
    Status.NOT_STARTED: "⚪",
    Status.IN_PROGRESS: "⏳",
}
_CUT = "\n\n*The summary is cut here: GitHub takes 1 MiB. The evidence has all of it.*\n"
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~](?<![-/,'()])")


def report(traces: Sequence[Evidence], root: Path, environ: Mapping[str, str]) -> list[str]:
    """Write the job summary; the annotations to print, each at a line's start, and what went wrong.

    ``root`` is what the evidence's paths are relative to.
    """
    if not on_github(environ) or not traces:
        return []
    workspace = environ.get("GITHUB_WORKSPACE")
    lines = stop_annotations(traces, root.resolve(), Path(workspace).resolve() if workspace else None)
    target = environ.get("GITHUB_STEP_SUMMARY")
    problem = _append(Path(target), traces) if target else None
    return [problem, *lines] if problem else lines


def _append(target: Path, traces: Sequence[Evidence]) -> str | None:
    """Append the summary; why that was not possible, or None."""
    try:
        text = step_summary(traces, SUMMARY_LIMIT - (target.stat().st_size if target.exists() else 0))
        if text is None:
            return f"job summary not written to {target}: what other programs wrote there leaves no room in its 1 MiB"
        with target.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        return f"job summary not written to {target}: {error.strerror or error}"
    return None


def stop_annotations(traces: Iterable[Evidence], root: Path, workspace: Path | None) -> list[str]:
    """A workflow command for each phase that is blocked or failed; without a place where no phase blocks the trace."""
    return [
        command
        for evidence in traces
        for command in ([*_phase_annotations(evidence, root, workspace)] or _trace_annotation(evidence))
    ]


def _phase_annotations(evidence: Evidence, root: Path, workspace: Path | None) -> Iterator[str]:
    for span in evidence.spans:
        if span.status in _STOPPED:
            texts = [line for cause in causes(span) for line in _findings(cause)]
            texts += [f"evidence: {item}" for item in _found(span)]
            texts += [f"did not run: {', '.join(names)}" for names in [_held(evidence, span)] if names]
            texts += [f"next: {action}" for action in _actions(span)]
            title = f"{span.span_id} {span.phase} is {span.status.value}"
            yield error_command("\n".join(texts), **_place(span, root, workspace), title=title)


def _trace_annotation(evidence: Evidence) -> list[str]:
    if evidence.status not in _STOPPED:
        return []
    text = f"{short(evidence.blocked_reason or '')}\nnext: {plain(evidence.next_action or '')}"
    return [error_command(text, title=f"{evidence.trace_id} is {evidence.status.value}")]


def _place(span: SpanEvidence, root: Path, workspace: Path | None) -> dict[str, str]:
    """File and line of a phase's test as GitHub wants them; nothing for a file outside the repository."""
    path = span.attributes.get("code.file.path") or (span.nodeid or "").partition("::")[0]
    line = span.attributes.get("code.line.number")
    file = Path(os.path.normpath(root / str(path)))
    if not path or workspace is None or not file.is_relative_to(workspace):
        return {}
    place = {"file": file.relative_to(workspace).as_posix()}
    return {**place, "line": str(line)} if isinstance(line, int) else place


def error_command(message: str, **properties: str) -> str:
    """``::error name=value,…::message``, escaped as the runner unescapes it."""
    given = ",".join(f"{name}={_escaped(value, in_property=True)}" for name, value in properties.items())
    return f"::error {given}::{_escaped(message)}"


def _escaped(text: str, *, in_property: bool = False) -> str:
    text = _printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if in_property else text


def _printable(text: str) -> str:
    """The text with control characters as escapes, line ends aside."""
    return "".join(
        char if char.isprintable() or char in "\r\n" else char.encode("unicode_escape").decode() for char in text
    )


def step_summary(traces: Iterable[Evidence], room: int = SUMMARY_LIMIT) -> str | None:
    """The traces as Markdown of at most ``room`` bytes, stopped ones first; None where not even a note would fit."""
    ordered = sorted(traces, key=lambda evidence: evidence.status not in _STOPPED)
    pieces = [piece for evidence in ordered for piece in _markdown(evidence)]
    sizes = [len(piece.encode()) for piece in pieces]
    if sum(sizes) <= room:
        return "".join(pieces)
    room -= len(_CUT.encode())
    kept = 0
    while kept < len(pieces) and sizes[kept] <= room:
        room -= sizes[kept]
        kept += 1
    return "".join([*pieces[:kept], _CUT]) if room >= 0 else None


def _markdown(evidence: Evidence) -> Iterator[str]:
    yield f"\n### {_MARKS[evidence.status]} {_plain(evidence.trace_id)} {evidence.status.value}\n\n"
    yield f"{_plain(evidence.title)}\n\n"
    for span in evidence.spans:
        if span.status in _STOPPED:
            yield from _details(f"{span.span_id} {span.phase} is {span.status.value}", _stop(evidence, span))
    if evidence.status in _STOPPED and evidence.blocked_on_span_id is None:
        rows = {"why": [short(evidence.blocked_reason or "")], "next": [plain(evidence.next_action or "")]}
        yield from _details(f"{evidence.trace_id} is {evidence.status.value}", rows)
    yield "| | phase | status | duration | gates |\n|---|---|---|---:|---:|\n"
    for span in evidence.spans:
        name = f"{_plain(_short(evidence, span.span_id))} {_plain(span.phase)}"
        yield f"| {_MARKS[span.status]} | {name} | {_status(evidence, span)} | {_took(span)} | {_gates(span)} |\n"
    yield "\n"
    yield from _remarks(evidence)
    yield f"Trace {_code(evidence.otel_trace_id)}\n"


def _stop(evidence: Evidence, span: SpanEvidence) -> dict[str, list[str]]:
    found, held_back = causes(span), _held(evidence, span)
    return {
        "what broke": [f"{cause.name} ({cause.kind.value})" for cause in found if cause.kind],
        "where": [*files(span), *([f"test {place(span)}"] if place(span) else [])],
        "why": [line for cause in found for line in _findings(cause)],
        "evidence": _found(span),
        "next": _actions(span),
        "did not run": [", ".join(held_back)] if held_back else [],
    }


def _findings(cause: Cause) -> list[str]:
    """The gate, and a line for each finding, its file in front."""
    said = [": ".join(part for part in (about.file, line) if part) for about in cause.about for line in about.sentences]
    if cause.name and not cause.files:
        return [f"{cause.name}: {said[0]}", *said[1:]]
    return [cause.name, *said] if cause.name else said


def _actions(span: SpanEvidence) -> list[str]:
    """What to do next, each thing once."""
    return list(dict.fromkeys(cause.next_action for cause in causes(span) if cause.next_action))


def _held(evidence: Evidence, span: SpanEvidence) -> list[str]:
    return [_short(evidence, other.span_id) for other in held(evidence, span)]


def _details(title: str, rows: Mapping[str, Sequence[str]]) -> Iterator[str]:
    yield f"| stopped | {_plain(title)} |\n|---|---|\n"
    for name, texts in rows.items():
        if texts:
            yield f"| {name} | {'<br>'.join(_code(text) for text in texts)} |\n"
    yield "\n"


def _remarks(evidence: Evidence) -> Iterator[str]:
    """Advisory gates that failed, and waivers."""
    for span in evidence.spans:
        for gate in span.gates:
            phase = _plain(_short(evidence, span.span_id))
            if gate.result is Result.FAIL and gate.kind is Kind.ADVISORY:
                yield f"⚠️ {phase} warns: {_code(remark(span, gate))}\n\n"
            elif gate.waived:
                yield f"⚠️ {phase}, waived: {_code(remark(span, gate))} by {_code(gate.waived)}\n\n"


def _found(span: SpanEvidence) -> list[str]:
    """What the failed gates of a phase found, each thing once."""
    items = {f"{item.type}: {short(item.ref)}": None for gate in blocking_gates(span) for item in gate.evidence}
    more = [f"and {len(items) - _EVIDENCE_SHOWN} more"] if len(items) > _EVIDENCE_SHOWN else []
    return [*list(items)[:_EVIDENCE_SHOWN], *more]


def _status(evidence: Evidence, span: SpanEvidence) -> str:
    if span.blocked_reason == DESELECTED:
        return "deselected"
    if span.blocked_on_span_id:
        return f"{span.status.value}, blocked on {_plain(_short(evidence, span.blocked_on_span_id))}"
    return f"{span.status.value}, reused" if span.reused else span.status.value


def _took(span: SpanEvidence) -> str:
    if span.started_at is None or span.ended_at is None:
        return ""
    seconds = (span.ended_at - span.started_at) / 1e9
    return f"{seconds:.2f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))


def _gates(span: SpanEvidence) -> str:
    good = good_gates(span)
    return "" if span.status is Status.NOT_STARTED else f"{good}/{len(span.gates)}"


def _short(evidence: Evidence, ident: str) -> str:
    return ident.removeprefix(f"{evidence.trace_id}-")


def _plain(text: str) -> str:
    """The text on one line, bounded; punctuation that Markdown could take for more than itself stands as entities."""
    text = _printable(" ".join(text.split()))
    text = text if len(text) <= _TEXT_SHOWN else f"{text[:_TEXT_SHOWN]}…"
    return _PUNCTUATION.sub(lambda found: f"&#{ord(found.group())};", text)


def _code(text: str) -> str:
    """The text as code, whose lines GitHub neither links nor reads as mentions."""
    return "<br>".join(f"<code>{_plain(line)}</code>" for line in text.splitlines()[:20] if line.strip())
