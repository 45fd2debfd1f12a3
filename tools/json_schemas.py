"""Write the JSON Schemas from the models: ``python -m tools.json_schemas``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

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


class _Untitled(GenerateJsonSchema):
    """Without a title for each key, which says what the key says."""

    def field_title_should_be_set(self, schema: object) -> bool:
        del schema
        return False


def text(kind: str) -> str:
    """The schema of a kind of file as it is shipped: what is written of evidence, what is read of plans and waivers."""
    mode: Literal["serialization", "validation"] = "serialization" if kind == "evidence" else "validation"
    made = MODELS[kind].model_json_schema(mode=mode, schema_generator=_Untitled)
    head = {"$schema": _DIALECT, "$id": f"urn:pytest-contextcore:schema:{kind}:{VERSION}", "title": _TITLES[kind]}
    return f"{laid_out({**head, **made, **head})}\n"


def laid_out(value: Any, depth: int = 0) -> str:
    """A schema with its keys, definitions and properties on a line each; what is deeper stays on that line."""
    by_name = depth % 2 == 1  # a definition or a property, at every second level
    if depth > 4 or not isinstance(value, dict) or not (by_name or value.keys() & {"properties", "$defs"}):
        return json.dumps(value, ensure_ascii=False)
    space = "  " * depth
    keys = (f"{space}  {json.dumps(key)}: {laid_out(part, depth + 1)}" for key, part in value.items())
    return "{\n" + ",\n".join(keys) + f"\n{space}}}"


if __name__ == "__main__":
    for each in MODELS:
        (ROOT / file_name(each)).write_text(text(each), encoding="utf-8")
