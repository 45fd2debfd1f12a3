"""What goes into the pipeline (injections) and what comes out (errors)."""

from dataclasses import dataclass
from pathlib import Path

from pytest_contextcore import ContextcoreError


class PipelineError(ContextcoreError):
    """A step cannot go on: which file, and what is wrong with it."""

    def __init__(self, file: Path, message: str) -> None:
        super().__init__(f"{file}: {message}")
        self.file = file


@dataclass(frozen=True, slots=True)
class Injections:
    """Faults that the pipeline really puts into its files. Only the step that makes the fault knows of it.

    `source_checksum`: what the export records instead of the source's true checksum (found in S3).
    `drop_features`: gaps whose feature is lost in PARSE/TRANSFORM (found in S4).
    `test_failures`: so many generated artifacts still parse but no longer work (found in S8).
    `review_blockers`: so many blocking findings in the review (found in S9).
    """

    source_checksum: str | None = None
    drop_features: tuple[str, ...] = ()
    test_failures: int = 0
    review_blockers: int = 0
