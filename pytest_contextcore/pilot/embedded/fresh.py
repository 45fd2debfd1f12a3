"""Makes a fresh workspace, and deletes what a step wrote before that step runs again.

A resumed run must not meet leftovers: a seed of another route, a design of a task that is gone, a generated file that
the export would take for one that the repository always had.
"""

import shutil
from pathlib import Path

from ..names import GENERATION, GENERATION_MANIFEST, REPORT, REVIEWS, SOURCE, TESTS
from .catalog import output_path
from .example import example_gap_ids
from .files import write_text
from .manifest import read_service
from .model import PipelineError
from .plan import ROUTING, STAGING

MARKER = ".contextcore-embedded"
_MARKER_TEXT = "A workspace of the embedded pipeline. Everything in this folder is deleted and rebuilt at each run.\n"

WRITTEN = {
    "export": ("export",),
    "ingest": ("ingestion",),
    "route": (ROUTING,),
    "design": ("artisan",),
    "implement": (GENERATION, STAGING),  # and the artifacts
    "validate": (TESTS,),
    "review": (REVIEWS,),
    "finalize": (REPORT, GENERATION_MANIFEST),
}
"""Step → what it writes, in order of the steps; whole folders where it owns them."""


def rewind(root: Path, step: str) -> None:
    """Delete what this step and the later ones wrote."""
    steps = list(WRITTEN)
    for later in steps[steps.index(step) :]:
        paths = [root / name for name in WRITTEN[later]]
        if later == "implement":
            missing = example_gap_ids()
            made = (artifact for artifact in read_service(root / SOURCE).artifacts if artifact.id in missing)
            paths += [root / "project" / output_path(artifact) for artifact in made]
        for path in paths:
            try:
                if path.is_symlink() or path.exists():
                    _delete(path)
            except OSError as error:
                raise PipelineError(path, f"cannot be deleted: {error.strerror}") from error


def make_fresh(root: Path) -> None:
    """Empty the workspace, or make it; refuse a folder that the pipeline did not make.

    The marker is the first thing written and is never deleted, so a run that was killed half-way can be repeated.
    """
    marker = root / MARKER
    try:
        if root.is_symlink() or (root.exists() and not root.is_dir()):
            raise PipelineError(root, "is not a folder of its own (a file or a symlink): not touched")
        root.mkdir(parents=True, exist_ok=True)
        present = sorted(root.iterdir())
        if present and not (marker.is_file() and not marker.is_symlink()):
            raise PipelineError(
                root, f"holds files ({present[0].name}, …) but not {MARKER}: not deleted; choose an empty folder"
            )
        write_text(marker, _MARKER_TEXT)
        for path in present:
            if path != marker:
                _delete(path)
    except OSError as error:
        raise PipelineError(Path(error.filename or root), f"cannot be rebuilt: {error.strerror}") from error


def _delete(path: Path) -> None:
    """Delete what stands at this path; of a symlink the link itself, never what it points to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
