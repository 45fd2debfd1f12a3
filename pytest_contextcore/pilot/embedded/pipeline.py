"""The pipeline's steps under one name.

Each step reads what the earlier ones wrote, so each may run in a process of its own. A step that is run
again first removes what it and later steps wrote.
"""

from pathlib import Path

from ..names import SOURCE
from .catalog import output_path
from .compose import compose
from .design import design
from .example import example_gap_ids, source_manifest
from .export import export
from .files import write_text
from .finalize import finalize
from .fresh import WRITTEN, make_fresh, rewind
from .implement import implement
from .ingest import ingest, route
from .manifest import read_service
from .model import Injections
from .review import review
from .validate import run_tests


class Pipeline:
    """The reference pipeline in one workspace; every step may raise `PipelineError`."""

    STEPS = ("prepare", *WRITTEN)

    def __init__(self, root: Path, injections: Injections = Injections()) -> None:  # noqa: B008 - frozen
        # A symlink at its end is kept, so that it can be refused.
        absolute = root.absolute()
        self.root = absolute.resolve() if absolute.name in {"", ".."} else absolute.parent.resolve() / absolute.name
        self.injections = injections

    def run(self, upto: str = "finalize") -> Path:
        """Do every step up to this one; gives the workspace."""
        for step in self.STEPS[: self.STEPS.index(upto) + 1]:
            getattr(self, step)()
        return self.root

    def prepare(self) -> None:
        """S1 INIT_BASELINE: a fresh workspace; its repository has every artifact but the example's gaps."""
        make_fresh(self.root)
        write_text(self.root / SOURCE, source_manifest())
        service, missing = read_service(self.root / SOURCE), example_gap_ids()
        for artifact in service.artifacts:
            if artifact.id not in missing:
                write_text(self.root / "project" / output_path(artifact), compose(service, artifact))

    def export(self) -> None:
        """S2 EXPORT_CONTRACT: export/ (S3 only checks it)."""
        rewind(self.root, "export")
        export(self.root, self.injections.source_checksum)

    def ingest(self) -> None:
        """S4 INGEST_PARSE_ASSESS: ingestion/."""
        rewind(self.root, "ingest")
        ingest(self.root, self.injections.drop_features)

    def route(self) -> None:
        """S5 ROUTING_DECISION: why this route."""
        rewind(self.root, "route")
        route(self.root)

    def design(self) -> None:
        """S6 ARTISAN_DESIGN: design documents and handoff."""
        rewind(self.root, "design")
        design(self.root)

    def implement(self) -> None:
        """S7 ARTISAN_IMPLEMENT: the missing artifacts, in the repository."""
        rewind(self.root, "implement")
        implement(self.root, self.injections.test_failures)

    def validate(self) -> None:
        """S8 TEST_VALIDATE: test results."""
        rewind(self.root, "validate")
        run_tests(self.root)

    def review(self) -> None:
        """S9 REVIEW_CALIBRATE: review results."""
        rewind(self.root, "review")
        review(self.root, self.injections.review_blockers)

    def finalize(self) -> None:
        """S10 FINALIZE_VERIFY: report and generation manifest."""
        rewind(self.root, "finalize")
        finalize(self.root)
