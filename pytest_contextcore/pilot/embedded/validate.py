"""S8: does each generated file do its job? The pilot's validators look at it, and what they find is recorded."""

from pathlib import Path

from ..findings import Finding
from ..names import TESTS
from ..validators import Contract, validate
from .files import Document, read_text, reading, sha256_text, write_json
from .plan import Task, generated_tasks, read_plan, state_meta


def run_tests(root: Path) -> None:
    """Validate every generated file, and write `test_results.json`; its totals count tasks."""
    plan = read_plan(root)
    tasks = generated_tasks(root, plan)
    texts = {task.task_id: read_text(root / "project" / task.target_file) for task in tasks}
    hashes = {task_id: sha256_text(text) for task_id, text in texts.items()}
    entries = []
    for task in tasks:
        with reading(plan.seed_path):
            stated = plan.contract(task)
            contract = Contract(stated["max_lines"], tuple(stated["completeness_markers"]))
        found = validate(task.target_file, texts[task.task_id].encode(), task.artifact.type, contract)
        entries.append(_entry(task, found))
    passed = sum(entry["all_passed"] for entry in entries)
    write_json(
        root / TESTS,
        {
            "_cache_meta": {**state_meta(root, plan), "generation_file_hashes": hashes},
            "output": {
                "test_plan": entries,
                "total_passed": passed,
                "total_failed": len(entries) - passed,
                "total_skipped": 0,
                "tests_uncovered": len(plan.tasks) - len(entries),
            },
        },
    )


def _entry(task: Task, found: list[Finding]) -> Document:
    """What the validators say of one task's file: a result for each kind of fault, or one that is good."""
    issues: dict[str, list[str]] = {}
    for finding in found:
        issues.setdefault(finding.type, []).append(finding.message)
    results = [
        {"validator": kind, "passed": not said, "issues": said, "file": task.target_file}
        for kind, said in (issues or {"content": []}).items()
    ]
    return {
        "task_id": task.task_id,
        "all_passed": not found,
        "status": "failed" if found else "passed",
        "results": results,
    }
