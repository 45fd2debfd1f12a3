"""The pipeline's steps under one name.

Each step reads what the earlier ones wrote, so each may run in a process of its own. A step that is run
again first removes what it and later steps wrote.
"""

from pathlib import Path

from . import design, export, finalize, implement, ingest, review, validate
from .catalog import output_path
from .compose import compose
from .example import example_gap_ids, source_manifest
from .files import write_text
from .layout import Layout, make_fresh
from .manifest import read_service
from .model import Injections
from .rewind import rewind


class Pipeline:
    """The reference pipeline in one workspace; every step may raise `PipelineError`."""

    STEPS = ("prepare", "export", "ingest", "route", "design", "implement", "validate", "review", "finalize")

    def __init__(self, root: Path, injections: Injections = Injections()) -> None:  # noqa: B008 - frozen
        self.layout = Layout.at(root)
        self.injections = injections

    def run(self, upto: str = "finalize") -> Path:
        """Do every step up to this one; gives the workspace."""
        for step in self.STEPS[: self.STEPS.index(upto) + 1]:
            getattr(self, step)()
        return self.root

    @property
    def root(self) -> Path:
        """The workspace, absolute: the root that the files record."""
        return self.layout.root

    def prepare(self) -> None:
        """S1 INIT_BASELINE: a fresh workspace; its repository has every artifact but the example's gaps."""
        make_fresh(self.layout)
        write_text(self.layout.source, source_manifest())
        service, missing = read_service(self.layout.source), example_gap_ids()
        for artifact in service.artifacts:
            if artifact.id not in missing:
                write_text(self.layout.project / output_path(artifact), compose(service, artifact))

    def export(self) -> None:
        """S2 EXPORT_CONTRACT: export/ (S3 only checks it)."""
        rewind(self.layout, "export")
        export.export(self.layout, self.injections.source_checksum)

    def ingest(self) -> None:
        """S4 INGEST_PARSE_ASSESS: ingestion/."""
        rewind(self.layout, "ingest")
        ingest.ingest(self.layout, self.injections.drop_features)

    def route(self) -> None:
        """S5 ROUTING_DECISION: why this route."""
        rewind(self.layout, "route")
        ingest.route(self.layout)

    def design(self) -> None:
        """S6 ARTISAN_DESIGN: design documents and handoff."""
        rewind(self.layout, "design")
        design.design(self.layout)

    def implement(self) -> None:
        """S7 ARTISAN_IMPLEMENT: the missing artifacts, in the repository."""
        rewind(self.layout, "implement")
        implement.implement(self.layout, self.injections.test_failures)

    def validate(self) -> None:
        """S8 TEST_VALIDATE: test results."""
        rewind(self.layout, "validate")
        validate.validate(self.layout)

    def review(self) -> None:
        """S9 REVIEW_CALIBRATE: review results."""
        rewind(self.layout, "review")
        review.review(self.layout, self.injections.review_blockers)

    def finalize(self) -> None:
        """S10 FINALIZE_VERIFY: report and generation manifest."""
        rewind(self.layout, "finalize")
        finalize.finalize(self.layout)
