"""``contextcore replay``: send what a run could not send, in order, once (contract 7)."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

import click

from ..export.budget import Budget
from ..export.delivery import unsent
from ..export.sender import SendResult, send
from ..export.settings import Settings
from ..export.spool import Spool

PATIENCE = 60.0
"""Seconds without an accepted request after which a replay gives up."""

_ATTEMPTS = 8  # the pauses between them double, from 0.1 s on, unless the collector names one
_WIDTH = 30


@click.command("replay")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--endpoint", metavar="URL", help="Where to (default: OTEL_EXPORTER_OTLP_ENDPOINT).")
@click.option(
    "--timeout",
    type=float,
    default=PATIENCE,
    show_default=True,
    metavar="SECONDS",
    help="Give up after this time without progress.",
)
def command(files: tuple[Path, ...], endpoint: str | None, timeout: float) -> int:
    """Send spans that could not be sent.

    FILE is a spool file, or a plan's .otlp.jsonl file. Exit code 1: spans are left.
    """
    missing = [path for path in files if not os.path.isfile(path)]  # noqa: PTH113  (never raises)
    if missing:
        print(f"contextcore replay: there is no file {missing[0]}", file=sys.stderr)
        return 2
    settings = Settings.from_environ(_environ(os.environ, endpoint))
    if not settings.exporting:
        why = "; ".join(settings.problems) or "no endpoint is configured"
        print(f"contextcore replay: {why}; name one with --endpoint or OTEL_EXPORTER_OTLP_ENDPOINT", file=sys.stderr)
        return 2
    spools = [_opened(path, settings) for path in dict.fromkeys(files)]
    try:
        lines = _replay(spools, settings, timeout)
    except KeyboardInterrupt:
        print("\ncontextcore replay: interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 1
    for line in lines:
        print(f"contextcore replay: {line}", file=sys.stderr)
    return 1 if lines else 0


def _environ(environ: Mapping[str, str], endpoint: str | None) -> Mapping[str, str]:
    """The environment with another endpoint for all signals, which one for traces would beat."""
    if not endpoint:
        return environ
    others = {name: value for name, value in environ.items() if name != "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"}
    return {**others, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}


def _opened(path: Path, settings: Settings) -> Spool:
    """A spool is used up by sending; any other file, such as a plan's own, is kept."""
    return Spool(path, "" if path.resolve().parent.name == "spool" else settings.describe())


def _replay(spools: list[Spool], settings: Settings, patience: float) -> list[str]:
    """Send all files; the lines about what did not go well."""
    for spool in spools:
        if not spool.claim():
            return [spool.problem or f"{spool.path}: its run, or another replay of it, is not over"]
    ended = _end_open_spans(spools)
    total = sum(spool.pending for spool in spools)
    progress = Progress(total, sys.stderr)
    problem: str | None = None
    lines: list[str] = []
    left: list[tuple[Spool, int]] = []
    sent = 0
    for spool in spools:
        if problem is None:
            result = _send(settings, spool, patience, progress)
            sent += result.sent
            lines += _remarks(settings, spool, result)
            problem = result.problem if result.left else None
        if spool.pending:
            left.append((spool, spool.pending))
        if spool.problem:
            lines.append(spool.problem)
    progress.close()
    how = f", {ended} of them ended as interrupted" if ended else ""
    print(f"{sent} spans sent to {settings.describe()}{how}")
    return [*lines, *unsent(settings, left, problem)]


def _end_open_spans(spools: list[Spool]) -> int:
    from ..recovery.end import end_open_spans  # noqa: PLC0415  (pydantic, only for a file that is there)

    return sum(end_open_spans(spool) for spool in spools)


def _send(settings: Settings, spool: Spool, patience: float, progress: Progress) -> SendResult:
    budget = Budget(patience)

    def accepted(spans: int) -> None:
        budget.renew()
        progress.add(spans)

    return send(settings, spool, budget, attempts=_ATTEMPTS, accepted=accepted)


def _remarks(settings: Settings, spool: Spool, result: SendResult) -> list[str]:
    lines = []
    if result.rejected:
        lines.append(f"{result.rejected} spans rejected by {settings.describe()}: {result.rejection}")
    if result.damaged:
        lines.append(f"{result.damaged} damaged lines could not be sent and were put aside: {spool.aside}")
    return lines


class Progress:
    """A bar on a terminal; nothing elsewhere."""

    def __init__(self, total: int, stream: TextIO) -> None:
        self._total, self._done, self._stream = total, 0, stream
        self._shown = stream.isatty() and total > 0
        self._show()

    def add(self, spans: int) -> None:
        """So many more were accepted."""
        self._done += spans
        self._show()

    def close(self) -> None:
        """Leave the line."""
        self._write("\r\033[K")

    def _show(self) -> None:
        share = min(1.0, self._done / self._total) if self._total else 1.0
        bar = "#" * int(share * _WIDTH)
        self._write(f"\r[{bar:<{_WIDTH}}] {share:4.0%}  {self._done:,} of {self._total:,} spans")

    def _write(self, text: str) -> None:
        if self._shown:
            self._stream.write(text)
            self._stream.flush()
