"""``phase.run``: a program in a child span of its own, with the trace's context in its environment."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..ids import new_span_id
from ..redact import redact
from ..span import SpanData
from ..spans.current import SpanContexts
from ..spans.of_trace import program_span
from ..trace.evidence import ProgramEvidence
from ..trace.recorder import TraceRecorder

MAX_OUTPUT = 64 * 1024
"""Bytes of each stream that the caller gets, from its end."""

MAX_RECORDED = 4096
"""Characters of each stream that stand in the evidence, from its end."""

MAX_RECORDED_PROGRAMS = 100
"""Programs a phase whose output stands in the evidence: it is written anew at every transition."""

_LINGER = 1.0
"""Seconds that output may still come after a program's end, from something that it left behind."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run: arguments, deadline in seconds, working directory, environment, standard input."""

    args: tuple[str, ...]
    timeout: float | None
    cwd: str | Path | None
    env: dict[str, str]
    stdin: str | None


class _Tail(threading.Thread):
    """Reads a stream to its end and keeps the last ``MAX_OUTPUT`` bytes, so that a chatty program costs no memory."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._stream, self._kept = stream, b""
        self.start()

    def run(self) -> None:
        with self._stream:
            while block := os.read(self._stream.fileno(), MAX_OUTPUT):
                self._kept = (self._kept + block)[-MAX_OUTPUT:]

    def text(self) -> str:
        """What was kept so far, as text."""
        return self._kept.decode("utf-8", "replace")


def run_command(
    command: Command,
    recorder: TraceRecorder,
    phase_id: str,
    spans: SpanContexts,
    child: Callable[[SpanData], None],
) -> subprocess.CompletedProcess[str]:
    """Run it; see :meth:`pytest_contextcore.phase.phase.Phase.run`. ``child`` takes the program's span."""
    parent, span_id = spans.current, new_span_id()
    entered = spans.enter(span_id)
    record = ProgramEvidence(
        otel_span_id=span_id,
        args=[redact(arg, 200) for arg in command.args],
        end="did not finish",
        started_at=recorder.now(),
    )
    recorder.begin_program(phase_id, record)
    output, exit_code, end = ("", ""), None, record.end
    try:
        env = {**command.env, "TRACEPARENT": spans.traceparent()}
        env.pop("TRACESTATE", None)
        if state := spans.tracestate():
            env["TRACESTATE"] = state
        done = _run(command, env)
        output = done.stdout, done.stderr
        exit_code, end = done.returncode, f"exit code {done.returncode}"
        return done
    except subprocess.TimeoutExpired as error:
        output = str(error.output or ""), str(error.stderr or "")
        end = f"killed after {error.timeout} s"
        raise
    except OSError as error:
        end = error.strerror or type(error).__name__
        raise
    finally:
        spans.leave(entered)
        few = len(recorder.span(phase_id).programs) <= MAX_RECORDED_PROGRAMS
        stdout, stderr = (_recorded(text) if few else "" for text in output)
        recorder.end_program(phase_id, record, exit_code=exit_code, end=end, stdout=stdout, stderr=stderr)
        child(program_span(recorder.evidence, record, parent))


def _recorded(text: str) -> str:
    """The end of an output, without secrets; redacted before it is cut, since a half of a secret is not recognized."""
    clean = redact(text, len(text) + MAX_OUTPUT)
    return clean if len(clean) <= MAX_RECORDED else f"({len(clean) - MAX_RECORDED} characters) …{clean[-MAX_RECORDED:]}"


def _run(command: Command, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    process = subprocess.Popen(
        command.args,
        cwd=command.cwd,
        env=env,
        stdin=subprocess.PIPE if command.stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    if process.stdout is None or process.stderr is None:
        raise OSError("the program has no output streams")
    tails = _Tail(process.stdout), _Tail(process.stderr)
    end = None if command.timeout is None else time.monotonic() + command.timeout
    try:
        if process.stdin is not None:
            _feed(process.stdin, command.stdin or "")
        process.wait(command.timeout)
        _drain(process, tails, end)
    except BaseException as error:
        kill_group(process)
        for tail in tails:
            tail.join(_LINGER)
        if isinstance(error, subprocess.TimeoutExpired):
            timeout = command.timeout or 0
            raise subprocess.TimeoutExpired(command.args, timeout, *_texts(tails)) from None
        raise
    return subprocess.CompletedProcess(command.args, process.returncode, *_texts(tails))


def _drain(process: subprocess.Popen[bytes], tails: Sequence[_Tail], end: float | None) -> None:
    """Read the rest of the output of a program that has ended.

    Something that it left behind may hold its output open: that is killed when it is not done in time, at the latest at
    the deadline, so that it neither holds the phase up nor outlives it. The program itself was in time.
    """
    last = time.monotonic() + _LINGER
    last = last if end is None else min(last, end)
    for tail in tails:
        tail.join(max(last - time.monotonic(), 0))
    if any(tail.is_alive() for tail in tails):
        kill_group(process)
    for tail in tails:
        tail.join(_LINGER)


def _texts(tails: Sequence[_Tail]) -> tuple[str, str]:
    out, err = tails
    return out.text(), err.text()


def _feed(stream: IO[bytes], text: str) -> None:
    """Write standard input from a thread of its own: the program may not read it before it has written."""

    def write() -> None:
        try:
            with stream:
                stream.write(text.encode())
        except BrokenPipeError:
            return  # the program ended, or does not want more

    threading.Thread(target=write, daemon=True).start()


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a program and all that it started, and reap it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()
