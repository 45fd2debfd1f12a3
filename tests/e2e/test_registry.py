"""The registry and what is emitted are the same: in names, in types, in places, and in OpenTelemetry's words."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from datetime import date, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from pytest_contextcore.plan.attributes import registry
from pytest_contextcore.spans import of_tests as ordinary
from pytest_contextcore.spans import of_trace as spans

from ..support.otlp_receiver import Receiver
from ..support.plans import PASSING, WAREHOUSE
from ..support.traces import transform

ROOT = Path(__file__).parents[2]
OF_THE_PLAN = "quality.row_count"

PLACES = {
    "resource": {"resource"},
    "trace": {"trace", "root"},
    "phase": {"trace", "phase", "gate", "program"},
    "gate": {"gate"},
    "test": {"test", "phase"},
    "event": {"event"},
}
"""By the registry's level: where such an attribute may stand."""
TOLD_AT_ATTEMPTS = {"task.attempt", "task.status", "task.blocked_reason"}
"""Of phases; also on event ``phase.attempt``, where they are an earlier attempt's."""

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

Found = set[tuple[str, str, str]]
"""Name, type and place of each attribute that was emitted."""


TOLD = {"phase.attempt": "attempt", "task.status.changed": "change"}
"""Events that tell what a span said of itself at that moment, by its own attributes."""


def place(span: Span) -> str:
    own = {pair.key for pair in span.attributes}
    if "gate.kind" in own:
        return "gate"
    if "process.executable.name" in own:
        return "program"
    if "test.suite.name" in own:
        return "trace" if "task.id" in own else "root"
    if "task.id" in own and "task.phase" not in own:
        return "trace"  # a task that was drawn by hand
    return "phase" if "task.phase" in own else "test"


def emitted(resources: list[ResourceSpans]) -> Found:
    found: Found = set()
    for resource in resources:
        pairs = [(pair, "resource") for pair in resource.resource.attributes]
        for scope in resource.scope_spans:
            for span in scope.spans:
                pairs += [(pair, place(span)) for pair in span.attributes]
                pairs += [(pair, TOLD.get(event.name, "event")) for event in span.events for pair in event.attributes]
        found |= {(pair.key, KINDS[pair.value.WhichOneof("value") or ""], where) for pair, where in pairs}
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
            hangs = PASSING.replace(received, f"{received}    {hang}\n")
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
    assert {name for name, _, _ in everything} - registry().keys() == {OF_THE_PLAN}


def test_nothing_is_registered_that_is_not_emitted(everything: Found) -> None:
    assert registry().keys() - {name for name, _, _ in everything} == set()


def test_each_attribute_is_of_its_registered_type(everything: Found) -> None:
    assert {
        (name, kind) for name, kind, _ in everything if name != OF_THE_PLAN and kind != registry()[name].type
    } == set()


def test_each_attribute_stands_where_its_level_says(everything: Found) -> None:
    told = {name for name, _, where in everything if where == "attempt"}
    assert told == TOLD_AT_ATTEMPTS
    assert {
        (name, where)
        for name, _, where in everything
        if name != OF_THE_PLAN and where not in ("attempt", "change") and where not in PLACES[registry()[name].level]
    } == set()


# --- OpenTelemetry's words -------------------------------------------------------------------------------------------

SEMCONV = "OpenTelemetry semantic conventions"


@cache
def conventions(area: str) -> dict[str, str]:
    """The names of a namespace (``vcs``) in the installed conventions, and what is said of each."""
    found: dict[str, str] = {}
    for package in ("opentelemetry.semconv._incubating.attributes", "opentelemetry.semconv.attributes"):
        try:
            module = importlib.import_module(f"{package}.{area}_attributes")
        except ModuleNotFoundError:
            continue
        body = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")).body
        for statement, after in pairwise(body):
            match statement, after:
                case ast.AnnAssign(value=ast.Constant(value=str(name))), ast.Expr(value=ast.Constant(value=str(said))):
                    found[name] = said.strip()
    return found


OURS = sorted(name for name, attribute in registry().items() if attribute.source.startswith(SEMCONV))


def test_the_names_of_the_conventions_exist_there_and_are_not_deprecated() -> None:
    said = {name: conventions(name.partition(".")[0]).get(name, "") for name in OURS}
    assert [name for name, text in said.items() if not text or text.startswith("Deprecated")] == []


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
