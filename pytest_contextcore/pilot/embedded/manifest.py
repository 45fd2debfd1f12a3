"""The source manifest, typed: what the service is called, what it runs, which artifacts it must have."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .files import Document, read_yaml, reading

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Artifact:
    """One observability artifact that the service must have."""

    id: str
    type: str
    target: str
    task: str


@dataclass(frozen=True, slots=True)
class Service:
    """The service of a manifest; `document` is the manifest itself."""

    name: str
    targets: tuple[str, ...]
    artifacts: tuple[Artifact, ...]
    document: Document

    def lookup(self, source: str, target: str = "") -> Any:
        """Value at a dotted path such as `spec.requirements.latencyP99`; `targets[]` is this target's entry.

        None if the manifest does not say.
        """
        value: Any = self.document
        for key in source.split("."):
            if key == "targets[]":
                value = next((entry for entry in value.get("targets", []) if entry["name"] == target), None)
            else:
                value = value.get(key) if isinstance(value, dict) else None
        return value


def read_service(path: Path) -> Service:
    """Read a `.contextcore.yaml`."""
    document = read_yaml(path)
    with reading(path):
        spec = document["spec"]
        return Service(
            name=_name(document["metadata"]["name"]),
            targets=tuple(entry["name"] for entry in spec["targets"]),
            artifacts=tuple(
                Artifact(_name(entry["id"]), entry["type"], _name(entry["target"]), entry["task"])
                for entry in sorted(spec["artifacts"], key=lambda entry: str(entry["id"]))
            ),
            document=document,
        )


def _name(value: str) -> str:
    """A name that becomes part of a file's path."""
    if not _NAME.fullmatch(value):
        raise ValueError(f"name {value!r}: expected letters, digits, '-' and '_'")
    return value
