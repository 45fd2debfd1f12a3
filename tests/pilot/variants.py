"""Workspaces that the embedded pipeline writes, and variants of them that real pipelines write, too: all clean.

A variant is built by the pipeline's own steps, then edited where the pipeline has no such case (`variants.yaml`), and
sealed: every recorded digest is computed again, as if the pipeline had written the files so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from pathlib import Path

from pytest_contextcore.pilot.embedded import Pipeline
from pytest_contextcore.pilot.embedded.catalog import output_path
from pytest_contextcore.pilot.embedded.compose import compose
from pytest_contextcore.pilot.embedded.manifest import read_service

from .edits import edits
from .files import Files, dump, load, targets

LATER = ("export", "ingest", "route", "design", "implement", "validate", "review", "finalize")
Build = Callable[[Path], Files]


def build(root: Path, source: Callable[[str], str] = str, without: Collection[str] = ()) -> Files:
    """Run the embedded pipeline; over another source manifest in a repository that lacks other artifacts, if asked."""
    pipeline = Pipeline(root)
    pipeline.prepare()
    files = Files(pipeline.root)
    text = files.source.read_text(encoding="utf-8")
    if without:
        files.source.write_text(source(text), encoding="utf-8")
        service = read_service(files.source)
        for path in sorted(files.project.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        for artifact in service.artifacts:
            if artifact.id not in without:
                path = files.project / output_path(artifact)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(compose(service, artifact), encoding="utf-8")
    for step in LATER:
        getattr(pipeline, step)()
    made = {files.project / target for task in load(files.seeds[0])["tasks"] for target in targets(task)}
    for path in sorted(files.project.rglob("*"), reverse=True):
        # Artifacts that exist already need not be in the workspace, and copies are made by the hundred.
        if path.is_dir():
            with suppress(OSError):  # not empty
                path.rmdir()
        elif path not in made and ".startd8" not in path.parts:
            path.unlink()
    return files


def other_project(root: Path) -> Files:
    """Another service, with other targets."""
    names = {"order-service": "parcel-tracker", "orders-": "parcels-", "orders_": "parcels_", "gap-": "p-"}

    def rename(text: str) -> str:
        for old, new in names.items():
            text = text.replace(old, new)
        return text

    return build(root, rename, ["p-throughput", "parcels_billing-dashboard", "parcels_worker-prometheus-rules"])


def prime(root: Path) -> Files:
    """One gap: the score is low, the route is prime, and a design was made all the same."""
    # The pipeline's steps take back what they generate for the example's own gaps; these two shall be there.
    renamed = {"gap-latency-panel": "orders_api-dashboard", "gap-throughput": "orders_api-recording-rules"}

    def rename(text: str) -> str:
        for old, new in renamed.items():
            text = text.replace(old, new)
        return text

    return build(root, rename, ["gap-error-budget"])


def rerouted(root: Path) -> Files:
    """The score demands artisan; an override with reason and approver says prime."""
    files = build(root)
    for path in files.documents():
        if path.parent != files.export:
            text = path.read_text(encoding="utf-8").replace("artisan-context", "prime-context")
            path.write_text(text.replace('"artisan"', '"prime"'), encoding="utf-8")
        if path.name.startswith("artisan-"):
            path.rename(path.with_name(path.name.replace("artisan-", "prime-")))
    dump(files.override, {"route": "prime", "reason": "one file type only", "approved_by": "kim", "at": "noon"})
    files.seal()
    return files


def of_several_files(root: Path) -> Files:
    """One task, of one feature, that writes the files of all gaps."""
    files = build(root)
    paths = [path for task in load(files.seeds[0])["tasks"] for path in targets(task)]
    results = load(files.state("generation"))["tasks"].values()
    merged = {key: value for result in results for key, value in result["content_hashes"].items()}
    first = {
        "seeds:(tasks|plan.features)": "$first",
        "seeds:(tasks.0.config.context|plan.features.0).target_files": paths,
        "trace:artifact_mappings.*": {"$with": {"feature_ids": ["F-001"], "task_ids": ["PI-001"]}},
        "generation:tasks.PI-001": {"$with": {"generated_files": list(merged), "content_hashes": merged}},
        "(handoff:design_results|generation:tasks|review:tasks|made:task_status|test:output.test_plan)": "$first",
        "(report:generated_artifacts|made:artifacts).*.task_id": "PI-001",
        "report:(task_count|tasks_succeeded|test_summary.total_passed|review_summary.total_passed)": 1,
        "(made:summary.task_count|test:output.total_passed)": 1,
    }
    edits(files, first)
    files.seal()
    return files


def in_json(root: Path) -> Files:
    """The artifact manifest as `--format json` writes it."""
    files = build(root)
    path = files.manifest
    dump(path.with_suffix(".json"), load(path))
    path.unlink()
    for document in files.documents():
        document.write_text(
            document.read_text(encoding="utf-8").replace(path.name, path.stem + ".json"), encoding="utf-8"
        )
    files.seal()
    return files


def edited(row: dict[str, object], root: Path) -> Files:
    """A variant of the table."""
    row = dict(row)
    files = VARIANTS[str(row.pop("of", "embedded"))](root)
    edits(files, row)
    if "$seal" not in row:
        files.seal()
    return files


VARIANTS: dict[str, Build] = {
    "embedded": build,  # the pipeline's own example: route artisan, three gaps
    "other_project": other_project,
    "prime": prime,
    "rerouted": rerouted,
    "of_several_files": of_several_files,
    "in_json": in_json,
    **{name: partial(edited, row) for name, row in load(Path(__file__).with_name("variants.yaml")).items()},
}
