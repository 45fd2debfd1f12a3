"""The formats of files as JSON Schemas (draft 2020-12), shipped as data, versioned.

Those of the files that we read back are generated from the models; those of `CONTRACTS` are kept by hand.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

CONTRACTS = ("TaskSpanContract", "HandoffContract", "ArtifactIntent", "GateResult")
"""Documents by which programs tell each other of a trace."""

KINDS = ("evidence", "plan", "waivers", *CONTRACTS)
"""What there is a schema for: ``out/<trace id>.json``, ``plan.toml``, ``waivers.toml``, and those documents."""

VERSION = "v1"


def file_name(kind: str) -> str:
    """Name of the file with a kind's schema, in this package."""
    return f"{kind}.{VERSION}.json"


def schema(kind: str) -> dict[str, Any]:
    """The shipped schema of a kind of file; those of TOML files describe the document that the TOML holds."""
    found: dict[str, Any] = json.loads((files(__package__) / file_name(kind)).read_text(encoding="utf-8"))
    return found
