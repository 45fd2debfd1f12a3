"""``contextcore queries``: TraceQL queries over the spans of plans, and a Grafana dashboard made of them."""

from __future__ import annotations

import json
import textwrap
import tomllib
from importlib.resources import files
from typing import Any, Literal, NamedTuple

import click

from .cli import FORMAT, print_json, refuse

_PANEL = {"w": 12, "h": 9}  # two beside each other in Grafana's grid of 24 columns


class Query(NamedTuple):
    """A TraceQL query: what a user calls it by, what it answers, and the panel of ``grafana.json`` that shows it."""

    name: str
    title: str
    purpose: str
    panel: Literal["table", "share", "count", "duration"]
    query: str


def queries() -> list[Query]:
    """All queries, in the order in which they are shown."""
    document = tomllib.loads((files(__package__) / "queries.toml").read_text(encoding="utf-8"))
    return [Query(**entry) for entry in document["query"]]


def dashboard(found: list[Query]) -> dict[str, Any]:
    """A Grafana dashboard with a panel for each query; the user chooses the Tempo data source at its top."""
    parts = json.loads((files(__package__) / "grafana.json").read_text(encoding="utf-8"))
    panels = [
        {
            "id": index + 1,
            "title": query.title,
            "description": query.purpose,
            "gridPos": {"x": index % 2 * _PANEL["w"], "y": index // 2 * _PANEL["h"], **_PANEL},
            "targets": [{**parts["target"], "query": query.query}],
            **parts["panels"][query.panel],
        }
        for index, query in enumerate(found)
    ]
    return {**parts["dashboard"], "panels": panels}


@click.command("queries")
@click.argument("name", required=False)
@FORMAT
@click.option("--dashboard", "as_dashboard", is_flag=True, help="Print a Grafana dashboard (JSON) for import.")
def command(name: str | None, form: str, as_dashboard: bool) -> int:
    """Print TraceQL queries over plans, for Grafana Tempo.

    NAME is one query, to be printed alone.
    """
    if as_dashboard and (name is not None or form == "json"):
        raise click.UsageError("--dashboard stands alone, without NAME and --format", click.get_current_context())
    known = {query.name: query for query in queries()}
    if name is not None and name not in known:
        return refuse(f"there is no query {name!r}; there are: {', '.join(known)}")
    found = [known[name]] if name is not None else list(known.values())
    if as_dashboard:
        print_json(dashboard(found))
    elif form == "json":
        print_json([query._asdict() for query in found])
    elif name is not None:
        print(found[0].query)
    else:
        for query in found:
            print(f"{query.name}: {query.title}\n{textwrap.indent(textwrap.fill(query.purpose, 78), '  ')}")
            print(f"  {query.query}\n")
        print("contextcore queries NAME prints one query alone, --dashboard a Grafana dashboard.")
    return 0
