"""What drives the pilot's phases: the embedded pipeline, or nothing where an existing workspace is checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from .embedded import Injections, Pipeline, PipelineError


class Steps(Protocol):
    """The pipeline's steps, each called by its phase inside a gate: a step that cannot go on fails that gate.

    Each raises ``AssertionError``, which says which file stopped it and why.
    """

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


class EmbeddedSteps:
    """The embedded reference pipeline, whose errors fail the gate in which a step was called."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.prepare = _asserting(pipeline.prepare)
        self.export = _asserting(pipeline.export)
        self.ingest = _asserting(pipeline.ingest)
        self.route = _asserting(pipeline.route)
        self.design = _asserting(pipeline.design)
        self.implement = _asserting(pipeline.implement)
        self.validate = _asserting(pipeline.validate)
        self.review = _asserting(pipeline.review)
        self.finalize = _asserting(pipeline.finalize)


def _asserting(step: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        try:
            step()
        except PipelineError as error:
            raise AssertionError(str(error)) from error

    return run


def steps_for(config: pytest.Config, root: Path) -> Steps:
    """The steps that the options ask for."""
    if config.getoption("workspace") is not None:
        return ExistingOutput()
    injections = Injections(
        source_checksum=config.getoption("source_checksum"),
        drop_features=tuple(config.getoption("drop_feature") or ()),
        test_failures=int(config.getoption("test_failures") or 0),
        review_blockers=int(config.getoption("review_blockers") or 0),
    )
    return EmbeddedSteps(Pipeline(root, injections))
