"""The registry and what is emitted are the same: in names, in types, in places, and in OpenTelemetry's words."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from pytest_contextcore.plan.attributes import registry
from pytest_contextcore.spans import of_tests as ordinary
from pytest_contextcore.spans import of_trace as spans

from ..support.otlp_receiver import Receiver
from ..support.plans import PASSING, WAREHOUSE
from ..support.traces import transform

ROOT = Path(__file__).parents[2]
OF_THE_PLAN = "quality.row_count"

Found = set[tuple[str, str]]
"""Name and type of each attribute that was emitted."""

KINDS = {"string_value": "string", "int_value": "int", "double_value": "double", "bool_value": "bool"}

EVERYTHING = """
if attempt() == 1:
    raise OSError("busy")
phase.record(row_count=3)
phase.run([sys.executable, "-c", "pass"])
with subtests.test("a"):
    pass
check(phase, "C1")
with phase.gate("C2"):
    assert 0, "known"
with phase.gate("C3"):
    assert 0, "old column"
phase.handoff(Rows(count=3))
"""
BEFORE = """
import sys
from pathlib import Path
from pytest_contextcore import Handoff

class Rows(Handoff):
    count: int

class Never(Handoff):
    count: int

def attempt():
    again = Path("again").exists()
    Path("again").touch()
    return 2 if again else 1
"""
WAIVER = """
[[waivers]]
gate = "T-C2"
reason = "agreed"
approver = "ines"
expires = {expires}
"""
MORE_PHASES = """
[[phases]]
id = "Q"
name = "QUERY"
goal = "Ask for them"
exit_criteria = ["answered"]
[[phases.gates]]
id = "C1"
purpose = "Answered"
criterion = "answered"
next_action = "Ask again."
"""
LAST_PHASE = """
@pytest.mark.phase("Q")
def test_query(phase):
    check(phase, "C1")
"""


def emitted(resources: list[ResourceSpans]) -> Found:
    found: Found = set()
    for resource in resources:
        pairs = [*resource.resource.attributes]
        for span in (span for scope in resource.scope_spans for span in scope.spans):
            pairs += [*span.attributes, *(pair for event in span.events for pair in event.attributes)]
        found |= {(pair.key, KINDS[pair.value.WhichOneof("value") or ""]) for pair in pairs}
    return found


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What runs emit that have one of everything: a plan, the pilot's, a phase that hangs, a killed run, tasks."""
    pytest.importorskip("pytest_rerunfailures")
    with pytest.MonkeyPatch.context() as patch, Receiver() as receiver:
        folder = tmp_path_factory.mktemp("everything")
        patch.chdir(folder)
        for name, setting in {**receiver.environ("http/protobuf"), **GITHUB}.items():
            patch.setenv(name, setting)
        (folder / "plan.toml").write_text(WAREHOUSE + MORE_PHASES)
        (folder / "waivers.toml").write_text(WAIVER.format(expires=date.today() + timedelta(days=2)))
        publish = "def test_publish(phase):\n"
        source = transform(EVERYTHING, "phase, subtests", BEFORE)
        source = source.replace(publish, f"{publish}    phase.receive(Never)\n")
        (folder / "test_load.py").write_text(source + LAST_PHASE)
        (folder / "test_other.py").write_text("def test_fails():\n    raise ValueError('no')\n")
        timed = WAREHOUSE.replace('name = "TRANSFORM"\n', 'name = "TRANSFORM"\ntimeout = 0.2\n')
        for name, hang in (("hanging", "threading.Event().wait()"), ("killed", "os.kill(os.getpid(), 9)")):
            (folder / name).mkdir()
            (folder / name / "plan.toml").write_text(timed.replace('"LOAD-7"', f'"{name}"'))
            received = "    rows = phase.receive(Rows)\n"
            drifts = "    phase.record(source_checksum='2')\n"
            hangs = PASSING.replace(received, f"{received}{drifts}    {hang}\n")
            hangs = hangs.replace("    phase.handoff(", "    phase.record(source_checksum='1')\n    phase.handoff(")
            (folder / name / f"test_{name}.py").write_text(f"import os, threading\n{hangs}")
        assert _pytest("--reruns=1", "test_load.py", "test_other.py", "hanging") == 1
        assert _pytest("-k", "test_transform", "test_load.py") == 0  # the first phase is reused
        assert _pytest("--contextcore-out=pilot-out", str(ROOT / "pilot_tests"), f"--rootdir={ROOT}") == 0
        assert _pytest("--contextcore-out=killed-out", "killed") == -9
        (spool,) = Path("killed-out/spool").glob("*.otlp")
        _contextcore("replay", str(spool))
        _contextcore("task", "start", "--id", "T-1", "--title", "by hand", "--type", "story", "--project", "p")
        _contextcore("task", "comment", "--id", "T-1", "--by", "me", "--reason", "a word", "--project", "p")
        _contextcore("task", "cancel", "--id", "T-1", "--reason", "not needed", "--project", "p")
        return emitted([resource for request in receiver.accepted for resource in request.resource_spans])


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    print(done.stdout, done.stderr)
    return done


def _contextcore(*arguments: str) -> None:
    assert _python("pytest_contextcore", *arguments).returncode == 0


def _pytest(*arguments: str) -> int:
    return _python("pytest", "-p", "no:randomly", "-p", "no:hypothesispytest", "-q", *arguments).returncode


GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_WORKFLOW": "build",
    "GITHUB_RUN_ID": "7",
    "GITHUB_JOB": "test",
    "GITHUB_SERVER_URL": "https://forge",
    "GITHUB_REPOSITORY": "o/r",
    "GITHUB_REF_NAME": "main",
    "GITHUB_SHA": "abc",
}


def test_nothing_is_emitted_that_is_not_registered(everything: Found) -> None:
    assert {name for name, _ in everything} - registry().keys() == {OF_THE_PLAN}


def test_nothing_is_registered_that_is_not_emitted(everything: Found) -> None:
    assert registry().keys() - {name for name, _ in everything} == set()


def test_each_attribute_is_of_its_registered_type(everything: Found) -> None:
    assert everything - {(name, attribute.type) for name, attribute in registry().items()} == {(OF_THE_PLAN, "int")}


# --- OpenTelemetry's words -------------------------------------------------------------------------------------------

SEMCONV = "OpenTelemetry semantic conventions"


def conventions(area: str) -> set[str]:
    """The names of a namespace (``vcs``) in the installed conventions."""
    packages = ("opentelemetry.semconv._incubating.attributes", "opentelemetry.semconv.attributes")
    modules = [f"{package}.{area}_attributes" for package in packages]
    found = [vars(importlib.import_module(module)) for module in modules if importlib.util.find_spec(module)]
    return {value for names in found for name, value in names.items() if name.isupper() and isinstance(value, str)}


OURS = sorted(name for name, attribute in registry().items() if attribute.source.startswith(SEMCONV))


def test_the_names_of_the_conventions_exist_there() -> None:
    assert [name for name in OURS if name not in conventions(name.partition(".")[0])] == []


def test_every_name_in_a_namespace_of_the_conventions_is_theirs() -> None:
    namespaces = {name.partition(".")[0] for name in OURS}
    assert namespaces == {"test", "code", "cicd", "vcs", "exception", "process", "service", "telemetry"}
    assert {name for name in registry() if name.partition(".")[0] in namespaces} == set(OURS)


def test_values_that_the_conventions_list_are_the_ones_in_use() -> None:
    module: Any = importlib.import_module("opentelemetry.semconv._incubating.attributes.test_attributes")
    results = {member.value for member in module.TestCaseResultStatusValues}
    runs = {member.value for member in module.TestSuiteRunStatusValues}
    assert set(spans._TEST_RESULT.values()) <= results
    assert {*spans._RUN_STATUS.values(), *ordinary._RUN_STATUS.values(), "aborted"} <= runs
