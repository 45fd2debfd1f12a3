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

_WIDTH = 80
_COLUMNS, _HEIGHT = 24, 9  # of Grafana's grid, of a panel in it


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

    @property
    def look(self) -> Literal["table", "share", "count", "duration"]:
        """The panel in ``grafana.json`` that shows it."""
        if self.kind == "search":
            return "table"
        return "share" if self.stack else "count" if self.unit == "short" else "duration"


def queries() -> list[Query]:
    """All queries, in the order in which they are shown."""
    document = tomllib.loads((files(__package__) / "queries.toml").read_text(encoding="utf-8"))
    return [Query(**entry) for entry in document["query"]]


def dashboard(found: list[Query]) -> dict[str, Any]:
    """A Grafana dashboard with a panel for each query; the user chooses the Tempo data source at its top."""
    parts = json.loads((files(__package__) / "grafana.json").read_text(encoding="utf-8"))
    width = _COLUMNS // 2
    panels = [
        {
            "id": index + 1,
            "title": query.title,
            "description": query.purpose,
            "gridPos": {"x": index % 2 * width, "y": index // 2 * _HEIGHT, "w": width, "h": _HEIGHT},
            "targets": [{**parts["target"], "query": query.query}],
            **parts["panels"][query.look],
        }
        for index, query in enumerate(found)
    ]
    return {**parts["dashboard"], "panels": panels}


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
