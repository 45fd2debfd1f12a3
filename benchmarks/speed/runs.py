"""One measured process: its CPU time with that of its children, its time by the clock, its peak memory."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_OUTCOME = re.compile(r"(\d+) passed")
PATIENCE = 900.0
"""Seconds after which a run is ended and counts as failed."""


@dataclass(frozen=True)
class Run:
    """What a process cost: ``cpu`` and ``wall`` in seconds, ``memory`` in MB, how many tests passed."""

    cpu: float
    wall: float
    memory: float
    passed: int

    def as_json(self) -> dict[str, Any]:
        """For the file of results."""
        return {"cpu": self.cpu, "wall": self.wall, "memory": self.memory, "passed": self.passed}


def run(command: list[str], folder: Path, environ: dict[str, str], *, expected: int | None = None) -> Run:
    """Run a command and wait for it.

    ``cpu`` is user and system time of the process and of its children that it waited for.

    Raises:
        RuntimeError: it did not end with exit code 0, in time, or not with as many passed tests as expected.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        timer = threading.Timer(PATIENCE, os.kill, (process.pid, signal.SIGKILL))
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    found = _OUTCOME.search(text)
    passed = int(found[1]) if found else 0
    if process.returncode or (expected is not None and passed != expected):
        said = f"exit {process.returncode}, {passed} passed, expected {expected}"
        raise RuntimeError(f"{' '.join(command)} in {folder}: {said}\n{text[-3000:]}")
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024  # bytes there, kilobytes on Linux
    return Run(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / unit, passed)
