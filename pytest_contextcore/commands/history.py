"""``contextcore history``: the runs of a trace, from the evidence that is kept of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import click

from ..errors import EvidenceError
from ..report.history import Run, document, lines, newest_first, run_of
from ..trace.file import load_evidence
from .cli import FILE, FORMAT, OUT, print_json, print_lines, refuse, refusing, write
from .show import newest, terminal

MAX_FILES = 1000


@click.command("history")
@click.argument("places", metavar="[FILE | FOLDER ...]", nargs=-1, type=FILE)
@OUT
@FORMAT
@click.option("--html", metavar="FILE", type=FILE, help="Also write the runs as a self-contained page.")
@refusing(2)
def command(places: tuple[Path, ...], out: Path, form: str, html: Path | None) -> int:
    """Print the runs of a trace, newest first.

    FILE is the evidence of its last run, such as out/WINE.json; without it, the newest in the folder for evidence. A
    FOLDER is one for evidence, or a history or a part of it. Several are read together, such as those of CI jobs.
    """
    files = [file for place in places or [newest(out)] for file in islice(_files(place), MAX_FILES + 1)]
    if len(files) > MAX_FILES:
        return refuse(f"there are over {MAX_FILES} evidence files: name fewer folders")
    if not files:
        return refuse(f"there is no evidence in {', '.join(map(str, places))}: name a folder that has some")
    found: list[Run] = []
    problems: list[str] = []
    for file in files:
        try:
            found.append(run_of(load_evidence(file, unaltered=True), str(file)))
        except EvidenceError as error:
            problems.append(str(error))
    code = max([refuse(problem) for problem in problems], default=0)
    traces = sorted({run.record.trace_id for run in found})
    if len(traces) > 1:
        return refuse(f"these are runs of {len(traces)} traces, {', '.join(traces)}: name files or folders of one")
    if not found:
        return code
    runs = newest_first(found)
    if html is not None:
        from ..report.page.history import render  # noqa: PLC0415  (only for --html)

        write("the page", html, render(runs))
    if form == "json":
        print_json(document(runs, problems))
        return code
    width, ascii_only = terminal()
    print_lines(lines(runs, width, ascii_only=ascii_only))
    print_lines([f"page: {html}"] if html is not None else [])
    return code


def _files(place: Path) -> Iterator[Path]:
    """The evidence of a trace by its last one, or all that a folder has."""
    if not place.is_dir():
        yield place
        yield from _evidence(place.parent / "history" / place.stem, "*.json")
        return
    found = [*_evidence(place, "*.json"), *_evidence(place, "history/*/*.json")]
    yield from found or _evidence(place, "*/*.json")


def _evidence(folder: Path, pattern: str) -> Iterator[Path]:
    """The files that match, without what a run is just writing and without handoffs."""
    for path in sorted(folder.glob(pattern)):
        if not path.name.startswith(".") and not path.name.endswith(".handoffs.json"):
            yield path
