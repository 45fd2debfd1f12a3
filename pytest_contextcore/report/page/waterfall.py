"""Phases and gates in the plan's order over one axis of time, as a table. Pure."""

from __future__ import annotations

from ...plan.model import Kind
from ...trace.evidence import Result, SpanEvidence, Status
from ...trace.rules import GOOD, good_gates
from .elements import Html, Node, element, markup
from .marks import REUSED, Look, gate_look, mark, phase_look, status_look
from .text import brief, duration, lasted, rich
from .view import View

_DOTS = 6
"""So many gates are drawn as a mark each beside their phase; of more, only those that are not as they should be."""


_SHORT = 60
"""With so many gates at most, all are printed, whatever is folded on the screen."""


def waterfall(view: View) -> Html:
    """The table: the trace's own row, then for each phase a group of rows, its own and one for each gate."""
    head = element(
        "tr",
        element("th", "Phase", scope="col"),
        element("th", "Status", scope="col"),
        element("th", "Gates", scope="col"),
        element("th", "Duration", scope="col", class_="num"),
        element("th", _scale(view), scope="col", class_="time"),
    )
    groups = [_group(view, at) for at in range(len(view.evidence.spans))]
    caption = "Phases and gates in the plan's order, with their place in time"
    return element(
        "table",
        element("caption", caption, class_="unseen"),
        element("thead", head),
        element("tbody", _trace_row(view)),
        *groups,
        class_="waterfall short" if sum(len(span.gates) for span in view.evidence.spans) <= _SHORT else "waterfall",
    )


def _scale(view: View) -> Html:
    ticks = (element("span", duration(tick) if tick else "0", class_="tick") for tick in view.axis.ticks())
    return element("span", *ticks, class_="scale", aria_label="Time since the trace began")


def _row(kind: str, name: Node, anchor: str, cells: tuple[Node, Node, Node, Node]) -> Html:
    status, gates, took, time = cells
    return element(
        "tr",
        element("th", element("a", name, href=f"#{anchor}", class_="pick"), scope="row"),
        element("td", status, class_="status"),
        element("td", gates, class_="gates"),
        element("td", took, class_="num"),
        element("td", time, class_="time"),
        class_=kind,
    )


def _trace_row(view: View) -> Html:
    evidence, look = view.evidence, status_look(view.evidence.status)
    took = lasted(evidence.started_at, evidence.ended_at)
    name = markup(mark(look), element("b", evidence.trace_id, class_="id"))
    bar = _bar(view, evidence.started_at, evidence.ended_at, look, thin=True)
    return _row("row whole", name, view.anchor, (_word(look), None, duration(took), bar))


def _group(view: View, at: int) -> Html:
    span = view.evidence.spans[at]
    look = phase_look(span)
    said = [element("span", view.short(span.span_id), class_="id"), " ", element("span", span.phase, class_="name")]
    name = markup(mark(look), element("span", *said, class_="label"))
    took = lasted(span.started_at, span.ended_at)
    cells = (_state(span, look), _gates(span), duration(took), _phase_time(view, span, look))
    rows = [_row(f"row phase is-{look.tone}", name, view.phase_anchors[at], cells)]
    rows += [_gate_row(view, at, nth) for nth in range(len(span.gates))]
    classes = f"group{'' if _worth_opening(span) else ' folded'}{' settled' if _settled(span) else ''}"
    return element("tbody", *rows, class_=classes)


def _worth_opening(span: SpanEvidence) -> bool:
    """Whether a phase's gates are shown at first: where one of them is what the reader came for."""
    stopped = span.status in (Status.BLOCKED, Status.FAILED, Status.IN_PROGRESS)
    return stopped or any(gate.result in (Result.FAIL, Result.WAIVED) for gate in span.gates)


def _settled(span: SpanEvidence) -> bool:
    """Whether there is nothing left to look into."""
    return span.status is Status.COMPLETED and all(gate_look(gate).tone in ("good", "muted") for gate in span.gates)


def _word(look: Look) -> Html:
    return element("span", look.word, class_=f"word {look.tone}")


def _state(span: SpanEvidence, look: Look) -> Node:
    return [_word(look), element("span", mark(REUSED, 12), " reused", class_="tag")] if span.reused else _word(look)


def _gates(span: SpanEvidence) -> Node:
    """How many gates are as they should be, and a mark for each where there is room."""
    if not span.gates or (span.status is Status.NOT_STARTED and not span.reused):
        return None
    good = good_gates(span)
    drawn = span.gates if len(span.gates) <= _DOTS else [gate for gate in span.gates if gate.result not in GOOD][:_DOTS]
    dots = [mark(gate_look(gate), 12) for gate in drawn]
    return [element("span", f"{good}/{len(span.gates)}", class_="count"), element("span", dots, class_="dots")]


def _phase_time(view: View, span: SpanEvidence, look: Look) -> Node:
    if span.reused:
        return element("span", "proven by an earlier run", class_="why")
    if span.started_at is None:
        if (root := view.find(span.blocked_on_span_id)) is not None:
            link = element("a", view.short(view.evidence.spans[root].span_id), href=f"#{view.phase_anchors[root]}")
            return element("span", "waits for ", link, class_="why")
        why = "" if look.word == "not selected" else brief(span.blocked_reason or "", lines=1, limit=160)
        return element("span", why, class_="why", dir="auto") if why else None
    return _bar(view, span.started_at, span.ended_at, look)


def _gate_row(view: View, at: int, nth: int) -> Html:
    span = view.evidence.spans[at]
    gate = span.gates[nth]
    look = gate_look(gate)
    said = [element("span", view.gate_name(span, gate), class_="id"), " "]
    said += [element("bdi", rich(brief(gate.purpose, lines=1, limit=160))), " "] if gate.purpose else []
    said += [element("span", gate.kind.value, class_="tag")] if gate.kind is not Kind.REQUIRED else []
    name = markup(mark(look, 14), element("span", *said, class_="label"))
    took = lasted(gate.started_at, gate.ended_at)
    time = None if span.reused else _bar(view, gate.started_at, gate.ended_at, look, thin=True)
    quiet = "" if look.tone in ("bad", "warn") else " plain"
    cells = (_word(look), None, duration(took), time)
    return _row(f"row gate is-{look.tone}{quiet}", name, view.gate_anchors[at][nth], cells)


_THIN = 0.01
"""Percent; a bar without any width is not drawn, and neither is its outline."""


def _bar(view: View, start: int | None, end: int | None, look: Look, *, thin: bool = False) -> Html | None:
    """A bar on the axis. Its outline keeps it visible where its share of the time is next to nothing.

    A bar that is not green carries its mark beside it, so that its meaning does not hang on its colour.
    """
    if start is None:
        return None
    left = view.axis.percent(start)
    right = view.axis.percent(end) if end is not None else 100.0
    took = duration(lasted(start, end)) or "not ended"
    title = element("title", f"+{duration(start - view.axis.start)}, {took}")
    y, height = (5, 6) if thin else (3, 10)
    classes = f"bar {look.tone}{' open' if end is None else ''}"
    width = f"{max(right - left, _THIN):.3f}%"
    bar = element("rect", class_=classes, x=f"{left}%", y=y, width=width, height=height, rx=1)
    return element(
        "svg", title, bar, _beside(look, left, right), class_="track", width="100%", height=16, aria_hidden="true"
    )


def _beside(look: Look, left: float, right: float) -> Html | None:
    if look.tone in ("good", "muted"):
        return None
    if right < 94:
        at, shift = right, 6
    elif left > 6:
        at, shift = left, -18
    else:
        return None
    use = element("use", href=f"#mark:{look.mark}", x=shift, y=2, width=12, height=12)
    return element("svg", use, class_=f"mark {look.tone}", x=f"{at}%", overflow="visible")
