"""``contextcore replay``: send what a run could not send, in order, once."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from ..export.send import send
from ..export.settings import Settings
from ..export.spool import Spool

PATIENCE = 60.0
"""Seconds without an accepted request after which a replay gives up."""

_ATTEMPTS = 8  # the pauses between them double, from 0.1 s on, unless the collector names one
_WIDTH = 30
_LINES = ".jsonl"


def command(arguments: list[str]) -> int:
    """The command line: exit code 0 when everything was accepted, 1 when spans are left, 2 for bad usage."""
    parser = argparse.ArgumentParser(prog="contextcore replay", description="Send spans that could not be sent.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="spool file, or a plan's .otlp.jsonl file")
    parser.add_argument("--endpoint", metavar="URL", help="where to (default: OTEL_EXPORTER_OTLP_ENDPOINT)")
    parser.add_argument(
        "--timeout",
        type=float,
        default=PATIENCE,
        metavar="SECONDS",
        help=f"give up after this time without progress (default: {PATIENCE:g})",
    )
    options = parser.parse_args(arguments)
    missing = [path for path in options.files if not os.path.isfile(path)]  # noqa: PTH113  (never raises)
    if missing:
        return _say([f"there is no file {missing[0]}"], 2)
    settings = Settings.from_environ(_environ(os.environ, options.endpoint))
    if not settings.exporting:
        why = "; ".join(settings.problems) or "no endpoint is configured"
        return _say([f"{why}; name one with --endpoint or OTEL_EXPORTER_OTLP_ENDPOINT"], 2)
    try:
        with tempfile.TemporaryDirectory(prefix="contextcore-replay-") as folder:
            return _say(replay(list(dict.fromkeys(options.files)), settings, options.timeout, Path(folder)), 1)
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return _say(["interrupted; the same command goes on where it stopped"], 1)


def replay(paths: Sequence[Path], settings: Settings, patience: float, folder: Path) -> list[str]:
    """Send all files; the lines about what did not go well. ``folder`` is for temporary files."""
    from ..recovery.end import complete, end_open_spans  # noqa: PLC0415  (pydantic, only for a file that is there)

    held = [Spool(path) for path in paths]
    ended = 0
    spools = []
    for spool in held:
        if not spool.claim():
            return [spool.problem or f"{spool.path}: its run, or another replay of it, is not over"]
        if spool.path.suffix == _LINES:
            ended += complete(spool.path)
            try:
                spools.append(_converted(spool.path, settings, folder))
            except ValueError as error:
                return [f"{spool.path}: {error}"]
        else:
            ended += end_open_spans(spool)
            spools.append(spool)
    progress = Progress(sum(spool.pending for spool in spools), sys.stderr)
    done = send(
        settings,
        spools,
        seconds=patience,
        free=float("inf"),
        attempts=_ATTEMPTS,
        accepted=progress.add,
        later=" ".join(map(str, paths)),
    )
    progress.close()
    for spool in held:
        spool.close()
    how = f", {ended} of them ended as interrupted" if ended else ""
    print(f"{done.sent} spans sent to {settings.describe()}{how}")
    return done.lines


def _say(lines: Sequence[str], code: int) -> int:
    for line in lines:
        print(f"contextcore replay: {line}", file=sys.stderr)
    return code if lines else 0


def _environ(environ: Mapping[str, str], endpoint: str | None) -> Mapping[str, str]:
    """The environment with another endpoint for all signals, which one for traces would beat."""
    if not endpoint:
        return environ
    others = {name: value for name, value in environ.items() if name != "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"}
    return {**others, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}


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
            spool = spool or Spool(target, head, keep=True, note=path.with_name(f"{path.name}.sent-{address}"))
            for frame in frames:
                spool.append(frame)
    return spool or Spool(target)


class Progress:
    """A bar on a terminal; nothing elsewhere."""

    def __init__(self, total: int, stream: TextIO) -> None:
        self._total, self._done, self._stream = total, 0, stream
        self._shown = stream.isatty() and total > 0
        self.add(0)

    def add(self, spans: int) -> None:
        """So many more were accepted."""
        self._done += spans
        share = min(1.0, self._done / self._total) if self._total else 1.0
        bar = "#" * int(share * _WIDTH)
        self._write(f"\r[{bar:<{_WIDTH}}] {share:4.0%}  {self._done:,} of {self._total:,} spans")

    def close(self) -> None:
        """Leave the line."""
        self._write("\r\033[K")

    def _write(self, text: str) -> None:
        if self._shown:
            self._stream.write(text)
            self._stream.flush()
