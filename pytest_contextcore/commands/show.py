"""``contextcore show`` and ``contextcore diff``: what finished runs recorded, without running anything."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from ..errors import EvidenceError
from ..export.otlp_json import message_line
from ..export.spool import Spool
from ..files import write_atomic
from ..report.diff import compare, document, lines
from ..report.terminal import table
from ..report.verdict import of_trace
from ..text import harmless
from ..trace.evidence import format_time
from ..trace.file import dump, load_evidence

HTML = "pytest_contextcore.report.page.page"
"""The module whose ``render(verdicts)`` makes the page of ``--html``."""


def show(arguments: list[str]) -> int:
    """The command line of ``contextcore show``: exit code 0, or 2 for bad usage and evidence that cannot be read."""
    parser = argparse.ArgumentParser(
        prog="contextcore show", description="Print the table of a finished run, from its evidence."
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="evidence, such as out/<trace id>.json")
    parser.add_argument("--format", choices=["text", "json"], default="text", help="what is printed (default: text)")
    parser.add_argument("--spans", action="store_true", help="FILE is a spool: print its spans as OTLP/JSON lines")
    if importlib.util.find_spec(HTML) is not None:
        parser.add_argument("--html", type=Path, metavar="OUT", help="also write the trace as a self-contained page")
    options = parser.parse_args(arguments)
    if options.spans:
        return _spans(options.file)
    try:
        evidence = load_evidence(options.file)
    except EvidenceError as error:
        return _refused("show", str(error))
    if not evidence.spans:
        return _refused("show", f"evidence {options.file}: spans: observed none, expected one a phase of the plan")
    page: Path | None = getattr(options, "html", None)
    if page is not None:
        try:
            write_atomic(page, importlib.import_module(HTML).render([of_trace(evidence)]).encode(), durable=False)
        except OSError as error:
            return _refused("show", f"the page cannot be written to {page}: {error.strerror or error}")
    if options.format == "json":
        print(_json(json.loads(dump(evidence))))
        return 0
    began = format_time(evidence.started_at) if evidence.started_at is not None else "never started"
    width = min(max(shutil.get_terminal_size().columns, 40), 120)
    rows = [line for line, _ in table(of_trace(evidence), width=width, ascii_only=not _can_print("✓✗·…"))]
    heads = [f"trace {evidence.trace_id}: {evidence.title}", f"started {began}, trace {evidence.otel_trace_id}"]
    _print([*heads, *rows, *([f"page:     {page}"] if page else [])])
    return 0


def _spans(path: Path) -> int:
    """Print a spool; exit code 1 if something in it is damaged, 2 if it is no spool."""
    spool = Spool(path)
    shown = damaged = 0
    try:
        head = spool.head()
        for piece in spool.pieces():
            if piece.whole:
                print(message_line(head + piece.data))
                shown += 1
            else:
                damaged += 1
    except OSError as error:
        return _refused("show", f"spool {path}: {error.strerror or error}")
    if damaged and not shown:
        return _refused("show", f"{path} is no spool, such as out/spool/<run>.otlp")
    if damaged:
        _refused("show", f"spool {path}: {damaged} damaged pieces were left out")
    return 1 if damaged else 0


def diff(arguments: list[str]) -> int:
    """The command line of ``contextcore diff``: exit code 0 if nothing changed, 1 if something did, 2 for trouble."""
    parser = argparse.ArgumentParser(
        prog="contextcore diff", description="Say what changed between two runs of a trace, from their evidence."
    )
    parser.add_argument("a", type=Path, metavar="A", help="evidence of the earlier run")
    parser.add_argument("b", type=Path, metavar="B", help="evidence of the later run")
    parser.add_argument("--format", choices=["text", "json"], default="text", help="what is printed (default: text)")
    options = parser.parse_args(arguments)
    try:
        found = compare(load_evidence(options.a), load_evidence(options.b))
    except (EvidenceError, ValueError) as error:
        return _refused("diff", str(error))
    if options.format == "json":
        print(_json(document(found, [str(options.a), str(options.b)])))
    else:
        _print(lines(found))
    return 1 if found.changes else 0


def _json(value: object) -> str:
    """JSON in ASCII, so that no text in it does anything to a terminal; ``##[`` is a command of GitHub's log."""
    return json.dumps(value, indent=2).replace("##[", "#\\u0023[")


def _refused(command: str, why: str) -> int:
    print(f"contextcore {command}: {_printable(why)}", file=sys.stderr)
    return 2


def _print(lines: Iterable[str]) -> None:
    """Evidence may come from elsewhere: no control character and no CI command of it reaches the terminal."""
    encoding = sys.stdout.encoding or "utf-8"
    for line in lines:
        shown = harmless(_printable(line), os.environ)
        print(shown.encode(encoding, "backslashreplace").decode(encoding))


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
