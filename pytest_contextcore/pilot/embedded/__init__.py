"""The embedded reference pipeline: what PI-101-002 drives when no `--workspace` is given.

It does the work of a delivery pipeline on disk, one step per phase, in the formats of the pipeline's files. It is the
pilot's subject and knows nothing of phases, gates or pytest.

    pipeline = Pipeline(Path("out/workspace"))
    pipeline.prepare()   # S1  the example service as its repository stands
    pipeline.export()    # S2  export/
    pipeline.ingest()    # S4  ingestion/   (S3 only checks)
    pipeline.route()     # S5  ingestion/.startd8/routing_decision.json
    pipeline.design()    # S6  artisan/design-handoff.json
    pipeline.implement() # S7  project/, project/.startd8/state/generation_results.json
    pipeline.validate()  # S8  project/.startd8/state/test_results.json
    pipeline.review()    # S9  project/.startd8/state/review_results.json
    pipeline.finalize()  # S10 artisan/workflow-execution-report.json, generation-manifest.json

Importing this package is cheap: the pilot's options need `example_gap_ids` before anything is run.
"""

from typing import TYPE_CHECKING

from .example import example_artifact_count, example_gap_ids
from .model import Injections, PipelineError

if TYPE_CHECKING:
    from .pipeline import Pipeline
else:

    def __getattr__(name):
        if name != "Pipeline":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from .pipeline import Pipeline  # noqa: PLC0415 - imports YAML

        return Pipeline


__all__ = ["Injections", "Pipeline", "PipelineError", "example_artifact_count", "example_gap_ids"]
