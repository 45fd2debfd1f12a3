"""Removes what a step and the later ones wrote, before the step runs again.

A resumed run must not meet leftovers: a seed of another route, a design of a task that is gone, a generated file that
the export would take for one that the repository always had.
"""

from pathlib import Path

from .catalog import output_path
from .example import example_gap_ids
from .layout import Layout, clear
from .manifest import read_service

STEPS = ("export", "ingest", "route", "design", "implement", "validate", "review", "finalize")


def rewind(layout: Layout, step: str) -> None:
    """Leave the workspace as the steps before this one left it."""
    for later in STEPS[STEPS.index(step) :]:
        clear(*_outputs(layout, later))


def _outputs(layout: Layout, step: str) -> list[Path]:
    """What a step writes: whole folders where it owns them."""
    if step == "implement":
        return [layout.state("generation"), layout.staging, *_generated(layout)]
    return {
        "export": [layout.export],
        "ingest": [layout.ingestion],
        "route": [layout.routing_decision],
        "design": [layout.artisan],
        "validate": [layout.state("test")],
        "review": [layout.state("review")],
        "finalize": [layout.execution_report, layout.generation_manifest],
    }[step]


def _generated(layout: Layout) -> list[Path]:
    missing = example_gap_ids()
    artifacts = read_service(layout.source).artifacts
    return [layout.project / output_path(artifact) for artifact in artifacts if artifact.id in missing]
