"""``phase.run``: a program in a child span of its own, with the trace's context in its environment."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile

from ..ids import new_span_id
from ..reasons import exception_type
from ..redact import redact
from ..span import ErrorType, SpanData
from ..spans.current import SpanContexts
from ..spans.of_trace import program_span
from ..trace.evidence import ProgramEvidence
from ..trace.recorder import TraceRecorder
from .output import Hear, Tell, end_of, recorded, wait

Receive = Callable[[Mapping[str, str], str], AbstractContextManager[Mapping[str, str]]]
"""From an environment and a program's name, the environment in which the program sends us its spans."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run: arguments, deadline in seconds, working directory, environment, standard input."""

    args: tuple[str, ...]
    timeout: float | None
    cwd: str | Path | None
    env: dict[str, str]
    stdin: str | None


def run_command(
    command: Command,
    recorder: TraceRecorder,
    phase_id: str,
    spans: SpanContexts,
    *,
    child: Callable[[SpanData], None],
    receive: Receive,
    hear: Hear | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run it; see :meth:`pytest_contextcore.phase.phase.Phase.run`. ``child`` takes the program's span.

    ``hear`` hears its output while it runs.
    """
    parent, span_id = spans.current, new_span_id()
    entered = spans.enter(span_id)
    record = ProgramEvidence(
        otel_span_id=span_id,
        otel_parent_span_id=parent,
        args=[redact(arg, 200) for arg in command.args],
        end="did not finish",
        started_at=recorder.now(),
    )
    recorder.begin_program(phase_id, record)
    output, exit_code, end, error_type = ("", ""), None, record.end, None
    try:
        env = {**command.env, "TRACEPARENT": spans.traceparent()}
        env.pop("TRACESTATE", None)
        if state := spans.tracestate():
            env["TRACESTATE"] = state
        with receive(env, Path(command.args[0]).name) as receiving:
            tell = partial(hear, recorder.span(phase_id)) if hear is not None else None
            done = _run(command, receiving, lambda pid: recorder.note_program(phase_id, record, pid=pid), tell)
        output = done.stdout, done.stderr
        exit_code, end = done.returncode, f"exit code {done.returncode}"
        error_type = ErrorType.EXIT_CODE if exit_code else None
        return done
    except subprocess.TimeoutExpired as error:
        output = str(error.output or ""), str(error.stderr or "")
        end, error_type = f"killed after {error.timeout} s", ErrorType.TIMEOUT
        raise
    except BaseException as error:
        error_type = exception_type(error)
        if isinstance(error, OSError):
            end = error.strerror or type(error).__name__
        raise
    finally:
        spans.leave(entered)
        stdout, stderr = map(recorded, output)
        known = {"ended_at": recorder.now(), "exit_code": exit_code, "end": end, "error_type": error_type}
        recorder.note_program(phase_id, record, **known, stdout=stdout, stderr=stderr)
        child(program_span(recorder.evidence, record))


def _run(
    command: Command, env: Mapping[str, str], started: Callable[[int], None], tell: Tell | None
) -> subprocess.CompletedProcess[str]:
    """Run it with files as its streams: no reader is needed, and what it leaves behind holds nobody up.

    ``started`` hears the id of its process, ``tell`` what it prints.
    """
    with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err, _guard() as guarded:
        given.write((command.stdin or "").encode())
        given.seek(0)
        process = subprocess.Popen(
            command.args,
            cwd=command.cwd,
            env=env,
            stdin=given,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        try:
            started(process.pid)
            guarded(process.pid)
            wait(process, command.timeout, [out, err], tell)
        except BaseException as error:
            _kill_group(process)
            if isinstance(error, subprocess.TimeoutExpired):
                timeout = command.timeout or 0
                raise subprocess.TimeoutExpired(command.args, timeout, end_of(out), end_of(err)) from None
            raise
        return subprocess.CompletedProcess(command.args, process.returncode, end_of(out), end_of(err))


_UNTIL_DISMISSED = 'read -r group && { read -r dismissed || kill -s KILL -- "-$group"; }'


@contextmanager
def _guard() -> Iterator[Callable[[int], None]]:
    """Kills a process group, once it is told one, if this process dies before the block ends, however it dies.

    That needs a process that outlives this one: a shell that reads a pipe, which the system closes when we are gone. So
    no signal is handled here, and it does not matter which thread runs the program.
    """
    with subprocess.Popen(
        ["/bin/sh", "-c", _UNTIL_DISMISSED],
        env={},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    ) as shell:
        try:
            yield lambda group: print(group, file=shell.stdin, flush=True)
        finally:
            shell.kill()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a program and all that it started, and reap it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()
