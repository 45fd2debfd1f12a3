"""How a status looks: a word, a tone (colour) and a mark (shape), so that no meaning hangs on colour alone."""

from __future__ import annotations

from dataclasses import dataclass

from ...plan.model import Kind
from ...trace.evidence import GateEvidence, Result, SpanEvidence, Status
from ...trace.rules import DESELECTED
from .elements import Html, element, markup


@dataclass(frozen=True, slots=True)
class Look:
    """A mark's name (``_SHAPES``), a tone (a colour of ``page.css``) and the word that says the same."""

    mark: str
    tone: str
    word: str


_PHASES = {
    Status.COMPLETED: Look("check", "good", "completed"),
    Status.BLOCKED: Look("cross", "bad", "blocked"),
    Status.FAILED: Look("alert", "bad", "failed"),
    Status.IN_PROGRESS: Look("dots", "active", "in progress"),
    Status.NOT_STARTED: Look("open", "muted", "not started"),
}
_GATES = {
    Result.PASS: Look("check", "good", "passed"),
    Result.FAIL: Look("cross", "bad", "failed"),
    Result.WAIVED: Look("diamond", "warn", "waived"),
    Result.NOT_APPLICABLE: Look("dash", "muted", "not applicable"),
    Result.NOT_CHECKED: Look("open", "muted", "not checked"),
}
_WARNING = Look("caution", "warn", "warning")
_DESELECTED = Look("open", "muted", "not selected")


def status_look(status: Status) -> Look:
    """How the status of a trace looks."""
    return _PHASES[status]


def phase_look(span: SpanEvidence) -> Look:
    """How a phase looks."""
    if span.blocked_reason == DESELECTED and span.status is Status.NOT_STARTED:
        return _DESELECTED
    return _PHASES[span.status]


def gate_look(gate: GateEvidence) -> Look:
    """How a gate looks; an advisory gate's failure is a warning."""
    return _WARNING if gate.result is Result.FAIL and gate.kind is Kind.ADVISORY else _GATES[gate.result]


def mark(look: Look, size: int = 16) -> Html:
    """The mark as a picture; the word beside it says the same, so that it is hidden from screen readers."""
    use = element("use", href=f"#mark:{look.mark}")
    return element("svg", use, class_=f"mark {look.tone}", width=size, height=size, aria_hidden="true")


# Drawn on 16 by 16. `fill` is the tone, `ink` what stands on it.
_SHAPES = {
    "check": '<circle class="fill" cx="8" cy="8" r="7"/><path class="ink" d="M4.8 8.3l2.2 2.2 4.2-4.6"/>',
    "cross": '<path class="fill" d="M5.1 1h5.8L15 5.1v5.8L10.9 15H5.1L1 10.9V5.1z"/>'
    '<path class="ink" d="M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2"/>',
    "alert": '<path class="fill" d="M8 .9l7.4 13.6H.6z"/><path class="ink" d="M8 5.6v4.2M8 12v.3"/>',
    "caution": '<path class="line" d="M8 2l6.2 11.6H1.8z"/><path class="line" d="M8 6.3v3.4M8 11.6v.2"/>',
    "diamond": '<path class="fill" d="M8 .8L15.2 8 8 15.2.8 8z"/><path class="ink" d="M5 8h6"/>',
    "dash": '<circle class="line" cx="8" cy="8" r="6.2"/><path class="line" d="M5.2 8h5.6"/>',
    "open": '<circle class="line" cx="8" cy="8" r="6.2" stroke-dasharray="2.2 2.2"/>',
    "dots": '<circle class="line" cx="8" cy="8" r="6.2"/><path class="line" d="M5 8h.2M7.9 8h.2M10.8 8h.2"/>',
    "reuse": '<path class="line" d="M13.4 9.6A5.6 5.6 0 1 1 12.6 4.8M13 1.6v3.6H9.4"/>',
}


def symbols() -> Html:
    """The shapes, once for the page."""
    drawn = (element("symbol", Html(shape), id=f"mark:{name}", viewBox="0 0 16 16") for name, shape in _SHAPES.items())
    return element("svg", markup(drawn), class_="symbols", width=0, height=0, aria_hidden="true")


REUSED = Look("reuse", "active", "reused")


def icon(look: Look) -> str:
    """The mark as a picture for the browser's tab."""
    colours = {"good": "#17703b", "bad": "#b3211f", "warn": "#8a5200", "active": "#1f5fbf", "muted": "#5a6472"}
    colour = colours[look.tone]
    style = (
        f".fill{{fill:{colour}}}.ink{{fill:none;stroke:#fff;stroke-width:1.8}}"
        f".line{{fill:none;stroke:{colour};stroke-width:1.6}}"
    )
    shape = _SHAPES[look.mark]
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><style>{style}</style>{shape}</svg>'
