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
    """CI/CD and VCS attributes (OpenTelemetry semantic conventions) of the three systems whose variables are known."""
    get = environ.get
    if get("GITHUB_ACTIONS") == "true":
        repository = "/".join(part for part in (get("GITHUB_SERVER_URL", ""), get("GITHUB_REPOSITORY", "")) if part)
        run = get("GITHUB_RUN_ID", "")
        return _attributes(
            get("GITHUB_WORKFLOW"),
            run,
            f"{repository}/actions/runs/{run}" if repository and run else "",
            get("GITHUB_JOB"),
            repository,
            get("GITHUB_HEAD_REF") or get("GITHUB_REF_NAME"),
            get("GITHUB_SHA"),
        )
    if get("GITLAB_CI"):
        return _attributes(
            get("CI_PIPELINE_NAME") or get("CI_PROJECT_PATH"),
            get("CI_PIPELINE_ID"),
            get("CI_PIPELINE_URL"),
            get("CI_JOB_NAME"),
            get("CI_PROJECT_URL") or get("CI_REPOSITORY_URL"),
            get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME") or get("CI_COMMIT_REF_NAME"),
            get("CI_COMMIT_SHA"),
        )
    if get("JENKINS_URL"):
        return _attributes(
            get("JOB_NAME"),
            get("BUILD_ID") or get("BUILD_NUMBER"),
            get("BUILD_URL"),
            get("STAGE_NAME"),
            get("GIT_URL"),
            get("CHANGE_BRANCH") or get("BRANCH_NAME") or get("GIT_BRANCH"),
            get("GIT_COMMIT"),
        )
    return {}


_CI_NAMES = (
    "cicd.pipeline.name",
    "cicd.pipeline.run.id",
    "cicd.pipeline.run.url.full",
    "cicd.pipeline.task.name",
    "vcs.repository.url.full",
    "vcs.ref.head.name",
    "vcs.ref.head.revision",
)


def _attributes(*values: str | None) -> dict[str, str]:
    found = {name: value for name, value in zip(_CI_NAMES, values, strict=True) if value}
    addresses = {name: without_credentials(value) for name, value in found.items() if name.endswith(".full")}
    if (repository := addresses.pop("vcs.repository.url.full", "")) and (shown := _for_a_browser(repository)):
        addresses["vcs.repository.url.full"] = shown
    return {**{name: value for name, value in found.items() if not name.endswith(".full")}, **addresses}


def _for_a_browser(repository: str) -> str:
    """The repository's HTTP(S) address without ``.git`` (semantic conventions, VCS); empty where it has none."""
    return repository.rstrip("/").removesuffix(".git") if repository.startswith(("https://", "http://")) else ""
