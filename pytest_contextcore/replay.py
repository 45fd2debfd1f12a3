"""``contextcore replay``: send a spool that a run could not send (contract 7)."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .sender import send_all
from .spool import Spool
from .telemetry import Settings

DEADLINE = 60.0


def command(arguments: list[str]) -> int:
    """The command line: exit code 0 when everything was accepted, 1 when spans are left, 2 for bad usage."""
    parser = argparse.ArgumentParser(prog="contextcore replay", description="Send spans that could not be sent.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="spool file, or a plan's .otlp.jsonl file")
    parser.add_argument("--endpoint", metavar="URL", help="where to (default: OTEL_EXPORTER_OTLP_ENDPOINT)")
    parser.add_argument(
        "--timeout", type=float, default=DEADLINE, metavar="SECONDS", help="give up after this time (default: 60)"
    )
    options = parser.parse_args(arguments)
    missing = [path for path in options.files if not path.is_file()]
    if missing:
        print(f"contextcore replay: there is no file {missing[0]}", file=sys.stderr)
        return 2
    settings = Settings.from_environ(_environ(os.environ, options.endpoint))
    if not settings.exporting:
        why = "; ".join(settings.problems) or "no endpoint is configured"
        print(f"contextcore replay: {why}; name one with --endpoint or OTEL_EXPORTER_OTLP_ENDPOINT", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        spools = [Spool(_sendable(path, Path(folder))) for path in options.files]
        count = sum(spool.pending for spool in spools)
        lines = send_all(settings, spools, options.timeout)
    for line in lines:
        print(f"contextcore replay: {line}", file=sys.stderr)
    if not lines:
        print(f"{count} spans sent to {settings.describe()}")
    return 1 if lines else 0


def _environ(environ: Mapping[str, str], endpoint: str | None) -> Mapping[str, str]:
    return {**environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint} if endpoint else environ


def _sendable(path: Path, folder: Path) -> Path:
    """A spool is used up by sending; any other file, such as a plan's own, is kept: a copy is sent."""
    if path.resolve().parent.name == "spool":
        return path
    return Path(shutil.copy(path, folder / path.name))
