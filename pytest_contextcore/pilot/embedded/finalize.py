"""S10: what was generated, with checksums and the results of tests and review."""

from collections.abc import Sequence

from .files import Document, read_json, read_text, reading, sha256_text, write_json
from .layout import Layout
from .plan import Plan, Task, read_plan

WORKFLOW_VERSION = "0.1.0"


def finalize(layout: Layout) -> None:
    """Write `workflow-execution-report.json` and `generation-manifest.json`."""
    plan = read_plan(layout)
    states = {name: read_json(layout.state(name)) for name in ("generation", "test", "review")}
    with reading(layout.state("generation")):
        generated = {task_id: bool(result["success"]) for task_id, result in states["generation"]["tasks"].items()}
    with reading(layout.state("test")):
        tests = {entry["task_id"]: bool(entry["all_passed"]) for entry in states["test"]["output"]["test_plan"]}
        validators = states["test"]["output"]["total_validators"]
    with reading(layout.state("review")):
        reviews = {task_id: (bool(r["passed"]), r["score"]) for task_id, r in states["review"]["tasks"].items()}
    statuses = {task.task_id: task_status(task, generated, tests, reviews) for task in plan.tasks}
    artifacts = [generated_artifact(layout, task) for task in plan.tasks if generated.get(task.task_id)]
    status = workflow_status(list(statuses.values()))
    write_json(
        layout.execution_report,
        execution_report(plan, statuses, artifacts, status, validators),
    )
    write_json(layout.generation_manifest, generation_manifest(layout, plan, statuses, artifacts, status))


def task_status(
    task: Task, generated: dict[str, bool], tests: dict[str, bool], reviews: dict[str, tuple[bool, int]]
) -> Document:
    """How far a task came; a task that tests or review do not mention has not passed them."""
    review_passed, score = reviews.get(task.task_id, (False, None))
    return {
        "generated": generated.get(task.task_id, False),
        "files_count": int(generated.get(task.task_id, False)),
        "generation_cost_usd": 0.0,
        "tests_passed": tests.get(task.task_id, False),
        "review_score": score,
        "review_passed": review_passed,
    }


def workflow_status(statuses: Sequence[Document]) -> str:
    """`success` only if every task, and at least one, came all the way."""
    made = [status["generated"] for status in statuses]
    if not any(made):
        return "failed"
    if not all(made):
        return "partial"
    good = all(status["tests_passed"] and status["review_passed"] for status in statuses)
    return "success" if good else "quality_failed"


def generated_artifact(layout: Layout, task: Task) -> Document:
    """One generated file as it is now."""
    path = layout.project / task.target_file
    text = read_text(path)
    return {
        "task_id": task.task_id,
        "path": layout.recorded(path),
        "exists": True,
        "domain": task.domain,
        "source_status": "success",
        "size_bytes": len(text.encode()),
        "sha256": sha256_text(text),
        "line_count": len(text.splitlines()),
    }


def execution_report(
    plan: Plan, statuses: dict[str, Document], artifacts: list[Document], status: str, validators: int
) -> Document:
    """`workflow-execution-report.json`; succeeded and failed count generation only."""

    def count(key: str) -> int:
        return sum(bool(entry[key]) for entry in statuses.values())

    total = len(statuses)
    return {
        "plan_title": plan.title,
        "task_count": total,
        "status": status,
        "tasks_succeeded": count("generated"),
        "tasks_failed": total - count("generated"),
        "domain_summary": plan.preflight.get("domain_summary", {}),
        "preflight_summary": plan.preflight.get("check_summary", {}),
        "test_summary": {
            "total_validators": validators,
            "tasks_with_tests": total,
            "total_passed": count("tests_passed"),
            "total_failed": total - count("tests_passed"),
        },
        "review_summary": {
            "total_passed": count("review_passed"),
            "total_failed": total - count("review_passed"),
            "total_cost": 0.0,
        },
        "cost_summary": {
            "design_cost": 0.0,
            "implementation_cost": 0.0,
            "test_cost": 0.0,
            "review_cost": 0.0,
            "total_cost": 0.0,
            "currency": "USD",
        },
        "generated_artifacts": artifacts,
        "artifact_count": len(artifacts),
        "dry_run": False,
    }


def generation_manifest(
    layout: Layout, plan: Plan, statuses: dict[str, Document], artifacts: list[Document], status: str
) -> Document:
    """`generation-manifest.json`."""
    return {
        "workflow_version": WORKFLOW_VERSION,
        "provenance": {"source_checksum": plan.source_checksum, "enriched_seed_path": layout.recorded(plan.seed_path)},
        "artifacts": artifacts,
        "task_status": statuses,
        "summary": {"plan_title": plan.title, "task_count": len(statuses), "total_cost": 0.0, "status": status},
    }
