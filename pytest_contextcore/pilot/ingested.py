"""What plan ingestion wrote: features, tasks, and the gaps that they serve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from .documents import View, json_object
from .exported import Export
from .findings import Finding, Unreadable
from .names import FORENSICS, TRACEABILITY
from .nodes import Node
from .recorded import project_path

_SEED = "-context-seed"


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature of the seed's plan."""

    id: str
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """A task of a seed."""

    id: str
    feature_id: str
    targets: tuple[str, ...]
    depends_on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mapping:
    """An entry of the traceability's `artifact_mappings`."""

    artifact_id: str
    artifact_type: str | None
    feature_ids: tuple[str, ...]
    task_ids: tuple[str, ...]
    status: str


class Ingestion(View):
    """What plan ingestion wrote."""

    @cached_property
    def seed_path(self) -> str:
        """The one context seed; its absence says what to run."""
        try:
            found = self.ws.glob("ingestion", f"*{_SEED}.json")
        except Unreadable as error:
            if error.finding.type != "missing_file":
                raise
            found = []
        if len(found) == 1:
            return found[0]
        name = f"ingestion/<route>{_SEED}.json"
        if found:
            raise Unreadable(
                Finding(name, "there is more than one seed", ", ".join(found), "exactly one", "ambiguous_file", name)
            )
        message = f"{name} is missing; run plan ingestion on this export"
        if self.ws.exists(FORENSICS):
            message = f"{name} is missing since plan ingestion failed; see {FORENSICS}, then run it again"
        raise Unreadable(Finding("ingestion", message, "no seed", "one seed", "missing_file", name))

    @property
    def named_route(self) -> str:
        """The route that the seed's file name says."""
        return PurePosixPath(self.seed_path).name.removesuffix(f"{_SEED}.json")

    @property
    def enriched_path(self) -> str:
        """The enriched seed that belongs to the seed."""
        return self.seed_path.removesuffix(".json") + "-enriched.json"

    @cached_property
    def seed(self) -> Node:
        """The context seed."""
        return json_object(self.ws, self.seed_path)

    @cached_property
    def enriched(self) -> Node:
        """The enriched context seed, which the design step reads."""
        return json_object(self.ws, self.enriched_path)

    @cached_property
    def traceability(self) -> Node:
        """The traceability file."""
        return json_object(self.ws, TRACEABILITY)

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """The features of the seed's plan."""
        return tuple(
            Feature(node.get("feature_id").name(), _targets(node)) for node in self.seed.get("plan", "features").items()
        )

    @cached_property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks of the seed."""
        return tuple(_tasks(self.seed))

    @cached_property
    def enriched_tasks(self) -> tuple[Task, ...]:
        """The tasks of the enriched seed."""
        return tuple(_tasks(self.enriched))

    @cached_property
    def mappings(self) -> tuple[Mapping, ...]:
        """The artifact mappings of the traceability file."""
        return tuple(
            Mapping(
                node.get("artifact_id").name(),
                node.get("artifact_type").name() if node.get("artifact_type").given else None,
                tuple(node.get("feature_ids").texts()),
                tuple(node.get("task_ids").texts()),
                node.get("status").text(),
            )
            for node in self.traceability.get("artifact_mappings").items()
        )

    @cached_property
    def files(self) -> dict[str, tuple[str, ...]]:
        """The project paths that each task of the seed is to write: its targets, else those of the gaps it serves."""
        export = Export.load(self.ws)
        served: dict[str, list[str]] = {}
        for mapping in self.mappings:
            for task in mapping.task_ids:
                served.setdefault(task, []).append(mapping.artifact_id)
        return {
            task.id: tuple(dict.fromkeys(map(project_path, task.targets)))
            or tuple(export.output(gap) for gap in served.get(task.id, ()))
            for task in self.tasks
        }

    @cached_property
    def _files_if_known(self) -> dict[str, tuple[str, ...]]:
        """The same, but empty if ingestion's files cannot be read, which their gates report."""
        try:
            return self.files
        except Unreadable:
            return {}

    def blamed(self, task: str, record: str) -> tuple[str, str]:
        """The file that is broken where `record` says that a task failed, and the task for a sentence about it.

        That is the file that the task is to write; the record itself where there is none, or none can be told.
        """
        files = self._files_if_known.get(task, ())
        if not files:
            return record, f"task '{task}'"
        also = f" (also {', '.join(files[1:])})" if files[1:] else ""
        return files[0], f"task '{task}'{also} in {record}"


def _targets(node: Node) -> tuple[str, ...]:
    targets = node.get("target_files")
    return tuple(targets.texts()) if targets.given else ()


def _tasks(seed: Node) -> Iterator[Task]:
    for node in seed.get("tasks").items():
        context = node.get("config", "context")
        feature = context.get("feature_id")
        depends = node.get("depends_on")
        yield Task(
            node.get("task_id").name(),
            feature.text() if feature.given else "",
            _targets(context),
            tuple(depends.texts()) if depends.given else (),
        )
