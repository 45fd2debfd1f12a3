"""One measured process: its instructions, or its CPU time with that of its children and its peak memory."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

_OUTCOME = re.compile(r"(\d+) passed")
PATIENCE = 900.0
"""Seconds after which a run is ended and counts as failed."""


@dataclass(frozen=True)
class Run:
    """What a process cost: ``cpu`` in seconds, ``memory`` at its peak in bytes; ``text`` is what it printed."""

    cpu: float
    memory: float
    text: str


def instructions(command: list[str], folder: Path, environ: dict[str, str], *, expected: int) -> int:
    """How many instructions a command takes in user mode, by valgrind."""
    counted = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", *command]
    found = re.search(r"I\s+refs:\s+([\d,]+)", run(counted, folder, environ, expected=expected).text)
    if found is None:
        raise RuntimeError("valgrind printed no count of instructions")
    return int(found[1].replace(",", ""))


def run(command: list[str], folder: Path, environ: dict[str, str], *, expected: int) -> Run:
    """Run a command and wait for it.

    ``cpu`` is user and system time of the process and of its children that it waited for.

    Raises:
        RuntimeError: it did not end with exit code 0, in time, or not with as many passed tests as expected.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        timer = threading.Timer(PATIENCE, os.kill, (process.pid, signal.SIGKILL))
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    found = _OUTCOME.search(text)
    passed = int(found[1]) if found else 0
    if process.returncode or passed != expected:
        said = f"exit {process.returncode}, {passed} passed, expected {expected}"
        raise RuntimeError(f"{' '.join(command)} in {folder}: {said}\n{text[-3000:]}")
    return Run(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, text)  # kilobytes on Linux
