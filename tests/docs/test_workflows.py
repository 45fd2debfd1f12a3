"""The configurations on the pages: CI workflows run job by job, those of collectors checked."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..support.otlp_receiver import Receiver
from .pages import Player, blocks

CI, EXPORT = "docs/ci.md", "docs/export.md"


def configurations(page: str) -> list[dict[str, Any]]:
    """What the page shows as YAML, but for files with a name."""
    return [yaml.safe_load(b.body) for b in blocks(page) if b.language == "yaml" and b.title is None]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


class Runner:
    """A CI server: each job has a folder of its own, with a checkout of the release that the page is about."""

    def __init__(self, player: Player, receiver: Receiver) -> None:
        self.store = player.folder
        self._player, self._receiver = player, receiver

    def checkout(self, job: str) -> Path:
        self._player.folder = self.store / job
        self._player.write_files("docs/runs.md")
        return self._player.folder

    def run(self, lines: str, environ: Mapping[str, str]) -> None:
        for line in lines.splitlines():
            self._player.type(line, environ)

    def assert_one_trace(self) -> None:
        spans = self._receiver.spans
        names = Counter(span.name.partition(" ")[0] for span in spans)
        phases = ("RELEASE-4", "RELEASE-4-BUILD", "RELEASE-4-APPROVE", "RELEASE-4-PUBLISH")
        assert [names[name] for name in phases] == [1, 1, 1, 1]
        assert len({span.trace_id for span in spans}) == 1


@pytest.fixture
def runner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, receiver: Receiver) -> Runner:
    return Runner(Player(pytester, monkeypatch), receiver)


def test_the_workflow_for_github_makes_one_trace(runner: Runner, receiver: Receiver) -> None:
    """Actions do here what they are documented to do."""
    workflow = configurations(CI)[0]
    assert ["push"] in workflow.values()  # YAML 1.1 reads its key, on, as true
    known = {"vars.OTLP_ENDPOINT": receiver.http_endpoint}
    for name, job in workflow["jobs"].items():
        given = {**workflow.get("env", {}), **job.get("env", {})}
        environ = {key: resolve(value, known) for key, value in given.items()}
        outputs = runner.store / f"{name}-outputs"
        for step in job["steps"]:
            if "run" in step:
                runner.run(step["run"], {**environ, "GITHUB_OUTPUT": str(outputs)})
                if "id" in step:
                    key, _, value = outputs.read_text().strip().partition("=")
                    known[f"steps.{step['id']}.outputs.{key}"] = value
            elif not step["uses"].startswith("actions/setup-python@"):
                act(step, runner, name)
        for key, value in job.get("outputs", {}).items():
            known[f"needs.{name}.outputs.{key}"] = resolve(value, known)
    runner.assert_one_trace()


def resolve(value: str, known: Mapping[str, str]) -> str:
    """The value with its ``${{ … }}`` filled in; an unknown one fails here, where it would be empty there."""
    return re.sub(r"\$\{\{ (.+?) \}\}", lambda match: known[match[1]], value)


def act(step: dict[str, Any], runner: Runner, job: str) -> None:
    """What an action does: upload-artifact leaves hidden files out unless told otherwise (since 4.4)."""
    action, given = step["uses"].partition("@")[0], step.get("with", {})
    artifact = runner.store / f"artifact-{given.get('name')}"
    if action == "actions/checkout":
        runner.checkout(job)
    elif action == "actions/upload-artifact":
        hidden = () if given.get("include-hidden-files") else (".*",)
        shutil.copytree(runner.store / job / given["path"], artifact, ignore=shutil.ignore_patterns(*hidden))
    else:
        assert action == "actions/download-artifact"
        shutil.copytree(artifact, runner.store / job / given["path"])


def test_the_pipeline_for_gitlab_makes_one_trace(runner: Runner, receiver: Receiver) -> None:
    """Artifacts and dotenv variables of the jobs in ``needs`` come along."""
    pipeline = configurations(CI)[1]
    for name, job in pipeline.items():
        folder = runner.checkout(name)
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.http_endpoint}
        for needed in job.get("needs", ()):
            artifacts = pipeline[needed]["artifacts"]
            for path in artifacts["paths"]:
                shutil.copytree(runner.store / needed / path, folder / path)
            lines = (runner.store / needed / artifacts["reports"]["dotenv"]).read_text().splitlines()
            environ |= dict(line.split("=", 1) for line in lines)
        runner.run("\n".join(job["script"]), environ)
    assert (folder / job["artifacts"]["reports"]["junit"]).is_file()
    runner.assert_one_trace()


def test_the_workflows_of_one_job_run_what_the_page_says_and_collect_what_it_writes(runner: Runner) -> None:
    files = {block.title: block.body for block in blocks(CI) if block.title is not None}
    assert set(files) == {".github/workflows/trace.yml", ".gitlab-ci.yml", "Jenkinsfile"}
    github, gitlab = (yaml.safe_load(files[name]) for name in (".github/workflows/trace.yml", ".gitlab-ci.yml"))
    jenkins = files["Jenkinsfile"]
    install, command = (step["run"] for step in github["jobs"]["trace"]["steps"] if "run" in step)
    assert gitlab["trace"]["script"] == [install, command]
    assert f".venv/bin/{install}" in jenkins
    assert f".venv/bin/{command}" in jenkins
    assert jenkins.count("{") == jenkins.count("}")
    folder = runner.checkout("one")
    runner.run(command, {})
    collected = gitlab["trace"]["artifacts"]["reports"]["junit"]
    assert f"junit '{collected}'" in jenkins
    assert (folder / collected).is_file()


RECEIVERS = {"otlp": {"protocols"}, "otlpjsonfile": {"include", "exclude", "start_at", "max_log_size"}}


def test_collector_configurations_name_components_that_they_define() -> None:
    """Parsed, with every component of a pipeline defined; fields as in the collector's own documentation."""
    found = [config for config in configurations(EXPORT) if "service" in config]
    assert len(found) == 1
    for config in found:
        for pipeline in config["service"]["pipelines"].values():
            for kind in ("receivers", "processors", "exporters"):
                assert set(pipeline.get(kind, ())) == set(config.get(kind, ()))
        for name, settings in config["receivers"].items():
            assert set(settings) <= RECEIVERS[name]
        assert config["exporters"]["otlp"]["endpoint"]


def test_tempos_configuration_receives_what_runs_send_and_allows_the_queries() -> None:
    (config,) = (config for config in configurations(EXPORT) if "distributor" in config)
    protocols = config["distributor"]["receivers"]["otlp"]["protocols"]
    assert {name: settings["endpoint"] for name, settings in protocols.items()} == {
        "grpc": "0.0.0.0:4317",
        "http": "0.0.0.0:4318",
    }
    assert config["metrics_generator"]["processor"]["local_blocks"]["filter_server_spans"] is False
    assert config["overrides"]["defaults"]["metrics_generator"]["processors"] == ["local-blocks"]
