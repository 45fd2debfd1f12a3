"""S7: compose the missing artifacts into the repository."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from .compose import compose, compose_broken
from .files import Document, now, read_json, reading, sha256_text, write_json, write_text
from .layout import Layout
from .model import PipelineError
from .plan import Plan, Task, design_hash, read_plan

STATE_SCHEMA_VERSION = 3


def implement(layout: Layout, broken: int = 0) -> None:
    """Stage each task's file, move it to its place, record it. The first `broken` files do not work."""
    plan = read_plan(layout)
    handoff = read_json(layout.handoff)
    with reading(layout.handoff):
        designed = [task for task in plan.tasks if task.task_id in handoff["design_results"]]
        cache_meta = state_meta(plan, handoff)
    with reading(layout.source):
        texts = {
            task.task_id: (compose_broken if number < broken else compose)(plan.service, task.artifact)
            for number, task in enumerate(designed)
        }
    for task in designed:
        write_text(layout.staging / task.target_file, texts[task.task_id])
    integrate(layout, [task.target_file for task in designed])
    write_json(layout.state("generation"), generation_results(layout, designed, texts, cache_meta))


def integrate(layout: Layout, target_files: Sequence[str]) -> None:
    """Move the staged files to their places in the repository, and leave no staging folder behind."""
    try:
        for target_file in target_files:
            place = layout.project / target_file
            place.parent.mkdir(parents=True, exist_ok=True)
            (layout.staging / target_file).replace(place)
        if layout.staging.is_dir():
            shutil.rmtree(layout.staging)
    except OSError as error:
        raise PipelineError(Path(error.filename or layout.staging), f"cannot be moved: {error.strerror}") from error


def state_meta(plan: Plan, handoff: Document) -> Document:
    """`_cache_meta` of a state file: for which source and which design it holds."""
    return {
        "schema_version": STATE_SCHEMA_VERSION,
        "created_at": now(),
        "source_checksum": plan.source_checksum,
        "design_hash": design_hash(handoff),
    }


def generation_results(layout: Layout, tasks: list[Task], texts: Mapping[str, str], cache_meta: Document) -> Document:
    """`generation_results.json`; paths are those in the staging folder, as the real pipeline records them."""
    return {
        "_cache_meta": cache_meta,
        "truncation_flags": {},
        "tasks": {
            task.task_id: _generated(layout.recorded(layout.staging / task.target_file), texts[task.task_id])
            for task in tasks
        },
    }


def _generated(staged: str, text: str) -> Document:
    return {
        "success": True,
        "generated_files": [staged],
        "content_hashes": {staged: sha256_text(text)},
        "error": None,
        "cost_usd": 0.0,
        "iterations": 1,
        "model": "embedded:composer",
    }
