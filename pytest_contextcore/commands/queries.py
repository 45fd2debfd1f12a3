"""``contextcore queries``: TraceQL queries over the spans of plans, and a Grafana dashboard made of them."""

from __future__ import annotations

import json
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any, Literal

import click

from .cli import refuse

DASHBOARD_UID = "contextcore-plans"
_WIDTH = 80
_COLUMNS, _PANEL_HEIGHT = 24, 9  # of Grafana's grid


@dataclass(frozen=True, slots=True)
class Query:
    """A TraceQL query, what it answers, and how it is shown.

    Attributes:
        name: what a user calls it by.
        kind: ``metrics`` gives a number over time, ``search`` a list of spans.
        unit: Grafana's name of the number's unit; ``short`` is a count.
        stack: shares are of interest, not numbers.
    """

    name: str
    title: str
    purpose: str
    kind: Literal["metrics", "search"]
    query: str
    unit: str = "short"
    stack: bool = False


def queries() -> list[Query]:
    """All queries, in the order in which they are shown."""
    document = tomllib.loads((files(__package__) / "queries.toml").read_text(encoding="utf-8"))
    return [Query(**entry) for entry in document["query"]]


def dashboard(found: list[Query]) -> dict[str, Any]:
    """A Grafana dashboard with a panel for each query; the user chooses the Tempo data source at its top."""
    half = _COLUMNS // 2
    return {
        "uid": DASHBOARD_UID,
        "title": "ContextCore plans",
        "tags": ["contextcore"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "label": "Tempo", "type": "datasource", "query": "tempo", "refresh": 1}
            ]
        },
        "annotations": {"list": []},
        "panels": [
            {
                "id": index + 1,
                "title": query.title,
                "description": query.purpose,
                "datasource": {"type": "tempo", "uid": "${datasource}"},
                "gridPos": {
                    "x": index % 2 * half, "y": index // 2 * _PANEL_HEIGHT, "w": half, "h": _PANEL_HEIGHT
                },
                "targets": [_target(query)],
                **_look(query),
            }
            for index, query in enumerate(found)
        ],
    }  # fmt: skip


def _target(query: Query) -> dict[str, Any]:
    return {
        "refId": "A",
        "datasource": {"type": "tempo", "uid": "${datasource}"},
        "queryType": "traceql",
        "query": query.query,
        "limit": 100,
        "tableType": "spans",
        "metricsQueryType": "range",
    }


def _look(query: Query) -> dict[str, Any]:
    """Type, options and field settings of a panel: a table of spans, or bars whose legend sums them up."""
    if query.kind == "search":
        return {"type": "table", "options": {"showHeader": True}, "fieldConfig": {"defaults": {}, "overrides": []}}
    counted = query.unit == "short"
    custom = {
        "drawStyle": "bars" if counted else "points",
        "fillOpacity": 80,
        "stacking": {"mode": "percent" if query.stack else "normal" if counted else "none", "group": "A"},
    }
    calculation = "sum" if counted else "max"
    return {
        "type": "timeseries",
        "options": {
            "legend": {
                "showLegend": True, "displayMode": "table", "placement": "right", "calcs": [calculation],
                "sortBy": {"sum": "Total", "max": "Max"}[calculation], "sortDesc": True,
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "fieldConfig": {"defaults": {"unit": query.unit, "custom": custom}, "overrides": []},
    }  # fmt: skip


def _listing(found: list[Query]) -> Iterator[str]:
    for query in found:
        yield f"{query.name}: {query.title}"
        yield from textwrap.wrap(query.purpose, _WIDTH, initial_indent="  ", subsequent_indent="  ")
        yield f"  {query.query}"
        yield ""
    yield "contextcore queries NAME prints one query alone, --dashboard a Grafana dashboard."


@click.command("queries")
@click.argument("name", required=False)
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form of the list."
)
@click.option("--dashboard", "as_dashboard", is_flag=True, help="Print a Grafana dashboard (JSON) for import.")
def command(name: str | None, form: str, as_dashboard: bool) -> int:
    """Print TraceQL queries over plans, for Grafana Tempo.

    NAME is one query, to be printed alone.
    """
    if as_dashboard and (name is not None or form == "json"):
        raise click.UsageError("--dashboard stands alone, without NAME and --format", click.get_current_context())
    found = queries()
    if as_dashboard:
        print(json.dumps(dashboard(found), indent=2))
        return 0
    if name is not None:
        known = ", ".join(query.name for query in found)
        found = [query for query in found if query.name == name]
        if not found:
            return refuse(f"there is no query {name!r}; there are: {known}")
    if form == "json":
        print(json.dumps([asdict(query) for query in found], indent=2))
    else:
        print(found[0].query if name is not None else "\n".join(_listing(found)))
    return 0
