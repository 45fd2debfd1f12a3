"""Traces as one self-contained page, which asks nothing of any network and is complete without its script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ...files import write_output
from ...text import format_time, pieces, plural, relative, short
from ...trace.evidence import SpanEvidence, Status
from ..verdict import Verdict, lasted
from .attached import Attached, look, names
from .text import brief, clean, clipped, duration, moment, own_first
from .view import trace_view

NOT_WRITTEN = "ERROR: --contextcore-html: no page"
"""How the line about a page that was asked for and is not there begins."""

_WORST = (Status.BLOCKED, Status.FAILED, Status.IN_PROGRESS, Status.NOT_STARTED, Status.COMPLETED)
_EARLY = (
    "{const page=document.documentElement;page.classList.add('js');"
    "if(history.state?.theme)page.dataset.theme=history.state.theme}"
)
LIVE = "<!--live-->"
"""What stands in the place of `render_live`; no text of evidence can look like it."""


def write_page(path: Path, verdicts: Sequence[Verdict], *, here: Path, root: Path, quiet: bool = False) -> list[str]:
    """Write the page; the line to print: where it stands, relative to ``here``, or why there is none.

    Paths of attachments count from ``root``.
    """
    if not verdicts:
        return [f"{NOT_WRITTEN} at {path}, since no phase of a plan ran; run tests that are phases"]
    try:
        attached = partial(look, root=root, folder=path.parent)
        write_output(path, render(verdicts, attached).encode())
    except OSError as error:
        return [f"{NOT_WRITTEN} at {path}: {error.strerror or error}; give a file in a folder that can be written to"]
    if quiet and all(verdict.evidence.status is Status.COMPLETED for verdict in verdicts):
        return []
    return [f"page:     {relative(path, here)}"]


def render(
    verdicts: Sequence[Verdict], attached: Callable[[SpanEvidence], list[Attached]] = names, *, live: int | None = None
) -> str:
    """The page of one trace or more, those that did not complete first; it allows its own style and script only.

    ``attached``: what the page shows of a phase's attachments, by default only their names. ``live``: the run goes on
    at this moment, and `LIVE` stands where `render_live` belongs.
    """
    taken = {"main"}
    ordered = sorted(verdicts, key=lambda verdict: _WORST.index(verdict.evidence.status))
    style, script = ((files(__package__) / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    page = (
        templates()
        .get_template("page.html.jinja")
        .render(
            attached=attached,
            live=Markup(LIVE if live is not None else ""),  # noqa: S704  (as below)
            traces=[trace_view(verdict, number, taken, live) for number, verdict in enumerate(ordered, start=1)],
            policy={"style": digest(style), "script": f"{digest(_EARLY)} {digest(script)}"},
            style=Markup(style),  # noqa: S704  (ours, not a text of the evidence; so are the two below)
            early=Markup(_EARLY),  # noqa: S704
            script=Markup(script),  # noqa: S704
        )
    )
    return clean(page)


def render_live(verdicts: Sequence[Verdict], made: int, alive: int, *, every: float, beat: float) -> str:
    """What a page says while the run goes on: what was running when it was ``made``; the run was still ``alive`` then.

    It reloads itself ``every`` so many seconds. A run that goes on writes it every ``beat`` seconds; if nothing newer
    comes for four times that long, the page says so and stops.
    """
    phases = [phase for verdict in verdicts for phase in verdict.phases]
    running = [phase.name for phase in phases if phase.span.status is Status.IN_PROGRESS]
    line = templates().get_template("live.html.jinja")
    return clean(line.render(made=made, alive=alive, running=running, every=every, beat=beat))


@cache
def templates() -> Environment:
    """The pages' templates; whatever a trace says is escaped in them."""
    found = Environment(
        loader=PackageLoader("pytest_contextcore.report.page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters = (brief, clipped, duration, format_time, lasted, moment, own_first, pieces, plural, short)
    found.filters |= {made.__name__: made for made in filters}
    for name in found.list_templates(extensions=["jinja"]):
        found.get_template(name)
    return found


def digest(text: str) -> str:
    """How a Content-Security-Policy names a style or script of the page itself."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
