"""The example service: its source manifest, and which artifacts its repository still lacks."""

import json
from importlib.resources import files


def source_manifest() -> str:
    """Text of the example service's `.contextcore.yaml`."""
    return files(__name__).joinpath("contextcore.yaml").read_text(encoding="utf-8")


def example_gap_ids() -> tuple[str, ...]:
    """Artifact ids that the example's repository lacks, sorted: what the export will report as gaps."""
    text = files(__name__).joinpath("repository.json").read_text(encoding="utf-8")
    return tuple(sorted(json.loads(text)["missing"]))


def example_artifact_count() -> int:
    """How many artifacts the pipeline generates for the example: one for each gap."""
    return len(example_gap_ids())
