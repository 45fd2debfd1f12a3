"""Where things are in a workspace, and making a fresh one."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from .files import read_json, reading, write_text
from .model import PipelineError

MARKER = ".contextcore-embedded"
_MARKER_TEXT = "A workspace of the embedded pipeline. Everything in this folder is deleted and rebuilt at each run.\n"


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one workspace."""

    root: Path

    @classmethod
    def at(cls, root: Path) -> "Layout":
        """The workspace at an absolute path; a symlink at its end is kept, so that it can be refused."""
        absolute = root.absolute()
        if absolute.name in {"", ".."}:
            return cls(absolute.resolve())
        return cls(absolute.parent.resolve() / absolute.name)

    @property
    def source(self) -> Path:
        """The source manifest."""
        return self.root / ".contextcore.yaml"

    @property
    def export(self) -> Path:
        """Folder of S2."""
        return self.root / "export"

    @property
    def provenance(self) -> Path:
        """Who exported, from where."""
        return self.export / "provenance.json"

    def recorded(self, path: Path) -> str:
        """A path of the workspace as its files record it: below the folder in which the export ran.

        After a workspace was moved, as from one CI job to the next, its files still name the folder of the export.
        """
        document = read_json(self.provenance)
        with reading(self.provenance):
            return str(Path(document["sourcePath"]).parent / path.relative_to(self.root))

    @property
    def onboarding(self) -> Path:
        """What the export tells ingestion."""
        return self.export / "onboarding-metadata.json"

    @property
    def ingestion(self) -> Path:
        """Folder of S4 and S5."""
        return self.root / "ingestion"

    @property
    def traceability(self) -> Path:
        """Which feature and task stand for which gap."""
        return self.ingestion / "ingestion-traceability.json"

    @property
    def ingestion_state(self) -> Path:
        """Ingestion's own record of its run."""
        return self.ingestion / ".startd8" / "plan_ingestion_state.json"

    @property
    def routing_decision(self) -> Path:
        """S5's record of why this route."""
        return self.ingestion / ".startd8" / "routing_decision.json"

    def seed(self, route: str) -> Path:
        """The context seed for a route."""
        return self.ingestion / f"{route}-context-seed.json"

    def enriched_seed(self, route: str) -> Path:
        """The seed with `_enrichment` and `_preflight`, which design reads."""
        return self.ingestion / f"{route}-context-seed-enriched.json"

    @property
    def artisan(self) -> Path:
        """Folder of S6 and S10."""
        return self.root / "artisan"

    @property
    def handoff(self) -> Path:
        """What design hands to implementation."""
        return self.artisan / "design-handoff.json"

    @property
    def execution_report(self) -> Path:
        """How the whole run ended."""
        return self.artisan / "workflow-execution-report.json"

    @property
    def generation_manifest(self) -> Path:
        """What was generated, with checksums."""
        return self.artisan / "generation-manifest.json"

    @property
    def project(self) -> Path:
        """The service's repository."""
        return self.root / "project"

    @property
    def staging(self) -> Path:
        """Where a generated file is written before it takes its place in the repository."""
        return self.project / ".startd8" / "staging"

    def state(self, name: str) -> Path:
        """A state file of S7, S8 or S9."""
        return self.project / ".startd8" / "state" / f"{name}_results.json"


def make_fresh(layout: Layout) -> None:
    """Empty the workspace, or make it; refuse a folder that the pipeline did not make.

    The marker is the first thing written and is never deleted, so a run that was killed half-way can be repeated.
    """
    root, marker = layout.root, layout.root / MARKER
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


def clear(*paths: Path) -> None:
    """Delete what stands at these paths, if anything does."""
    for path in paths:
        try:
            if path.is_symlink() or path.exists():
                _delete(path)
        except OSError as error:
            raise PipelineError(path, f"cannot be deleted: {error.strerror}") from error


def _delete(path: Path) -> None:
    """Delete what stands at this path; of a symlink the link itself, never what it points to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
