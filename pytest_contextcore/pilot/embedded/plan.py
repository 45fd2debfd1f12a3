"""The plan as the steps after ingestion read it: tasks, each with its artifact."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..names import GENERATION, HANDOFF, SOURCE, TRACEABILITY
from .files import Document, now, read_json, reading, sha256_section
from .manifest import Artifact, Service, read_service

ROUTING = "ingestion/.startd8/routing_decision.json"  # S5's record of why this route
STAGING = "project/.startd8/staging"  # where a file is written before it takes its place in the repository
STATE_SCHEMA_VERSION = 3


@dataclass(frozen=True, slots=True)
class Task:
    """One task of the plan: write one artifact to one path of the repository."""

    task_id: str
    title: str
    artifact: Artifact
    target_file: str
    depends_on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan as the enriched seed of the decided route holds it."""

    seed_path: Path
    source_checksum: str
    context_files: list[Document]
    onboarding: Document
    service: Service
    tasks: tuple[Task, ...]

    def parameters(self, task: Task) -> dict[str, Any]:
        """The resolved parameters of a task's artifact."""
        values: dict[str, Any] = self.onboarding["resolved_artifact_parameters"][task.artifact.id]
        return values

    def contract(self, task: Task) -> dict[str, Any]:
        """The output contract of a task's artifact."""
        values: dict[str, Any] = self.onboarding["expected_output_contracts"][task.artifact.type]
        return values


def seed_name(route: str, kind: str = "") -> str:
    """The path of the context seed for a route; of kind `-enriched` is the one that design reads."""
    return f"ingestion/{route}-context-seed{kind}.json"


def read_plan(root: Path) -> Plan:
    """Read the enriched seed of the route that S5 recorded."""
    decision = read_json(root / ROUTING)
    with reading(root / ROUTING):
        seed_path = root / seed_name(decision["route"], "-enriched")
    seed, trace, service = read_json(seed_path), read_json(root / TRACEABILITY), read_service(root / SOURCE)
    with reading(root / TRACEABILITY):
        artifact_of = {
            task_id: entry["artifact_id"] for entry in trace["artifact_mappings"] for task_id in entry["task_ids"]
        }
    artifacts = {artifact.id: artifact for artifact in service.artifacts}
    with reading(seed_path):
        return Plan(
            seed_path=seed_path,
            source_checksum=seed["source_checksum"],
            context_files=list(seed["context_files"]),
            onboarding=seed["onboarding"],
            service=service,
            tasks=tuple(
                Task(
                    task_id=task["task_id"],
                    title=task["title"],
                    artifact=artifacts[artifact_of[task["task_id"]]],
                    target_file=task["config"]["context"]["target_files"][0],
                    depends_on=tuple(task["depends_on"]),
                )
                for task in seed["tasks"]
            ),
        )


def generated_tasks(root: Path, plan: Plan) -> list[Task]:
    """The tasks whose files were generated: what tests and review look at."""
    generation = read_json(root / GENERATION)
    with reading(root / GENERATION):
        return [task for task in plan.tasks if task.task_id in generation["tasks"]]


def state_meta(root: Path, plan: Plan) -> Document:
    """`_cache_meta` of a state file: for which source and which design it holds."""
    handoff = read_json(root / HANDOFF)
    with reading(root / HANDOFF):
        documents = {task_id: result["design_document"] for task_id, result in handoff["design_results"].items()}
    return {
        "schema_version": STATE_SCHEMA_VERSION,
        "created_at": now(),
        "source_checksum": plan.source_checksum,
        "design_hash": sha256_section(documents),
    }
