"""S6: a design document a task, and the handoff to implementation."""

from .files import Document, new_id, now, reading, write_json, write_text
from .layout import Layout
from .plan import Plan, Task, read_plan


def design(layout: Layout) -> None:
    """Write `design-handoff.json` and one `<task>-design.md` for each task."""
    plan = read_plan(layout)
    with reading(plan.seed_path):
        documents = {task.task_id: design_document(plan, task) for task in plan.tasks}
        handoff = design_handoff(layout, plan, documents, now())
    for task_id, text in documents.items():
        write_text(layout.artisan / f"{task_id}-design.md", text)
    write_json(layout.handoff, handoff)


def design_document(plan: Plan, task: Task) -> str:
    """What is to be built, from which values, and how it is judged."""
    needs = ", ".join(task.depends_on) or "no other task"
    values = [
        f"- `{key}`: {value}" if isinstance(value, str) else f"- `{key}`: {len(value)} entries of the manifest"
        for key, value in plan.parameters(task).items()
    ]
    sections = [
        f"# Design: {task.target_file}",
        "## Overview",
        f"{task.title} for `{task.artifact.target}` closes the gap `{task.artifact.id}`. It waits for {needs}.",
        "## What to Build",
        "One file, composed from these values of the source manifest:\n\n" + "\n".join(values),
        "## Files",
        f"- `{task.target_file}` (create)",
        "## Constraints",
        "\n".join(f"- {constraint['rule']}." for constraint in plan.onboarding["guidance"].get("constraints", []))
        or "None.",
        "## Testing",
        "\n".join(f"- The file {obligation}." for obligation in task.obligations),
    ]
    return "\n\n".join(sections) + "\n"


def design_handoff(layout: Layout, plan: Plan, documents: dict[str, str], at: str) -> Document:
    """`design-handoff.json`."""
    folders = sorted({task.target_file.rsplit("/", 1)[0] for task in plan.tasks})
    existing = [folder for folder in folders if (layout.project / folder).is_dir()]
    return {
        "enriched_seed_path": layout.recorded(plan.seed_path),
        "project_root": layout.recorded(layout.project),
        "output_dir": layout.recorded(layout.artisan),
        "workflow_id": new_id(),
        "completed_phases": ["plan", "scaffold", "design"],
        "design_results": {
            task.task_id: {
                "status": "designed",
                "feature_name": task.title,
                "design_document": documents[task.task_id],
                "output_file": layout.recorded(layout.artisan / f"{task.task_id}-design.md"),
                "agreed": True,
                "iterations": 1,
                "completed_at": at,
                "cost": 0.0,
                "design_gate_passed": True,
                "quality_outcome": "pass",
            }
            for task in plan.tasks
        },
        "scaffold": {
            "project_root": layout.recorded(layout.project),
            "directories_needed": folders,
            "directories_exist": existing,
            "directories_missing": [folder for folder in folders if folder not in existing],
            "existing_target_files": [],
        },
        "artifact_manifest_path": plan.onboarding["artifact_manifest_path"],
        "project_context_path": plan.onboarding["project_context_path"],
        "context_files": list(plan.context_files),
        "coverage_gaps": [],
        "source_checksum": plan.source_checksum,
        "created_at": at,
        "schema_version": 1,
        "schema_version_str": "1.0",
    }
