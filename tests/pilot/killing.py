"""A server for the kill test: forks pilot runs out of a process that has imported everything, so that each is short.

Each request is a line of JSON: ``{"arguments": […], "log": path, "moment": n or null}``. With a moment the run kills
itself there: transitions are counted before and after each rename of a file and each line that is appended. The answer
is a line with the run's process id; a second line says how it ended, and how many moments it passed.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pytest_contextcore
from pytest_contextcore.export import spool
from pytest_contextcore.spans import writer as plan_spans


class Moments:
    """Counts moments, and ends the process at one of them."""

    def __init__(self, last: int | None) -> None:
        self.passed, self._last = 0, last

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with a moment before and one after it."""

        def counted(*arguments: Any, **named: Any) -> Any:
            self._pass()
            try:
                return function(*arguments, **named)
            finally:
                self._pass()

        return counted

    def _pass(self) -> None:
        if self.passed == self._last:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed += 1


def run(request: dict[str, Any], counted: int) -> int:
    """One pilot run, in the forked process."""
    output = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    moments = Moments(request["moment"])
    os.replace = moments.around(os.replace)
    plan_spans.PlanSpans._append = moments.around(plan_spans.PlanSpans._append)  # type: ignore[method-assign]
    spool.Spool.append = moments.around(spool.Spool.append)  # type: ignore[method-assign]
    code = int(pytest.main(request["arguments"]))
    os.write(counted, str(moments.passed).encode())
    return code


def serve() -> None:
    """Answer requests until there are no more."""
    for module in pkgutil.walk_packages(pytest_contextcore.__path__, "pytest_contextcore."):
        if module.name.rpartition(".")[2] not in ("__main__", "grpc"):
            importlib.import_module(module.name)
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            code = 3
            try:
                code = run(json.loads(line), writing)
            except Exception:  # noqa: BLE001  (told, and the answer is code 3)
                traceback.print_exc()
            finally:
                os._exit(code)
        os.close(writing)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        passed = os.read(reading, 20).decode()
        os.close(reading)
        print(json.dumps({"code": os.waitstatus_to_exitcode(status), "moments": int(passed or 0)}), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    serve()
