"""``contextcore replay``: send what a run could not send, in order, once."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import click

from ..export.send import send
from ..export.settings import Settings
from ..export.spool import Spool
from .cli import FILE, refuse

PATIENCE = 60.0
"""Seconds without an accepted request after which a replay gives up."""

_ATTEMPTS = 8  # the pauses between them double, from 0.1 s on, unless the collector names one
_LINES = ".jsonl"


@click.command("replay")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=FILE)
@click.option("--endpoint", metavar="URL", help="Where to (default: OTEL_EXPORTER_OTLP_ENDPOINT).")
@click.option(
    "--timeout", type=click.FloatRange(0, 86_400), default=PATIENCE, show_default=True, metavar="SECONDS",
    help="Give up after this time without progress.",
)  # fmt: skip
def command(files: tuple[Path, ...], endpoint: str | None, timeout: float) -> int:
    """Send spans that could not be sent.

    FILE is a spool file, or a plan's .otlp.jsonl file. Exit code 1: spans are left.
    """
    missing = [path for path in files if not os.path.isfile(path)]  # noqa: PTH113  (never raises)
    if missing:
        return refuse(f"there is no file {missing[0]}")
    settings = Settings.from_environ(os.environ, endpoint)
    if not settings.exporting:
        why = "; ".join(settings.problems) or "no endpoint is configured"
        return refuse(f"{why}; name one with --endpoint or OTEL_EXPORTER_OTLP_ENDPOINT")
    with tempfile.TemporaryDirectory(prefix="contextcore-replay-") as folder, ExitStack() as held:
        spools = [held.enter_context(closing(Spool(path))) for path in dict.fromkeys(files)]
        problems = _replay(spools, settings, timeout, Path(folder))
    for line in problems:
        refuse(line)
    return 1 if problems else 0


def _replay(held: Sequence[Spool], settings: Settings, patience: float, folder: Path) -> list[str]:
    """Send all files; the lines about what did not go well. ``folder`` is for temporary files."""
    # pydantic: only for a file that is there
    from ..recovery.end import end_open_spans, end_open_spans_of_plan  # noqa: PLC0415

    spools = []
    ended = 0
    for spool in held:
        if not spool.claim():
            return [spool.problem or f"{spool.path}: its run, or another replay of it, is not over"]
        if spool.path.suffix == _LINES:
            try:
                spools.append(_converted(spool.path, settings, folder))
            except (ValueError, RecursionError) as error:
                return [f"{spool.path}: {error}"]
            ended += end_open_spans_of_plan(spool.path, spools[-1])
        else:
            ended += end_open_spans(spool)
            if not any(piece.whole for piece in spool.pieces()):
                return [f"{spool.path}: no span is in it; name a spool or a plan's .otlp.jsonl file"]
            spools.append(spool)
    with click.progressbar(
        length=sum(spool.pending for spool in spools), label="spans", show_pos=True, file=sys.stderr,
        hidden=not sys.stderr.isatty(),
    ) as bar:  # fmt: skip
        done = send(
            settings, spools, seconds=patience, free=float("inf"), attempts=_ATTEMPTS, accepted=bar.update,
            later=shlex.join(str(spool.path) for spool in held),
        )  # fmt: skip
    how = f", {ended} of them ended as interrupted" if ended else ""
    print(f"{done.sent} spans sent to {settings.describe()}{how}")
    return done.lines


def _converted(path: Path, settings: Settings, folder: Path) -> Spool:
    """A plan's own file as a spool. The file is kept, and beside it is noted what this address has accepted.

    Raises:
        ValueError: the file is no OTLP/JSON.
    """
    from ..export.messages import from_json  # noqa: PLC0415  (protobuf, only for such a file)

    address = hashlib.sha256(settings.describe().encode()).hexdigest()[:8]
    target = folder / f"{len(list(folder.iterdir()))}.otlp"
    spool: Spool | None = None
    with path.open("rb") as file:
        for line in filter(lambda line: line.endswith(b"\n"), file):  # the last one may be torn
            head, frames = from_json(json.loads(line))
            spool = spool or Spool(target, head, keep=True, note=path.with_name(f".{path.name}.accepted-{address}"))
            for frame in frames:
                spool.append(frame)
    return spool or Spool(target)
