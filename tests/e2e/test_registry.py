"""The registry and what is emitted are the same: in names, in types, in places, and in OpenTelemetry's words."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import date, timedelta
from enum import Enum
from itertools import product
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from pytest_contextcore.export.wire import SCHEMA_URL
from pytest_contextcore.plan.attributes import error_words, registry
from pytest_contextcore.span import ErrorType

from ..support.otlp_receiver import Receiver
from ..support.plans import LEFT_OUT, PASSING, WAREHOUSE
from ..support.traces import STATUS, transform, values

ROOT = Path(__file__).parents[2]
OF_THE_PLAN = "quality.row_count"

CONVENTIONS = tomllib.loads((ROOT / "tests" / "support" / "semconv.toml").read_text())
"""OpenTelemetry's semantic conventions as far as they are used here."""

TYPES = {str: "string", int: "int", float: "double", bool: "bool", list: "string[]"}

EVERYTHING = """
if attempt() == 1:
    raise OSError("busy")
phase.record(row_count=3)
phase.run([sys.executable, "-c", "import sys; sys.exit('a row is lost')"])
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
OTHERS = """
import os

def test_fails(subtests):
    with subtests.test("a"):
        raise OverflowError
    raise ValueError("no")

def test_dies():
    os._exit(3)
"""
LAST_PHASE = """
@pytest.mark.phase("Q")
def test_query(phase):
    check(phase, "C1")
"""


def emitted(resources: list[ResourceSpans]) -> Iterator[tuple[str, object]]:
    """Name and value of each attribute."""
    for resource in resources:
        yield from values(resource.resource).items()
        for span in spans(resource):
            for holder in (span, *span.events):
                yield from values(holder).items()


def spans(*resources: ResourceSpans) -> Iterator[Span]:
    return (span for resource in resources for scope in resource.scope_spans for span in scope.spans)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> list[ResourceSpans]:
    """What runs emit that have one of everything: plans, the pilot's, a phase that hangs, killed processes, tasks."""
    pytest.importorskip("pytest_rerunfailures")
    pytest.importorskip("xdist")
    with pytest.MonkeyPatch.context() as patch, Receiver() as receiver:
        folder = tmp_path_factory.mktemp("everything")
        patch.chdir(folder)
        for name, setting in {**receiver.environ("http/protobuf"), **GITHUB}.items():
            patch.setenv(name, setting)
        (folder / "plan.toml").write_text(WAREHOUSE + MORE_PHASES)
        (folder / "waivers.toml").write_text(WAIVER.format(expires=date.today() + timedelta(days=2)))
        publish = "def test_publish(phase):\n"
        source = transform(EVERYTHING, "phase, subtests", BEFORE)
        source = source.replace(publish, f"{publish}    phase.receive(Never, file='none.json')\n")
        (folder / "test_load.py").write_text(source + LAST_PHASE)
        (folder / "test_other.py").write_text(OTHERS)
        timed = WAREHOUSE.replace('name = "TRANSFORM"\n', 'name = "TRANSFORM"\ntimeout = 0.2\n')
        for name, stop in (
            ("hanging", "threading.Event().wait()"),
            ("killed", "os.kill(os.getpid(), 9)"),
            ("failing", "phase.gate('C1').__enter__().__exit__(AssertionError, AssertionError('lost'), None)"),
            ("raising", "with phase.gate('C2'):\n        raise LookupError('which?')"),
        ):
            (folder / name).mkdir()
            (folder / name / "plan.toml").write_text(timed.replace('"LOAD-7"', f'"{name}"'))
            received = "    rows = phase.receive(Rows)\n"
            drifts = "    phase.record(source_checksum='2')\n"
            stops = PASSING.replace(received, f"{received}{drifts}    {stop}\n    return\n")
            stops = stops.replace("    phase.handoff(", "    phase.record(source_checksum='1')\n    phase.handoff(")
            (folder / name / f"test_{name}.py").write_text(f"import os, threading\n{stops}")
        assert _pytest("--reruns=1", "test_load.py", "hanging", "failing", "raising") == 1
        assert _pytest("-n1", "test_other.py") == 1
        assert _pytest("-k", "test_transform", "test_load.py") == 0  # the first phase is reused
        assert _pytest("--contextcore-out=pilot-out", str(ROOT / "pilot_tests"), f"--rootdir={ROOT}") == 0
        assert _pytest("--contextcore-out=killed-out", "killed") == -9
        (spool,) = Path("killed-out/spool").glob("*.otlp")
        _contextcore("replay", str(spool))
        _contextcore("task", "start", "--id", "T-1", "--title", "by hand", "--type", "story", "--project", "p")
        _contextcore("task", "comment", "--id", "T-1", "--by", "me", "--reason", "a word", "--project", "p")
        _contextcore("task", "cancel", "--id", "T-1", "--reason", "not needed", "--project", "p")
        if left := [str(path) for path in folder.rglob("*.otlp")]:  # on a busy machine a session's time is over sooner
            _contextcore("replay", *left)
        return [resource for request in receiver.accepted for resource in request.resource_spans]


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    print(done.stdout, done.stderr)
    return done


def _contextcore(*arguments: str) -> None:
    assert _python("pytest_contextcore", *arguments).returncode == 0


def _pytest(*arguments: str) -> int:
    left_out = (word for name in ("randomly", *LEFT_OUT) for word in ("-p", f"no:{name}"))
    return _python("pytest", *left_out, "-q", *arguments).returncode


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


def test_nothing_is_emitted_that_is_not_registered(everything: list[ResourceSpans]) -> None:
    assert {name for name, _ in emitted(everything)} - registry().keys() == {OF_THE_PLAN}


def test_nothing_is_registered_that_is_not_emitted(everything: list[ResourceSpans]) -> None:
    assert registry().keys() - {name for name, _ in emitted(everything)} == set()


def test_each_attribute_is_of_its_registered_type(everything: list[ResourceSpans]) -> None:
    found = {(name, TYPES[type(value)]) for name, value in emitted(everything)}
    assert found - {(name, attribute.type) for name, attribute in registry().items()} == {(OF_THE_PLAN, "int")}


def test_a_span_has_a_type_of_error_if_and_only_if_its_status_is_error(everything: list[ResourceSpans]) -> None:
    found = [(span, values(span).get("error.type")) for span in spans(*everything)]
    assert [span.name for span, error in found if (STATUS[span.status.code] == "error") != bool(error)] == []
    assert {(span.name, error) for span, error in found if error} == {
        ("LOAD-7", "handoff_refused"), ("LOAD-7-P PUBLISH", "handoff_refused"), ("LOAD-7-T TRANSFORM", "OSError"),
        (Path(sys.executable).name, "exit_code"),
        ("hanging", "timeout"), ("hanging-T TRANSFORM", "timeout"),
        ("failing", "gate_failed"), ("failing-T TRANSFORM", "gate_failed"), ("failing-T-C1", "gate_failed"),
        ("raising", "LookupError"), ("raising-T TRANSFORM", "LookupError"), ("raising-T-C2", "LookupError"),
        ("killed", "interrupted"), ("killed-T TRANSFORM", "interrupted"),
        ("test_other.py::test_fails [a]", "OverflowError"), ("test_other.py::test_fails", "ValueError"),
        ("test_other.py::test_dies", "worker_crashed"), ("pytest", "test_failed"),
        ("T-1", "task_failed"),
    }  # fmt: skip


def test_a_trace_and_its_phases_have_their_result_in_ci(everything: list[ResourceSpans]) -> None:
    names = ("cicd.pipeline.result", "cicd.pipeline.task.run.result")
    found = {
        (span.name, *map(values(span).get, names)) for span in spans(*everything) if values(span).keys() & {*names}
    }
    assert {
        ("LOAD-7", "failure", None), ("LOAD-7-E EXTRACT", None, "success"), ("LOAD-7-E EXTRACT", None, "skip"),
        ("LOAD-7-P PUBLISH", None, "failure"), ("LOAD-7-Q QUERY", None, "skip"),
        ("hanging", "timeout", None), ("hanging-T TRANSFORM", None, "timeout"), ("hanging-P PUBLISH", None, "skip"),
        ("killed", "error", None), ("killed-T TRANSFORM", None, "error"), ("PI-101-002", "success", None),
    } <= found  # fmt: skip
    tasks = {span.name for span in spans(*everything) if "task.status" in values(span) and span.name != "T-1"}
    gates = {span.name for span in spans(*everything) if "gate.kind" in values(span)}
    assert {name for name, *_ in found} == tasks - gates


def test_a_trace_and_a_phase_that_stopped_say_why_what_to_do_and_the_trace_what_it_is_blocked_on(
    everything: list[ResourceSpans],
) -> None:
    stopped = {"blocked", "failed", "not_started"}
    found = [each for each in map(values, spans(*everything)) if each.get("task.status") in stopped]
    of_plans = [each for each in found if "gate.kind" not in each and each["task.id"] != "T-1"]
    assert {each["task.status"] for each in of_plans} == stopped
    for each in of_plans:
        needed = {"task.blocked_reason", "task.next_action"}
        assert needed | ({"task.blocked_on_span_id"} if "task.type" in each else set()) <= each.keys(), each["task.id"]


# --- OpenTelemetry's words -------------------------------------------------------------------------------------------

SEMCONV = "OpenTelemetry semantic conventions"
OURS = sorted(name for name, attribute in registry().items() if attribute.source.startswith(SEMCONV))


def test_resource_and_scope_name_the_version_of_the_conventions(everything: list[ResourceSpans]) -> None:
    assert f"https://opentelemetry.io/schemas/{CONVENTIONS['version']}" == SCHEMA_URL
    scopes = (scope.schema_url for resource in everything for scope in resource.scope_spans)
    assert {*scopes, *(resource.schema_url for resource in everything)} == {SCHEMA_URL}


def test_what_the_registry_takes_from_the_conventions_is_as_they_say() -> None:
    assert {name: registry()[name].type for name in OURS} == CONVENTIONS["types"]


def test_a_name_in_a_namespace_of_the_conventions_is_theirs(everything: list[ResourceSpans]) -> None:
    names = {name for name, _ in emitted(everything)} | registry().keys()
    assert {name for name in names if name.partition(".")[0] in CONVENTIONS["namespaces"]} == set(OURS)


def test_a_value_is_one_of_those_that_the_conventions_list(everything: list[ResourceSpans]) -> None:
    found: dict[str, set[object]] = {name: set() for name in CONVENTIONS["values"]}
    for name, value in emitted(everything):
        if name in found:
            found[name].add(value)
    raised = {value for name, value in emitted(everything) if name == "exception.type"}
    assert found.pop("error.type") - raised <= set(error_words())
    assert {name for name, seen in found.items() if not seen <= set(CONVENTIONS["values"][name])} == set()


def test_words_for_errors_are_documented() -> None:
    assert sorted(error_words()) == sorted(value for name, value in vars(ErrorType).items() if name.isupper())


def test_a_program_is_a_span_as_the_conventions_say(everything: list[ResourceSpans]) -> None:
    expected = CONVENTIONS["program"]
    (program,) = {span.name: span for span in spans(*everything) if "process.pid" in values(span)}.values()
    assert program.kind == program.SpanKind.Value(f"SPAN_KIND_{expected['kind'].upper()}")
    assert program.name == values(program)[expected["name"]]
    assert values(program).keys() == {*expected["attributes"], "error.type"}
    others = {span.kind for span in spans(*everything) if "process.pid" not in values(span)}
    assert others == {program.SPAN_KIND_INTERNAL}


def test_the_conventions_kept_here_are_those_of_the_installed_package() -> None:
    """A second witness, made by others from the same source."""
    packages = ("opentelemetry.semconv._incubating.attributes", "opentelemetry.semconv.attributes")
    areas = {name.partition(".")[0] for name in OURS}
    modules = [f"{package}.{area}_attributes" for package, area in product(packages, areas)]
    found = [vars(importlib.import_module(module)) for module in modules if importlib.util.find_spec(module)]
    names = {value for each in found for value in each.values() if isinstance(value, str)}
    classes = [each for held in found for each in held.values() if isinstance(each, type) and issubclass(each, Enum)]
    enums = [{member.value for member in listed} for listed in classes]
    assert set(OURS) <= names
    assert [name for name, listed in CONVENTIONS["values"].items() if set(listed) not in enums] == []
