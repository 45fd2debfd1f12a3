"""Reference pages made from data, so that they cannot part from it: ``python -m tools.attributes_page``."""

from __future__ import annotations

from itertools import groupby

from pytest_contextcore.plan.attributes import registry

_LEVELS = {
    "resource": "Who emits the spans; on every span's resource.",
    "trace": "On the parent span of a plan, or on the root span `pytest` of the ordinary tests.",
    "phase": (
        "On phases. Those under `task.` and `project.` are on the parent and on gates too; what a phase recorded is "
        "also on the parent, as the last phase observed it."
    ),
    "gate": "On gates.",
    "test": "On tests that are no phase; on phases too.",
    "event": "On events.",
}


def attribute_page() -> str:
    """The page of all attributes that the package declares, in Markdown."""
    lines = [
        "# Attributes",
        "",
        "Every attribute that a span, event or resource may carry. This page is generated from the registry,",
        "`pytest_contextcore/plan/attributes.toml`; nothing is emitted that it, or an `[[attributes]]` entry of",
        "the plan in use, does not declare.",
    ]
    order = list(_LEVELS)
    ranked = sorted(registry().values(), key=lambda attribute: order.index(attribute.level))
    for level, attributes in groupby(ranked, key=lambda attribute: attribute.level):
        lines += ["", f"## {level.capitalize()}", "", _LEVELS[level], ""]
        lines += ["| name | type | meaning | source |", "|---|---|---|---|"]
        lines += [f"| `{a.name}` | {a.type} | {a.meaning} | {a.source} |" for a in attributes]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(attribute_page(), end="")
