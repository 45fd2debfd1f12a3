"""Beside others: nothing happens by installation alone, context goes in and out, programs of a phase stay in hand."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import trace

from pytest_contextcore.phase.output import MAX_RECORDED

from ..support.otlp_receiver import Receiver
from ..support.plans import Suite
from ..support.traces import GOOD, phase, transform

Read = Callable[..., dict[str, Any]]
Programs = Callable[[str], list[dict[str, Any]]]
QUIET = ("-p", "no:xdist", "-p", "no:timeout", "-p", "no:rerunfailures")
STATE = "vendor=opaque,other=1"
IMPORTS = "import asyncio, contextvars, os, subprocess, sys, threading\nfrom pathlib import Path"


@pytest.fixture
def programs(suite: Suite, evidence: Read) -> Programs:
    """Run a suite in which a phase has this body, in this process: the programs in the phase's evidence."""

    def run(body: str) -> list[dict[str, Any]]:
        suite.write(transform(f"{GOOD}\n{body}", before=IMPORTS))
        suite.here()
        assert phase(evidence())["status"] == "completed"
        found: list[dict[str, Any]] = phase(evidence())["programs"]
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
    found = {
        "events": list(seen),
        "threads": [thread.name for thread in threading.enumerate()],
        "heavy": sorted(heavy & set(sys.modules)),
    }
    from opentelemetry import trace
    found["provider"] = type(trace.get_tracer_provider()).__name__
    Path("seen.json").write_text(json.dumps(found))
"""


def test_installation_alone_starts_nothing_and_imports_nothing_heavy(pytester: pytest.Pytester) -> None:
    """A session with neither plan nor export, beside one in which the plugin is off."""
    pytester.makepyfile("def test_it(): pass")
    pytester.makeconftest(WATCH)
    found = []
    for more in ((), ("-p", "no:contextcore", "-p", "no:contextcore_pilot")):
        assert pytester.runpytest_subprocess("-p", "no:randomly", *QUIET, *more).ret == 0
        found.append(json.loads((pytester.path / "seen.json").read_text()))
    installed, off = found
    assert installed == off
    assert (installed["threads"], installed["provider"]) == (["MainThread"], "ProxyTracerProvider")
    assert not (pytester.path / "out").exists()


# --- providers and context -------------------------------------------------------------------------------------------


def test_a_plan_without_export_leaves_the_tracer_provider_alone(suite: Suite) -> None:
    before = trace.get_tracer_provider()
    assert suite.pytester.runpytest_inprocess("-p", "no:randomly", *QUIET).ret == 0
    assert trace.get_tracer_provider() is before


CARRIED = """
from opentelemetry import trace
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
check(phase, "C2", "C3")
"""
SHOW_CONTEXT = "import os; print(os.environ.get('TRACEPARENT'), os.environ.get('TRACESTATE'))"


def test_context_goes_from_the_environment_through_gates_into_code_and_programs(
    suite: Suite, exporting: Receiver, monkeypatch: pytest.MonkeyPatch, evidence: Read
) -> None:
    monkeypatch.setenv("TRACEPARENT", f"00-{'ab' * 16}-{'cd' * 8}-01")
    monkeypatch.setenv("TRACESTATE", STATE)
    suite.write(transform(f'{CARRIED}\nphase.run([sys.executable, "-c", {SHOW_CONTEXT!r}])', before=IMPORTS))
    assert suite.run(*QUIET).ret == 0
    found = phase(evidence())
    (program,) = found["programs"]
    assert program["stdout"].split() == [f"00-{'ab' * 16}-{program['otel_span_id']}-01", STATE]
    parents = {span.name: span.parent_span_id.hex() for span in exporting.spans}
    gate = found["gates"][0]["otel_span_id"]
    assert [parents[name] for name in ("plain", "to_thread", "task", "copied")] == [gate] * 4
    assert {span.trace_state for span in exporting.spans} == {STATE}
    assert {span.trace_id.hex() for span in exporting.spans} == {"ab" * 16}


# --- programs --------------------------------------------------------------------------------------------------------


def test_a_programs_arguments_output_and_end_stand_in_the_evidence(
    programs: Programs, evidence: Read, suite: Suite
) -> None:
    deaf = "trap '' TERM INT HUP; echo begun; while :; do sleep 1; done"
    speaks, killed, missing = programs(
        'phase.run(["sh", "-c", "echo out; echo err >&2; exit 3"])\n'
        f'try:\n    phase.run(["sh", "-c", {deaf!r}], timeout=0.5)\nexcept subprocess.TimeoutExpired:\n    pass\n'
        'try:\n    phase.run(["no-such-program"])\nexcept OSError:\n    pass'
    )
    assert speaks["args"] == ["sh", "-c", "echo out; echo err >&2; exit 3"]
    assert (speaks["stdout"], speaks["stderr"]) == ("out\n", "err\n")
    assert (speaks["exit_code"], speaks["end"]) == (3, "exit code 3")
    span = phase(evidence())
    assert span["started_at"] <= speaks["started_at"] <= speaks["ended_at"] <= span["ended_at"]
    assert speaks["otel_span_id"] in (suite.pytester.path / "out" / "LOAD-7.otlp.jsonl").read_text()
    assert (killed["stdout"], killed["exit_code"], killed["end"]) == ("begun\n", None, "killed after 0.5 s")
    assert (missing["args"], missing["exit_code"]) == (["no-such-program"], None)
    assert missing["end"] == "No such file or directory"


def test_output_in_the_evidence_is_bounded_and_its_end_is_what_is_kept(programs: Programs) -> None:
    chatty = "import sys; sys.stdout.write('x' * 100_000 + 'the end')"
    (program,) = programs(f'phase.run([sys.executable, "-c", {chatty!r}])')
    assert len(program["stdout"]) < MAX_RECORDED + 50
    assert program["stdout"].endswith("the end")
    assert program["stdout"].startswith("(")


def test_a_secret_in_a_programs_arguments_or_output_is_not_in_the_evidence(
    programs: Programs, monkeypatch: pytest.MonkeyPatch, suite: Suite
) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", "s3cr3t-of-the-shop")
    more = "x" * (MAX_RECORDED - 9)  # the secret lies across the place where the output is cut
    programs(
        'secret = os.environ["DEPLOY_TOKEN"]\nphase.run(["echo", secret])\n'
        f'phase.run(["sh", "-c", "printf %s $DEPLOY_TOKEN; printf {more}; printf %s $DEPLOY_TOKEN >&2"])'
    )
    for path in (path for path in (suite.pytester.path / "out").rglob("*") if path.is_file()):
        text = path.read_text(encoding="utf-8")
        assert "s3cr3t" not in text
        assert "the-shop" not in text


LEAVES_THE_GROUP = (
    "import os, sys, time\nif os.fork():\n    print('started', flush=True)\n    os._exit(0)\n"
    "os.setsid()\nopen('daemon', 'w').write(str(os.getpid()))\ntime.sleep(60)\n"
)


def test_what_a_program_left_behind_does_not_hold_the_phase_up(programs: Programs, suite: Suite) -> None:
    """Not even if it left the process group: without care, reading the output would wait for its end."""
    start = time.monotonic()
    found = programs(
        f'phase.run(["sh", "-c", "(sleep 60) & echo started"])\nphase.run([sys.executable, "-c", {LEAVES_THE_GROUP!r}])'
    )
    assert [(program["stdout"], program["exit_code"]) for program in found] == [("started\n", 0)] * 2
    assert time.monotonic() - start < 30
    os.kill(int((suite.pytester.path / "daemon").read_text()), signal.SIGKILL)
