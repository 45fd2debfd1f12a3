"""What the export step wrote: artifacts, gaps, ownership, planned paths."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from .documents import View, json_object, yaml_object
from .findings import Finding, Unreadable
from .names import ARTIFACT_MANIFEST, ONBOARDING, PROJECT_CONTEXT
from .nodes import Node
from .recorded import project_path


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


class Export(View):
    """What the export step wrote."""

    @cached_property
    def onboarding(self) -> Node:
        """The onboarding metadata."""
        return json_object(self.ws, ONBOARDING)

    @cached_property
    def manifest_path(self) -> str:
        """The one artifact manifest."""
        return self._only("artifact manifest", *ARTIFACT_MANIFEST)

    @cached_property
    def context_path(self) -> str:
        """The one project context."""
        return self._only("project context", *PROJECT_CONTEXT)

    def _only(self, what: str, pattern: str, *others: str) -> str:
        found = [path for one in (pattern, *others) for path in self.ws.glob("export", one)]
        if len(found) == 1:
            return found[0]
        message = f"the {what} is missing" if not found else f"there is more than one {what}"
        observed = ", ".join(found) or "none"
        kind = "missing_file" if not found else "ambiguous_file"
        raise Unreadable(Finding(f"export/{pattern}", message, observed, "exactly one", kind, f"export/{pattern}"))

    @cached_property
    def manifest(self) -> Node:
        """The artifact manifest, which `--format json` writes as JSON."""
        read = json_object if self.manifest_path.endswith(".json") else yaml_object
        return read(self.ws, self.manifest_path)

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
    def partial(self) -> bool:
        """Whether a profile chose which types of artifacts are exported."""
        profile = self.onboarding.get("generation_profile")
        return profile.given and profile.value != "full"

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
