"""``contextcore traceparent``: what the next CI job needs to go on with a trace."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from ..errors import EvidenceError
from ..ids import remote_parent


def command(arguments: list[str]) -> int:
    """The command line: exit code 0, 1 where there is nothing to go on with, 2 for bad usage."""
    parser = argparse.ArgumentParser(
        prog="contextcore traceparent",
        description="Print TRACEPARENT=… for a run that goes on with an unfinished trace.",
    )
    parser.add_argument("evidence", type=Path, metavar="FILE", help="evidence file, such as out/PI-101-002.json")
    parser.add_argument("--value", action="store_true", help="print the value only")
    options = parser.parse_args(arguments)
    from ..export.sampler import sampled  # noqa: PLC0415
    from ..export.settings import Settings  # noqa: PLC0415
    from ..trace.file import load_evidence  # noqa: PLC0415
    from ..trace.resume import header, is_open  # noqa: PLC0415  (not for --help)

    try:
        evidence = load_evidence(options.evidence, unaltered=True)
    except EvidenceError as error:
        print(f"contextcore traceparent: {error}", file=sys.stderr)
        return 1
    if not is_open(evidence):
        print(
            f"contextcore traceparent: {options.evidence}: the trace has ended ({evidence.status}), so there is "
            "nothing to go on with; the next run is a trace of its own",
            file=sys.stderr,
        )
        return 1
    taken = sampled(Settings.from_environ(os.environ), remote_parent(os.environ), evidence.otel_trace_id)
    value = header(evidence, sampled=taken)
    print(value if options.value else f"TRACEPARENT={value}")
    return 0
