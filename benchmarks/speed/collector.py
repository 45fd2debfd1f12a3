"""The collector that a measured run sends to: a process of its own that counts (`receiver.py`)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .environments import Environment, clean_environ

TEST = r"\[(f\d+n\d+)\]$"
"""Finds the key of a test in the name of its span."""


class Collector:
    """A live collector for both protocols, for the time of a session of benchmarks."""

    def __init__(self, environment: Environment) -> None:
        command = [environment.python, Path(__file__).with_name("receiver.py")]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=clean_environ())
        self._ports = self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=10)

    def environ(self, protocol: str) -> dict[str, str]:
        """The variables that point a process at it."""
        address = f"http://127.0.0.1:{self._ports[protocol]}"
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_SERVICE_NAME": "bench"}

    def reset(self) -> None:
        """Forget what arrived."""
        self._tell("reset")

    def count(self) -> dict[str, Any]:
        """What arrived since then, see `receiver.Counter.count`."""
        return self._tell(f"count {TEST}")

    def _tell(self, command: str) -> dict[str, Any]:
        if self._process.stdin is None:
            raise RuntimeError("the receiver has no stdin")
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise RuntimeError("the receiver died")
        answer: dict[str, Any] = json.loads(line)
        return answer
