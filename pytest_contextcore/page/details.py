"""Everything that is recorded about one span, an article each: the trace, a phase, a gate. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from pydantic import BaseModel

from ..model import Attributes, Event, Evidence, EvidenceItem, GateEvidence, HandoffRecord, Input, SpanEvidence, Status
from .elements import Html, Node, element, markup
from .marks import REUSED, Look, gate_look, mark, phase_look, status_look
from .text import MOST, clipped, duration, lasted, moment, some, value
from .view import View

_DIRECTIONS = {
    "emitted": ("→", "emitted, for a later phase"),
    "validated": ("←", "received and accepted"),
    "rejected": ("✗", "received and refused"),
}
_PLACED = {
    Evidence: frozenset(
        {
            "seal",
            "runs",
            "schema_version",
            "trace_id",
            "otel_trace_id",
            "otel_span_id",
            "otel_parent_span_id",
            "project_id",
            "title",
        }
        | {
            "type",
            "status",
            "started_at",
            "ended_at",
            "blocked_reason",
            "blocked_on_span_id",
            "next_action",
            "workspace",
        }
        | {"options", "plan_digest", "attributes", "summary", "definition_of_done", "spans"}
    ),
    SpanEvidence: frozenset(
        {"span_id", "otel_span_id", "parent_id", "phase", "status", "started_at", "ended_at", "nodeid", "attributes"}
        | {"blocked_reason", "blocked_on_span_id", "next_action", "reused", "inputs", "gates", "events", "handoffs"}
        | {"fingerprint"}
    ),
    GateEvidence: frozenset(
        {"gate_id", "purpose", "otel_span_id", "kind", "result", "severity", "reason", "next_action", "waived"}
        | {"evidence", "started_at", "ended_at", "events"}
    ),
}
"""Fields of the evidence that have their place on the page; others are listed as they are, rather than left out."""


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


def _part(title: str, *nodes: Node) -> Html | None:
    return element("section", element("h4", title), *nodes) if any(nodes) else None


def _prose(title: str, text: str | None) -> Html | None:
    return _part(title, element("p", clipped(text), class_="prose", dir="auto")) if text else None


def _facts(rows: Sequence[tuple[str, Node]]) -> Html | None:
    """A list of names and values; rows without a value are left out."""
    entries = [
        element("div", element("dt", name), element("dd", node)) for name, node in rows if node not in (None, "")
    ]
    return element("dl", *entries, class_="facts") if entries else None


def _code(text: str | None) -> Html | None:
    return element("code", clipped(text, 2000), class_="copy") if text else None


def _values(values: Mapping[str, Node]) -> Html | None:
    """Attributes or options: any text as name, any as value."""
    rows = [
        element("div", element("dt", element("code", clipped(name, 200))), element("dd", node, dir="auto"))
        for name, node in some(list(values.items()))
    ]
    return element("dl", *rows, _more(len(values)), class_="facts values") if rows else None


def _attributes(attributes: Attributes) -> Html | None:
    return _part("Attributes", _values({name: value(given) for name, given in sorted(attributes.items())}))


def _more(count: int) -> Html | None:
    return element("p", f"and {count - MOST:,} more in the evidence file", class_="quiet") if count > MOST else None


def _trace(view: View) -> Html:
    evidence = view.evidence
    look = status_look(evidence.status)
    options = {name: value(given) for name, given in evidence.options.items()}
    return _article(
        view.anchor,
        look,
        f"trace of type {evidence.type}",
        evidence.trace_id,
        _prose("Why", evidence.blocked_reason),
        _prose("What next", evidence.next_action),
        _part("Blocked on", view.phase_reference(evidence.blocked_on_span_id)) if evidence.blocked_on_span_id else None,
        _times(evidence.started_at, evidence.ended_at, None),
        _attributes(evidence.attributes),
        _part("Options of the run", _values(options)),
        _part(
            "Ids and origin",
            _facts(
                [
                    ("Trace id", _code(evidence.otel_trace_id)),
                    ("Span id", _code(evidence.otel_span_id)),
                    ("Parent span id", _code(evidence.otel_parent_span_id)),
                    ("Project", evidence.project_id),
                    ("Workspace", _code(evidence.workspace)),
                    ("Plan's digest", _code(evidence.plan_digest)),
                    ("Evidence format", evidence.schema_version),
                ]
            ),
        ),
        _others(evidence),
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
        _prose("Why", span.blocked_reason),
        _prose("What next", span.next_action),
        _part("Waits for", element("p", view.phase_reference(blocked_on))) if blocked_on else None,
        _part("Gates", element("ul", *gates, class_="gatelist")) if gates else None,
        _times(span.started_at, span.ended_at, None if span.reused else evidence.started_at),
        _attributes(span.attributes),
        _handoffs(span.handoffs),
        _inputs(span.inputs),
        _events(span.events, span.started_at),
        _part(
            "Ids and origin",
            _facts(
                [
                    ("Test", _code(span.nodeid)),
                    ("Phase", _code(span.span_id)),
                    ("Trace id", _code(evidence.otel_trace_id)),
                    ("Span id", _code(span.otel_span_id)),
                    ("Parent", _code(span.parent_id)),
                    ("Fingerprint", _code(span.fingerprint)),
                ]
            ),
        ),
        _others(span),
        plain=span.status in (Status.NOT_STARTED, Status.COMPLETED),
    )


def _gate_entry(view: View, at: int, nth: int) -> Html:
    span = view.evidence.spans[at]
    gate = span.gates[nth]
    look = gate_look(gate)
    name = element("a", view.gate_name(span, gate), href=f"#{view.gate_anchors[at][nth]}")
    first = (gate.reason or "").split("\n")[0][:200]
    below = [element("span", text, class_="first", dir="auto") for text in (gate.purpose[:200], first) if text]
    return element("li", mark(look, 14), " ", name, element("span", f" {look.word}", class_=f"word {look.tone}"), below)


def _gate(view: View, at: int, nth: int) -> Html:
    span = view.evidence.spans[at]
    gate = span.gates[nth]
    look = gate_look(gate)
    severity = f", severity {gate.severity.value}" if gate.severity else ""
    return _article(
        view.gate_anchors[at][nth],
        look,
        f"{gate.kind.value} gate{severity}",
        markup(view.short(span.span_id), " ", view.gate_name(span, gate)),
        element("p", clipped(gate.purpose, 1000), class_="prose", dir="auto") if gate.purpose else None,
        element("p", "Gate of phase ", view.phase_link(at), class_="quiet"),
        _prose("Why", gate.reason),
        _prose("Waived by", gate.waived),
        _prose("What next", gate.next_action),
        _evidence(gate.evidence),
        _times(gate.started_at, gate.ended_at, None if span.reused else view.evidence.started_at),
        _events(gate.events, gate.started_at),
        _part(
            "Ids",
            _facts(
                [
                    ("Gate", _code(gate.gate_id)),
                    ("Trace id", _code(view.evidence.otel_trace_id)),
                    ("Span id", _code(gate.otel_span_id)),
                    ("Parent span id", _code(span.otel_span_id)),
                ]
            ),
        ),
        _others(gate),
        plain=look.tone in ("good", "muted"),
    )


def _times(start: int | None, end: int | None, origin: int | None) -> Html | None:
    after = f"+{duration(start - origin)} after the trace began" if start is not None and origin is not None else None
    rows = [("Started", markup(moment(start))), ("", after), ("Ended", markup(moment(end)))]
    return _part("Time", _facts([*rows, ("Lasted", duration(lasted(start, end)))])) if start is not None else None


def _evidence(items: list[EvidenceItem]) -> Html | None:
    entries = [
        element(
            "li",
            element("span", item.type, class_="kind"),
            " ",
            element("code", clipped(item.ref, 2000), dir="auto"),
            element("p", clipped(item.description, 4000), class_="prose", dir="auto") if item.description else None,
        )
        for item in some(items)
    ]
    return _part("Evidence", element("ul", *entries, class_="items"), _more(len(items))) if entries else None


def _handoffs(handoffs: list[HandoffRecord]) -> Html | None:
    entries = []
    for record in some(handoffs):
        arrow, meaning = _DIRECTIONS[record.direction]
        entries.append(
            element(
                "li",
                element("span", arrow, class_="arrow", aria_hidden="true"),
                element("b", record.name),
                element("span", f" {meaning}", class_="quiet"),
                element("code", record.digest, class_="copy digest"),
            )
        )
    return _part("Handoffs", element("ul", *entries, class_="items"), _more(len(handoffs))) if entries else None


def _inputs(inputs: list[Input]) -> Html | None:
    entries = [
        element(
            "li",
            element("code", clipped(item.path, 1000)),
            element("code", f"sha256:{item.sha256}", class_="copy digest"),
        )
        for item in some(inputs)
    ]
    title = f"Files it relied on ({len(inputs):,})"
    return _part(title, element("ul", *entries, class_="items"), _more(len(inputs))) if entries else None


def _events(events: list[Event], origin: int | None) -> Html | None:
    entries = []
    for event in some(events):
        offset = f"+{duration(event.time - origin)}" if origin is not None else moment(event.time)
        attributes = [
            element("div", element("dt", name), element("dd", value(given), dir="auto"))
            for name, given in event.attributes.items()
        ]
        entries.append(
            element(
                "li",
                element("span", offset, class_="offset"),
                element("b", event.name),
                element("dl", *attributes, class_="inner") if attributes else None,
            )
        )
    return _part("Events", element("ol", *entries, class_="items events"), _more(len(events))) if entries else None


def _others(record: BaseModel) -> Html | None:
    """Fields that have no place of their own."""
    names = _other_fields(type(record))
    found = record.model_dump(mode="json", include=set(names)) if names else {}
    rows = [(name.replace("_", " "), _plain(given)) for name, given in found.items() if given not in (None, "", [], {})]
    return _part("Also recorded", _facts(rows)) if rows else None


@cache
def _other_fields(model: type[BaseModel]) -> tuple[str, ...]:
    placed = next(names for known, names in _PLACED.items() if issubclass(model, known))
    return tuple(name for name in model.model_fields if name not in placed)


def _plain(given: object) -> Node:
    """Data without a form of its own: lists as lists, objects as names and values."""
    if isinstance(given, dict):
        rows = [(str(name), _plain(inner)) for name, inner in given.items() if inner not in (None, "", [], {})]
        return _facts(rows)
    if isinstance(given, list):
        return [
            element("ul", *(element("li", _plain(inner)) for inner in some(given)), class_="items"),
            _more(len(given)),
        ]
    return element("span", clipped(str(given)), class_="prose", dir="auto")
