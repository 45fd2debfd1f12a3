"""Everything that is recorded about one span, an article each: the trace, a phase, a gate. Pure."""

from __future__ import annotations

from ...trace.evidence import SpanEvidence, Status
from ..verdict import files, of_gate, short
from .banner import where
from .elements import Html, Node, element, markup
from .marks import REUSED, Look, gate_look, mark, phase_look, status_look
from .parts import (
    attributes,
    code,
    events,
    evidence,
    facts,
    handoffs,
    inputs,
    next_step,
    others,
    part,
    prose,
    times,
    values,
)
from .text import clipped, rich, value
from .view import View


def details(view: View) -> Html:
    """The articles of a trace in the plan's order, each phase's gates behind it."""
    articles = [_trace(view)]
    for at, span in enumerate(view.evidence.spans):
        articles.append(_phase(view, at))
        articles += [_gate(view, at, nth) for nth in range(len(span.gates))]
    return markup(*articles)


def _article(anchor: str, look: Look, kind: str, title: Node, *parts: Node, plain: bool = False) -> Html:
    """``plain``: its line in the table says enough on paper."""
    heading = element("h3", mark(look, 18), element("span", title), id=f"name:{anchor}", tabindex=-1)
    state = element("p", element("span", look.word, class_=f"word {look.tone}"), f" · {kind}", class_="state")
    return element(
        "article",
        heading,
        state,
        *parts,
        id=anchor,
        class_=f"span{' plain' if plain else ''}",
        aria_labelledby=f"name:{anchor}",
    )


def _where(view: View, span: SpanEvidence, broken: list[str]) -> Html | None:
    return part("Where", *where(view.evidence, span, broken))


def _trace(view: View) -> Html:
    evidence = view.evidence
    look = status_look(evidence.status)
    options = {name: value(given) for name, given in evidence.options.items()}
    return _article(
        view.anchor,
        look,
        f"trace of type {evidence.type}",
        evidence.trace_id,
        prose("Why", evidence.blocked_reason),
        next_step(evidence.next_action),
        part("Blocked on", view.phase_reference(evidence.blocked_on_span_id)) if evidence.blocked_on_span_id else None,
        times(evidence.started_at, evidence.ended_at, None),
        attributes(evidence.attributes),
        part("Options of the run", values(options)),
        part(
            "Ids and origin",
            facts(
                [
                    ("Trace id", code(evidence.otel_trace_id)),
                    ("Span id", code(evidence.otel_span_id)),
                    ("Parent span id", code(evidence.otel_parent_span_id)),
                    ("Project", evidence.project_id),
                    ("Workspace", code(evidence.workspace)),
                    ("Plan's digest", code(evidence.plan_digest)),
                    ("Evidence format", evidence.schema_version),
                ]
            ),
        ),
        others(evidence),
    )


def _phase(view: View, at: int) -> Html:
    span, evidence = view.evidence.spans[at], view.evidence
    look = phase_look(span)
    gates = [_gate_entry(view, at, nth) for nth in range(len(span.gates))]
    reused = element("p", mark(REUSED), " Not run again: an earlier run proves it, and what it relied on is unchanged.")
    blocked_on = span.blocked_on_span_id
    return _article(
        view.phase_anchors[at],
        look,
        f"phase {at + 1} of {len(evidence.spans)}",
        markup(view.short(span.span_id), " ", span.phase),
        reused if span.reused else None,
        _where(view, span, files(span)) if span.status in (Status.BLOCKED, Status.FAILED) else None,
        prose("Why", span.blocked_reason),
        next_step(span.next_action),
        part("Waits for", element("p", view.phase_reference(blocked_on))) if blocked_on else None,
        part("Gates", element("ul", *gates, class_="gatelist")) if gates else None,
        times(span.started_at, span.ended_at, None if span.reused else evidence.started_at),
        attributes(span.attributes),
        handoffs(span.handoffs),
        inputs(span.inputs),
        events(span.events, span.started_at),
        part(
            "Ids and origin",
            facts(
                [
                    ("Test", code(span.nodeid)),
                    ("Phase", code(span.span_id)),
                    ("Trace id", code(evidence.otel_trace_id)),
                    ("Span id", code(span.otel_span_id)),
                    ("Parent", code(span.parent_id)),
                    ("Fingerprint", code(span.fingerprint)),
                ]
            ),
        ),
        others(span),
        plain=span.status in (Status.NOT_STARTED, Status.COMPLETED),
    )


def _gate_entry(view: View, at: int, nth: int) -> Html:
    span = view.evidence.spans[at]
    gate = span.gates[nth]
    look = gate_look(gate)
    name = element("a", view.gate_name(span, gate), href=f"#{view.gate_anchors[at][nth]}")
    first = short((gate.reason or "").partition("\n")[0])[:200]
    below = [element("span", rich(gate.purpose[:200]), class_="first", dir="auto")] if gate.purpose else []
    below += [element("span", first, class_="first", dir="auto")] if first else []
    return element("li", mark(look, 14), " ", name, element("span", f" {look.word}", class_=f"word {look.tone}"), below)


def _gate(view: View, at: int, nth: int) -> Html:
    span = view.evidence.spans[at]
    gate = span.gates[nth]
    look = gate_look(gate)
    broken = of_gate(span, gate).files
    severity = f", severity {gate.severity.value}" if gate.severity else ""
    return _article(
        view.gate_anchors[at][nth],
        look,
        f"{gate.kind.value} gate{severity}",
        markup(view.short(span.span_id), " ", view.gate_name(span, gate)),
        element("p", rich(clipped(gate.purpose, 1000)), class_="prose", dir="auto") if gate.purpose else None,
        element("p", "Gate of phase ", view.phase_link(at), class_="quiet"),
        _where(view, span, broken) if broken else None,
        prose("Why", gate.reason),
        prose("Waived by", gate.waived),
        next_step(gate.next_action),
        evidence(gate.evidence),
        times(gate.started_at, gate.ended_at, None if span.reused else view.evidence.started_at),
        events(gate.events, gate.started_at),
        part(
            "Ids",
            facts(
                [
                    ("Gate", code(gate.gate_id)),
                    ("Trace id", code(view.evidence.otel_trace_id)),
                    ("Span id", code(gate.otel_span_id)),
                    ("Parent span id", code(span.otel_span_id)),
                ]
            ),
        ),
        others(gate),
        plain=look.tone in ("good", "muted"),
    )
