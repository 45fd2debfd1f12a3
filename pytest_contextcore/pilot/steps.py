"""What drives the pilot's phases: the embedded pipeline, or nothing where an existing workspace is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest

from .embedded import Injections


class Steps(Protocol):
    """The pipeline's steps, each called by the phase that it belongs to. Each raises ``PipelineError`` if it cannot go on."""

    def prepare(self) -> None:
        """S1: the workspace with the service's source manifest and repository."""

    def export(self) -> None:
        """S2: the contract artifacts."""

    def ingest(self) -> None:
        """S4: features, tasks, score."""

    def route(self) -> None:
        """S5: prime or artisan."""

    def design(self) -> None:
        """S6: the design handoff."""

    def implement(self) -> None:
        """S7: the missing artifacts."""

    def validate(self) -> None:
        """S8: test results."""

    def review(self) -> None:
        """S9: review results."""

    def finalize(self) -> None:
        """S10: the finalize report."""


class ExistingOutput:
    """A workspace that somebody else's pipeline filled: there is nothing to do, and nothing is written into it."""

    def _nothing(self) -> None:
        """The output is there already, or its absence is for the gates to find."""

    prepare = export = ingest = route = design = implement = validate = review = finalize = _nothing


def steps_for(config: pytest.Config, root: Path) -> Steps:
    """The steps that the options ask for."""
    if config.getoption("workspace") is not None:
        return ExistingOutput()
    from .embedded import Pipeline  # noqa: PLC0415  (not needed to check a workspace)

    return Pipeline(
        root,
        Injections(
            source_checksum=config.getoption("source_checksum"),
            drop_features=tuple(config.getoption("drop_feature") or ()),
            test_failures=int(config.getoption("test_failures") or 0),
            review_blockers=int(config.getoption("review_blockers") or 0),
        ),
    )
