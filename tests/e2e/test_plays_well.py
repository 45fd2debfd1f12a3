"""Beside others: nothing happens by installation alone, context goes in and out, programs of a phase stay in hand.

More of the same: ``test_structure`` (imports), ``test_export`` (providers of the user, code under test in gates),
``test_ordinary`` (tests that are no phase), ``test_robustness`` (gates in threads and tasks), ``test_phase_fixture``
(``phase.run``: parent, input, deadline of the whole group).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_contextcore.phase.program import MAX_RECORDED, MAX_RECORDED_PROGRAMS

from ..support.otlp_receiver import Receiver
from ..support.plans import Suite
from .test_phase_fixture import CHECK, extract, otlp

Read = Callable[..., dict[str, Any]]
QUIET = ("-p", "no:hypothesispytest", "-p", "no:xdist", "-p", "no:timeout", "-p", "no:rerunfailures")
STATE = "vendor=opaque,other=1"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def phase(suite: Suite, evidence: Read) -> Callable[[str], dict[str, Any]]:
    """Run a suite whose first phase has this body, in a process of its own: the phase's evidence."""

    def run(body: str) -> dict[str, Any]:
        suite.write(extract(body))
        suite.run("-p", "no:hypothesispytest")
        found: dict[str, Any] = evidence()["spans"][0]
        return found

    return run


# --- installation alone ----------------------------------------------------------------------------------------------

WATCH = """
import json, sys, threading
from pathlib import Path

seen = []
WATCHED = ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec", "os.system", "socket.connect")
sys.addaudithook(lambda event, _: seen.append(event) if event in WATCHED else None)


def pytest_unconfigure():
    heavy = {"opentelemetry", "pydantic", "yaml", "google", "grpc", "requests", "tomllib", "subprocess", "asyncio"}
    Path("seen.json").write_text(json.dumps({
        "events": seen,
        "threads": [thread.name for thread in threading.enumerate()],
        "heavy": sorted(heavy & set(sys.modules)),
        "own": sorted(name for name in sys.modules if name.startswith("pytest_contextcore")),
    }))
"""


def test_installation_alone_starts_nothing_and_imports_little(pytester: pytest.Pytester) -> None:
    """A session with neither plan nor export: compared with one in which the plugin is off."""
    pytester.makepyfile("def test_it(): pass")
    pytester.makeconftest(WATCH)
    found = []
    for more in ((), ("-p", "no:contextcore", "-p", "no:contextcore_pilot")):
        assert pytester.runpytest_subprocess("-p", "no:randomly", *QUIET, *more).ret == 0
        found.append(json.loads((pytester.path / "seen.json").read_text()))
    installed, off = found
    assert installed["events"] == off["events"]
    assert installed["threads"] == ["MainThread"]
    assert installed["heavy"] == off["heavy"]
    assert set(installed["own"]) - set(off["own"]) <= {
        "pytest_contextcore",
        *(f"pytest_contextcore.{name}" for name in ("discovery", "hooks", "pilot", "plugin", "settings")),
        "pytest_contextcore.pilot.plugin",
    }
    assert not (pytester.path / "out").exists()


def test_installation_alone_touches_no_tracer_provider(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "from opentelemetry import trace\n"
        "def test_it():\n    assert type(trace.get_tracer_provider()).__name__ == 'ProxyTracerProvider'\n"
        "    assert not trace.get_current_span().get_span_context().is_valid\n"
    )
    assert pytester.runpytest_subprocess("-p", "no:randomly", *QUIET).ret == 0


def test_a_plan_without_export_sets_no_tracer_provider(suite: Suite) -> None:
    suite.pytester.makeconftest(
        "from opentelemetry import trace\n"
        "def pytest_sessionfinish():\n    print(type(trace.get_tracer_provider()).__name__)\n"
    )
    suite.run("-s", *QUIET).stdout.fnmatch_lines(["*ProxyTracerProvider*"])


# --- providers and context -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hook", ["pytest_configure", "pytest_sessionstart", "pytest_collection_finish"])
def test_a_provider_that_another_plugin_sets_stays(
    suite: Suite, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, hook: str
) -> None:
    for name, setting in receiver.environ("http/protobuf").items():
        monkeypatch.setenv(name, setting)
    suite.pytester.makepyfile(
        tracing=f"""
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        mine = TracerProvider()
        def {hook}():
            trace.set_tracer_provider(mine)
        def pytest_sessionfinish():
            print("still mine" if trace.get_tracer_provider() is mine else "replaced")
        """
    )
    result = suite.run("-s", "-p", "tracing", *QUIET)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*still mine*"])
    result.stdout.no_fnmatch_line("*Overriding*")
    assert len(receiver.spans) == 9


CARRIED = """
import asyncio, contextvars, threading
tracer = trace.get_tracer("app")


def work(name):
    with tracer.start_as_current_span(name):
        pass


async def in_tasks():
    await asyncio.gather(asyncio.to_thread(work, "to_thread"), inside("task"))


async def inside(name):
    await asyncio.sleep(0)
    work(name)

with phase.gate("C1"):
    work("plain")
    asyncio.run(in_tasks())
    copied = contextvars.copy_context()
    thread = threading.Thread(target=copied.run, args=(work, "copied"))
    thread.start()
    thread.join()
"""


def test_instrumented_code_in_tasks_and_threads_joins_the_gate_that_it_runs_in(
    suite: Suite, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, evidence: Read
) -> None:
    for name, setting in receiver.environ("http/protobuf").items():
        monkeypatch.setenv(name, setting)
    suite.write(extract(CARRIED))
    assert suite.run(*QUIET).ret == 0
    gate = evidence()["spans"][0]["gates"][0]["otel_span_id"]
    parents = {span.name: (span.trace_id.hex(), span.parent_span_id.hex()) for span in receiver.spans}
    for name in ("plain", "to_thread", "task", "copied"):
        assert parents[name] == (evidence()["otel_trace_id"], gate)


SHOW_CONTEXT = "import os; print(os.environ.get('TRACEPARENT'), os.environ.get('TRACESTATE'))"


def test_context_of_the_environment_goes_in_and_out(
    suite: Suite, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, phase: Callable[[str], dict[str, Any]]
) -> None:
    for name, setting in receiver.environ("http/protobuf").items():
        monkeypatch.setenv(name, setting)
    monkeypatch.setenv("TRACEPARENT", f"00-{'ab' * 16}-{'cd' * 8}-01")
    monkeypatch.setenv("TRACESTATE", STATE)
    span = phase(f'{CHECK}phase.run([sys.executable, "-c", {SHOW_CONTEXT!r}])')
    (program,) = span["programs"]
    given, state = program["stdout"].split()
    assert given == f"00-{'ab' * 16}-{program['otel_span_id']}-01"
    assert state == STATE
    assert {found.trace_state for found in receiver.spans} == {STATE}
    assert {found.trace_id.hex() for found in receiver.spans} == {"ab" * 16}


def test_a_state_that_belongs_to_no_parent_is_not_handed_on(
    monkeypatch: pytest.MonkeyPatch, phase: Callable[[str], dict[str, Any]]
) -> None:
    monkeypatch.setenv("TRACESTATE", STATE)
    span = phase(f'{CHECK}phase.run([sys.executable, "-c", {SHOW_CONTEXT!r}])')
    assert span["programs"][0]["stdout"].split()[1] == "None"


# --- programs --------------------------------------------------------------------------------------------------------


def test_a_programs_output_stands_in_the_evidence(phase: Callable[[str], dict[str, Any]], suite: Suite) -> None:
    span = phase(f'{CHECK}phase.run(["sh", "-c", "echo out; echo err >&2; exit 3"])')
    (program,) = span["programs"]
    assert program["args"] == ["sh", "-c", "echo out; echo err >&2; exit 3"]
    assert (program["stdout"], program["stderr"]) == ("out\n", "err\n")
    assert (program["exit_code"], program["end"]) == (3, "exit code 3")
    assert span["started_at"] <= program["started_at"] <= program["ended_at"] <= span["ended_at"]
    assert program["otel_span_id"] == otlp(suite)["run sh"].span_id.hex()


def test_what_a_program_printed_before_its_deadline_stands_in_the_evidence_and_on_the_exception(
    phase: Callable[[str], dict[str, Any]], suite: Suite
) -> None:
    span = phase(
        f'{CHECK}try:\n    phase.run(["sh", "-c", "echo begun; sleep 60"], timeout=1)\n'
        'except subprocess.TimeoutExpired as error:\n    Path("seen.txt").write_text(error.output)'
    )
    (program,) = span["programs"]
    assert (program["stdout"], program["exit_code"], program["end"]) == ("begun\n", None, "killed after 1 s")
    assert (suite.pytester.path / "seen.txt").read_text() == "begun\n"


def test_a_program_that_is_not_there_stands_in_the_evidence_too(phase: Callable[[str], dict[str, Any]]) -> None:
    (program,) = phase(f'{CHECK}phase.run(["no-such-program"])')["programs"]
    assert (program["args"], program["exit_code"], program["end"]) == (
        ["no-such-program"],
        None,
        "No such file or directory",
    )


def test_output_in_the_evidence_is_bounded_and_its_end_is_what_is_kept(phase: Callable[[str], dict[str, Any]]) -> None:
    chatty = "import sys; sys.stdout.write('x' * 100_000 + 'the end')"
    span = phase(
        f'{CHECK}phase.run([sys.executable, "-c", {chatty!r}])\n'
        f'for _ in range({MAX_RECORDED_PROGRAMS}):\n    phase.run(["echo", "again"])'
    )
    first, *_, last = span["programs"]
    assert len(first["stdout"]) < MAX_RECORDED + 50
    assert first["stdout"].endswith("the end")
    assert first["stdout"].startswith("(")
    assert (last["stdout"], last["exit_code"]) == ("", 0)


def test_a_secret_in_a_programs_arguments_or_output_is_not_in_the_evidence(
    phase: Callable[[str], dict[str, Any]], monkeypatch: pytest.MonkeyPatch, suite: Suite
) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", "s3cr3t-of-the-shop")
    more = "x" * (MAX_RECORDED - 9)  # the secret lies across the place where the output is cut
    span = phase(
        f'{CHECK}secret = os.environ["DEPLOY_TOKEN"]\nphase.run(["echo", secret])\n'
        f'phase.run(["sh", "-c", "printf %s $DEPLOY_TOKEN; printf {more}; printf %s $DEPLOY_TOKEN >&2"])'
    )
    assert span["status"] == "completed"
    for path in (suite.pytester.path / "out").iterdir():
        text = path.read_text(encoding="utf-8")
        assert "s3cr3t" not in text
        assert "the-shop" not in text


def test_a_deadline_kills_a_program_that_ignores_being_asked_to_end(phase: Callable[[str], dict[str, Any]]) -> None:
    start = time.monotonic()
    deaf = "trap '' TERM INT HUP; echo deaf; while :; do sleep 1; done"
    (program,) = phase(
        f'{CHECK}try:\n    phase.run(["sh", "-c", {deaf!r}], timeout=1)\nexcept subprocess.TimeoutExpired:\n    pass'
    )["programs"]
    assert (program["stdout"], program["end"]) == ("deaf\n", "killed after 1 s")
    assert time.monotonic() - start < 30


HOLDS = "(sleep 60) & echo started"
LEAVES_THE_GROUP = (
    "import os, sys, time\nif os.fork():\n    print('started', flush=True)\n    os._exit(0)\n"
    "os.setsid()\nopen('daemon', 'w').write(str(os.getpid()))\ntime.sleep(60)\n"
)


def test_something_that_a_program_left_behind_does_not_hold_the_phase_up(
    phase: Callable[[str], dict[str, Any]],
) -> None:
    """No deadline: without care, reading the output would wait for the grandchild's end."""
    start = time.monotonic()
    span = phase(f'{CHECK}done = phase.run(["sh", "-c", {HOLDS!r}])\nassert done.stdout == "started\\n"')
    assert span["status"] == "completed"
    assert span["programs"][0]["exit_code"] == 0
    assert time.monotonic() - start < 30


def test_not_even_one_that_left_the_process_group_holds_the_phase_up(
    phase: Callable[[str], dict[str, Any]], suite: Suite
) -> None:
    import os
    import signal

    start = time.monotonic()
    span = phase(f'{CHECK}done = phase.run([sys.executable, "-c", {LEAVES_THE_GROUP!r}])')
    assert (span["status"], span["programs"][0]["stdout"]) == ("completed", "started\n")
    assert time.monotonic() - start < 30
    os.kill(int((suite.pytester.path / "daemon").read_text()), signal.SIGKILL)


def test_a_program_whose_output_is_slow_but_in_time_loses_nothing(phase: Callable[[str], dict[str, Any]]) -> None:
    late = "(sleep 0.3; echo late) & echo early"
    span = phase(f'{CHECK}done = phase.run(["sh", "-c", {late!r}], timeout=20)')
    assert span["programs"][0]["stdout"] == "early\nlate\n"
