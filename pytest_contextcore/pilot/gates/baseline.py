"""S1: a workspace is there, with a source manifest that can be trusted to be one."""

from __future__ import annotations

from collections.abc import Iterator

from ..documents import yaml_object
from ..findings import Finding
from ..names import SOURCE
from ..workspace import Workspace
from . import differs, gate

# FORMATS.md names v1alpha2; v1alpha1 is the version that `contextcore manifest migrate` starts from, v1 and v1beta1
# are what the same group uses for its other kinds.
KNOWN_VERSIONS = ("contextcore.io/v1alpha2", "contextcore.io/v1alpha1", "contextcore.io/v1beta1", "contextcore.io/v1")


@gate
def source_manifest(ws: Workspace) -> Iterator[Finding]:
    """S1-G2: the source manifest is present, parseable, of a known version, and names its project (FORMATS.md)."""
    manifest = yaml_object(ws, SOURCE)
    kind, version = manifest.get("kind"), manifest.get("apiVersion")
    if kind.name() != "ContextManifest":
        yield differs(kind, "the document is no context manifest", "ContextManifest", "unknown_kind")
    if version.name() not in KNOWN_VERSIONS:
        yield differs(version, "the document has an unknown apiVersion", KNOWN_VERSIONS[0], "unknown_version")
    manifest.get("spec", "project", "id").name()
