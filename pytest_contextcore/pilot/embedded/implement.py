"""S7: compose the missing artifacts into the repository."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from ..names import GENERATION, HANDOFF, SOURCE
from .compose import compose
from .files import Document, read_json, reading, recorded, sha256_text, write_json, write_text
from .model import PipelineError
from .plan import STAGING, read_plan, state_meta


def implement(root: Path, broken: int = 0) -> None:
    """Stage each task's file, move it to its place, record it. The first `broken` files do not work."""
    plan, handoff = read_plan(root), read_json(root / HANDOFF)
    with reading(root / HANDOFF):
        designed = [task for task in plan.tasks if task.task_id in handoff["design_results"]]
    meta = state_meta(root, plan)
    with reading(root / SOURCE):
        texts = {
            task: compose(plan.service, task.artifact, broken=number < broken) for number, task in enumerate(designed)
        }
    for task, text in texts.items():
        write_text(root / STAGING / task.target_file, text)
    _integrate(root, [task.target_file for task in designed])
    results: Document = {}
    for task, text in texts.items():
        staged = recorded(root, root / STAGING / task.target_file)  # as the real pipeline records it
        digests = {staged: sha256_text(text)}
        results[task.task_id] = {"success": True, "generated_files": [staged], "content_hashes": digests}
    write_json(root / GENERATION, {"_cache_meta": meta, "tasks": results})


def _integrate(root: Path, target_files: Iterable[str]) -> None:
    """Move the staged files to their places in the repository, and leave no staging folder behind."""
    staging = root / STAGING
    try:
        for target_file in target_files:
            place = root / "project" / target_file
            place.parent.mkdir(parents=True, exist_ok=True)
            (staging / target_file).replace(place)
        if staging.is_dir():
            shutil.rmtree(staging)
    except OSError as error:
        raise PipelineError(Path(error.filename or staging), f"cannot be moved: {error.strerror}") from error
