"""TraceQL over captured spans: the forms that our queries use, and nothing else of the language.

``{ field = value && … }`` and then ``| select(…)``, or a count or a quantile of durations over time ``by (…)``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass

Value = object

FIELD = r"(?:(?:span|event)\.[a-z_.]+|event:name)"
_LITERAL = r'(?:nil|"[^"]*")'
_CONDITION = re.compile(rf"({FIELD}) (!=|=) ({_LITERAL})")
_QUERY = re.compile(
    rf"{{ (?P<filter>{_CONDITION.pattern}(?: && {_CONDITION.pattern})*) }}"
    rf" \| (?:select\((?P<select>{FIELD}(?:, {FIELD})*)\)"
    rf"|(?:count_over_time\(\)|quantile_over_time\(duration, (?P<share>0\.\d+)\))"
    rf" by \((?P<by>{FIELD}(?:, {FIELD})*)\))"
)


@dataclass(frozen=True)
class Captured:
    """A span as a trace store has it."""

    name: str
    seconds: float
    attributes: dict[str, Value]
    events: list[tuple[str, dict[str, Value]]]

    def of(self, field: str) -> list[Value]:
        """The values of a field: of an event's as many as there are such events."""
        if field == "event:name":
            return [name for name, _ in self.events]
        scope, _, name = field.partition(".")
        holders = [self.attributes] if scope == "span" else [attributes for _, attributes in self.events]
        return [holder[name] for holder in holders if name in holder]


def fields(query: str) -> set[str]:
    """The fields that a query uses."""
    return set(re.findall(FIELD, query))


def found(query: str, spans: list[Captured]) -> list[tuple[Value, ...]] | dict[tuple[Value, ...], float]:
    """What a query finds: the selected values of each span, or by its groups a count or a duration in seconds."""
    read = _QUERY.fullmatch(query)
    assert read is not None, f"not a form of TraceQL that is known here: {query}"
    conditions = [_condition(*condition.groups()) for condition in _CONDITION.finditer(read["filter"])]
    taken = [span for span in spans if all(holds(span) for holds in conditions)]
    if read["select"]:
        return [tuple(_one(span, field) for field in read["select"].split(", ")) for span in taken]
    groups: dict[tuple[Value, ...], list[float]] = {}
    for span in taken:
        groups.setdefault(tuple(_one(span, field) for field in read["by"].split(", ")), []).append(span.seconds)
    if read["share"] is None:
        return {group: float(len(lasted)) for group, lasted in groups.items()}
    share = float(read["share"])
    return {group: sorted(lasted)[math.ceil(share * len(lasted)) - 1] for group, lasted in groups.items()}


def _condition(field: str, sign: str, literal: str) -> Callable[[Captured], bool]:
    """``!= nil`` asks whether it is there; another comparison holds for no span that lacks the field."""
    if literal == "nil":
        assert sign == "!=", "Tempo has no `= nil` in all versions"
        return lambda span: bool(span.of(field))
    wanted = json.loads(literal)
    return lambda span: any((value == wanted) == (sign == "=") for value in span.of(field))


def _one(span: Captured, field: str) -> Value:
    """The value of a field, a list of several."""
    values = span.of(field)
    return values[0] if len(values) == 1 else values
