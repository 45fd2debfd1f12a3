"""On GitHub Actions: a job summary and annotations, in which no text becomes a command, Markdown or HTML."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ..ids import named
from ..text import cut, escaped, on_github, relative
from ..trace.evidence import SpanEvidence, Status
from .rows import Row, as_text, cause_rows, held_rows, remark, rows
from .verdict import STOPPED, Phase, Verdict

_LIMIT = 1024 * 1024
_CUT = b"\n\n*The summary is cut here: GitHub takes 1 MiB. The evidence has all of it.*\n"
_TEXT_SHOWN = 1500
_MOST = 10
_MARKS = dict(zip(Status, "⚪⏳❌✅❗", strict=True))
_ADDRESS = re.compile(r"https?://[\w.:-]+/[\w.-]+/[\w.-]+/actions/runs/[0-9]+#artifacts", re.ASCII)
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~](?<![-/,'()])")


def report(verdicts: Sequence[Verdict], root: Path, environ: Mapping[str, str], page: Path | None = None) -> list[str]:
    """Write the job summary; lines to print: annotations, and what went wrong. Paths are relative to ``root``.

    ``page`` is the page that was written, if one was.
    """
    if not on_github(environ) or not verdicts:
        return []
    workspace = environ.get("GITHUB_WORKSPACE")
    lines = stop_annotations(verdicts, root.resolve(), Path(workspace).resolve() if workspace else None)
    if target := environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(target).open("a", encoding="utf-8") as file:
                file.write(step_summary(verdicts, _run_of(environ), relative(page, root) if page else None))
        except OSError as error:
            lines.insert(0, f"job summary not written to {target}: {error.strerror or error}")
    return lines


def _answers(verdict: Verdict) -> Iterator[tuple[str, Phase | None, list[Row]]]:
    """What stopped a trace: a title, the phase, and the rows; without a phase where none stopped it.

    Where nothing stopped it, but phases did not start that should have, it is the first of those.
    """
    stopped = [phase for phase in verdict.phases if phase.causes]
    for phase in stopped:
        yield phase.title, phase, [*rows(phase, _MOST), *held_rows(phase)]
    if not stopped and verdict.lost:
        phase, *more = verdict.lost
        also = [Row("also", (", ".join(each.name for each in more),))] if more else []
        yield phase.title, phase, [Row("reason", (phase.lost,)), *also]
    if verdict.cause is not None and verdict.evidence.status in STOPPED:
        title = f"{verdict.evidence.trace_id} is {verdict.evidence.status.value}"
        yield title, None, [*cause_rows(verdict.cause, _MOST)]


def stop_annotations(verdicts: Iterable[Verdict], root: Path, workspace: Path | None) -> list[str]:
    """A workflow command for each phase that is blocked or failed; without a place where no phase blocks the trace."""
    lines = []
    for title, phase, found in (answer for verdict in verdicts for answer in _answers(verdict)):
        properties = {**(_place(phase.span, root, workspace) if phase else {}), "title": title}
        given = ",".join(f"{name}={_encoded(value, in_property=True)}" for name, value in properties.items())
        message = "\n".join(as_text(found))
        lines.append(f"::error {given}::{_encoded(message)}")
    return lines


def _place(span: SpanEvidence, root: Path, workspace: Path | None) -> dict[str, str]:
    """File and line of a phase's test as GitHub wants them; nothing for a file outside the repository."""
    path = span.attributes.get("code.file.path")
    line = span.attributes.get("code.line.number")
    file = Path(os.path.normpath(root / str(path)))
    if not path or workspace is None or not file.is_relative_to(workspace):
        return {}
    place = {"file": file.relative_to(workspace).as_posix()}
    return {**place, "line": str(line)} if isinstance(line, int) else place


def _encoded(text: str, *, in_property: bool = False) -> str:
    """The text as the runner unescapes it."""
    text = escaped(text, keep="\r\n").replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if in_property else text


def _run_of(environ: Mapping[str, str]) -> str:
    """The address of the run's artifacts; empty where the environment does not tell it."""
    server, repository, run = (environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    address = f"{server}/{repository}/actions/runs/{run}#artifacts"
    return address if _ADDRESS.fullmatch(address) else ""


def step_summary(verdicts: Iterable[Verdict], run: str = "", page: Path | None = None) -> str:
    """The traces as Markdown, stopped ones first; cut at a line's end, since GitHub refuses more than 1 MiB whole.

    ``run`` is the address of the run's artifacts, where page and attachments are, if the workflow uploads them.
    """
    ordered = sorted(verdicts, key=lambda verdict: verdict.evidence.status not in STOPPED)
    pieces = [*(piece for verdict in ordered for piece in _markdown(verdict)), *_to_look_at(ordered, run, page)]
    text = "".join(pieces).encode()
    shown = text if len(text) <= _LIMIT else text[: _LIMIT - len(_CUT)].rpartition(b"\n")[0] + _CUT
    return shown.decode()


def _to_look_at(verdicts: Iterable[Verdict], run: str, page: Path | None) -> Iterator[str]:
    """The page, and the attachments of each phase."""
    phases = [phase for verdict in verdicts for phase in verdict.phases]
    shown = [(phase.name, item) for phase in phases for item in phase.span.attachments]
    if not shown and page is None:
        return
    where = f" (in the [artifacts of this run]({run}), if the workflow uploads it)" if run else ""
    if page is not None:
        yield f"\nPage: {_code(str(page))}{where}\n"
    if shown:
        yield f"\nAttachments{where if page is None else ''}:\n\n"
        yield from (f"- {_plain(item.title)}, of {_plain(name)}: {_code(item.path)}\n" for name, item in shown)


def _markdown(verdict: Verdict) -> Iterator[str]:
    evidence = verdict.evidence
    yield f"\n### {_MARKS[evidence.status]} {_plain(evidence.trace_id)} {evidence.status.value}\n\n"
    if evidence.title != evidence.trace_id:
        yield f"{_plain(evidence.title)}\n\n"
    for title, _, found in _answers(verdict):
        yield f"| stopped | {_plain(title)} |\n|---|---|\n"
        yield from (f"| {label} | {'<br>'.join(_code(line) for line in lines)} |\n" for label, lines in found)
        yield "\n"
    yield "| | phase | status | duration | gates |\n|---|---|---|---:|---:|\n"
    for phase in verdict.phases:
        waits = f", blocked on {_plain(phase.waits_for)}" if phase.waits_for else ""
        name = _plain(named(phase.id, phase.span.phase))
        yield f"| {_MARKS[phase.span.status]} | {name} | {phase.state}{waits} | {phase.took} | {phase.gates} |\n"
    yield "\n"
    for phase in verdict.phases:
        for cause in phase.remarks:
            how, by = (", waived", f" by {_code(cause.waived)}") if cause.waived else (" warns", "")
            yield f"⚠️ {_plain(phase.id)}{how}: {_code(chr(10).join(remark(cause, _MOST)))}{by}\n\n"
    yield f"Trace {_code(evidence.otel_trace_id)}\n"


def _plain(text: str) -> str:
    """The text on one line, bounded; punctuation that Markdown could take for more than itself stands as entities."""
    text = cut(escaped(" ".join(text.split())), _TEXT_SHOWN)
    return _PUNCTUATION.sub(lambda found: f"&#{ord(found.group())};", text)


def _code(text: str) -> str:
    """The text as code, whose lines GitHub neither links nor reads as mentions."""
    return "<br>".join(f"<code>{_plain(line)}</code>" for line in text.splitlines() if line.strip())
