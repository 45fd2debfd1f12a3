"""Drives the pilot's phases: with the embedded pipeline, or not at all where an existing workspace is checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .embedded import Pipeline


class Steps:
    """The pipeline's steps. A phase runs its own before its gates; one that cannot go on fails the first."""

    def __init__(self, pipeline: Pipeline | None) -> None:
        self._pipeline = pipeline

    def run(self, step: str) -> bool:
        """Do one of `Pipeline.STEPS`, and say so; nothing where the workspace is somebody else's.

        Raises:
            AssertionError: the step cannot go on; the message says which file stopped it and why.
        """
        if self._pipeline is None:
            return False
        from .embedded import PipelineError  # noqa: PLC0415  (loaded by now)

        try:
            getattr(self._pipeline, step)()
        except PipelineError as error:
            raise AssertionError(str(error)) from error
        return True


def steps_for(config: pytest.Config, root: Path) -> Steps:
    """The steps that the options ask for."""
    if config.getoption("workspace") is not None:
        return Steps(None)
    from .embedded import Injections, Pipeline  # noqa: PLC0415  (not where a workspace is only checked)

    injections = Injections(
        source_checksum=config.getoption("source_checksum"),
        drop_features=tuple(config.getoption("drop_feature") or ()),
        test_failures=int(config.getoption("test_failures") or 0),
        review_blockers=int(config.getoption("review_blockers") or 0),
    )
    return Steps(Pipeline(root, injections))
