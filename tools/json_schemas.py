"""Write the JSON Schemas from the models: ``python -m tools.json_schemas``."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel

from pytest_contextcore.plan.model import Plan
from pytest_contextcore.plan.waivers import WaiverFile
from pytest_contextcore.schemas import VERSION, file_name
from pytest_contextcore.trace.evidence import Evidence

ROOT = Path(__file__).parents[1] / "pytest_contextcore" / "schemas"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
MODELS: dict[str, type[BaseModel]] = {"evidence": Evidence, "plan": Plan, "waivers": WaiverFile}
"""The schemas of documents that only programs write, such as GateResult, are kept by hand."""

_TITLES = {
    "evidence": "Evidence: the recorded result of one execution of a plan",
    "plan": "Plan: a declared trace (plan.toml)",
    "waivers": "Waivers: permissions to go on past failed gates (waivers.toml)",
}


def text(kind: str) -> str:
    """The schema of a kind of file as it is shipped: what is written of evidence, what is read of plans and waivers."""
    made = MODELS[kind].model_json_schema(mode="serialization" if kind == "evidence" else "validation")
    head = {"$schema": _DIALECT, "$id": f"urn:pytest-contextcore:schema:{kind}:{VERSION}", "title": _TITLES[kind]}
    return json.dumps({**head, **made, **head}, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for each in MODELS:
        (ROOT / file_name(each)).write_text(text(each), encoding="utf-8")
