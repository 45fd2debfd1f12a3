"""S5: the route follows from the score, or from an override that says why and by whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from ..documents import json_object
from ..findings import Finding, Unreadable, clean, shown
from ..ingested import Ingestion
from ..names import DIAGNOSTIC, INGESTION_STATE, OVERRIDE, REVIEW_CONFIG, ROUTES
from ..nodes import Node
from ..workspace import Workspace
from . import attempt, differs, gate
from .ingestion import by_score, implausible


def overridden(ws: Workspace) -> bool:
    """Tell whether something stands where an override would stand, whatever it is."""
    return ws.occupied(OVERRIDE)


def not_overridden(ws: Workspace) -> str | None:
    """Say why S5-G2 has nothing to check, or None: nothing stands where an override would stand."""
    return None if overridden(ws) else "the route was not overridden: there is no route-override.json"


def reasoning(ws: Workspace) -> str | None:
    """Give the reason that ingestion states for the score and the route; None if there is none, which S5-G1 reports."""
    try:
        return clean(Ingestion.load(ws).seed.find("complexity", "reasoning").name())
    except Unreadable:
        return None


@gate
def route(ws: Workspace) -> Iterator[Finding]:
    """S5-G1: above 40 the route is artisan, else prime, unless it is overridden; all statements agree, and say why."""
    ingestion = Ingestion.load(ws)
    yield from attempt(ingestion.seed.get("complexity", "reasoning").name)
    expected = by_score(ingestion.seed.get("complexity", "composite").number())
    why = f"as the score is {shown(ingestion.seed.get('complexity', 'composite').value)}"
    if overridden(ws):
        # Whether the override itself is sound is S5-G2's question; an unsound one justifies nothing.
        stated = json_object(ws, OVERRIDE).get("route")
        if not override(ws):
            expected, why = stated.name(), "as the override says"
    if ingestion.named_route not in ROUTES or ingestion.named_route != expected:
        message = "the route in the seed's name contradicts what it has to be"
        yield Finding(
            ingestion.seed_path,
            message,
            ingestion.named_route,
            f"{expected}, {why}",
            "route_mismatch",
            ingestion.seed_path,
        )
    diagnostic, state, config = (partial(json_object, ws, p) for p in (DIAGNOSTIC, INGESTION_STATE, REVIEW_CONFIG))
    statements: tuple[tuple[Callable[[], Node], tuple[str, ...], bool], ...] = (
        (lambda: ingestion.seed, ("complexity", "route"), True),
        (lambda: ingestion.enriched, ("complexity", "route"), True),
        (lambda: ingestion.traceability, ("route",), True),
        (diagnostic, ("route",), False),
        (diagnostic, ("phases", "assess", "quality_signals", "route_decision"), False),
        (state, ("route",), False),
        (state, ("complexity_route",), False),
        (config, ("_ingestion_metadata", "route"), True),
    )
    for read, keys, required in statements:
        try:
            node = read().find(*keys)
            if node.given or required:
                yield from _says(node, expected, why)
        except Unreadable as error:
            yield error.finding
    yield from implausible(ingestion)


def _says(node: Node, expected: str, why: str) -> Iterator[Finding]:
    if node.name() != expected:
        yield differs(node, f"{node.at} states another route", f"{expected}, {why}", "route_mismatch")


@gate
def override(ws: Workspace) -> Iterator[Finding]:
    """S5-G2: an override names a known route, a reason and who approved it."""
    document = json_object(ws, OVERRIDE)
    for key in ("route", "reason", "approved_by"):
        node = document.get(key)
        if not isinstance(node.value, str) or not node.value.strip():
            message = f"the override does not state its {key}"
            yield Finding(OVERRIDE, message, shown(node.value), "a text", "undocumented_override", key)
    if isinstance(document.get("route").value, str) and document.get("route").value not in ROUTES:
        yield differs(document.get("route"), "the override's route is unknown", "artisan or prime", "unknown_route")
