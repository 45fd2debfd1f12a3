"""Who emits the spans: resource attributes by OpenTelemetry's conventions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..redact import redact
from ..version import __version__
from .settings import pairs, without_credentials
from .wire import SCOPE_NAME

if TYPE_CHECKING:
    from ..span import Attributes

_CI = {
    "GITHUB_ACTIONS": {
        "cicd.pipeline.name": ("GITHUB_WORKFLOW",),
        "cicd.pipeline.run.id": ("GITHUB_RUN_ID",),
        "cicd.pipeline.task.name": ("GITHUB_JOB",),
        "vcs.ref.head.name": ("GITHUB_HEAD_REF", "GITHUB_REF_NAME"),
        "vcs.ref.head.revision": ("GITHUB_SHA",),
    },
    "GITLAB_CI": {
        "cicd.pipeline.name": ("CI_PIPELINE_NAME", "CI_PROJECT_PATH"),
        "cicd.pipeline.run.id": ("CI_PIPELINE_ID",),
        "cicd.pipeline.run.url.full": ("CI_PIPELINE_URL",),
        "cicd.pipeline.task.name": ("CI_JOB_NAME",),
        "vcs.repository.url.full": ("CI_PROJECT_URL", "CI_REPOSITORY_URL"),
        "vcs.ref.head.name": ("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_REF_NAME"),
        "vcs.ref.head.revision": ("CI_COMMIT_SHA",),
    },
    "JENKINS_URL": {
        "cicd.pipeline.name": ("JOB_NAME",),
        "cicd.pipeline.run.id": ("BUILD_ID", "BUILD_NUMBER"),
        "cicd.pipeline.run.url.full": ("BUILD_URL",),
        "cicd.pipeline.task.name": ("STAGE_NAME",),
        "vcs.repository.url.full": ("GIT_URL",),
        "vcs.ref.head.name": ("CHANGE_BRANCH", "BRANCH_NAME", "GIT_BRANCH"),
        "vcs.ref.head.revision": ("GIT_COMMIT",),
    },
}
"""By the variable that a CI system sets: attributes, and the variables that tell them, the first one that is set."""


def resource(environ: Mapping[str, str]) -> Attributes:
    """Who emits the spans: service, this package as the SDK that makes them, CI and VCS where the environment tells.

    ``OTEL_RESOURCE_ATTRIBUTES`` beats what is detected, ``OTEL_SERVICE_NAME`` beats both (resource specification).
    ``telemetry.sdk.name`` is this package: the specification keeps ``opentelemetry`` for spans of the SDK proper.
    """
    found = {
        "telemetry.sdk.name": SCOPE_NAME,
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": __version__,
        **_ci(environ),
        **pairs(environ.get("OTEL_RESOURCE_ATTRIBUTES", "")),
    }
    found["service.name"] = environ.get("OTEL_SERVICE_NAME", "").strip() or found.get("service.name") or "contextcore"
    return {name: redact(value) for name, value in found.items() if value}


def _ci(environ: Mapping[str, str]) -> dict[str, str]:
    """CI/CD and VCS attributes (OpenTelemetry semantic conventions), addresses without credentials."""
    system = next((name for name in _CI if environ.get(name)), None)
    if system is None:
        return {}
    found = {
        name: next((value for variable in variables if (value := environ.get(variable))), "")
        for name, variables in _CI[system].items()
    }
    if system == "GITHUB_ACTIONS" and (repository := environ.get("GITHUB_REPOSITORY")):
        address = f"{environ.get('GITHUB_SERVER_URL', '')}/{repository}"
        found["vcs.repository.url.full"] = address
        found["cicd.pipeline.run.url.full"] = f"{address}/actions/runs/{found['cicd.pipeline.run.id']}"
    for name in ("vcs.repository.url.full", "cicd.pipeline.run.url.full"):
        address = found.get(name, "")  # an address for a browser; a repository may be named by another one
        found[name] = without_credentials(address).removesuffix(".git") if address.startswith("http") else ""
    return found
