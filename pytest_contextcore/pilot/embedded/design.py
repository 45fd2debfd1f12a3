"""S6: a design document a task, and the handoff to implementation."""

from pathlib import Path

from ..names import HANDOFF
from .files import new_id, now, reading, recorded, write_json, write_text
from .plan import Plan, Task, read_plan


def design(root: Path) -> None:
    """Write `design-handoff.json` and one `<task>-design.md` for each task."""
    plan = read_plan(root)
    with reading(plan.seed_path):
        documents = {task.task_id: design_document(plan, task) for task in plan.tasks}
    for task_id, text in documents.items():
        write_text(root / f"artisan/{task_id}-design.md", text)
    write_json(
        root / HANDOFF,
        {
            "enriched_seed_path": recorded(root, plan.seed_path),
            "project_root": recorded(root, root / "project"),
            "output_dir": recorded(root, root / "artisan"),
            "workflow_id": new_id(),
            "completed_phases": ["plan", "design"],
            "design_results": {
                task_id: {"status": "designed", "design_document": text} for task_id, text in documents.items()
            },
            "context_files": plan.context_files,
            "source_checksum": plan.source_checksum,
            "created_at": now(),
            "schema_version": 1,
        },
    )


def design_document(plan: Plan, task: Task) -> str:
    """What is to be built, from which values, and how it is judged."""
    needs = ", ".join(task.depends_on) or "no other task"
    values = [
        f"- `{key}`: {value}" if isinstance(value, str) else f"- `{key}`: {len(value)} entries of the manifest"
        for key, value in plan.parameters(task).items()
    ]
    contract = plan.contract(task)
    criteria = [f"contains {marker}" for marker in contract["completeness_markers"]]
    sections = [
        f"# Design: {task.target_file}",
        f"{task.title} for `{task.artifact.target}` closes the gap `{task.artifact.id}`. It waits for {needs}.",
        "## What to build",
        "One file, composed from these values of the source manifest:\n\n" + "\n".join(values),
        "## How it is judged",
        "\n".join(f"- The file {each}." for each in (*criteria, f"has at most {contract['max_lines']} lines")),
    ]
    return "\n\n".join(sections) + "\n"
