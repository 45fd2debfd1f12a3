"""``phase.run``: a program in a child span of its own, with the trace's context in its environment."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .context import SpanContexts
from .ids import new_span_id
from .model import Attributes
from .recorder import TraceRecorder
from .span_data import OK, SpanData, error_status

MAX_OUTPUT = 64 * 1024
_BLOCK = 8192


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
        self._stream, self._blocks, self._size = stream, deque[bytes](), 0
        self.start()

    def run(self) -> None:
        with self._stream:
            while block := os.read(self._stream.fileno(), _BLOCK):
                self._blocks.append(block)
                self._size += len(block)
                while self._size - len(self._blocks[0]) >= MAX_OUTPUT:
                    self._size -= len(self._blocks.popleft())

    def text(self) -> str:
        """What was kept, as text."""
        return b"".join(self._blocks)[-MAX_OUTPUT:].decode("utf-8", "replace")


def run_command(
    command: Command, recorder: TraceRecorder, phase_id: str, spans: SpanContexts
) -> subprocess.CompletedProcess[str]:
    """Run it; see :meth:`pytest_contextcore.handle.Phase.run`."""
    parent, span_id = spans.current, new_span_id()
    entered = spans.enter(span_id)
    started = recorder.now()
    attributes: Attributes = {"process.executable.name": Path(command.args[0]).name}
    status = error_status("did not finish")
    try:
        env = {**command.env, "TRACEPARENT": spans.traceparent()}
        if state := spans.tracestate():
            env["TRACESTATE"] = state
        done = _run(command, env)
        attributes["process.exit.code"] = done.returncode
        status = OK if done.returncode == 0 else error_status(f"exit code {done.returncode}")
        return done
    except subprocess.TimeoutExpired as error:
        status = error_status(f"killed after {error.timeout} s")
        raise
    except OSError as error:
        status = error_status(error.strerror or type(error).__name__)
        raise
    finally:
        spans.leave(entered)
        recorder.add_child(
            phase_id,
            SpanData(
                name=f"run {attributes['process.executable.name']}",
                trace_id=recorder.evidence.otel_trace_id,
                span_id=span_id,
                parent_id=parent,
                start=started,
                end=recorder.now(),
                attributes=attributes,
                status=status,
            ),
        )


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
    out, err = _Tail(process.stdout), _Tail(process.stderr)
    end = None if command.timeout is None else time.monotonic() + command.timeout
    try:
        if process.stdin is not None:
            _feed(process.stdin, command.stdin or "")
        process.wait(command.timeout)
        for tail in (out, err):  # something that the program left behind may hold its output open
            tail.join(None if end is None else max(end - time.monotonic(), 0))
            if tail.is_alive():
                raise subprocess.TimeoutExpired(command.args, command.timeout or 0)
    except BaseException:
        kill_group(process)
        raise
    return subprocess.CompletedProcess(command.args, process.returncode, out.text(), err.text())


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
