"""The plan as the steps after ingestion read it: tasks, each with its artifact."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .files import Document, read_json, reading, sha256_section
from .layout import Layout
from .manifest import Artifact, Service, read_service


@dataclass(frozen=True, slots=True)
class Task:
    """One task of the plan: write one artifact to one path of the repository."""

    task_id: str
    title: str
    artifact: Artifact
    target_file: str
    depends_on: tuple[str, ...]
    domain: str
    obligations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan as the enriched seed of the decided route holds it."""

    title: str
    seed_path: Path
    source_checksum: str
    context_files: tuple[dict[str, Any], ...]
    onboarding: Document
    service: Service
    tasks: tuple[Task, ...]
    preflight: Document

    def parameters(self, task: Task) -> dict[str, Any]:
        """The resolved parameters of a task's artifact."""
        values: dict[str, Any] = self.onboarding["resolved_artifact_parameters"][task.artifact.id]
        return values

    def contract(self, task: Task) -> dict[str, Any]:
        """The output contract of a task's artifact."""
        values: dict[str, Any] = self.onboarding["expected_output_contracts"][task.artifact.type]
        return values


def read_plan(layout: Layout) -> Plan:
    """Read the enriched seed of the route that S5 recorded."""
    decision = read_json(layout.routing_decision)
    with reading(layout.routing_decision):
        seed_path = layout.enriched_seed(decision["route"])
    seed = read_json(seed_path)
    trace = read_json(layout.traceability)
    service = read_service(layout.source)
    with reading(layout.traceability):
        artifact_of = {
            task_id: entry["artifact_id"] for entry in trace["artifact_mappings"] for task_id in entry["task_ids"]
        }
    artifacts = {artifact.id: artifact for artifact in service.artifacts}
    with reading(seed_path):
        return Plan(
            title=seed["plan"]["title"],
            seed_path=seed_path,
            source_checksum=seed["source_checksum"],
            context_files=tuple(seed["context_files"]),
            onboarding=seed["onboarding"],
            service=service,
            tasks=tuple(
                Task(
                    task_id=task["task_id"],
                    title=task["title"],
                    artifact=artifacts[artifact_of[task["task_id"]]],
                    target_file=task["config"]["context"]["target_files"][0],
                    depends_on=tuple(task["depends_on"]),
                    domain=task["_enrichment"]["domain"],
                    obligations=tuple(task["config"]["context"]["acceptance_obligations"]),
                )
                for task in seed["tasks"]
            ),
            preflight=seed["_preflight"],
        )


def design_hash(handoff: Document) -> str:
    """Digest of the design documents, which state files record to say what they were made for."""
    documents = {task_id: result["design_document"] for task_id, result in handoff["design_results"].items()}
    return sha256_section(documents)
