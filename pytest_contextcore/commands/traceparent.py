"""``contextcore traceparent``: what the next CI job needs to go on with a trace."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ..export.provider import sampled
from ..export.settings import Settings
from ..ids import remote_parent
from ..trace.file import load_evidence
from ..trace.resume import header, is_open
from .cli import FILE, refuse, refusing


@click.command("traceparent")
@click.argument("evidence", metavar="FILE", type=FILE)
@click.option("--value", is_flag=True, help="Print the value only.")
@refusing(1)
def command(evidence: Path, value: bool) -> int:
    """Print TRACEPARENT=… to go on with an unfinished trace.

    FILE is the trace's evidence, such as out/PI-101-002.json. Exit code 1: there is nothing to go on with.
    """
    found = load_evidence(evidence, unaltered=True)
    if not is_open(found):
        return refuse(f"{evidence}: the trace has ended ({found.status}); the next run is a trace of its own", 1)
    taken = sampled(Settings.from_environ(os.environ), remote_parent(os.environ), found.otel_trace_id)
    shown = header(found, sampled=taken)
    print(shown if value else f"TRACEPARENT={shown}")
    return 0
