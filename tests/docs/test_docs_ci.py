"""The pages about CI jobs and collectors: commands executed, workflows run job by job, configurations checked."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_contextcore.commands.cli import GROUP

from ..support.otlp_receiver import Receiver
from .test_docs import ROOT, _environ, blocks, settled

JOBS, COLLECTORS = ROOT / "docs" / "ci-jobs.md", ROOT / "docs" / "collectors.md"
SPAN_ID = re.compile(r"-[0-9a-f]{16}-")
SHELL = """
pytest() {{ {python} -m pytest -p no:randomly -p no:hypothesispytest -p no:cacheprovider "$@"; }}
contextcore() {{ {python} -m pytest_contextcore "$@"; }}
pip() {{ :; }}
set -e
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


def checkout(folder: Path) -> Path:
    shutil.copytree(ROOT / "pilot_tests", folder / "pilot_tests", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def shell(script: str, folder: Path, environ: Mapping[str, str] | None = None) -> str:
    """Run lines of a shell with this interpreter's pytest and contextcore; nothing is installed."""
    done = subprocess.run(
        ["bash", "-c", SHELL.format(python=sys.executable) + script],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
        env={**_environ(), "COLUMNS": "80", **(environ or {})},
    )  # fmt: skip
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def yaml_blocks(path: Path) -> list[dict[str, Any]]:
    return [yaml.safe_load(block.body) for block in blocks(path) if block.language == "yaml"]


def assert_one_trace(receiver: Receiver) -> None:
    names = Counter(span.name for span in receiver.spans)
    assert names.most_common(1)[0][1] == 1
    assert names["PI-101-002"] == 1
    assert sum(" " in name for name in names) == 10
    assert len({span.trace_id for span in receiver.spans}) == 1


def test_what_the_page_about_jobs_shows_is_what_happens(tmp_path: Path) -> None:
    checkout(tmp_path)
    shown = [block.body for block in blocks(JOBS) if block.language == "console"]
    assert len(shown) == 3
    for body in shown:
        command, _, expected = body.removeprefix("$ ").partition("\n")
        printed = shell(command, tmp_path)
        assert settled(SPAN_ID.sub("-<span>-", printed)) == settled(SPAN_ID.sub("-<span>-", expected))


def test_the_workflow_for_github_makes_one_trace(tmp_path: Path, receiver: Receiver) -> None:
    """Each job in a folder of its own; actions do here what they are documented to do."""
    workflow = yaml_blocks(JOBS)[0]
    assert ["push"] in workflow.values()  # YAML 1.1 reads its key, on, as true
    known = {"vars.OTLP_ENDPOINT": receiver.http_endpoint}
    for name, job in workflow["jobs"].items():
        folder = tmp_path / name
        environ = {key: resolve(value, known) for key, value in job.get("env", {}).items()}
        for step in job["steps"]:
            if "run" in step:
                outputs = tmp_path / f"{name}-outputs"
                outputs.write_text("")
                shell(step["run"], folder, {**environ, "GITHUB_OUTPUT": str(outputs)})
                for line in outputs.read_text().splitlines():
                    key, _, value = line.partition("=")
                    known[f"steps.{step['id']}.outputs.{key}"] = value
            else:
                act(step, folder, tmp_path)
        for key, value in job.get("outputs", {}).items():
            known[f"needs.{name}.outputs.{key}"] = resolve(value, known)
    assert_one_trace(receiver)


def resolve(value: str, known: Mapping[str, str]) -> str:
    """The value with its ``${{ … }}`` filled in; an unknown one fails here, where it would be empty there."""
    return re.sub(r"\$\{\{ (.+?) \}\}", lambda match: known[match[1]], value)


def act(step: dict[str, Any], folder: Path, store: Path) -> None:
    """What an action does: upload-artifact leaves hidden files out unless told otherwise (since 4.4)."""
    action, given = step["uses"].partition("@")[0], step.get("with", {})
    artifact = store / f"artifact-{given.get('name')}"
    if action == "actions/checkout":
        checkout(folder)
    elif action == "actions/upload-artifact":
        hidden = () if given.get("include-hidden-files") else (".*",)
        shutil.copytree(folder / given["path"], artifact, ignore=shutil.ignore_patterns(*hidden))
    elif action == "actions/download-artifact":
        shutil.copytree(artifact, folder / given["path"])
    else:
        assert action == "actions/setup-python"


def test_the_pipeline_for_gitlab_makes_one_trace(tmp_path: Path, receiver: Receiver) -> None:
    """Artifacts and dotenv variables of the jobs in ``needs`` come along."""
    pipeline = yaml_blocks(JOBS)[1]
    for name, job in pipeline.items():
        folder = checkout(tmp_path / name)
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.http_endpoint}
        for needed in job.get("needs", ()):
            artifacts = pipeline[needed]["artifacts"]
            for path in artifacts["paths"]:
                shutil.copytree(tmp_path / needed / path, folder / path)
            lines = (tmp_path / needed / artifacts["reports"]["dotenv"]).read_text().splitlines()
            environ |= dict(line.split("=", 1) for line in lines)
        shell("\n".join(job["script"]), folder, environ)
    assert (folder / job["artifacts"]["reports"]["junit"]).is_file()
    assert_one_trace(receiver)


def test_the_commands_of_the_page_about_collectors_do_what_it_shows(tmp_path: Path, receiver: Receiver) -> None:
    shell("pytest pilot_tests/", checkout(tmp_path))
    commands = 0
    for block in blocks(COLLECTORS):
        if block.language == "console":
            body = block.body.replace("http://localhost:4318", receiver.http_endpoint)
            command, _, expected = body.removeprefix("$ ").partition("\n")
            assert shell(command, tmp_path) == expected
            commands += 1
    assert commands == 2
    assert_one_trace(receiver)


def test_commands_in_the_text_of_both_pages_exist() -> None:
    known = {entry.name for entry in metadata.entry_points(group=GROUP)}
    for page in (JOBS, COLLECTORS):
        named = re.findall(r"`contextcore ([a-z]+)", page.read_text(encoding="utf-8"))
        assert named
        assert set(named) <= known


RECEIVERS = {"otlp": {"protocols"}, "otlpjsonfile": {"include", "exclude", "start_at", "max_log_size"}}


def test_collector_configurations_name_components_that_they_define() -> None:
    """Parsed, with every component of a pipeline defined; fields as in the collector's own documentation."""
    found = [config for config in yaml_blocks(COLLECTORS) if "service" in config]
    assert len(found) == 2
    for config in found:
        for pipeline in config["service"]["pipelines"].values():
            for kind in ("receivers", "processors", "exporters"):
                assert set(pipeline.get(kind, ())) == set(config.get(kind, ()))
        for name, settings in config["receivers"].items():
            assert set(settings) <= RECEIVERS[name]
        assert config["exporters"]["otlp"]["endpoint"]


def test_tempos_configuration_receives_what_runs_send_and_allows_the_queries() -> None:
    (config,) = (config for config in yaml_blocks(COLLECTORS) if "distributor" in config)
    protocols = config["distributor"]["receivers"]["otlp"]["protocols"]
    assert {name: settings["endpoint"] for name, settings in protocols.items()} == {
        "grpc": "0.0.0.0:4317",
        "http": "0.0.0.0:4318",
    }
    assert config["metrics_generator"]["processor"]["local_blocks"]["filter_server_spans"] is False
    assert config["overrides"]["defaults"]["metrics_generator"]["processors"] == ["local-blocks"]
