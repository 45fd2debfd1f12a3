"""What an article of the details is made of: facts, texts, times, evidence, handoffs, inputs, events. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from pydantic import BaseModel

from ...trace.evidence import (
    Attributes,
    Event,
    Evidence,
    EvidenceItem,
    GateEvidence,
    HandoffRecord,
    Input,
    SpanEvidence,
)
from .elements import Html, Node, element, markup
from .text import MOST, clipped, duration, lasted, moment, rich, some, value

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


def part(title: str, *nodes: Node) -> Html | None:
    """A titled section; nothing where there is nothing in it."""
    return element("section", element("h4", title), *nodes) if any(nodes) else None


def prose(title: str, text: str | None) -> Html | None:
    """A section of one text, lines kept."""
    return part(title, element("p", clipped(text), class_="prose", dir="auto")) if text else None


def next_step(action: str | None) -> Html | None:
    """A section with what a plan says to do."""
    return part("What next", element("p", rich(clipped(action)), class_="prose", dir="auto")) if action else None


def facts(rows: Sequence[tuple[str, Node]]) -> Html | None:
    """A list of names and values; rows without a value are left out."""
    entries = [
        element("div", element("dt", name), element("dd", node)) for name, node in rows if node not in (None, "")
    ]
    return element("dl", *entries, class_="facts") if entries else None


def code(text: str | None) -> Html | None:
    """A text that the reader may copy."""
    return element("code", clipped(text, 2000), class_="copy") if text else None


def values(values: Mapping[str, Node]) -> Html | None:
    """Attributes or options: any text as name, any as value."""
    rows = [
        element("div", element("dt", element("code", clipped(name, 200))), element("dd", node, dir="auto"))
        for name, node in some(list(values.items()))
    ]
    return element("dl", *rows, _more(len(values)), class_="facts values") if rows else None


def attributes(found: Attributes) -> Html | None:
    """Attributes by their names."""
    return part("Attributes", values({name: value(given) for name, given in sorted(found.items())}))


def _more(count: int) -> Html | None:
    return element("p", f"and {count - MOST:,} more in the evidence file", class_="quiet") if count > MOST else None


def times(start: int | None, end: int | None, origin: int | None) -> Html | None:
    """Begin, end and duration; ``origin`` is the beginning of the trace."""
    after = f"+{duration(start - origin)} after the trace began" if start is not None and origin is not None else None
    rows = [("Started", markup(moment(start))), ("", after), ("Ended", markup(moment(end)))]
    return part("Time", facts([*rows, ("Lasted", duration(lasted(start, end)))])) if start is not None else None


def evidence(items: list[EvidenceItem]) -> Html | None:
    """What a gate found."""
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
    return part("Evidence", element("ul", *entries, class_="items"), _more(len(items))) if entries else None


def handoffs(records: list[HandoffRecord]) -> Html | None:
    """What was handed on or received, with its digest."""
    entries = []
    for record in some(records):
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
    return part("Handoffs", element("ul", *entries, class_="items"), _more(len(records))) if entries else None


def inputs(files: list[Input]) -> Html | None:
    """Files with their digests."""
    entries = [
        element(
            "li",
            element("code", clipped(item.path, 1000)),
            element("code", f"sha256:{item.sha256}", class_="copy digest"),
        )
        for item in some(files)
    ]
    title = f"Files it relied on ({len(files):,})"
    return part(title, element("ul", *entries, class_="items"), _more(len(files))) if entries else None


def events(moments: list[Event], origin: int | None) -> Html | None:
    """Moments of a span, counted from its beginning."""
    entries = []
    for event in some(moments):
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
    return part("Events", element("ol", *entries, class_="items events"), _more(len(moments))) if entries else None


def others(record: BaseModel) -> Html | None:
    """Fields that have no place of their own."""
    names = _other_fields(type(record))
    found = record.model_dump(mode="json", include=set(names)) if names else {}
    rows = [(name.replace("_", " "), _plain(given)) for name, given in found.items() if given not in (None, "", [], {})]
    return part("Also recorded", facts(rows)) if rows else None


@cache
def _other_fields(model: type[BaseModel]) -> tuple[str, ...]:
    placed = next(names for known, names in _PLACED.items() if issubclass(model, known))
    return tuple(name for name in model.model_fields if name not in placed)


def _plain(given: object) -> Node:
    """Data without a form of its own: lists as lists, objects as names and values."""
    if isinstance(given, dict):
        rows = [(str(name), _plain(inner)) for name, inner in given.items() if inner not in (None, "", [], {})]
        return facts(rows)
    if isinstance(given, list):
        return [
            element("ul", *(element("li", _plain(inner)) for inner in some(given)), class_="items"),
            _more(len(given)),
        ]
    return element("span", clipped(str(given)), class_="prose", dir="auto")
