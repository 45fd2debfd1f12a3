"""``--contextcore-html``: the page of a session's traces, written when the session ends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...files import write_output
from ...text import relative
from ...trace.evidence import Status
from ..verdict import Verdict
from .page import render

NOT_WRITTEN = "ERROR: --contextcore-html: no page"
"""How the line about a page that was asked for and is not there begins."""


def write_page(path: Path, verdicts: Sequence[Verdict], *, here: Path, quiet: bool = False) -> list[str]:
    """Write the page, and return the line to print: where it stands (relative to ``here``), or why there is none.

    A page that cannot be written changes no outcome, and the file that stood there before stays. ``quiet`` leaves out
    the line about the page of traces that all completed.
    """
    if not verdicts:
        return [f"{NOT_WRITTEN} at {path}, since no phase of a plan ran; run tests that are phases"]
    try:
        write_output(path, render(verdicts).encode())
    except OSError as error:
        return [f"{NOT_WRITTEN} at {path}: {error.strerror or error}; give a file in a folder that can be written to"]
    if quiet and all(verdict.evidence.status is Status.COMPLETED for verdict in verdicts):
        return []
    return [f"page:     {relative(path, here)}"]
