"""Typed views of the pipeline's documents (FORMATS.md): lazily read, unknown keys accepted, wrong types named.

Each view is made once per workspace (`Export.load(ws)`), reads a file when a gate first asks for it, and raises nothing
but `Unreadable`. What a value *means* is for the gates; here stand only shapes and the indexes that gates share.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Self

from .findings import Finding, Unreadable
from .nodes import Node
from .workspace import Workspace

SOURCE = ".contextcore.yaml"
OVERRIDE = "route-override.json"
ONBOARDING = "export/onboarding-metadata.json"
PROVENANCE = "export/provenance.json"
RUN_PROVENANCE = "export/run-provenance.json"
VALIDATION = "export/validation-report.json"
QUALITY = "export/export-quality-report.json"
TRACEABILITY = "ingestion/ingestion-traceability.json"
DIAGNOSTIC = "ingestion/plan-ingestion-diagnostic.json"
INGESTION_STATE = "ingestion/.startd8/plan_ingestion_state.json"
REVIEW_CONFIG = "ingestion/review-config.json"
FORENSICS = "ingestion/plan-ingestion-failure-forensics.json"
HANDOFF = "artisan/design-handoff.json"
HANDOFF_CONTRACT = "artisan/design-handoff-contract.json"
REPORT = "artisan/workflow-execution-report.json"
GENERATION_MANIFEST = "artisan/generation-manifest.json"
STATE = "project/.startd8/state"
GENERATION = f"{STATE}/generation_results.json"
TESTS = f"{STATE}/test_results.json"
REVIEWS = f"{STATE}/review_results.json"
STAGING = ".startd8/staging/"

CHECKSUMS = ("source_checksum", "artifact_manifest_checksum", "project_context_checksum")
ROUTES = ("artisan", "prime")
_SEED = "-context-seed"


def json_object(ws: Workspace, path: str) -> Node:
    """Read a JSON file that must hold an object."""
    node = Node(path, ws.read_json(path))
    node.object()
    return node


def yaml_object(ws: Workspace, path: str) -> Node:
    """Read a YAML file that must hold a mapping."""
    node = Node(path, ws.read_yaml(path))
    node.object()
    return node


def bare(checksum: str) -> str:
    """Strip the `sha256:` prefix that options and older samples write (FORMATS.md, checksums)."""
    return checksum.removeprefix("sha256:").lower()


@dataclass(frozen=True, slots=True)
class Artifact:
    """An artifact of the artifact manifest."""

    id: str
    type: str
    target: str
    priority: str
    status: str


@dataclass(frozen=True, slots=True)
class Owner:
    """An entry of `file_ownership`."""

    node: Node
    path: str
    artifact_ids: tuple[str, ...]
    artifact_types: tuple[str, ...]
    task_ids: tuple[str, ...]
    scope: str


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

    at: str
    artifact_id: str
    feature_ids: tuple[str, ...]
    task_ids: tuple[str, ...]
    status: str


class _View:
    """What all views share: one instance per workspace."""

    def __init__(self, ws: Workspace) -> None:
        self.ws = ws

    @classmethod
    def load(cls, ws: Workspace) -> Self:
        """Give this workspace's view; nothing is read yet."""
        return ws.once(cls, lambda: cls(ws))


class Export(_View):
    """What the export step wrote."""

    @cached_property
    def onboarding(self) -> Node:
        """The onboarding metadata."""
        return json_object(self.ws, ONBOARDING)

    @cached_property
    def manifest_path(self) -> str:
        """The one artifact manifest."""
        return self._only("*-artifact-manifest.yaml", "artifact manifest")

    @cached_property
    def context_path(self) -> str:
        """The one project context."""
        return self._only("*-projectcontext.yaml", "project context")

    def _only(self, pattern: str, what: str) -> str:
        found = self.ws.glob("export", pattern)
        if len(found) == 1:
            return found[0]
        message = f"the {what} is missing" if not found else f"there is more than one {what}"
        observed = ", ".join(found) or "none"
        kind = "missing_file" if not found else "ambiguous_file"
        raise Unreadable(Finding(f"export/{pattern}", message, observed, "exactly one", kind, f"export/{pattern}"))

    @cached_property
    def manifest(self) -> Node:
        """The artifact manifest."""
        return yaml_object(self.ws, self.manifest_path)

    @cached_property
    def artifacts(self) -> tuple[Artifact, ...]:
        """The artifacts of the artifact manifest."""
        return tuple(
            Artifact(*(node.get(key).name() for key in ("id", "type", "target", "priority", "status")))
            for node in self.manifest.get("artifacts").items()
        )

    @cached_property
    def by_id(self) -> dict[str, Artifact]:
        """The artifacts by id."""
        return {artifact.id: artifact for artifact in self.artifacts}

    @cached_property
    def gaps(self) -> tuple[str, ...]:
        """The gaps that onboarding lists."""
        return tuple(self.onboarding.get("coverage", "gaps").texts())

    @cached_property
    def owners(self) -> tuple[Owner, ...]:
        """The entries of `file_ownership`; none if it is absent, which S3-C1 reports."""
        section = self.onboarding.get("file_ownership")
        if not section.given:
            return ()
        return tuple(
            Owner(
                node,
                path,
                tuple(node.get("artifact_ids").texts()),
                tuple(node.get("artifact_types").texts()),
                tuple(node.get("task_ids").texts()) if node.get("task_ids").given else (),
                node.get("scope").text() if node.get("scope").given else "",
            )
            for path, node in section.entries()
        )

    @cached_property
    def conventions(self) -> dict[str, str]:
        """The output path convention of each type; `artifact_types` says what this export uses."""
        result: dict[str, str] = {}
        for section in ("output_path_conventions", "artifact_types"):
            node = self.onboarding.get(section)
            if node.given:
                result |= {kind: entry.get("output_path").name() for kind, entry in node.entries()}
        return result

    @cached_property
    def planned(self) -> dict[str, str]:
        """The output path of each artifact: its type's convention, or else where ownership puts it."""
        owned = {id_: owner.path for owner in self.owners for id_ in owner.artifact_ids}
        result: dict[str, str] = {}
        for artifact in self.artifacts:
            template = self.conventions.get(artifact.type)
            if template is not None:
                result[artifact.id] = template.replace("{target}", artifact.target)
            elif artifact.id in owned:
                result[artifact.id] = owned[artifact.id]
        return result

    def output(self, gap: str) -> str:
        """Give a gap's planned path in the project, or refuse it if it leaves the project."""
        path = self.planned.get(gap)
        if path is None:
            raise Unreadable(Finding(ONBOARDING, f"gap '{gap}' has no planned path", "none", "a path", "no_path", gap))
        return project_path(path)


def project_path(path: str) -> str:
    """Give the workspace path of a path in the project, or refuse it."""
    return f"project/{Workspace.map_recorded(path, '')}"


class Ingestion(_View):
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
                node.at,
                node.get("artifact_id").name(),
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


class Design(_View):
    """What the design step handed on."""

    @cached_property
    def handoff(self) -> Node:
        """The design handoff; `design-handoff-contract.json` is another document."""
        return json_object(self.ws, HANDOFF)


class Results(_View):
    """What generation, tests, review and finalize wrote."""

    @cached_property
    def generation(self) -> Node:
        """The generation results."""
        return json_object(self.ws, GENERATION)

    @cached_property
    def tests(self) -> Node:
        """The test results."""
        return json_object(self.ws, TESTS)

    @cached_property
    def reviews(self) -> Node:
        """The review results."""
        return json_object(self.ws, REVIEWS)

    @cached_property
    def report(self) -> Node:
        """The finalize report."""
        return json_object(self.ws, REPORT)

    @cached_property
    def manifest(self) -> Node:
        """The generation manifest."""
        return json_object(self.ws, GENERATION_MANIFEST)


def recorded_root(ws: Workspace) -> str:
    """Give the root of the workspace on the machine that wrote it (FORMATS.md, layout)."""
    return ws.once(recorded_root, lambda: _recorded_root(ws))


def _recorded_root(ws: Workspace) -> str:
    candidates = (
        (PROVENANCE, ("sourcePath",), 1),
        (HANDOFF, ("enriched_seed_path",), 2),
        (GENERATION_MANIFEST, ("provenance", "enriched_seed_path"), 2),
    )
    for file, keys, up in candidates:
        try:
            path = PurePosixPath(json_object(ws, file).find(*keys).name())
        except Unreadable:
            continue  # the gate that needs this file itself reports it; here the next candidate is as good
        if path.is_absolute() and ".." not in path.parts:
            return str(path.parents[up - 1]) if len(path.parents) >= up else "/"
    return ""


def inside(ws: Workspace, node: Node) -> str:
    """Map the recorded path that a node holds into the workspace, naming the document that recorded it."""
    try:
        return Workspace.map_recorded(node.name(), recorded_root(ws))
    except Unreadable as error:
        if error.finding.type == "wrong_type":
            raise
        raise _elsewhere(node, "the workspace") from None


def generated(ws: Workspace, node: Node) -> str:
    """Map the recorded path of a generated file to its place in the project; staged files end where they belong."""
    path = node.name()
    if path.startswith("/"):
        path = inside(ws, node)
        if not path.startswith("project/"):
            raise _elsewhere(node, "the project")
    try:
        return project_path(path.removeprefix("project/").removeprefix(STAGING))
    except Unreadable:
        raise _elsewhere(node, "the project") from None


def _elsewhere(node: Node, where: str) -> Unreadable:
    message = f"{node.at} points out of {where}"
    return Unreadable(Finding(node.file, message, node.text(), f"a path inside {where}", "path_outside", node.text()))
