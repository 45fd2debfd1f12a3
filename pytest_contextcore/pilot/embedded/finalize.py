"""S10: what was generated, with checksums and the results of tests and review."""

from collections.abc import Sequence
from pathlib import Path

from ..names import GENERATION, GENERATION_MANIFEST, REPORT, REVIEWS, TESTS
from .files import Document, read_json, read_text, reading, recorded, sha256_text, write_json
from .plan import Task, read_plan


def finalize(root: Path) -> None:
    """Write `workflow-execution-report.json` and `generation-manifest.json`."""
    plan = read_plan(root)
    generation, tests, reviews = (read_json(root / path) for path in (GENERATION, TESTS, REVIEWS))
    with reading(root / GENERATION):
        made = {task_id for task_id, result in generation["tasks"].items() if result["success"]}
    with reading(root / TESTS):
        tested = {entry["task_id"] for entry in tests["output"]["test_plan"] if entry["all_passed"]}
    with reading(root / REVIEWS):
        scores = {task_id: review["score"] for task_id, review in reviews["tasks"].items()}
        reviewed = {task_id for task_id, review in reviews["tasks"].items() if review["passed"]}
    statuses: dict[str, Document] = {
        task.task_id: {
            "generated": task.task_id in made,
            "tests_passed": task.task_id in tested,
            "review_score": scores.get(task.task_id),
            "review_passed": task.task_id in reviewed,
        }
        for task in plan.tasks
    }
    artifacts = [_artifact(root, task) for task in plan.tasks if task.task_id in made]
    status = _status(list(statuses.values()))
    write_json(root / REPORT, _report(statuses, artifacts, status))
    write_json(
        root / GENERATION_MANIFEST,
        {
            "provenance": {
                "source_checksum": plan.source_checksum,
                "enriched_seed_path": recorded(root, plan.seed_path),
            },
            "artifacts": artifacts,
            "task_status": statuses,
            "summary": {"task_count": len(statuses), "status": status},
        },
    )


def _status(statuses: Sequence[Document]) -> str:
    """`success` only if every task, and at least one, came all the way."""
    made = [status["generated"] for status in statuses]
    if not any(made):
        return "failed"
    if not all(made):
        return "partial"
    good = all(status["tests_passed"] and status["review_passed"] for status in statuses)
    return "success" if good else "quality_failed"


def _artifact(root: Path, task: Task) -> Document:
    """One generated file as it is now."""
    path = root / "project" / task.target_file
    text = read_text(path)
    return {
        "task_id": task.task_id,
        "path": recorded(root, path),
        "exists": True,
        "source_status": "success",
        "size_bytes": len(text.encode()),
        "sha256": sha256_text(text),
        "line_count": len(text.splitlines()),
    }


def _report(statuses: dict[str, Document], artifacts: list[Document], status: str) -> Document:
    """`workflow-execution-report.json`; succeeded and failed count generation only."""
    total = len(statuses)
    made, tested, reviewed = (
        sum(entry[key] for entry in statuses.values()) for key in ("generated", "tests_passed", "review_passed")
    )
    return {
        "status": status,
        "task_count": total,
        "tasks_succeeded": made,
        "tasks_failed": total - made,
        "test_summary": {"total_passed": tested, "total_failed": total - tested},
        "review_summary": {"total_passed": reviewed, "total_failed": total - reviewed},
        "generated_artifacts": artifacts,
        "artifact_count": len(artifacts),
    }
