"""``contextcore show`` and ``contextcore diff``: what finished runs recorded, without running anything."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import click

from ..errors import EvidenceError
from ..export.spool import Spool
from ..report.diff import compare, document, lines
from ..report.terminal import can_encode, table
from ..report.verdict import of_trace
from ..schemas import schema
from ..schemas.check import faults
from ..text import format_time
from ..trace.evidence import Evidence
from ..trace.file import dump, history_folder, load_evidence
from .cli import FILE, FORMAT, OUT, print_json, print_lines, refuse, refusing, write


@click.command("show")
@click.argument("file", required=False, type=FILE)
@OUT
@FORMAT
@click.option("--spans", is_flag=True, help="FILE is a spool: print its spans as OTLP/JSON lines.")
@click.option("--gate-results", "documents", flag_value="GateResult", help="Print a GateResult for each gate (JSON).")
@click.option(
    "--task-spans", "documents", flag_value="TaskSpanContract", help="Print a TaskSpanContract for each span (JSON)."
)
@click.option(
    "--handoffs", "documents", flag_value="HandoffContract", help="Print a HandoffContract for each handoff (JSON)."
)
@click.option("--html", metavar="FILE", type=FILE, help="Also write the trace as a self-contained page.")
@refusing(2)
def show(file: Path | None, *, out: Path, form: str, spans: bool, documents: str | None, html: Path | None) -> int:
    """Print the table of a finished run.

    FILE is its evidence, such as out/PI-101-002.json; without it, the newest in the folder for evidence.
    """
    if spans:
        return _spans(file) if file is not None else refuse("--spans needs FILE, a spool such as out/spool/<run>.otlp")
    file = file or newest(out)
    evidence = load_evidence(file)
    if not evidence.spans:
        return refuse(f"evidence {file}: spans: observed none, expected one a phase of the plan")
    if documents is not None:
        return _documents(file, evidence, documents)
    verdict = of_trace(evidence)
    if html is not None:
        from ..report.page.page import render  # noqa: PLC0415  (only for --html)

        write("the page", html, render([verdict]))
    if form == "json":
        print_json(json.loads(dump(evidence)))
        return 0
    began = format_time(evidence.started_at) if evidence.started_at is not None else "never started"
    width, ascii_only = terminal()
    rows = [line for line, _ in table(verdict, width=width, ascii_only=ascii_only)]
    heads = [f"trace {verdict.title}", f"started {began}, trace {evidence.otel_trace_id}"]
    print_lines([*heads, *rows, *([f"page:     {html}"] if html else [])])
    return 0


def terminal() -> tuple[int, bool]:
    """How wide standard output is to be filled, and whether it takes ASCII only."""
    return min(max(shutil.get_terminal_size().columns, 40), 120), not can_encode(sys.stdout.encoding)


def _documents(file: Path, evidence: Evidence, which: str) -> int:
    """Print a list of documents for other programs, or say on stderr why there is none; payloads lie beside FILE."""
    from ..phase.handoff_store import read_emitted  # noqa: PLC0415  (only for handoffs)
    from ..trace import contracts  # noqa: PLC0415  (only for documents)

    if which == "HandoffContract":
        emitted = read_emitted(file.with_name(f"{evidence.trace_id}.handoffs.json"))
        known = {each.digest: (each.kind, json.loads(each.payload)) for each in emitted}
        found = list(contracts.handoffs(evidence, known))
    else:
        found = contracts.gate_results(evidence) if which == "GateResult" else contracts.task_spans(evidence)
    if not found:
        return refuse(f"evidence {file} has none of these; run the plan with pytest first", 1)
    if wrong := [fault for each in found for fault in faults(schema(which), each)]:
        return refuse(f"evidence {file} gives no valid {which}: {wrong[0]}", 1)
    print_json(found)
    return 0


def _spans(path: Path) -> int:
    """Print a spool; exit code 1 if something in it is damaged, 2 if it is no spool."""
    from ..export.messages import message_line  # noqa: PLC0415  (protobuf, only for a spool)

    if path.exists() and not path.is_file():
        return refuse(f"{path} is no regular file")
    spool = Spool(path)
    try:
        head, pieces = spool.head(), list(spool.pieces())
    except OSError as error:
        return refuse(f"spool {path}: {error.strerror or error}")
    whole = [piece for piece in pieces if piece.whole]
    if pieces and not whole:
        return refuse(f"{path} is no spool, such as out/spool/<run>.otlp")
    for piece in whole:
        print(message_line(head + piece.data))
    damaged = len(pieces) - len(whole)
    return refuse(f"spool {path}: {damaged} damaged pieces were left out", 1) if damaged else 0


@click.command("diff")
@click.argument("files", metavar="[A B]", nargs=-1, type=FILE)
@OUT
@FORMAT
@refusing(2)
def diff(files: tuple[Path, ...], out: Path, form: str) -> int:
    """Say what changed between two runs of a trace.

    A and B are evidence of the earlier and of the later run; without them, the newest run in the folder for evidence
    and the run before it. Exit code 1: something changed.
    """
    if files and len(files) != 2:
        raise click.UsageError("give two files, A and B, or none", click.get_current_context())
    a, b = files or _last_two(out)
    found = compare(load_evidence(a), load_evidence(b))
    if form == "json":
        print_json(document(found, [str(a), str(b)]))
    else:
        print_lines(lines(found))
    return 1 if found.changes else 0


def newest(out: Path) -> Path:
    """The evidence file in a folder that was written last; an ``EvidenceError`` if there is none."""
    return max(every(out), key=lambda path: path.stat().st_mtime_ns)


def every(out: Path) -> list[Path]:
    """The evidence files in a folder, one of each trace; an ``EvidenceError`` if there is none."""
    files = [path for path in out.glob("*.json") if path.is_file() and not path.name.endswith(".handoffs.json")]
    if not files:
        raise EvidenceError(
            f"there is no evidence in {out}: run a plan first (contextcore run), "
            "go to the folder in which it ran, or name another with --out"
        )
    return sorted(files)


def _last_two(out: Path) -> tuple[Path, Path]:
    """The newest evidence, behind that of the run before it; the name of a kept file ends with its span's id."""
    last = newest(out)
    own, kept = load_evidence(last).otel_span_id, history_folder(out, last.stem)
    for path in sorted(kept.glob("[!.]*.json"), reverse=True):
        if not path.stem.endswith(own):
            return path, last
    raise EvidenceError(f"there is no run before {last} in {kept}: run the plan again, or name two files")
