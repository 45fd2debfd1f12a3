"""The collectors that a measured run meets: a live one that counts, one that refuses, one that never answers."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from .environments import Environment, clean_environ

Collector = Literal["none", "live", "refuses", "silent"]


class Collectors:
    """All three, for the time of a session of benchmarks."""

    def __init__(self, environment: Environment) -> None:
        self._process = subprocess.Popen(
            [environment.python, Path(__file__).with_name("receiver.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environ(),
        )
        self._ports = self._answer()
        self._silent = socket.create_server(("127.0.0.1", 0), backlog=128)  # the kernel accepts; nobody reads
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self._closed = found.getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._silent.close()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(10)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def environ(self, collector: Collector, mode: str) -> dict[str, str]:
        """The variables that point a process at a collector."""
        if collector == "none":
            return {}
        live = self._ports["grpc" if mode == "grpc" else "http"]
        port = {"live": live, "refuses": self._closed, "silent": self._silent.getsockname()[1]}[collector]
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "OTEL_SERVICE_NAME": "bench"}

    def reset(self) -> None:
        """Forget what arrived."""
        self._tell("reset")

    def count(self, pattern: str) -> dict[str, Any]:
        """What arrived since then, see `receiver.Counter.count`."""
        return self._tell(f"count {pattern}")

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
