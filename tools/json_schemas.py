"""Write the JSON Schemas from the models: ``python -m tools.json_schemas``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pytest_contextcore.plan.model import Plan
from pytest_contextcore.plan.waivers import WaiverFile
from pytest_contextcore.schemas import KINDS, VERSION, file_name
from pytest_contextcore.trace.evidence import Evidence

ROOT = Path(__file__).parents[1] / "pytest_contextcore" / "schemas"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TITLES = {
    "evidence": "Evidence: the recorded result of one execution of a plan",
    "plan": "Plan: a declared trace (plan.toml)",
    "waivers": "Waivers: permissions to go on past failed gates (waivers.toml)",
}


def generate(kind: str) -> dict[str, Any]:
    """The schema of a kind of file, from its model: what is written of evidence, what is read of plans and waivers."""
    made = {
        "evidence": lambda: Evidence.model_json_schema(mode="serialization"),
        "plan": Plan.model_json_schema,
        "waivers": WaiverFile.model_json_schema,
    }[kind]()
    head = {"$schema": _DIALECT, "$id": f"urn:pytest-contextcore:schema:{kind}:{VERSION}", "title": _TITLES[kind]}
    return {**head, **{name: value for name, value in made.items() if name != "title"}}


def text(kind: str) -> str:
    """The schema as it is shipped."""
    return json.dumps(generate(kind), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for each in KINDS:
        (ROOT / file_name(each)).write_text(text(each), encoding="utf-8")
