"""``--contextcore-html``: the page of a session's traces, written when the session ends (contract 4)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...files import write_output
from ...trace.evidence import Evidence, Status
from .page import render

NOT_WRITTEN = "ERROR: --contextcore-html: no page"
"""How the line about a page that was asked for and is not there begins."""


def write_page(path: Path, traces: Sequence[Evidence], *, here: Path, quiet: bool = False) -> list[str]:
    """Write the page; the line to print: where it stands (relative to ``here``), or why there is none.

    An outcome is never changed by it: a page that cannot be written is said, loudly, and what stood there before stays.
    ``quiet`` leaves out the line where all went well.
    """
    if not traces:
        return [f"{NOT_WRITTEN} at {path}, since no phase of a plan ran; run tests that are phases"]
    try:
        write_output(path, render(traces).encode())
    except OSError as error:
        return [f"{NOT_WRITTEN} at {path}: {error.strerror or error}; give a file in a folder that can be written to"]
    if quiet and all(trace.status is Status.COMPLETED for trace in traces):
        return []
    return [f"page:     {path.relative_to(here) if path.is_relative_to(here) else path}"]
