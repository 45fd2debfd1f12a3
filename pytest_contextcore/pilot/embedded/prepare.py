"""S1: a fresh workspace that holds the example service as its repository stands."""

from .catalog import output_path
from .compose import compose
from .example import example_gap_ids, source_manifest
from .files import write_text
from .layout import Layout, make_fresh
from .manifest import read_service


def prepare(layout: Layout) -> None:
    """Lay out source manifest and repository; the repository has every artifact but the example's gaps."""
    make_fresh(layout)
    write_text(layout.source, source_manifest())
    service = read_service(layout.source)
    missing = example_gap_ids()
    for artifact in service.artifacts:
        if artifact.id not in missing:
            write_text(layout.project / output_path(artifact), compose(service, artifact))
